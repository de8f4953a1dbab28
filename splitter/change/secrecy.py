"""What must not be shown: values that look like secrets, and passwords inside addresses.

Better once too often than once too little: the names decide, whatever the value is.
"""

import re

MASK = "•••"

_WORDS = "pass|passphrase|pwd|credentials?|private|salt|keys?"
_ANYWHERE = "password|passwd|secret|token|apikey"
_SECRET_NAME = re.compile(rf"(?:^|[^a-z])(?:{_WORDS})(?:[^a-z]|$)|{_ANYWHERE}", re.IGNORECASE)
_URL_PASSWORD = re.compile(r"(?P<before>[a-z][a-z0-9+.-]*://[^\s/:@]*:)[^\s/@]+(?=@)", re.IGNORECASE)
_ASSIGNED = re.compile(r"(?P<name>[A-Za-z][A-Za-z0-9_.-]*)(?P<sign>=)(?P<value>\"[^\"]*\"|'[^']*'|[^\s&;,\"']+)")


def is_secret(name: str) -> bool:
    """Return whether a value of this name must not be shown."""
    return _SECRET_NAME.search(name) is not None


def masked(name: str, value: str) -> str:
    """Return `value` as it may be shown under `name`."""
    return MASK if value and is_secret(name) else masked_text(value)


def masked_text(text: str) -> str:
    """Return `text` with the passwords of addresses and the values of `secret=…` masked."""
    return _ASSIGNED.sub(_masked_assignment, _URL_PASSWORD.sub(rf"\g<before>{MASK}", text))


def masked_words(words: tuple[str, ...]) -> tuple[str, ...]:
    """Return a command as it may be shown; the word after an option such as `--password` is masked as well."""
    shown: list[str] = []
    for index, word in enumerate(words):
        before = words[index - 1] if index else ""
        follows_secret = before.startswith("-") and "=" not in before and is_secret(before)
        shown.append(MASK if follows_secret and not word.startswith("-") else masked_text(word))
    return tuple(shown)


def _masked_assignment(match: re.Match[str]) -> str:
    return f"{match['name']}={MASK}" if is_secret(match["name"]) else match[0]
