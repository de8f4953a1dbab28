"""The files of one template: read once, counted, and what is wrong with each said once."""

from collections.abc import Callable, Mapping, Sequence

from splitter.change.dotenv import parse_dotenv
from splitter.change.positions import MapNode, parse, size
from splitter.change.shapes import Report
from splitter.errors import Problem, ProblemsError
from splitter.limits import TEMPLATE_FILES_MAX, TEMPLATE_NODES_MAX

Read = Callable[[str], str]
"""Return a file's text.  Raises OSError (FileNotFoundError where there is none) or UnicodeDecodeError."""


class Sources:
    """Reads files through the function it is given.

    `order` are the files in the order in which they were asked for; `has_gaps` says that one of them is no template,
    so that whatever is missing from the result proves nothing.
    """

    def __init__(self, read: Read, report: Report) -> None:
        self.order: dict[str, MapNode | None] = {}
        self.has_gaps = False
        self._nodes = 0
        self._read = read
        self._report = report

    def root(self, file: str) -> MapNode | None:
        """Return the mapping that a file holds, as it is written; None after reporting why there is none."""
        if file not in self.order:
            self.order[file] = self._root(file)
            self.has_gaps |= self.order[file] is None
        return self.order[file]

    def variables(self, files: Sequence[str], given: Mapping[str, str], *, is_optional: bool) -> dict[str, str]:
        """Return the variables of `files`, later ones over earlier; their values may use `given` and earlier ones."""
        values: dict[str, str] = {}
        for file in files:
            text = self.text(file, is_optional=is_optional)
            if text is None:
                continue
            try:
                values.update(parse_dotenv(text, file, {**values, **given}))
            except ProblemsError as error:
                self._report.problems.extend(error.problems)
        return values

    def text(self, file: str, *, is_optional: bool = False) -> str | None:
        """Return a file's text; None after reporting why there is none, or silently where it may be missing."""
        try:
            return self._read(file)
        except FileNotFoundError:
            if is_optional:
                return None
            message = "there is no such file"
        except UnicodeDecodeError:
            message = "the file is not UTF-8 text"
        except OSError as error:
            message = f"the file cannot be read: {error.strerror or error}"
        self._report.problems.append(Problem(file, 0, 0, "", message))
        return None

    def _root(self, file: str) -> MapNode | None:
        if len(self.order) >= TEMPLATE_FILES_MAX:
            self._report.problems.append(Problem(file, 0, 0, "", f"more than {TEMPLATE_FILES_MAX} files"))
            return None
        text = self.text(file)
        if text is None:
            return None
        try:
            node = parse(text, file)
        except ProblemsError as error:
            self._report.problems.extend(error.problems)
            return None
        if isinstance(node, MapNode):
            self._nodes += size(node)
            if self._nodes <= TEMPLATE_NODES_MAX:
                return node
            message = f"more than {TEMPLATE_NODES_MAX} values in all files, once aliases are written out"
            self._report.problems.append(node.place.problem((), message))
            return None
        self._report.problems.append(node.place.problem((), "a template is a mapping; begin with services:"))
        return None
