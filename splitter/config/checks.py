"""Checks that look beyond one section: two listeners on one address, two apps behind one route, paths that cannot work.

They run over whatever is readable, also when other parts of the document are not, so that one attempt shows all
mistakes.
"""

import ipaddress
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from splitter.change.positions import Path as Place
from splitter.config.document import Admin, Listener, Route
from splitter.config.problems import Misfit
from splitter.config.proxying import Proxy
from splitter.errors import OperatorError
from splitter.model import Endpoint
from splitter.routing import Route as RouteInTable
from splitter.routing import RouteRule

SOCKET_PATH_BYTES_MAX = 107  # the kernel's struct has 108, the last of them a zero

Model = TypeVar("Model", bound=BaseModel)


def across(content: Mapping[str, Any], file: Path) -> list[Misfit]:
    """Return the mistakes between the sections of a document, which may hold other mistakes."""
    return [*_addresses(content), *_preambles(content), *_routes(content), *_socket(content, file)]


def absolute(path: str, file: Path) -> Path:
    """Return `path` as the configuration means it: `~` is the user's home, relative is to the file's folder."""
    return Path(os.path.normpath(file.absolute().parent / Path(path).expanduser()))


def _addresses(content: Mapping[str, Any]) -> Iterator[Misfit]:
    """Two doors cannot open on one address.  Port 0 is a new port for each."""
    taken: dict[Endpoint, str] = {}
    for path, address in _doors(content):
        if address.port == 0:
            continue
        rival = next((name for other, name in taken.items() if _overlap(address, other)), None)
        if rival is not None:
            yield path, f"{address} is taken by {rival}"
        else:
            taken[address] = ".".join(map(str, path[:1])) + (f"[{path[1]}]" if isinstance(path[1], int) else ".bind")


def _doors(content: Mapping[str, Any]) -> Iterator[tuple[Place, Endpoint]]:
    listeners = content.get("listeners")
    for number, each in enumerate(listeners if isinstance(listeners, list) else ()):
        if (listener := _valid(Listener, each)) is not None:
            yield ("listeners", number, "bind"), listener.bind
    admin = _valid(Admin, content.get("admin", {}))
    if admin is not None and admin.bind is not None:
        yield ("admin", "bind"), admin.bind


def _preambles(content: Mapping[str, Any]) -> Iterator[Misfit]:
    """Whoever speaks the PROXY protocol must be trusted, so somebody must be."""
    proxy = _valid(Proxy, content.get("proxy", {}))
    listeners = content.get("listeners")
    for number, each in enumerate(listeners if isinstance(listeners, list) else ()):
        listener = _valid(Listener, each)
        if listener is not None and listener.proxy_protocol and proxy is not None and not proxy.trusted_peers:
            message = "nobody could come in: name the proxies that may speak it in proxy.trusted_peers"
            yield ("listeners", number, "proxy_protocol"), message


def _overlap(one: Endpoint, other: Endpoint) -> bool:
    """Return whether two addresses cannot both be listened on; every address of a family overlaps its wildcard."""
    if one.port != other.port:
        return False
    if one.host == other.host:
        return True
    first, second = _ip(one.host), _ip(other.host)
    same_family = first is not None and second is not None and first.version == second.version
    return same_family and any(ip is not None and ip.is_unspecified for ip in (first, second))


def _ip(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _routes(content: Mapping[str, Any]) -> Iterator[Misfit]:
    """Every route can be matched, and no two of them match the same requests."""
    taken: dict[tuple[str, str], str] = {}
    for app, number, route in _readable_routes(content):
        path: Place = ("apps", app, "routes", number)
        rule = RouteRule(app, route.host, route.path, route.service, route.port)
        try:
            checked = RouteInTable(rule, None, lambda bound: 0)
        except OperatorError as error:
            yield path, str(error).removeprefix(f"{rule}: ")
            continue
        here = (checked.host, checked.path)
        if here in taken:
            yield path, f"{route.host}{route.path} is taken by {taken[here]}; keep one of them"
        else:
            taken[here] = f"apps.{app}.routes[{number}]"


def _readable_routes(content: Mapping[str, Any]) -> Iterator[tuple[str, int, Route]]:
    apps = content.get("apps")
    for app, section in apps.items() if isinstance(apps, dict) else ():
        routes = section.get("routes") if isinstance(section, dict) else None
        for number, each in enumerate(routes if isinstance(routes, list) else ()):
            if (route := _valid(Route, each)) is not None:
                yield app, number, route


def _socket(content: Mapping[str, Any], file: Path) -> Iterator[Misfit]:
    admin = content.get("admin")
    written = admin.get("socket") if isinstance(admin, dict) else None
    path = absolute(written if isinstance(written, str) else Admin().socket, file)
    length = len(os.fsencode(path))
    if length > SOCKET_PATH_BYTES_MAX:
        message = f"{path} has {length} bytes; the system takes {SOCKET_PATH_BYTES_MAX}: choose a shorter path"
        yield ("admin", "socket"), message


def _valid(model: type[Model], content: Any) -> Model | None:
    """Return a section that can be read on its own, or None."""
    try:
        return model.model_validate(content)
    except ValidationError:
        return None
