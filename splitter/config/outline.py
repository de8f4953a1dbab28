"""The outline of a document: every option that there is, with its unit, default and sentence.

Read off the models, so that the reference, the nearest-key messages and the checks of the example never differ from
what is accepted.  In a path, `*` stands for a name that the user chooses, or for each entry of a list.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Any, Literal, TypeAlias, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from splitter.config.units import Unit

EACH = "*"
OutlinePath: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Option:
    """One option.  `default` is as a file would say it, empty where there is none; `section`: it holds options."""

    path: OutlinePath
    unit: str
    default: str
    is_required: bool
    is_section: bool
    sentence: str


def options(model: type[BaseModel], path: OutlinePath = (), default: BaseModel | None = None) -> Iterator[Option]:
    """Yield the options of `model` in their order, each section before what it holds.

    A section that has a default as a whole, `default`, says what its options are by default.
    """
    for name, field in model.model_fields.items():
        here = (*path, field.alias or name)
        below = list(_models(field.annotation))
        value = _default(field) if default is None else getattr(default, name)
        yield Option(
            path=here,
            unit=_unit_name(field, bool(below)),
            default="" if (below and value is not None) or field.is_required() else shown(value, _unit(field)),
            is_required=field.is_required(),
            is_section=bool(below),
            sentence=" ".join((field.description or "").split()),
        )
        for further, inner in below:
            yield from options(inner, (*here, *further), value if isinstance(value, inner) else None)


def defaults(model: type[BaseModel]) -> dict[str, Any]:
    """Return the defaults of one section's own options, as a file would hold them."""
    return {
        field.alias or name: spelt(_default(field), _unit(field))
        for name, field in model.model_fields.items()
        if not field.is_required() and not any(_models(field.annotation))
    }


def sections(model: type[BaseModel]) -> dict[str, type[BaseModel]]:
    """Return `model` and the models of all sections below it, by name."""
    found = {model.__name__: model}
    for field in model.model_fields.values():
        for _, inner in _models(field.annotation):
            found |= sections(inner)
    return found


def keys_at(model: type[BaseModel], path: tuple[str | int, ...]) -> tuple[str, ...]:
    """Return the options that are known in the section at `path`, which is a path of a real document of `model`."""
    children = _children(model)
    here: OutlinePath = ()
    for part in path:
        here = (*here, str(part) if part in children.get(here, ()) else EACH)
    return children.get(here, ())


@cache
def _children(model: type[BaseModel]) -> dict[OutlinePath, tuple[str, ...]]:
    children: dict[OutlinePath, tuple[str, ...]] = {}
    for option in options(model):
        for length in range(len(option.path)):
            known = children.setdefault(option.path[:length], ())
            if option.path[length] not in known:
                children[option.path[:length]] = (*known, option.path[length])
    return children


def _models(annotation: Any) -> Iterator[tuple[OutlinePath, type[BaseModel]]]:
    """Yield the models that an option of this type holds, and the way to them."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield (), annotation
        return
    arguments = get_args(annotation)
    origin = get_origin(annotation)
    if origin is dict:
        yield from (((EACH, *way), model) for way, model in _models(arguments[1]))
    elif origin in {list, tuple}:
        yield from (((EACH, *way), model) for way, model in _models(arguments[0]))
    elif origin is not Literal:
        for argument in arguments:
            yield from _models(argument)


def _unit(field: FieldInfo) -> Unit | None:
    for found in (*field.metadata, *_inner(field.annotation)):
        if isinstance(found, Unit):
            return found
    return None


def _inner(annotation: Any) -> Iterator[Any]:
    """Yield all that the arguments of a type say, at any depth."""
    for argument in get_args(annotation):
        yield argument
        yield from _inner(argument)


def _unit_name(field: FieldInfo, is_section: bool) -> str:
    origin = get_origin(field.annotation)
    if is_section:
        return (
            "mapping of names to sections" if origin is dict else "list of sections" if origin is tuple else "section"
        )
    words = _words(field.annotation)
    name = " | ".join(f"`{word}`" for word in words) if words else _plain_name(field)
    if origin is tuple and not any(isinstance(found, Unit) for found in field.metadata):
        return f"list of: {name}"
    if origin is frozenset:
        return f"list of: {name}"
    return f"mapping of names to {name}" if origin is dict else name


def _plain_name(field: FieldInfo) -> str:
    unit = _unit(field)
    return "text" if unit is None else unit.name


def _words(annotation: Any) -> list[str]:
    """Return the words that an option is one of, if it is."""
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return [str(member.value) for member in annotation]
    if get_origin(annotation) is Literal:
        return [str(word) for word in get_args(annotation)]
    return [word for argument in get_args(annotation) for word in _words(argument)]


def _default(field: FieldInfo) -> Any:
    return None if field.is_required() else field.get_default(call_default_factory=True, validated_data={})


def spelt(value: Any, unit: Unit | None) -> Any:
    """Return `value` as what a file would hold: text with its unit, true, null, or a list."""
    match value:
        case None | bool():
            return value
        case Enum():
            return str(value.value)
        case dict():
            return {key: spelt(each, unit) for key, each in value.items()}
        case tuple():
            return [spelt(each, unit) for each in value]
        case frozenset():
            return sorted(spelt(each, unit) for each in value)
        case str():
            return value
        case int() | float() if unit is not None and unit.show(value).isdecimal():
            return value
    return str(value) if unit is None else unit.show(value)


def shown(value: Any, unit: Unit | None) -> str:
    """Return `value` as a file would spell it, in one line."""
    match spelt(value, unit):
        case None:
            return "null"
        case bool() as flag:
            return str(flag).lower()
        case list() as items:
            return f"[{', '.join(map(str, items))}]"
        case {}:
            return ""
        case plain:
            return str(plain)
