"""How a command ends: the exit codes, which are a contract for pipelines, and the one map from errors to them."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import Any, NoReturn

import typer

from splitter.admin.client import AnswerError, UnreachableError
from splitter.errors import OperatorError, ProblemsError, SplitterError


class Exit(IntEnum):
    """0 promoted (and drained), 1 rolled back, 2 usage or configuration, 3 held or undecided, 4 no daemon."""

    OK = 0
    ROLLED_BACK = 1
    USAGE = 2
    HELD = 3
    UNREACHABLE = 4


EXIT_OF_STATE = {
    "STANDBY": Exit.OK,  # promoted and drained; what is kept of the former live is for `undo`
    "PROMOTED": Exit.OK,
    "ROLLED_BACK": Exit.ROLLED_BACK,
    "HELD": Exit.HELD,
    "HALTED": Exit.HELD,
}
"""The states that `deploy --wait` stops waiting at, besides AWAITING_OVERRIDE, where a person is asked."""


def leave(code: Exit) -> NoReturn:
    raise typer.Exit(int(code))


def put(value: Any) -> None:
    """Print `value` as one line of JSON."""
    sys.stdout.write(line_of(value) + "\n")


def line_of(value: Any) -> str:
    """Return `value` as one line of JSON."""
    return json.dumps(value, ensure_ascii=False, default=str)


def say(sentence: str) -> None:
    """Print one sentence for people, on standard output, unstyled."""
    sys.stdout.write(sentence + "\n")


@contextmanager
def told(as_json: bool) -> Iterator[None]:
    """End the command with the right code and a sentence (or a JSON object) for every error raised on purpose."""
    try:
        yield
    except UnreachableError as error:
        _fail(error, "unreachable", Exit.UNREACHABLE, as_json)
    except AnswerError as error:
        _fail(error, error.kind, Exit.USAGE, as_json)
    except OperatorError as error:
        _fail(error, "problems" if isinstance(error, ProblemsError) else "operator", Exit.USAGE, as_json)
    except SplitterError as error:
        _fail(error, "failed", Exit.USAGE, as_json)


def _fail(error: Exception, kind: str, code: Exit, as_json: bool) -> NoReturn:
    if as_json:
        put({"error": {"kind": kind, "message": str(error)}})
    else:
        sys.stderr.write(f"splitter: {error}\n")
    raise typer.Exit(int(code)) from error
