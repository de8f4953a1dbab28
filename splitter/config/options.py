"""The whole configuration, as the rooms want it: each its own frozen options, with every path absolute."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from provisioners.docker import DockerOptions
from splitter.alerts import Target
from splitter.model import Endpoint
from splitter.proxy.options import AccessOptions, HealthOptions, ListenerOptions, ProxyOptions
from splitter.rollout.options import AppOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminOptions:
    """The doors for operators.  `bind` None: no TCP; `token` empty: nothing can be changed over TCP."""

    socket: Path
    bind: Endpoint | None = None
    token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What one daemon is told.

    `inline_templates` holds the text of templates that the configuration itself contains, by the name that
    `AppOptions.template_files` gives them; no such name is a file's.
    """

    file: Path
    listeners: tuple[ListenerOptions, ...]
    admin: AdminOptions
    state_dir: Path
    apps: Mapping[str, AppOptions]
    proxy: ProxyOptions
    docker: DockerOptions
    access_log: AccessOptions | None = None
    health: Mapping[str, HealthOptions] = field(default_factory=dict)
    alerts: tuple[Target, ...] = ()
    inline_templates: Mapping[str, str] = field(default_factory=dict)
