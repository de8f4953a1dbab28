"""The labels by which a template speaks to splitter, and what each may say.

`splitter.*` is ours: a name that is not in the table is a mistake, a name that splitter sets itself cannot be written.
"""

import shlex
from collections.abc import Mapping

from splitter.change.shapes import Value
from splitter.change.spelling import unknown_key

SCOPE = "splitter.scope"
STATEFUL = "splitter.stateful"
SINGLETON = "splitter.singleton"
JOB = "splitter.job"
MIGRATION = "splitter.migration"
COST = "splitter.rollback.cost"
VOLUME = "splitter.volume"
COPY = "splitter.copy"
COPY_HOOK = "splitter.copy-hook"

PREFIX = "splitter."

SERVICE_LABELS: Mapping[str, tuple[str, ...]] = {
    SCOPE: ("stack", "shared"),
    STATEFUL: ("true", "false"),
    SINGLETON: ("run", "skip"),
    JOB: ("run", "skip", "on-promote"),
    MIGRATION: ("expand", "contract", "data", "none"),
    COST: ("none", "low", "high", "irreversible", "<points>"),
}
VOLUME_LABELS: Mapping[str, tuple[str, ...]] = {
    VOLUME: ("share-ro", "share", "copy", "fresh", "external"),
    COPY: ("run", "pause"),
    COPY_HOOK: ("<command>",),
    COST: SERVICE_LABELS[COST],
}
NONE: Mapping[str, tuple[str, ...]] = {}
RESERVED = frozenset(
    f"splitter.{name}"
    for name in ("app", "stack", "rollout", "service", "replica", "template", "config", "installation")
)
COST_MAX = 1_000


def read_labels(value: Value, own: Mapping[str, tuple[str, ...]] = NONE) -> dict[str, str]:
    """Return labels or options; those of splitter's own must be in the table `own`."""
    read = {name: text or "" for name, text in sorted(value.scalars().items())}
    entries = value.entries() if value.is_mapping else {}
    for name, sentence in mistakes(read, own).items():
        entries.get(name, value).key_problem(sentence)
    return read


def mistakes(labels: Mapping[str, str], table: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    """Return a sentence for each of our labels that cannot be right, by its name."""
    found = {}
    for name, value in labels.items():
        if not name.startswith(PREFIX):
            continue
        if name in RESERVED:
            found[name] = "splitter sets this label itself; remove it"
        elif name not in table:
            found[name] = unknown_key(name, table)
        elif name == COPY_HOOK:
            if not words(value):
                found[name] = f"{value!r} is no command: write its words, with quotes closed"
        elif value not in table[name] and not (name == COST and _is_points(value)):
            found[name] = f"{value!r} is not one of {', '.join(table[name])}"
    return found


def words(command: str) -> tuple[str, ...]:
    """Return a command of a label as its words; none where it has none, or quotes that are not closed."""
    try:
        return tuple(shlex.split(command))
    except ValueError:
        return ()


def _is_points(value: str) -> bool:
    return value.isascii() and value.isdigit() and len(value) < 6 and int(value) <= COST_MAX
