"""A report as a page: the API's object in, text or Markdown out.  Pure."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Final

from splitter.admin.client import Json
from splitter.admin.view import clock, share, words

Row = tuple[str, ...]


class Format(StrEnum):
    """How a report is written."""

    TEXT = "text"
    MARKDOWN = "markdown"
    JSON = "json"


_FIGURES: Final = (
    ("requests", "requests"),
    ("failures", "failures"),
    ("client errors", "client_errors"),
    ("p50", "p50_us"),
    ("p95", "p95_us"),
    ("p99", "p99_us"),
)


def page(report: Json, form: Format) -> str:
    """Return `report` as a page of text or Markdown."""
    is_markdown = form is Format.MARKDOWN
    parts = [_title(f"Rollout {report['rollout']}: {words(report['state'])}", 1, is_markdown)]
    parts.append("\n".join(_listed(_asked(report), is_markdown)))
    if report["figures"]:
        parts.append(_title("Figures while both were judged", 2, is_markdown))
        parts.append("\n".join(_table(list(_figures(report)), is_markdown)))
    parts.append(_title("Why", 2, is_markdown))
    parts.append("\n".join(_listed(report["explanation"]["sentences"][1:], is_markdown)))
    parts.append(_title("What happened", 2, is_markdown))
    parts.append("\n".join(_table([_moment(each) for each in report["timeline"]], is_markdown, has_head=False)))
    return "\n\n".join(parts) + "\n"


def _asked(report: Json) -> Iterator[str]:
    yield f"{report['by']} asked at {_time(report['requested_at'])} for {report['shadow']} beside {report['live']}"
    yield f"files: {', '.join(report['files'])}"
    yield f"changes: {report['changes']}"
    yield f"steps: {', '.join(share(step) for step in report['steps_bp'])}"
    cost = report["rollback_cost"]
    yield f"rollback cost: {cost['points']} ({cost['level']})"
    ended = f"ended at {_time(report['ended_at'])} after" if report["ended_at"] else "it has run for"
    yield f"{ended} {clock(report['took_s'])}"


def _figures(report: Json) -> Iterator[Row]:
    sides = [report["figures"][side] for side in ("live", "shadow")]
    yield ("", *(f"{side} {figures['stack']}" for side, figures in zip(("live", "shadow"), sides, strict=True)))
    for label, name in _FIGURES:
        yield (label, *(_cell(name, figures) for figures in sides))


def _cell(name: str, figures: Json) -> str:
    value = figures[name]
    if value is None:
        return "–"
    if name.endswith("_us"):
        return f"{value / 1000:.1f} ms"
    if name == "requests" or not figures["requests"]:
        return str(value)
    return f"{value} ({100 * value / figures['requests']:.2g} %)"


def _moment(happening: Json) -> Row:
    return _time(happening["at"]), happening["by"], happening["sentence"]


def _time(text: str) -> str:
    return text[:19].replace("T", " ")


def _title(text: str, level: int, is_markdown: bool) -> str:
    return f"{'#' * level} {text}" if is_markdown else f"{text}\n{('=', '-')[level - 1] * len(text)}"


def _listed(lines: "Iterator[str] | list[str]", is_markdown: bool) -> Iterator[str]:
    """Yield lines as they are, or as a list in which those that are set in belong to the one before."""
    for line in lines:
        bare = line.lstrip()
        yield f"{line[: len(line) - len(bare)]}- {bare}" if is_markdown else line


def _table(rows: list[Row], is_markdown: bool, *, has_head: bool = True) -> Iterator[str]:
    if not is_markdown:
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        yield from ("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
        return
    if not has_head:
        rows = [("",) * len(rows[0]), *rows]
    head, *rest = ("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows)
    yield from (head, "|" + "---|" * len(rows[0]), *rest)
