"""The sections that say which requests go where: clients that stick to a stack."""

import re
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, model_validator

from splitter.config.problems import MisfitsError
from splitter.config.section import Section
from splitter.config.units import Flag
from splitter.http1.cookies import is_cookie_name
from splitter.model import Sticky as StickyValue
from splitter.model import StickyBy

_FIELD_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*", re.ASCII)
_FRAMING = frozenset(("connection", "content-length", "host", "te", "trailer", "transfer-encoding", "upgrade", "via"))


def _cookie_name(name: str) -> str:
    if not is_cookie_name(name):
        raise ValueError(f"the name {name!r} cannot be a cookie's; write letters, digits, dashes and underscores")
    return name


def _field_name(name: str) -> str:
    if not _FIELD_NAME.fullmatch(name):
        raise ValueError(f"the name {name!r} cannot be a header's; write letters, digits and dashes")
    if name.lower() in _FRAMING:
        raise ValueError(f"the header {name} frames or routes a message; write one of your own, such as X-User")
    return name


CookieName: TypeAlias = Annotated[str, AfterValidator(_cookie_name)]
FieldName: TypeAlias = Annotated[str, AfterValidator(_field_name)]


class Sticky(Section):
    cookie: CookieName | None = None
    """A cookie of splitter's own that tells clients apart; who has none is given one when a split decides for it."""
    header: FieldName | None = None
    """A request header that tells clients apart, such as `X-User`; requests without it are drawn one by one."""
    address: Flag = False
    """Whether it is the client's address that tells clients apart."""

    @model_validator(mode="after")
    def _is_one(self) -> "Sticky":
        said = [name for name in ("cookie", "header", "address") if getattr(self, name)]
        if len(said) != 1:
            wrong = (
                f"{' and '.join(said)} cannot both tell clients apart" if said else "says not what tells clients apart"
            )
            raise MisfitsError([((), f"{wrong}; write one of cookie: splitter, header: X-User or address: true")])
        return self


def sticky_value(section: Sticky | None) -> StickyValue | None:
    """Return how clients stick to a stack; None: they do not."""
    if section is None:
        return None
    if section.cookie:
        return StickyValue(StickyBy.COOKIE, section.cookie)
    if section.header:
        return StickyValue(StickyBy.HEADER, section.header)
    return StickyValue(StickyBy.ADDRESS)
