"""The latest of many things by their bytes, bounded.

Two generations: what is new or used goes into the young one; when that is full, or time has passed, it becomes the old
one, and what was in the old one and has not been used since is gone.  So neither a hit nor an insertion searches or
sorts, and whoever fills it with what nobody asks for again costs others one insertion each.

What comes for the first time leaves a mark and is not kept.  Most things never come again, and memory that is kept is
new memory each time: to keep each of them for a while made a stranger's request 4 µs slower, while a mark takes 0.2 µs.

Cost: 0.1 µs for a hit.
"""

from array import array
from typing import Generic, TypeVar

_Value = TypeVar("_Value")


class Recent(Generic[_Value]):
    """At most `entries_max` things of at most `key_bytes_max`, of those the ones that were used or offered last."""

    __slots__ = ("_half", "_key_bytes_max", "_marks", "_old", "_places", "_young")

    def __init__(self, entries_max: int, key_bytes_max: int) -> None:
        self._half = entries_max // 2
        self._key_bytes_max = key_bytes_max
        self._places = 4 * entries_max
        self._marks = array("q", bytes(8 * self._places))  # hashes of the keys that came once, each in its place
        self._young: dict[bytes, _Value] = {}
        self._old: dict[bytes, _Value] = {}

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def get(self, key: bytes) -> _Value | None:
        """Return what is kept under `key`; None if it is not there, or no longer."""
        value = self._young.get(key)
        if value is None and self._old:
            value = self._old.pop(key, None)
            if value is not None:
                self._keep(key, value)
        return value

    def offer(self, key: bytes, value: _Value) -> None:
        """Keep `value`, in place of what was there under `key`, if something with that key was offered lately."""
        mark = hash(key)
        place = mark % self._places
        if self._marks[place] != mark:
            self._marks[place] = mark
        elif len(key) <= self._key_bytes_max:
            self._keep(key, value)

    def age(self) -> None:
        """Forget what has not been used since the last time."""
        self._old, self._young = self._young, {}

    def _keep(self, key: bytes, value: _Value) -> None:
        if len(self._young) >= self._half:
            self.age()
        self._young[key] = value
