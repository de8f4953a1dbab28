"""Values to JSON and back: the one place that says how a status, a plan or an event looks on the wire."""

import dataclasses
import json
from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from math import isfinite
from typing import Any

from aiohttp import web

from splitter.errors import NotFoundError, OperatorError, ProblemsError, RefusedError, SplitterError, StateError
from splitter.rollout.events import Event

_STATUS_OF: tuple[tuple[type[SplitterError], int, str], ...] = (
    (RefusedError, 409, "refused"),
    (NotFoundError, 404, "not_found"),
    (StateError, 503, "state"),
    (ProblemsError, 422, "problems"),
    (OperatorError, 400, "operator"),
    (SplitterError, 502, "stack"),
)
"""The first family that fits counts, so the narrow ones stand first."""


def plain(value: Any) -> Any:
    """Return `value` as JSON's own types: dataclasses as objects, enums by value, dates in ISO 8601, no infinity."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(plain(key)): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(each) for each in value]
    if isinstance(value, float) and not isfinite(value):
        return None  # JSON has no word for it
    return value


def event_object(event: Event) -> dict[str, Any]:
    """Return one fact of the journal as an object."""
    return dict(plain(event))


def error_response(error: SplitterError) -> web.Response:
    """Return the answer for an error raised on purpose: `{"error": {"kind", "message"}}`."""
    for family, status, kind in _STATUS_OF:
        if isinstance(error, family):
            return web.json_response({"error": {"kind": kind, "message": str(error)}}, status=status)
    raise AssertionError("every error raised on purpose is a SplitterError")


def dumps(value: Any) -> str:
    """Return `value` as one line of JSON."""
    return json.dumps(plain(value), ensure_ascii=False, separators=(",", ":"))
