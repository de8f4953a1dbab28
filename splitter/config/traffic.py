"""The sections that say which requests go where: copies for a shadow, clients that stick to a stack, testers."""

import re
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, Field, field_validator, model_validator

from splitter.config.problems import MisfitsError
from splitter.config.section import Section
from splitter.config.units import Flag, Moment, Networks, Share, show_share
from splitter.http1.cookies import is_cookie_name
from splitter.limits import WEIGHT_TOTAL
from splitter.model import Sticky as StickyValue
from splitter.model import StickyBy
from splitter.rollout.options import SAFE_METHODS, MirrorOptions
from splitter.routing import AllowedTesters

_FIELD_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*", re.ASCII)
_METHOD = re.compile(r"(?!CONNECT$)[A-Z][A-Z-]{0,31}", re.ASCII)
_MIRROR = MirrorOptions()
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


def _method(name: str) -> str:
    if not _METHOD.fullmatch(name):
        raise ValueError(f"{name!r} is no method that can be copied; write for example GET, in capitals")
    return name


Method: TypeAlias = Annotated[str, AfterValidator(_method)]
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


class Mirror(Section):
    share: Share = _MIRROR.share_bp
    """The share of the requests that are copied."""
    methods: tuple[Method, ...] = Field(_MIRROR.methods, min_length=1)
    """The methods that are copied. Any but GET, HEAD and OPTIONS needs `isolated`."""
    for_: Moment = Field(_MIRROR.for_s, alias="for")
    """How long requests are copied at least, before the shadow gets its first share."""
    isolated: Flag = _MIRROR.isolated
    """Whether what a copy changes stays with the shadow: neither its data nor what it calls is shared with live."""

    @field_validator("share")
    @classmethod
    def _is_some(cls, share: int) -> int:
        if not 1 <= share <= WEIGHT_TOTAL:
            raise ValueError(f"{show_share(share)} copies nothing that there is; write 0.01% to 100%")
        return share

    @model_validator(mode="after")
    def _repeats_nothing(self) -> "Mirror":
        unsafe = [(number, method) for number, method in enumerate(self.methods) if method not in SAFE_METHODS]
        if unsafe and not self.isolated:
            remedy = "leave it out, or write isolated: true if what a copy changes stays with the shadow"
            raise MisfitsError(
                [(("methods", number), f"{method} would be done twice; {remedy}") for number, method in unsafe]
            )
        return self


def mirror_options(section: Mirror | None) -> MirrorOptions | None:
    """Return what is copied to a shadow; None: nothing."""
    if section is None:
        return None
    return MirrorOptions(share_bp=section.share, methods=section.methods, for_s=section.for_, isolated=section.isolated)


class Testers(Section):
    networks: Annotated[Networks, Field(min_length=1)]
    """Where testers connect from, as addresses or networks; nobody else may name a stack."""
    header: FieldName | None = "X-Splitter-Stack"
    """The request header that names the stack: `live`, `shadow`, or an id such as `shop-r12`. Null: none does."""
    cookie: CookieName | None = "splitter-stack"
    """The cookie that names it, where the header does not. Null: none does."""

    @model_validator(mode="after")
    def _can_say_it(self) -> "Testers":
        if not self.header and not self.cookie:
            raise MisfitsError([((), "leaves testers no way to name a stack; write header: or cookie: and its name")])
        return self


def allowed_testers(section: Testers | None) -> AllowedTesters | None:
    """Return who may name a stack; None: nobody may."""
    if section is None:
        return None
    return AllowedTesters(section.header or "", section.cookie or "", section.networks)


def sticky_value(section: Sticky | None) -> StickyValue | None:
    """Return how clients stick to a stack; None: they do not."""
    if section is None:
        return None
    if section.cookie:
        return StickyValue(StickyBy.COOKIE, section.cookie)
    if section.header:
        return StickyValue(StickyBy.HEADER, section.header)
    return StickyValue(StickyBy.ADDRESS)
