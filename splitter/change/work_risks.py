"""What is done once and cannot be taken back: jobs and migrations (JB, MG), and work that is done twice (SG)."""

import re
from collections.abc import Iterator

from splitter.change import labels
from splitter.change.changeset import Action, Cause, Change
from splitter.change.engines import data_mounts, is_stateful
from splitter.change.reasons import Case, Reason, shown
from splitter.change.roles import one_shot_jobs, singletons
from splitter.change.scope import Scope
from splitter.template import Service

_UPGRADE_VARIABLE = re.compile(r"AUTO_?MIGRATE|AUTO_?UPGRADE|RUN_MIGRATIONS", re.IGNORECASE)
_UPGRADE_COMMAND = re.compile(r"migrate\s*(&&|;)|migrate\b[^&;|]*&&", re.IGNORECASE)
_OFF = frozenset({"", "0", "false", "no", "off", "n", "f"})


def job_reasons(case: Case) -> Iterator[Reason]:
    """Yield the jobs that run once and are new or changed."""
    jobs = {finding.service: finding.rule for finding in one_shot_jobs(case.shadow)}
    for change, service in case.own():
        if change.name not in jobs or change.action not in {Action.CREATE, Action.REPLACE, Action.UNKNOWN}:
            continue
        why = f"{change.name} runs once ({jobs[change.name]})"
        if (said := service.labels.get(labels.MIGRATION)) is not None:
            yield from _migration_reasons(change, said, why)
        elif outside := writes_outside(service, case):
            sentence = f"{why} and can write to {outside}, which live uses"
            remedy = "say what it does with splitter.migration: expand, contract, data or none"
            yield Reason("JB2", change.resource, 0, 0, sentence, remedy, is_gate=True)
        else:
            sentence = f"{why} and writes to the shadow alone"
            yield Reason("JB1", change.resource, 5, 20, sentence, "run it in a rollout of its own")


def _migration_reasons(change: Change, said: str, why: str) -> Iterator[Reason]:
    if said == "expand":
        sentence = f"{why} and only adds to the schema, as its label says"
        yield Reason("MG1", change.resource, 5, 5, sentence, "run it in a rollout of its own")
    elif said != "none":
        sentence = f"{why} and changes what live relies on ({labels.MIGRATION}: {said})"
        remedy = "first a rollout that only expands the schema, then this one"
        yield Reason("MG1", change.resource, 0, 0, sentence, remedy, is_gate=True)


def writes_outside(service: Service, case: Case) -> str:
    """Return what a job can write to beside the shadow's own services and volumes; empty if nothing."""
    if shared := case.shared_mounts(service.mounts):
        return shown(shared[0])
    networks = {attachment.network for attachment in service.networks}
    for name, other in sorted(case.shadow.services.items()):
        is_near = networks & {attachment.network for attachment in other.networks}
        if name == service.name or not is_near:
            continue
        if case.scopes[name] is Scope.SHARED:
            return f"the shared service {name}"
        if is_stateful(other) and (shared := case.shared_mounts(data_mounts(other))):
            return f"the data of {name} ({shown(shared[0])})"
    external = sorted(key for key in networks if key in case.shadow.networks and case.shadow.networks[key].external)
    return f"what is on the external network {external[0]}" if external else ""


def upgrade_reasons(case: Case) -> Iterator[Reason]:
    """Yield the services that upgrade what they share with live when they start with another image."""
    for change, before, after in case.renewed():
        is_new_image = (before.image, before.build) != (after.image, after.build) or change.cause is Cause.IMAGE
        if not is_new_image or not (rule := _upgrade_rule(after)) or not (outside := writes_outside(after, case)):
            continue
        sentence = f"{change.name} starts with another image and upgrades {outside} when it does ({rule})"
        remedy = f"turn that off, and migrate in a job that says {labels.MIGRATION}"
        yield Reason("MG2", change.resource, 25, 25, sentence, remedy)


def _upgrade_rule(service: Service) -> str:
    for name, value in service.environment.items():
        if _UPGRADE_VARIABLE.search(name) and value.lower() not in _OFF:
            return f"its variable {name} says so"
    words = " ".join((*(service.entrypoint or ()), *(service.command or ())))
    return "its command migrates first" if _UPGRADE_COMMAND.search(words) else ""


def singleton_reasons(case: Case) -> Iterator[Reason]:
    """Yield the services that would do their work twice."""
    found = {finding.service: finding.rule for finding in singletons(case.shadow, case.routed)}
    for change, _ in case.own():
        if change.name in found and change.name in case.live.services:
            sentence = f"{change.name} would run in live and in the shadow at the same time ({found[change.name]})"
            remedy = f"make it safe to run twice, then label it {labels.COST}: none"
            yield Reason("SG1", change.resource, 20, 0, sentence, remedy)
