"""What people see of a status in a terminal: the header, the tree of stacks, the evidence, the price of going back.

Pure but for the screen at the end: a status object of the API in, lines out.  Three columns carry everything: what,
how much, and what it means.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Final, Self

from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.live import Live
from rich.table import Table
from rich.text import Text

from splitter.admin.client import Json, Update
from splitter.judge.wording import percent

REDRAWS_PER_S: Final = 8
GAP: Final = 2  # between columns
PIPE_COLUMNS: Final = 200

_SIGN: Final = {
    "PROMOTED": ("●", "green"),
    "ROLLED_BACK": ("●", "green"),
    "HALTED": ("■", "bold red"),
    "HELD": ("‖", "yellow"),
    "AWAITING_OVERRIDE": ("‖", "yellow"),
    "ROLLING_BACK": ("▼", "red"),
    "": ("●", "green"),
}
_VERDICT: Final = {"non_inferior": ("proven", "green"), "worse": ("worse", "bold red"), "undecided": ("", "dim")}


def status_view(status: Json) -> Group:
    """Return everything that there is to see of one app's status."""
    parts: list[Text | Table | _Rows] = [_header(status), _stacks(status)]
    if status["parked"]:
        parts.append(Text(_parked(status["parked"]), style="yellow"))
    if status["mirror"] and status["shadow"]:
        parts.append(Text(_mirror(status["mirror"])))
    if status["evidence"] and status["shadow"]:
        parts.append(_evidence(status["evidence"]))
    parts += [Text(f"  {line}", style="yellow") for line in _prospects(status)]
    parts += [Text(line, style="dim") for line in _footer(status)]
    if status["trouble"]:
        parts.append(Text(status["trouble"], style="bold red"))
    return Group(*parts)


def verdict_line(status: Json, decision: str = "") -> str:
    """Return how a rollout ended (or why it waits), in one line; `decision` is the event that led there, if any."""
    return f"{status['rollout']}: {words(status['state'])}: {decision or status['last_event']}"


def begun_lines(begun: Json) -> list[str]:
    """Return that a rollout has begun, and what it may be expected to show when."""
    outlook = begun["analysis"]
    warnings = [f"warning: {warning}" for warning in outlook["warnings"]]
    return [f"rollout {begun['rollout']} has begun", *outlook["sentences"], *warnings]


def words(state: str) -> str:
    """Return a state as people say it: `ROLLING_BACK` is `rolling back`."""
    return state.lower().replace("_", " ") or "serving"


def share(basis_points: int) -> str:
    return f"{basis_points / 100:g} %"


def clock(seconds: float) -> str:
    """Return a time as `04:12`, with hours where there are some."""
    minutes, left = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes:02}:{left:02}"


def about(seconds: float) -> str:
    """Return a guess of time: `~8s`, `~1m40s`, `~2h10m`."""
    whole = max(round(seconds), 1)
    if whole < 60:
        return f"~{whole}s"
    minutes, left = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"~{hours}h{minutes:02}m" if hours else f"~{minutes}m{left:02}s"


def _header(status: Json) -> Text:
    sign, style = _SIGN.get(status["state"], ("▲", "cyan"))
    line = Text(f"{status['app']}  ", style="bold")
    line.append(f"{sign} {words(status['state'])}", style=style)
    if status["step"]:
        line.append(f" {share(status['share_bp'])}   step {status['step']}/{status['steps']}")
    if status["state"]:
        line.append(f"   {clock(status['in_state_s'])}")
    if status["held_for"]:
        line.append(f"   {status['held_for']}", style="yellow")
    if status["verdict_in_s"] is not None and status["shadow"]:
        line.append(f"   verdict in {about(status['verdict_in_s'])}", style="cyan")
    return line


def _stacks(status: Json) -> "_Rows":
    stacks = [(role, status[role]) for role in ("live", "shadow") if status[role] is not None]
    return _Rows([list(_stack_cells(role, stack)) for role, stack in stacks])


def _stack_cells(role: str, stack: Json) -> Iterator[Text]:
    yield Text(role, style="bold" if stack["is_up"] else "bold red")
    ill = " (unhealthy)" if stack["unhealthy"] else ""
    yield Text(stack["id"].rpartition("-")[2] + (ill if stack["is_up"] else " (down)"))
    yield Text(f"{stack['services']} service" + ("" if stack["services"] == 1 else "s"))
    yield Text(f"{stack['requests']:,} req".replace(",", "\u202f"))
    yield Text("errors –" if stack["error_rate"] is None else f"errors {stack['error_rate'] * 100:.2f} %")
    yield Text("p99 –" if stack["p99_us"] is None else f"p99 {_milliseconds(stack['p99_us'])}")
    yield Text(_memory(stack["uses"]))


def _memory(uses: Json | None) -> str:
    """Return how full a stack's memory is, and whether it was started again; nothing where that is not known."""
    if uses is None or uses["memory"] is None or not uses["memory_limit"]:
        return ""
    memory = f"memory {percent(uses['memory'] / uses['memory_limit'])}"
    return f"{memory}, restarts {uses['restarts']}" if uses["restarts"] else memory


def _milliseconds(micros: int) -> str:
    return f"{micros / 1000:.0f} ms" if micros >= 10_000 else f"{micros / 1000:.1f} ms"


def _parked(parked: Json) -> str:
    """Return whose requests wait, for whom and how long, in a line."""
    count = parked["requests"]
    waiting = f"{count:,} request{'s wait' if count != 1 else ' waits'}".replace(",", "\u202f")
    why = f": {parked['why']}" if parked["why"] else ""
    return f"parked  {waiting}, {about(parked['left_s'])} more at most ({parked['by']}{why})"


def _mirror(mirror: Json) -> str:
    """Return what copies have shown, in a line."""
    alone = f"shadow alone failed {mirror['shadow_only']}, live alone {mirror['live_only']}"
    dropped = sum(mirror["dropped"].values())
    pairs = f"{mirror['pairs']:,}".replace(",", "\u202f")
    times = [mirror["shadow_p50_us"], mirror["live_p50_us"]]
    parts = [f"mirror  {pairs} pairs", alone]
    if None not in times:
        parts.append("p50 {} against {}".format(*map(_milliseconds, times)))
    if dropped:
        parts.append(f"{dropped} copies dropped")
    return "  ".join(parts)


def _evidence(verdicts: list[Json]) -> Table:
    table = _grid(3)
    for verdict in verdicts:
        word, style = _VERDICT[verdict["verdict"]]
        name = verdict["kpi"].replace("latency_", "").replace("_", " ")
        table.add_row(Text(f"  {name}"), Text(verdict["sentence"]), Text(word, style=style))
    return table


def _prospects(status: Json) -> Iterator[str]:
    """Yield what the shadow is heading for, where that is a limit, and why its promotion waits."""
    if not status["shadow"]:
        return
    for forecast in status["forecasts"]:
        if forecast["breach_s"] is not None:
            yield f"{forecast['figure'].replace('_', ' ')} at its limit in {about(forecast['breach_s'])}"
    yield from (f"a promotion waits: {gate}" for gate in status["gates"])
    yield from (f"warning: {warning}" for warning in status["warnings"])


def _footer(status: Json) -> Iterator[str]:
    for role in ("live", "shadow"):
        if (stack := status[role]) is not None and stack["unhealthy"]:
            yield f"{role}: {stack['unhealthy']}"
    cost = status["rollback_cost"]
    if status["shadow"] and cost:
        reasons = ", ".join(str(reason["id"]) for reason in cost["reasons"])
        yield f"rollback cost: {cost['points']} ({reasons or 'stateless'})"
    if status["shadow"]:
        yield from (f"note: {note}" for note in status["notes"])
    if status["standby_until"]:
        yield f"standby: kept until {status['standby_until'][11:19]} UTC, `splitter undo` goes back to it"
    if status["last_event"]:
        yield status["last_event"]


def _grid(columns: int) -> Table:
    table = Table.grid(padding=(0, GAP))
    for _ in range(columns):
        table.add_column()
    return table


class _Rows:
    """Rows of cells: in columns where they fit, else each row as a line that wraps, so that no figure is cut off."""

    def __init__(self, rows: Sequence[Sequence[Text]]) -> None:
        self._rows = rows

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        columns = list(zip(*self._rows, strict=True))
        width = sum(max(cell.cell_len for cell in column) + GAP for column in columns)
        if width > options.max_width + GAP:
            yield from (Text("  ").join(cell for cell in row if cell) for row in self._rows)
        elif columns:
            table = _grid(len(columns))
            for row in self._rows:
                table.add_row(*row)
            yield table


# --- On a screen -----------------------------------------------------------------------------------------------------


def print_status(status: Json) -> None:
    """Print one status."""
    _console().print(status_view(status))


def _console() -> Console:
    """Return the screen.  A pipe has no width of its own; what reads it wants whole lines."""
    has_width = sys.stdout.isatty() or "COLUMNS" in os.environ
    return Console(file=sys.stdout, highlight=False, width=None if has_width else PIPE_COLUMNS)


class LiveView:
    """The live view: events above, as they happen, the status below.  Without a terminal: a line per event."""

    def __init__(self, console: Console | None = None, note: str = "") -> None:
        self.note = note  # a line of the caller's own below the status; it may change at any time
        self._console = console or _console()
        self._live = Live(console=self._console, refresh_per_second=REDRAWS_PER_S, transient=True)
        self._status: Json | None = None
        self._seen = 0

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._console.is_terminal:
            self._live.stop()

    def show(self, update: Update) -> None:
        """Draw what an update changes.  An event that was shown before is passed over."""
        if update.kind == "status":
            self._status = update.content
        elif update.content["seq"] > self._seen:
            self._seen = update.content["seq"]
            self.tell(f"{update.content['at'][11:19]}  {update.content['sentence']}")
        self._draw()

    def tell(self, line: str) -> None:
        """Print a line that stays, above what is redrawn."""
        self._console.print(Text(line), soft_wrap=True)

    def _draw(self) -> None:
        if self._console.is_terminal and self._status is not None:
            self._live.update(Group(status_view(self._status), Text(self.note, style="dim")))
