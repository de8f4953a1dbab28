"""Every option, explained: for people as Markdown, for editors as JSON Schema.  Both are read off the models."""

from collections.abc import Iterator, Sequence
from typing import Any

from splitter.config.document import Document
from splitter.config.outline import EACH, Option, OutlinePath, defaults, options, sections
from splitter.config.units import show_duration, show_fraction
from splitter.judge.config import LATENCIES, RATES, KpiOptions, Margin, Profile, profile

SMALL = 2  # sections with so few options need no heading of their own

_HEAD = """\
# Configuration

Every option of `splitter.yaml`. This page is generated from the code;
[config/splitter.yaml](../../config/splitter.yaml) shows all options in use.

- Durations are written as `90s`, `1m30s` or `250ms`, sizes as `64 KiB`, shares of traffic and percentages as `5%`.
- Relative paths begin at the folder of the file.
- `${NAME}` and `${NAME:-default}` are replaced by variables of the environment; `$$` is a dollar sign.
- Keys at the top that begin with `x-` are passed over, so that anchors may live there.
- An unknown key is a mistake. `splitter validate` shows all mistakes at once, `splitter schema` prints the JSON Schema.

In a path, `<name>` stands for a name of your choice and `[]` for each entry of a list.
"""

_PROFILES = """\
## Profiles of the analysis

What holds where `apps.<name>.analysis.kpis` says nothing: ratio and absolute part of the tolerance, and of the
promotion margin.
"""


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of the document, draft 2020-12, with defaults as a file would hold them."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **Document.model_json_schema()}
    for name, model in sections(Document).items():
        own = defaults(model)
        definition = schema if model is Document else schema["$defs"][name]
        for option, described in definition["properties"].items():
            described.pop("default", None)
            if option in own:
                described["default"] = own[option]
    return schema


def reference() -> str:
    """Return the page about every option."""
    everything = list(options(Document))
    inside = {option.path for option in everything if _is_small(option, everything)}
    headed = [
        option
        for option in everything
        if len(option.path) == 1 or (option.is_section and not inside & {option.path, _above(option.path)})
    ]
    sections = ["\n".join(_section(option, everything, inside)) for option in headed]
    return "\n".join([_HEAD, *sections, _PROFILES, *_profiles()]) + "\n"


def _is_small(section: Option, everything: Sequence[Option]) -> bool:
    """Return whether a section is shown inside the table of the one above it."""
    below = [option for option in everything if _above(option.path) == section.path]
    has_sections = any(option.is_section for option in below)
    return section.unit == "section" and len(section.path) > 1 and len(below) <= SMALL and not has_sections


def _section(section: Option, everything: Sequence[Option], inside: set[OutlinePath]) -> Iterator[str]:
    """Yield the lines about one section, or about one option at the top that is none."""
    yield f"## `{written(section.path)}`"
    yield ""
    yield f"{section.sentence} {_traits(section)}"
    rows = [
        row
        for row in everything
        if (_above(row.path) == section.path and (not row.is_section or row.path in inside))
        or (_above(row.path) in inside and _above(_above(row.path)) == section.path)
    ]
    if rows:
        yield ""
        yield "| option | kind | default | |"
        yield "|---|---|---|---|"
    for row in rows:
        name = ".".join(row.path[-1:] if _above(row.path) == section.path else row.path[-2:])
        default = "required" if row.is_required else f"`{row.default}`" if row.default else ""
        yield f"| `{name}` | {_cell(row.unit)} | {default} | {_cell(row.sentence)} |"
    yield ""


def _traits(option: Option) -> str:
    default = f", default `{option.default}`" if option.default else ""
    return f"({option.unit[0].upper()}{option.unit[1:]}{', required' if option.is_required else default}.)"


def _above(path: OutlinePath) -> OutlinePath:
    """Return the path of the section that an option stands in; the `*` of a list or mapping is part of no section's."""
    above = path[:-1]
    return above[:-1] if above[-1:] == (EACH,) else above


def written(path: tuple[str, ...]) -> str:
    """Return a path as the page writes it: `apps.<name>.routes[].host`."""
    text = ""
    for position, part in enumerate(path):
        if part != EACH:
            text += f".{part}" if text else part
        else:
            text += ".<name>" if path[position - 1] in {"apps", "services", "volumes"} else "[]"
    return text


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _profiles() -> Iterator[str]:
    yield "| KPI | weight |" + "".join(f" {name}: tolerance | promotion margin |" for name in Profile)
    yield "|---|---|" + "---|---|" * len(Profile)
    for kpi in (*RATES, *LATENCIES):
        rows = [profile(name).kpis[kpi] for name in Profile]
        cells = "".join(f" {_margin(row.tolerance, kpi)} | {_promote(row, kpi)} |" for row in rows)
        yield f"| `{kpi}` | {rows[0].weight:g} |{cells}"


def _promote(row: KpiOptions, kpi: str) -> str:
    return _margin(row.promote, kpi) if row.promote else "not needed"


def _margin(margin: Margin, kpi: str) -> str:
    show = show_fraction if kpi in RATES else show_duration
    return f"{margin.ratio:g} + {show(margin.absolute)}"
