"""The commands by which a person decides: each posts who, why and what, and prints the state that follows."""

from typing import Annotated

import typer

from splitter.change.quantities import duration_s
from splitter.cli.options import Asked, By, Why, asks, signature
from splitter.errors import OperatorError
from splitter.limits import PARKING_S

NeededWhy = Annotated[str, typer.Option("--why", help="Why, for the journal.")]


@asks
def pause(asked: Asked, by: By = None, why: Why = "") -> None:
    """Stay at the present step; a worse shadow is still rolled back."""
    _order(asked, "pause", by, why)


@asks
def resume(asked: Asked, by: By = None, why: Why = "") -> None:
    """Go on after a pause or a hold."""
    _order(asked, "resume", by, why)


@asks
def promote(asked: Asked, why: NeededWhy, by: By = None) -> None:
    """Give the shadow all traffic now, on your word; once it has it, give up the way back."""
    _order(asked, "promote", by, why)


@asks
def rollback(asked: Asked, by: By = None, why: Why = "") -> None:
    """Give live all traffic and remove the shadow."""
    _order(asked, "rollback", by, why)


@asks
def undo(asked: Asked, by: By = None, why: Why = "") -> None:
    """After a promotion: go back to the standby."""
    _order(asked, "undo", by, why)


@asks
def override(
    asked: Asked,
    why: NeededWhy,
    change_set: Annotated[
        str, typer.Option("--change-set", help="Refuse unless this one waits: the hash that plan prints.")
    ] = "",
    by: By = None,
) -> None:
    """Consent to the rollback cost of the change set that waits; another one needs another consent."""
    _order(asked, "override", by, why, change_set=change_set)


@asks
def park(
    asked: Asked,
    time: Annotated[str, typer.Option("--for", help="How long they wait at most, as in 10s.")] = f"{PARKING_S:g}s",
    by: By = None,
    why: Why = "",
) -> None:
    """Let an app's new requests wait, so that no stack gets any: while a database is switched over, for example."""
    answer = asked.post("park", {**signature(by, why), "for_s": _seconds(time)})
    asked.show(answer, f"{answer['app']}: new requests wait, for {answer['for_s']:g} s at most")


@asks
def unpark(asked: Asked, by: By = None, why: Why = "") -> None:
    """Let the requests that wait go on."""
    answer = asked.post("unpark", signature(by, why))
    asked.show(answer, f"{answer['app']}: {answer['waited']} requests go on")


@asks
def adopt(
    asked: Asked,
    project: Annotated[str, typer.Argument(help="The Compose project, as `docker compose ls` names it.")],
    by: By = None,
) -> None:
    """Take over a running Compose project as the live stack of an app that waits for it; restarts nothing."""
    answer = asked.post("adopt", {**signature(by, ""), "project": project})
    asked.show(answer, *answer["sentences"], f"{answer['app']}: {project} is taken over as {answer['live']}")


def _order(asked: Asked, command: str, by: str | None, why: str, **more: str) -> None:
    """Give the app a command of the rollout's table, and say which state it is in now."""
    answer = asked.post(command, {**signature(by, why), **more})
    asked.show(answer, f"{answer['app']}: {answer['state'].lower().replace('_', ' ')}")


def _seconds(written: str) -> float:
    try:
        return duration_s(written)
    except ValueError as error:
        raise OperatorError(f"--for {written}: {error}") from None
