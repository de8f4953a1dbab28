"""Every error raised on purpose, in families by what the caller does next.

    OperatorError    say it to the person who asked; nothing changed
    StackError       a stack cannot be made or kept; roll back
    DownstreamError  the client is at fault; answer 4xx
    UpstreamError    the stack is at fault; answer 5xx, or let live answer

Anything else is a bug of ours: it may end a request, never the daemon.  A message names the thing, the place and the
remedy in one sentence.  Foreign errors (of the SDK, SQLite, the kernel) are translated once, at the border of a wing.
"""

from collections.abc import Sequence
from dataclasses import dataclass


class SplitterError(Exception):
    """The root of the families; never raised itself."""


class OperatorError(SplitterError):
    """Somebody asked for what cannot be done.  Nothing was changed."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in a file: where it is, which value it is about, and what to write instead.

    `line` and `column` count from 1; 0 where a mistake has no position (a file that is missing).
    `path` is dotted, with list positions in brackets: `apps.shop.rollout.steps[2]`; empty for a whole file.
    """

    file: str
    line: int
    column: int
    path: str
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{place}: {self.path}: {self.message}" if self.path else f"{place}: {self.message}"


class ProblemsError(OperatorError):
    """All mistakes of some input at once, in the order of the text."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class ConfigError(ProblemsError):
    """splitter's own YAML cannot be used."""


class TemplateError(ProblemsError):
    """A template (a Compose file) cannot be used."""


class RefusedError(OperatorError):
    """A command is not legal in the present state; the message names both and says what is."""


class NotFoundError(OperatorError):
    """An app, rollout or stack of that name is not known."""


class StateError(OperatorError):
    """The state directory cannot be used: locked by another daemon, read-only, full, or of a newer version."""


class StaleVersionError(OperatorError):
    """A route table was to replace a version that is no longer the current one."""


class StackError(SplitterError):
    """A stack could not be made, got unhealthy or died.  What was made of it has been removed."""


class EngineError(StackError):
    """The container engine cannot be reached or refused a call; the message says which and what to do."""


class DownstreamError(SplitterError):
    """A client's message cannot be served: `status` is the answer, `reason` a short word for log and metrics."""

    def __init__(self, status: int, reason: str, message: str = "") -> None:
        self.status = status
        self.reason = reason
        super().__init__(message or reason)


class UpstreamError(SplitterError):
    """A stack's answer cannot be used: `reason` is a short word for log and metrics (`connect`, `reset`, …)."""

    def __init__(self, reason: str, message: str = "") -> None:
        self.reason = reason
        super().__init__(message or reason)
