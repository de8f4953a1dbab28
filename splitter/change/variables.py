"""Variables and labels of a service: what the file says itself, laid over the files that it names."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from splitter.change import keys, labels
from splitter.change.dotenv import parse_dotenv, parse_raw
from splitter.change.folders import Folders, resolved
from splitter.change.shapes import Fields, Value
from splitter.errors import ProblemsError


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a service is read with.  `read` raises OSError or UnicodeDecodeError; None reads no file."""

    folders: Folders
    environment: Mapping[str, str]
    read: Callable[[str], str] | None
    require_image: bool = True

    @property
    def is_on(self) -> bool:
        """Return whether the service is on: what is off need not be complete."""
        return self.read is not None


def read_environment(found: Fields, around: Surroundings) -> dict[str, str]:
    """Return what `env_file` and `environment` say, the latter over the former."""
    variables: dict[str, str] = {}
    for item in found.read("env_file", Value.items, []):
        variables.update(_variables_of_file(item, variables, around))
    variables.update(passed_through(found.read("environment", Value.scalars, {}), around.environment))
    return dict(sorted(variables.items()))


def read_service_labels(found: Fields, around: Surroundings) -> dict[str, str]:
    """Return what `label_file` and `labels` say, the latter over the former."""
    read: dict[str, str] = {}
    for item in found.read("label_file", Value.items, []):
        of_file = _content(item, around, lambda text, path: parse_dotenv(text, path, around.environment))
        for sentence in labels.mistakes(of_file, labels.SERVICE_LABELS).values():
            item.problem(sentence)
        read.update(of_file)
    read.update(found.read("labels", lambda value: labels.read_labels(value, labels.SERVICE_LABELS), {}))
    return dict(sorted(read.items()))


def passed_through(given: Mapping[str, str | None], environment: Mapping[str, str]) -> dict[str, str]:
    """Return `given` with names that have no value taken from the environment; left out where it has none either."""
    values = {name: environment.get(name) if value is None else value for name, value in given.items()}
    return {name: value for name, value in sorted(values.items()) if value is not None}


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
        return parse_dotenv(text, path, {**earlier, **around.environment})

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
