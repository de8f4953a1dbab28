"""Secrets and configs: what stands at the top level, and the services that they are granted to.

A value is never part of a message, a plan or the journal: the digest says whether it is another one.
"""

import hashlib
import posixpath
import re
from dataclasses import replace

from splitter.change import keys
from splitter.change.external import read_external
from splitter.change.folders import resolved
from splitter.change.labels import read_labels
from splitter.change.shapes import Fields, Value
from splitter.change.variables import Surroundings
from splitter.template import Document, Grant

SECRETS_FOLDER = "/run/secrets"
MODE_MAX = 0o7777
_OCTAL = re.compile(r"0?o?[0-7]{1,5}", re.ASCII)
_ID_DIGITS = 9


def read_document(key: str, value: Value, kind: str, around: Surroundings) -> Document:
    """Return a top-level secret or config (`kind` is `secrets` or `configs`); mistakes are in the value's report."""
    found = value.known(keys.SECRET if kind == "secrets" else keys.CONFIG)
    if "external" in found and read_external(found["external"])[0]:
        found["external"].key_problem("no engine here keeps it; write file: or environment: with what it holds")
        return Document(key)
    sources = [found[name] for name in ("file", "environment", "content") if name in found]
    if len(sources) != 1:
        known = "file or environment" if kind == "secrets" else "file, environment or content"
        place = sources[1] if sources else value
        place.key_problem(f"says not once what it holds; write one of {known}")
        return Document(key)
    document = Document(key=key, name=found.read("name", Value.text, ""), labels=found.read("labels", read_labels, {}))
    return _filled(document, found, around)


def _filled(document: Document, found: Fields, around: Surroundings) -> Document:
    """Return the document with what it holds."""
    if "content" in found:
        text = found["content"].text()
        return replace(document, content=text, digest=_sha256(text.encode()))
    if "environment" in found:
        name = found["environment"].text()
        held = around.environment_of(found["environment"]).get(name)
        if held is None and around.read is not None:
            found["environment"].problem(f"the variable {name} is not set; set it where splitter finds variables")
        return replace(document, environment=name, value=held, digest=_sha256((held or "").encode()))
    path = resolved(found["file"], found["file"].text(), around.folders)
    return replace(document, file=path, digest=_digest_of_file(found["file"], path, around))


def _digest_of_file(value: Value, path: str, around: Surroundings) -> str:
    if around.read is None:
        return ""
    try:
        return _sha256(around.read(path).encode())
    except UnicodeDecodeError as error:
        return _sha256(error.object)  # what is no text is kept whole in the error: a certificate may be binary
    except FileNotFoundError:
        value.problem(f"there is no file {path}; write it, or name another")
    except OSError as error:
        value.problem(f"{path} cannot be read: {error.strerror or error}")
    return ""


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


# --- Grants ------------------------------------------------------------------------------------------------------


def read_grants(value: Value) -> tuple[Grant, ...]:
    """Return the secrets or configs that a service is granted, by their place in the container."""
    folder = SECRETS_FOLDER if value.path[-1] == "secrets" else "/"
    by_target: dict[str, Grant] = {}
    for item in value.items():
        grant = _long(item, folder) if item.is_mapping else _grant(item.text(), "", folder)
        if grant.target in by_target:
            item.problem(f"{grant.target} is granted twice; remove one of the two")
        by_target[grant.target] = grant
    return tuple(grant for _, grant in sorted(by_target.items()))


def _long(item: Value, folder: str) -> Grant:
    found = item.known(keys.GRANT)
    if "source" not in found:
        item.problem("no source says which one is granted; write source:")
    source, target = found.read("source", Value.text, ""), found.read("target", Value.text, "")
    return _grant(
        source,
        target,
        folder,
        uid=found.read("uid", read_id, None),
        gid=found.read("gid", read_id, None),
        mode=found.read("mode", read_mode, None),
    )


def _grant(
    source: str, target: str, folder: str, uid: int | None = None, gid: int | None = None, mode: int | None = None
) -> Grant:
    """Return a grant; a target that is not absolute lies in `folder`."""
    return Grant(source, posixpath.normpath(posixpath.join(folder, target or source)), uid, gid, mode)


def read_id(value: Value) -> int:
    """Return a user or group by its number, which the specification wants as text."""
    text = value.text("0")
    if not (text.isascii() and text.isdigit() and len(text) <= _ID_DIGITS):
        value.problem(f"{text!r} is not the number of a user or group")
        return 0
    return int(text)


def read_mode(value: Value) -> int:
    """Return permissions: a number as YAML reads it (`0440` is octal), or a text of octal digits."""
    return value.convert(_mode, 0)


def _mode(given: object) -> int:
    if isinstance(given, str) and _OCTAL.fullmatch(given):
        mode = int(given.replace("o", ""), 8)
    elif isinstance(given, int) and not isinstance(given, bool):
        mode = given
    else:
        raise ValueError(f"{given!r} is not a mode; write for example 0440")
    if not 0 <= mode <= MODE_MAX:
        raise ValueError(f"{given!r} is more than {MODE_MAX:o} (octal)")
    return mode
