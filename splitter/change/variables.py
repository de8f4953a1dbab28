"""Variables and labels of a service: what the file says itself, laid over the files that it names."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from splitter.change import keys, labels
from splitter.change.dotenv import parse_dotenv, parse_raw
from splitter.change.folders import Folders, resolved
from splitter.change.shapes import Fields, Value
from splitter.errors import ProblemsError


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a service is read with.  `read` raises OSError or UnicodeDecodeError; None reads no file.

    `included` are the variables that only included projects have, by the files of each.
    """

    folders: Folders
    environment: Mapping[str, str]
    read: Callable[[str], str] | None
    require_image: bool = True
    included: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def is_on(self) -> bool:
        """Return whether the service is on: what is off need not be complete."""
        return self.read is not None

    def environment_of(self, value: Value) -> Mapping[str, str]:
        """Return the variables that count where a value is written: an included project has some of its own."""
        own = self.included.get(value.node.place.file)
        return {**own, **self.environment} if own else self.environment


def read_environment(found: Fields, around: Surroundings) -> dict[str, str]:
    """Return what `env_file` and `environment` say, the latter over the former."""
    variables: dict[str, str] = {}
    for item in found.read("env_file", Value.items, []):
        variables.update(_variables_of_file(item, variables, around))
    variables.update(found.read("environment", lambda value: passed_through(value, around), {}))
    return dict(sorted(variables.items()))


def read_service_labels(found: Fields, around: Surroundings) -> dict[str, str]:
    """Return what `label_file` and `labels` say, the latter over the former."""
    read: dict[str, str] = {}
    for item in found.read("label_file", Value.items, []):
        of_file = _content(item, around, partial(parse_dotenv, environment=around.environment_of(item)))
        for sentence in labels.mistakes(of_file, labels.SERVICE_LABELS).values():
            item.problem(sentence)
        read.update(of_file)
    read.update(found.read("labels", lambda value: labels.read_labels(value, labels.SERVICE_LABELS), {}))
    return dict(sorted(read.items()))


def passed_through(value: Value, around: Surroundings) -> dict[str, str]:
    """Return what assignments say; names without a value have the environment's, or are left out."""
    given = value.scalars()
    places = value.entries() if value.is_mapping else {}
    for name in [name for name, said in given.items() if said is None]:
        given[name] = around.environment_of(places.get(name, value)).get(name)
    return {name: said for name, said in sorted(given.items()) if said is not None}


def _variables_of_file(item: Value, earlier: Mapping[str, str], around: Surroundings) -> dict[str, str]:
    found = item.known(keys.ENV_FILE) if item.is_mapping else Fields(path=item)
    required = found.read("required", Value.boolean, True)
    form = found.read("format", Value.text, "")
    if form not in {"", "raw"}:
        found["format"].problem(f"{form!r} is not a format; write raw or nothing")
    if "path" not in found:
        item.problem("no path says which file; write path:")
        return {}

    def parse(text: str, path: str) -> dict[str, str]:
        if form == "raw":
            return parse_raw(text, path)
        return parse_dotenv(text, path, {**earlier, **around.environment_of(item)})

    remedy = "write required: false if it may be missing"
    return _content(found["path"], around, parse, required=required, remedy=remedy)


def _content(
    value: Value,
    around: Surroundings,
    parse: Callable[[str, str], dict[str, str]],
    *,
    required: bool = True,
    remedy: str = "write it, or remove its name here",
) -> dict[str, str]:
    """Return what `parse` makes of the file that `value` names; empty where no file is to be read."""
    path = resolved(value, value.text(), around.folders)
    if around.read is None:
        return {}
    try:
        return parse(around.read(path), path)
    except FileNotFoundError:
        if required:
            value.problem(f"there is no file {path}; {remedy}")
    except (OSError, UnicodeDecodeError) as error:
        value.problem(f"{path} cannot be read: {error}")
    except ProblemsError as error:
        value.report.problems.extend(error.problems)
    return {}
