"""What somebody probably meant by a key that does not exist."""

from collections.abc import Iterable
from difflib import get_close_matches

LISTED_MAX = 12  # more known keys than this are not listed: a message is to be read


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word closest to `word`, or None when nothing is close."""
    by_lower = {candidate.lower(): candidate for candidate in sorted(known)}
    matches = get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[matches[0]] if matches else None


def unknown_key(word: str, known: Iterable[str]) -> str:
    """Return the sentence about an unknown key: the nearest known one, else all of them where they are few."""
    names = sorted(known)
    if (closest := nearest(word, names)) is not None:
        return f"unknown key {word!r}; did you mean {closest!r}?"
    if names and len(names) <= LISTED_MAX:
        return f"unknown key {word!r}; known here: {', '.join(names)}"
    return f"unknown key {word!r}"
