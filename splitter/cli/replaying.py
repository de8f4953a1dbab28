"""`splitter judge replay`: what the judge says to traces, one line of JSON a file.  Needs no daemon."""

import gzip
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, TextIO

import typer

from splitter.cli.options import AsJson
from splitter.cli.outcome import put, told
from splitter.errors import OperatorError
from splitter.judge.replay import replay
from splitter.judge.trace import TraceError

app = typer.Typer(no_args_is_help=True, help="Ask the judge about recorded traffic.")

_GZIP = b"\x1f\x8b"


@app.callback()
def judge() -> None:
    """Keep `judge` a group although it has one command."""


@app.command("replay")
def replay_files(
    files: Annotated[list[Path], typer.Argument(help="Traces in the format judge-trace/1, gzip or not.")],
    as_json: AsJson = False,
) -> None:
    """Judge traces: a rollout's export, or anybody's; one line of JSON for each file, also without --json."""
    for path in files:
        with told(as_json), _named(path), _opened(path) as lines:
            put(replay(lines).line())


@contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    """Open a text that may be compressed, whatever it is called."""
    with path.open("rb") as raw:
        is_packed = raw.peek(len(_GZIP)).startswith(_GZIP)  # a pipe cannot be sought in
        yield io.TextIOWrapper(gzip.GzipFile(fileobj=raw) if is_packed else raw, encoding="utf-8")


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Put the file's name before what is wrong with it."""
    try:
        yield
    except OperatorError as error:
        raise TraceError(f"{path}: {error}") from error
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise TraceError(f"{path}: cannot be read ({error}); name a trace, packed by gzip or not") from error
