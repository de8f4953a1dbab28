"""Compose files → one resolved Template, or every mistake at once.

    parse → interpolate → include → extends → merge, file by file   (a file that is no template ends here)
    profiles → read each key → names → consistency                  (mistakes of content end here)

Reads files through the function it is given and nothing else: no environment of the process, no engine, no network.
The same input gives the same template; what the operator should know but need not change is in its `notes`.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import TypeVar

from splitter.change import consistency, keys
from splitter.change.canonical import digest
from splitter.change.documents import read_document
from splitter.change.folders import Folders, folder_of
from splitter.change.interpolation import Interpolator
from splitter.change.mounts import read_volume
from splitter.change.networks import DEFAULT_NETWORK, read_network
from splitter.change.positions import MapNode, Places, ScalarNode, plain
from splitter.change.projects import Assembler, Project
from splitter.change.services import links_of, profiles_of, read_service, with_links
from splitter.change.shapes import Fields, Report, Value
from splitter.change.sources import Read, Sources
from splitter.change.variables import Surroundings
from splitter.errors import Problem, TemplateError
from splitter.limits import SERVICES_MAX
from splitter.template import Document, MountType, Network, Service, Template, Volume

T = TypeVar("T")

_NAME = re.compile(r"[A-Za-z0-9._-]+", re.ASCII)
PROJECT_NAME = "COMPOSE_PROJECT_NAME"
PROFILES = "COMPOSE_PROFILES"
ALL_PROFILES = "*"


def load(
    files: Sequence[str],
    *,
    read: Read,
    environment: Mapping[str, str],
    profiles: Sequence[str] = (),
    directory: str | None = None,
    project: str | None = None,
    env_files: Sequence[str] | None = None,
    require_image: bool = True,
) -> Template:
    """Return the template that `files` (absolute paths, in order) describe together.

    `directory` is where relative paths start (else the folder of the first file), `project` the project's name
    (else COMPOSE_PROJECT_NAME, the last `name:`, the folder's name).  `env_files` replace the directory's `.env`.
    With `require_image` false a service may have a command alone, for provisioners that run commands.
    Raises TemplateError with every Problem, in the order of the text.
    """
    if not files:
        raise TemplateError([Problem("template", 0, 0, "", "no file is named; name at least one Compose file")])
    folder = directory or folder_of(files[0])
    loading = _Loading(read, Folders(folder, environment.get("HOME", "")), environment)
    loading.read_environment(env_files)
    root = loading.merged(files, project)
    return loading.template(root, tuple(files), profiles, require_image=require_image)


class _Loading:
    """The state of one load: the environment as it grows, the files read so far, what was found."""

    def __init__(self, read: Read, folders: Folders, environment: Mapping[str, str]) -> None:
        self._read = read
        self._folders = folders
        self._given = environment
        self._environment = dict(environment)
        self._report = Report()
        self._sources = Sources(read, self._report)
        self._assembler = Assembler(self._sources, self._report)
        self._of_syntax: tuple[Problem, ...] = ()

    # --- Files

    def read_environment(self, env_files: Sequence[str] | None) -> None:
        """Lay the given environment over the variables of `.env`, or of `env_files`, later ones over earlier."""
        files = [f"{self._folders.project.rstrip('/')}/.env"] if env_files is None else list(env_files)
        values = self._sources.variables(files, self._given, is_optional=env_files is None)
        self._environment.update({**values, **self._given})

    def merged(self, files: Sequence[str], project: str | None) -> MapNode:
        """Return all files laid over each other.  Raises TemplateError where one cannot be read at all."""
        self._name_project(project, [root for file in files if (root := self._sources.root(file)) is not None])
        root = self._assembler.merged(Project(tuple(files), self._folders, self._environment))
        if self._sources.has_gaps or root is None:
            self._stop_at_problems()
        self._of_syntax = tuple(self._report.problems)
        assert root is not None, "a template without a file that can be read has a problem"
        return root

    def _name_project(self, project: str | None, parsed: Sequence[MapNode]) -> None:
        """Set COMPOSE_PROJECT_NAME, which the files themselves may use."""
        names = [node.entries["name"].value for node in parsed if "name" in node.entries]
        written = next((str(name.value) for name in reversed(names) if isinstance(name, ScalarNode)), "")
        try:
            written = Interpolator(self._environment).text(written)
        except ValueError:
            written = ""  # reported with its place when the file is interpolated
        name = project or self._environment.get(PROJECT_NAME) or written or self._folders.project.rpartition("/")[2]
        normalized = re.sub(r"[^a-z0-9_-]", "", name.lower()).lstrip("_-")
        if not normalized:
            place = Problem(self._folders.project, 0, 0, "name", f"{name!r} holds no letter or digit; write name:")
            self._report.problems.append(place)
        self._environment[PROJECT_NAME] = normalized

    # --- Content

    def template(
        self, root: MapNode, files: tuple[str, ...], profiles: Sequence[str], *, require_image: bool
    ) -> Template:
        """Return what the merged files say.  Raises TemplateError with every mistake of content."""
        found = Value(root, (), root.place, self._report).known(keys.FILE)
        found.read("name", Value.text, "")
        written = found["services"].entries() if "services" in found else {}
        if not written and not self._report.problems:
            self._report.problems.append(root.place.problem("services", "no service stands here; write at least one"))
        if len(written) > SERVICES_MAX:
            found["services"].key_problem(f"more than {SERVICES_MAX} services")
        belongs = {name: profiles_of(value) for name, value in written.items()}
        active = self._active(profiles)
        disabled = {name: of for name, of in belongs.items() if of and not {*of, ALL_PROFILES} & active}
        services = {
            name: read_service(name, value, self._surroundings(name not in disabled, require_image=require_image))
            for name, value in sorted(written.items())
        }
        enabled = {name: service for name, service in services.items() if name not in disabled}
        enabled = with_links(enabled, {name: links_of(written[name]) for name in enabled})
        resources = _Resources(
            networks={key: read_network(key, value) for key, value in _entries(found, "networks").items()},
            volumes={key: read_volume(key, value) for key, value in _entries(found, "volumes").items()},
            secrets=self._documents(found, "secrets", enabled),
            configs=self._documents(found, "configs", enabled),
        )
        self._report.problems += consistency.check(
            enabled, disabled, resources.keys(), _container_names(written), Places(root)
        )
        self._stop_at_problems()
        return self._assembled(enabled, resources, files)

    def _documents(self, found: Fields, kind: str, services: Mapping[str, Service]) -> dict[str, Document]:
        """Return the secrets or configs; the files of those that no service uses are not read."""
        granted = {
            key
            for service in services.values()
            for key in (service.secret_keys if kind == "secrets" else {grant.source for grant in service.configs})
        }
        return {
            key: read_document(key, value, kind, self._for_document(is_read=key in granted))
            for key, value in _entries(found, kind).items()
        }

    def _assembled(self, enabled: Mapping[str, Service], resources: "_Resources", files: tuple[str, ...]) -> Template:
        """Return the template with what its services use, and nothing else."""
        services = {name: _without_missing(service, enabled) for name, service in enabled.items()}
        networks = {DEFAULT_NETWORK: Network(DEFAULT_NETWORK), **resources.networks}
        all_services = services.values()
        joined = {attachment.network for service in all_services for attachment in service.networks}
        mounted = {
            mount.source for service in all_services for mount in service.mounts if mount.type is MountType.VOLUME
        }
        template = Template(
            project=self._environment[PROJECT_NAME],
            directory=self._folders.project,
            services=services,
            networks=_only(networks, joined),
            volumes=_only(resources.volumes, mounted),
            secrets=_only(resources.secrets, {key for service in all_services for key in service.secret_keys}),
            configs=_only(resources.configs, {grant.source for service in all_services for grant in service.configs}),
            files=files,
            notes=self._notes(),
        )
        return replace(template, digest=digest(template))

    def _notes(self) -> tuple[str, ...]:
        unset = ", ".join(self._assembler.unset)
        return (*((f"variables not set, taken as empty: {unset}",) if unset else ()), *self._report.notes)

    def _active(self, profiles: Sequence[str]) -> frozenset[str]:
        named = profiles or self._environment.get(PROFILES, "").split(",")
        return frozenset(name.strip() for name in named if name.strip())

    def _surroundings(self, is_enabled: bool, *, require_image: bool) -> Surroundings:
        read = self._read if is_enabled else None
        return Surroundings(self._folders, self._environment, read, require_image, self._assembler.included)

    def _for_document(self, *, is_read: bool) -> Surroundings:
        """Return what a secret or config is read with; the file of one that nobody uses is not."""
        return self._surroundings(is_read, require_image=False)

    def _stop_at_problems(self) -> None:
        if self._report.problems:
            unique = _without_consequences(dict.fromkeys(self._report.problems), self._of_syntax)
            order = {file: index for index, file in enumerate(self._sources.order)}
            raise TemplateError(sorted(unique, key=lambda p: (order.get(p.file, len(order)), p.line, p.column)))


@dataclass(frozen=True, slots=True)
class _Resources:
    """What stands at the top level beside the services, by key."""

    networks: Mapping[str, Network]
    volumes: Mapping[str, Volume]
    secrets: Mapping[str, Document]
    configs: Mapping[str, Document]

    def keys(self) -> consistency.Known:
        return consistency.Known(
            frozenset({*self.networks, DEFAULT_NETWORK}),
            frozenset(self.volumes),
            frozenset(self.secrets),
            frozenset(self.configs),
        )


def _entries(found: Fields, key: str) -> dict[str, Value]:
    """Return the resources of one kind, by name; a name that no engine takes is a mistake."""
    entries: dict[str, Value] = found.read(key, Value.entries, {})
    for name, value in entries.items():
        if _NAME.fullmatch(name) is None:
            value.key_problem(f"{name!r} is not a name for one of the {key}; use letters, digits, '.', '_' and '-'")
    return entries


def _only(resources: Mapping[str, T], used: set[str]) -> dict[str, T]:
    return {key: resource for key, resource in sorted(resources.items()) if key in used}


def _without_consequences(problems: Iterable[Problem], of_syntax: Sequence[Problem]) -> list[Problem]:
    """Return `problems` without those that may only be there because another one, of syntax, is.

    They stand at the place of one of syntax, or are about what it lies in.
    """
    places = {(each.file, each.line, each.column) for each in of_syntax}
    parents = {path for each in of_syntax for path in accumulate(each.path.split("."), "{}.{}".format)}
    known = set(of_syntax)
    return [
        each
        for each in problems
        if each in known or ((each.file, each.line, each.column) not in places and each.path not in parents)
    ]


def _container_names(written: Mapping[str, Value]) -> dict[str, str]:
    """Return the container names that services ask for; what is no text has been reported by their reader."""
    names = {name: value.entries().get("container_name") for name, value in written.items() if value.is_mapping}
    return {name: str(plain(value.node)) for name, value in names.items() if value is not None}


def _without_missing(service: Service, services: Mapping[str, Service]) -> Service:
    """Return the service without the optional dependencies on services that are off."""
    return replace(service, depends_on=tuple(d for d in service.depends_on if d.service in services))
