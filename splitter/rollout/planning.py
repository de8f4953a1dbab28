"""From the files of a deploy to what is asked of the controller: what changes, and what going back costs.

A plan in the journal's form: plain values, the reasons by their ids and sentences.  Nothing is made here.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

from splitter.change.changeset import Action, Change
from splitter.change.plan import Plan
from splitter.change.rollback_cost import Level
from splitter.contracts import Finding, RunningProject
from splitter.facts import Facts
from splitter.rollout.options import SAFE_METHODS, MirrorOptions
from splitter.template import Template


class TemplateReader(Protocol):
    """Reads files with an environment, and with files of variables in place of those that the app names, if any.

    Raises TemplateError with every mistake.
    """

    def __call__(
        self, files: Sequence[str], environment: Mapping[str, str], *, env_files: Sequence[str] = ()
    ) -> Template: ...


Planner = Callable[[Template | None, Template, Facts], Plan]
"""Compares the live template (None: there is none yet) with the next one, by what an engine knows of both."""

NOTES_MAX: Final = 50  # an event has a bound, a template with a thousand services has none
NAMED_MAX: Final = 5  # changes that a sentence names; the plan has all


@dataclass(frozen=True, slots=True)
class Deployment:
    """A deploy that was read, compared and checked; `live_digest` is what it was compared with."""

    template: Template
    live_digest: str
    files: tuple[str, ...]
    plan: Plan
    by: str
    why: str

    @property
    def needs_override(self) -> bool:
        return self.plan.cost.level is Level.OVERRIDE


def is_empty(plan: Plan) -> bool:
    """Return whether `plan` changes nothing."""
    return not _changes(plan)


def summary(plan: Plan) -> str:
    """Return what changes, in a few words."""
    changed = [f"{change.action.value} {change.resource}" for change in _changes(plan)]
    if not changed:
        return "nothing changes"
    more = f" and {len(changed) - NAMED_MAX} more" if len(changed) > NAMED_MAX else ""
    return ", ".join(changed[:NAMED_MAX]) + more


def looked_at(plan: Plan, found: Iterable[Finding]) -> Plan:
    """Return `plan` with what a look at the place where its stack is to be made has found."""
    found = list(found)
    return replace(
        plan,
        notes=(*plan.notes, *(each.sentence for each in found if not each.is_refusal)),
        obstacles=(*plan.obstacles, *(each.sentence for each in found if each.is_refusal)),
    )


def notes_of_adopted(project: str) -> Iterator[str]:
    """Yield what to keep in mind where live is the adopted `project` (empty: it is not)."""
    if project:
        yield (
            f"live is the Compose project {project}: after the promotion, `docker compose up` in its folder would "
            "start its containers beside the new stack; deploy with splitter from now on"
        )


def notes_of_containers(found: RunningProject) -> list[str]:
    """Return why a template was read off the containers of a project, and what that lacks."""
    lacks = (
        "so its template was read off its containers: what only a file says (builds, secrets, hooks) is not in it, and "
        "shows as a change in the first deploy"
    )
    if not found.files:
        return [f"no file of the project is here, {lacks}"]
    lost = ", ".join(found.lost_env_files)
    return [f"the variables that the project was made with are not here ({lost}; `env_file` can name others), {lacks}"]


def trouble_with_mirror(plan: Plan, mirror: MirrorOptions | None) -> str:
    """Return why copies would do harm: what they change is shared; empty where they do none."""
    if mirror is None or not mirror.unsafe_methods or not plan.shared:
        return ""
    return (
        f"rollout.mirror copies {', '.join(mirror.unsafe_methods)}, and the shadow shares with live: "
        f"{', '.join(plan.shared)}; what a request changes would be changed twice. Copy {', '.join(SAFE_METHODS)} only"
    )


def notes_of(plan: Plan) -> list[str]:
    """Return the notes of `plan` as the journal keeps them: as many as somebody may read."""
    return bounded(plan.notes)


def bounded(notes: Sequence[str]) -> list[str]:
    """Return as many notes as somebody may read, and how many more there are."""
    more = len(notes) - NOTES_MAX
    return [*notes[:NOTES_MAX], *([f"and {more} more, which `splitter plan` shows"] if more > 0 else [])]


def cost_of(plan: Plan) -> dict[str, Any]:
    """Return the rollback cost as plain values."""
    cost = plan.cost
    return {
        "level": cost.level.value,
        "points": max(cost.during, cost.after),
        "during": cost.during,
        "after": cost.after,
        "gates": list(cost.gates),
        "reasons": [
            {"id": reason.id, "resource": reason.resource, "sentence": reason.sentence, "remedy": reason.remedy}
            for reason in cost.reasons
        ],
    }


def _changes(plan: Plan) -> list[Change]:
    return [change for change in plan.change_set.changes if change.action is not Action.KEEP or change.fields]
