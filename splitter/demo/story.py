"""The demo's story: a bad release is rolled back, a good one promoted, and nobody in the traffic notices.

It is told as it happens, and at the end its figures are held against what was promised: no request failed, the first
release was rolled back and the second promoted.  Exit code 0 only if all of that came out so.
"""

import asyncio
import json
import sys
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Final

from rich.console import Console
from rich.table import Table

from provisioners.docker import Engine
from splitter.admin.client import Json
from splitter.admin.view import LiveView
from splitter.demo import image
from splitter.demo.load import Load, Tally
from splitter.demo.stage import Stage, last_words, stage
from splitter.errors import OperatorError

APP: Final = "shop"
IMAGE: Final = "splitter-demo:1"
RATE: Final = 400.0  # requests per second
ACT_TIMEOUT_S: Final = 300.0  # an act takes 5 to 20 s; a machine that is very busy takes long to prove a p99
ENDS: Final = ("PROMOTED", "ROLLED_BACK", "HALTED")


@dataclass(frozen=True, slots=True)
class Act:
    """One release and how it ended.

    `verdict` is the sentence of the decision, `verdict_s` the time from the first request that could meet the shadow
    to it (None where nothing was decided).
    """

    release: str
    expected: str
    ended: str
    verdict: str
    verdict_s: float | None


@dataclass(frozen=True, slots=True)
class Summary:
    """What the whole story came to."""

    acts: tuple[Act, ...]
    sent: int
    answered: int
    failures: dict[str, int]
    by_version: dict[str, int]
    flips: int

    @property
    def is_good(self) -> bool:
        is_complete = self.answered == self.sent and not self.failures
        return is_complete and self.sent > 0 and all(act.ended == act.expected for act in self.acts)


def main(*, docker: bool = False, as_json: bool = False) -> int:
    """Play the story and return its exit code: 0 if everything came out as promised, else 1."""
    console = Console(file=sys.stderr if as_json else sys.stdout, highlight=False)
    summary = asyncio.run(_play(docker, console))
    if as_json:
        sys.stdout.write(json.dumps({**asdict(summary), "good": summary.is_good}) + "\n")
    else:
        _print(console, summary)
    return 0 if summary.is_good else 1


async def _play(docker: bool, console: Console) -> Summary:
    where = "containers" if docker else "child processes"
    console.print(f"[bold]splitter demo[/]: stacks of real {where}, real sockets, {RATE:.0f} requests a second")
    if docker:
        await _pack_image()
    async with stage(docker) as set_up:
        load = Load(set_up.url, RATE)
        traffic = asyncio.create_task(load.run(), name="load")
        try:
            acts = (
                await _act(set_up, load, console, "bad", "ROLLED_BACK"),
                await _act(set_up, load, console, "good", "PROMOTED"),
            )
        finally:
            load.stop()
            await traffic
        events = (await set_up.client.get(f"/apps/{APP}/events"))["events"]
        return _summary(acts, load.tally, events)


async def _pack_image() -> None:
    """Make the image that the demo's templates name, of this very Python: nothing is pulled."""
    engine = Engine()
    try:
        await image.pack_python(IMAGE, engine)
    finally:
        await engine.close()


async def _act(set_up: Stage, load: Load, console: Console, release: str, expected: str) -> Act:
    """Deploy `release` and show what becomes of it."""
    console.rule(f"splitter deploy {release}.yaml")
    body = {"files": [set_up.template(release)], "by": "demo"}
    rollout = str((await set_up.client.post(f"/apps/{APP}/deploy", body))["rollout"])
    events: list[Json] = []
    try:
        async with asyncio.timeout(ACT_TIMEOUT_S):
            with LiveView(console) as screen:
                async for update in set_up.client.stream(APP):
                    if update.content["rollout"] != rollout:
                        continue
                    if update.kind == "event":
                        events.append(update.content)
                    screen.note = _traffic(load.tally)
                    screen.show(update)
                    if update.kind == "status" and update.content["state"] in ENDS:
                        return _ended(release, expected, update.content["state"], events)
    except TimeoutError:
        pass
    raise OperatorError(f"{release} came to no end within {ACT_TIMEOUT_S:.0f} s: {last_words(set_up.log)}")


def _traffic(tally: Tally) -> str:
    shares = "  ".join(f"{version}: {count}" for version, count in sorted(tally.by_version.items()))
    return f"traffic: {tally.sent} sent, {tally.answered} answered, {tally.failed} failed   by version  {shares}"


def _ended(release: str, expected: str, ended: str, events: list[Json]) -> Act:
    exposed = next((event for event in events if event["kind"] == "warm"), None)
    decided = next((event for event in events if event["kind"] in ("worse", "proven", "undecided")), None)
    if decided is None or exposed is None:
        return Act(release, expected, ended, (decided or events[-1])["sentence"], None)
    taken = datetime.fromisoformat(decided["at"]) - datetime.fromisoformat(exposed["at"])
    return Act(release, expected, ended, decided["sentence"], taken.total_seconds())


def _summary(acts: tuple[Act, ...], tally: Tally, events: list[Json]) -> Summary:
    flips = sum(event["kind"] == "published" for event in events)
    return Summary(acts, tally.sent, tally.answered, dict(tally.failures), dict(tally.by_version), flips)


def _print(console: Console, summary: Summary) -> None:
    console.rule("what came of it")
    table = Table.grid(padding=(0, 2))
    table.add_row("requests sent", f"{summary.sent}")
    failed = ", ".join(f"{count} × {kind}" for kind, count in sorted(summary.failures.items()))
    table.add_row("requests failed", f"{summary.sent - summary.answered}" + (f" ({failed})" if failed else ""))
    table.add_row("flips of the route table", f"{summary.flips}")
    for version, count in sorted(summary.by_version.items()):
        table.add_row(f"answered by {version}", f"{count}")
    for act in summary.acts:
        time = "" if act.verdict_s is None else f", {act.verdict_s:.1f} s after the first request could meet it"
        table.add_row(f"{act.release} release", f"{act.ended.lower().replace('_', ' ')}{time}")
        table.add_row("", act.verdict)
    console.print(table)
    if summary.is_good:
        console.print("[bold green]as promised[/]")
    else:
        wanted = ", ".join(f"{act.release} {act.expected}" for act in summary.acts)
        console.print(f"[bold red]not as promised[/]: wanted 0 failed requests and {wanted}")
