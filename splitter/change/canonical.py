"""A template as JSON and back, exactly; and its digest.

Fields that hold their default are left out, keys are sorted: equal templates have equal text, and a field that a
later version adds changes neither text nor digest of the templates that do not use it.  A field that does not count
when values are compared is never written: that is how a secret's value stays out of the journal.  Reading follows
the types of `template`, so a field that is added there is read and written without a change here.
"""

import dataclasses
import hashlib
import json
import types
import typing
from collections.abc import Mapping
from enum import Enum
from functools import cache
from typing import Any

from splitter.errors import Problem, TemplateError
from splitter.template import Template

UNDIGESTED = ("files", "notes", "digest")
"""What a template was read from and what was said about it is not what it is."""


def to_json(template: Template) -> str:
    """Return the template as canonical JSON."""
    return canonical(jsonable(template))


def from_json(text: str) -> Template:
    """Return the template that `to_json` wrote.  Raises TemplateError for any other text."""
    try:
        template = _decoded(Template, json.loads(text), "template")
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise TemplateError([Problem("stored template", 0, 0, "", f"cannot be read back: {error}")]) from None
    assert isinstance(template, Template), "decoding follows the type"
    return template


def digest(template: Template) -> str:
    """Return the sha256 of all that makes the template what it is."""
    fields = {name: value for name, value in jsonable(template).items() if name not in UNDIGESTED}
    return sha256(canonical(fields))


def canonical(value: object) -> str:
    """Return JSON with sorted keys and no blanks."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def jsonable(value: Any) -> Any:
    """Return a value of the model as plain JSON types, defaults left out."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: jsonable(getattr(value, field.name))
            for field in dataclasses.fields(value)
            if field.compare and getattr(value, field.name) != _default(field)
        }
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [jsonable(item) for item in value]
    return value


def _default(field: "dataclasses.Field[Any]") -> object:
    """Return the field's default, or `MISSING`, which equals nothing else."""
    return field.default_factory() if field.default_factory is not dataclasses.MISSING else field.default


@cache
def _types(model: type) -> dict[str, Any]:
    return typing.get_type_hints(model)


def _decoded(kind: Any, value: Any, path: str) -> Any:
    """Return `value` as `kind`: a dataclass, a mapping, a tuple of one type, an optional, an enum or a plain type."""
    if dataclasses.is_dataclass(kind):
        return _decoded_dataclass(typing.cast("type", kind), value, path)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in {types.UnionType, typing.Union}:
        inner = next(argument for argument in arguments if argument is not types.NoneType)
        return None if value is None else _decoded(inner, value, path)
    if origin is tuple:
        return tuple(
            _decoded(arguments[0], item, f"{path}[{index}]") for index, item in enumerate(_a(list, value, path))
        )
    if origin is not None:
        items = _a(dict, value, path).items()
        return {key: _decoded(arguments[1], item, f"{path}.{key}") for key, item in items}
    if issubclass(kind, Enum):
        return kind(value)
    if kind is float and type(value) is int:
        return float(value)
    return _a(kind, value, path)


def _decoded_dataclass(kind: type, value: Any, path: str) -> Any:
    fields = _types(kind)
    given = _a(dict, value, path)
    if unknown := sorted(set(given) - set(fields)):
        raise ValueError(f"{path} has the unknown field {unknown[0]!r}; a newer version wrote it")
    return kind(**{name: _decoded(fields[name], item, f"{path}.{name}") for name, item in given.items()})


def _a(kind: type, value: Any, path: str) -> Any:
    if type(value) is not kind:
        raise ValueError(f"{path} is {type(value).__name__}, not {kind.__name__}")
    return value
