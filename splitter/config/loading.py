"""A file → a document, or every mistake in it.

Numbers reach the models as the text that the file holds: `1.10` in a list of variables stays `1.10`, and a number that
came out of a `${VARIABLE}` reads like one that was written.  A variable that is not set is a mistake: an empty secret
is worse than none.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from splitter.change.interpolation import Interpolator
from splitter.change.positions import ListNode, MapNode, Node, Places, ScalarNode, parse, walk
from splitter.config.building import build
from splitter.config.checks import absolute, across
from splitter.config.document import Admin, Document
from splitter.config.options import Config
from splitter.config.problems import located, misfits
from splitter.errors import ConfigError, Problem, ProblemsError

PRIVATE_PREFIX = "x-"


def load_config(path: Path | str, environment: Mapping[str, str] | None = None) -> Config:
    """Return the configuration in the file at `path`.

    Variables come from `environment` (None: the process's own).  Raises ConfigError with every mistake, in the order
    of the file.
    """
    file = Path(path)
    return read_config(_text(file), file, os.environ if environment is None else environment)


def socket_path(path: Path | str, environment: Mapping[str, str] | None = None) -> Path:
    """Return only where the daemon of the configuration at `path` has its socket.

    Nothing else is looked at: whoever calls the daemon need not know its secrets.  Raises ConfigError.
    """
    file = Path(path)
    try:
        root = parse(_text(file), str(file))
    except ProblemsError as error:
        raise ConfigError(error.problems) from None
    content = plain(root)
    admin = content.get("admin") if isinstance(content, dict) else None
    written = admin.get("socket") if isinstance(admin, dict) else None
    text = written if isinstance(written, str) else Admin().socket
    try:
        return absolute(Interpolator(os.environ if environment is None else environment).text(text), file)
    except ValueError as error:
        raise ConfigError([Places(root).value(("admin", "socket")).problem("admin.socket", str(error))]) from None


def read_config(text: str, file: Path, environment: Mapping[str, str]) -> Config:
    """Return the configuration that `text` is; `file` gives messages their name and relative paths their folder."""
    root = _root(text, file, environment)
    content = plain(root)
    try:
        document = Document.model_validate(content)
    except ValidationError as error:
        found = [*misfits(error, Document), *across(content, file)]
        raise ConfigError(located(found, root)) from None
    if found := across(content, file):
        raise ConfigError(located(found, root))
    config, found = build(document, file)
    if config is None:
        raise ConfigError(located(found, root))
    return config


def plain(node: Node) -> Any:
    """Return `node` as dict, list, text and None."""
    match node:
        case ScalarNode(value=None):
            return None
        case ScalarNode():
            return node.text
        case ListNode():
            return [plain(item) for item in node.items]
        case MapNode():
            return {key: plain(entry.value) for key, entry in node.entries.items()}


def _text(file: Path) -> str:
    try:
        return file.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        message = "there is no such file"
    except UnicodeDecodeError as error:
        message = f"is not UTF-8 text (byte {error.start + 1})"
    except OSError as error:
        message = f"cannot be read: {error.strerror}"
    raise ConfigError([Problem(str(file), 0, 0, "", message)])


def _root(text: str, file: Path, environment: Mapping[str, str]) -> MapNode:
    """Return the document's nodes with their variables replaced.  Raises ConfigError."""
    try:
        root = parse(text, str(file))
    except ProblemsError as error:
        raise ConfigError(error.problems) from None
    if not isinstance(root, MapNode):
        message = "the file is empty" if isinstance(root, ScalarNode) and root.value is None else "this is no mapping"
        raise ConfigError([root.place.problem("", f"{message}; write options, for example listeners: and apps:")])
    own = {key: entry for key, entry in root.entries.items() if not key.startswith(PRIVATE_PREFIX)}
    root = MapNode(root.place, own, root.tag)
    problems = [
        node.place.problem(path, f"the tag {node.tag} has no meaning here; remove it")
        for path, _, node in walk(root)
        if node.tag
    ]
    interpolator = Interpolator(environment)
    replaced = interpolator.node(root, (), problems)
    problems += [_unset(name, root) for name in interpolator.unset]
    if problems:
        raise ConfigError(sorted(problems, key=lambda problem: (problem.line, problem.column)))
    assert isinstance(replaced, MapNode), "interpolation keeps the kind of a node"
    return replaced


def _unset(name: str, root: MapNode) -> Problem:
    """Return the mistake about a variable without a value, at the first place that uses it."""
    use = re.compile(r"\$\{?" + re.escape(name) + r"(?![A-Za-z0-9_])")
    message = f"the variable {name} is not set; set it, or write ${{{name}:-default}}"
    for path, _, node in walk(root):
        if isinstance(node, ScalarNode) and use.search(node.text):
            return node.place.problem(path, message)
    return root.place.problem("", message)
