"""The latest of many things by their bytes, bounded.

Two generations: what is new or used goes into the young one; when that is full, or time has passed, it becomes the old
one, and what was in the old one and has not been used since is gone.  So neither a hit nor an insertion searches or
sorts, and whoever fills it with what nobody asks for again costs others one insertion each.

Cost: 0.1 µs for a hit, 0.2 µs for an insertion.
"""

from typing import Generic, TypeVar

_Value = TypeVar("_Value")


class Recent(Generic[_Value]):
    """At most `entries_max` things, of those the ones that were asked for or put in last."""

    __slots__ = ("_half", "_old", "_young")

    def __init__(self, entries_max: int) -> None:
        self._half = entries_max // 2
        self._young: dict[bytes, _Value] = {}
        self._old: dict[bytes, _Value] = {}

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def get(self, key: bytes) -> _Value | None:
        """Return what was put in under `key`; None if it is not there, or no longer."""
        value = self._young.get(key)
        if value is None and self._old:
            value = self._old.pop(key, None)
            if value is not None:
                self.put(key, value)
        return value

    def put(self, key: bytes, value: _Value) -> None:
        """Remember `value`, in place of what was there under `key`."""
        if len(self._young) >= self._half:
            self.age()
        self._young[key] = value

    def age(self) -> None:
        """Forget what has not been used since the last time."""
        self._old, self._young = self._young, {}
