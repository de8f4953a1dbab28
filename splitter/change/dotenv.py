r"""Files of variables: `.env` and what `env_file` names.

One assignment a line: `NAME=value`, optionally after `export`.  `#` begins a comment at the start of a line or after
a blank.  Single quotes keep everything, double quotes know `\n \r \t \" \\ \$`; both may span lines.  Unquoted and
double-quoted values may use variables: of the given environment first, of earlier lines second.  A bare `NAME`
passes the given environment's value through.  The raw format knows none of this: `NAME=value`, nothing else.
"""

import re
from collections import ChainMap
from collections.abc import Mapping

from splitter.change.interpolation import Interpolator
from splitter.change.positions import Place
from splitter.errors import Problem, ProblemsError
from splitter.limits import DOTENV_PROBLEMS_MAX, TEMPLATE_BYTES_MAX

_ASSIGNMENT = re.compile(r"[ \t]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_.-]*)[ \t]*(?:(=)[ \t]*|(?=#|\n|\Z))", re.ASCII)
_BLANK = re.compile(r"[ \t\r]*(?:#[^\n]*)?(?:\n|\Z)")
_REST_OF_LINE = re.compile(r"[^\n]*")
_COMMENT = re.compile(r"(?:^|[ \t])#.*")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\", "$": "$$"}
_QUOTED = {"'": re.compile(r"'([^']*)'"), '"': re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)}


def parse_dotenv(text: str, file: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the assignments of `text`, later ones over earlier.  Raises ProblemsError with every bad line."""
    if len(text) > TEMPLATE_BYTES_MAX:
        raise ProblemsError([Problem(file, 0, 0, "", f"the file is larger than {TEMPLATE_BYTES_MAX} bytes")])
    reader = _Reader(text.replace("\r\n", "\n").removeprefix("\ufeff"), file, environment)
    reader.read()
    if reader.problems:
        raise ProblemsError(reader.problems)
    return reader.values


def parse_raw(text: str, file: str) -> dict[str, str]:
    """Return `NAME=value` lines as they are; lines without `=` and comments are left out."""
    if len(text) > TEMPLATE_BYTES_MAX:
        raise ProblemsError([Problem(file, 0, 0, "", f"the file is larger than {TEMPLATE_BYTES_MAX} bytes")])
    lines = (line for line in text.splitlines() if "=" in line and not line.lstrip().startswith("#"))
    return {name: value for name, _, value in (line.partition("=") for line in lines)}


class _Reader:
    def __init__(self, text: str, file: str, environment: Mapping[str, str]) -> None:
        self.values: dict[str, str] = {}
        self.problems: list[Problem] = []
        self._text = text
        self._file = file
        self._given = environment
        self._interpolator = Interpolator(ChainMap(dict(environment), self.values))
        self._position = 0

    def read(self) -> None:
        while self._position < len(self._text) and len(self.problems) < DOTENV_PROBLEMS_MAX:
            if blank := _BLANK.match(self._text, self._position):
                self._position = max(blank.end(), self._position + 1)
            elif assignment := _ASSIGNMENT.match(self._text, self._position):
                self._assign(assignment)
            else:
                self._problem("", "is not NAME=value")
                self._skip_line()

    def _assign(self, assignment: re.Match[str]) -> None:
        name, start = assignment[1], self._position
        self._position = assignment.end()
        if assignment[2] is None:
            if name in self._given:
                self.values[name] = self._given[name]
            self._skip_line()
            return
        try:
            self.values[name] = self._value()
        except ValueError as error:
            self._position = start
            self._problem(name, str(error))
            self._skip_line()

    def _value(self) -> str:
        quote = self._text[self._position : self._position + 1]
        if quote not in _QUOTED:
            return self._unquoted()
        quoted = _QUOTED[quote].match(self._text, self._position)
        if quoted is None:
            raise ValueError(f"the value has no closing {quote}")
        self._position = quoted.end()
        if not _BLANK.match(self._text, self._position):
            raise ValueError(f"something follows the closing {quote}")
        self._skip_line()
        if quote == "'":
            return quoted[1]
        return self._interpolator.text(re.sub(r"\\(.)", _unescape, quoted[1], flags=re.DOTALL))

    def _unquoted(self) -> str:
        line = _REST_OF_LINE.match(self._text, self._position)
        assert line is not None, "the pattern matches the empty text"
        self._skip_line()
        return self._interpolator.text(_COMMENT.sub("", line[0]).strip())

    def _skip_line(self) -> None:
        end = self._text.find("\n", self._position)
        self._position = len(self._text) if end < 0 else end + 1

    def _problem(self, name: str, message: str) -> None:
        line = self._text.count("\n", 0, self._position) + 1
        self.problems.append(Place(self._file, line, 1).problem(name, message))


def _unescape(escape: re.Match[str]) -> str:
    return _ESCAPES.get(escape[1], escape[0])
