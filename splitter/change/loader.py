"""Compose files → one resolved Template, or every mistake at once.

    parse → interpolate → extends → merge, file by file   (mistakes of syntax end here)
    profiles → read each key → names → consistency        (mistakes of content end here)

Reads files through the function it is given and nothing else: no environment of the process, no engine, no network.
The same input gives the same template; what the operator should know but need not change is in its `notes`.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from splitter.change import consistency, keys, labels
from splitter.change.canonical import digest
from splitter.change.dotenv import parse_dotenv
from splitter.change.extends import Extender
from splitter.change.interpolation import Interpolator
from splitter.change.merge import merge
from splitter.change.mounts import Folders
from splitter.change.positions import MapNode, Node, Places, ScalarNode, parse, plain
from splitter.change.services import DEFAULT_NETWORK, Surroundings, profiles_of, read_labels, read_service
from splitter.change.shapes import Report, Value
from splitter.errors import Problem, ProblemsError, TemplateError
from splitter.limits import SERVICES_MAX, TEMPLATE_FILES_MAX
from splitter.template import MountType, Network, Service, Template, Volume

Read = Callable[[str], str]
"""Return a file's text.  Raises OSError (FileNotFoundError where there is none) or UnicodeDecodeError."""

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
    if len(files) > TEMPLATE_FILES_MAX:
        raise TemplateError([Problem(files[0], 0, 0, "", f"more than {TEMPLATE_FILES_MAX} files")])
    folder = directory or files[0].rpartition("/")[0] or "/"
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
        self._interpolator = Interpolator(self._environment)
        self._report = Report()
        self._opened: dict[str, MapNode | None] = {}

    # --- Files

    def read_environment(self, env_files: Sequence[str] | None) -> None:
        """Lay the given environment over the variables of `.env`, or of `env_files`, later ones over earlier."""
        files = [f"{self._folders.project.rstrip('/')}/.env"] if env_files is None else list(env_files)
        values: dict[str, str] = {}
        for file in files:
            text = self._text(file, is_optional=env_files is None)
            if text is not None:
                try:
                    values.update(parse_dotenv(text, file, {**values, **self._given}))
                except ProblemsError as error:
                    self._report.problems.extend(error.problems)
        self._environment.update({**values, **self._given})

    def merged(self, files: Sequence[str], project: str | None) -> MapNode:
        """Return all files laid over each other.  Raises TemplateError where one cannot be read at all."""
        parsed = [self._parsed(file) for file in files]
        self._name_project(project, [node for node in parsed if node is not None])
        result: Node | None = None
        extender = Extender(self._open, self._folders, self._report)
        for file, node in zip(files, parsed, strict=True):
            if node is not None:
                self._opened[file] = self._interpolated(node)
        for file in files:
            if (root := self._opened.get(file)) is not None:
                result = merge(result, extender.resolve(root, file))
        self._stop_at_problems()
        assert isinstance(result, MapNode), "every file is a mapping, and there is at least one"
        return result

    def _name_project(self, project: str | None, parsed: Sequence[MapNode]) -> None:
        """Set COMPOSE_PROJECT_NAME, which the files themselves may use."""
        names = [node.entries["name"].value for node in parsed if "name" in node.entries]
        written = next((str(name.value) for name in reversed(names) if isinstance(name, ScalarNode)), "")
        try:
            written = self._interpolator.text(written)
        except ValueError:
            written = ""  # reported with its place when the file is interpolated
        name = project or self._environment.get(PROJECT_NAME) or written or self._folders.project.rpartition("/")[2]
        normalized = re.sub(r"[^a-z0-9_-]", "", name.lower()).lstrip("_-")
        if not normalized:
            place = Problem(self._folders.project, 0, 0, "name", f"{name!r} holds no letter or digit; write name:")
            self._report.problems.append(place)
        self._environment[PROJECT_NAME] = normalized

    def _open(self, file: str) -> MapNode | None:
        """Return the root of a file that another one extends."""
        if file not in self._opened:
            node = self._parsed(file)
            self._opened[file] = self._interpolated(node) if node is not None else None
        return self._opened[file]

    def _parsed(self, file: str) -> MapNode | None:
        text = self._text(file)
        if text is None:
            return None
        try:
            node = parse(text, file)
        except ProblemsError as error:
            self._report.problems.extend(error.problems)
            return None
        if isinstance(node, MapNode):
            return node
        self._report.problems.append(node.place.problem((), "a template is a mapping; begin with services:"))
        return None

    def _interpolated(self, node: MapNode) -> MapNode:
        result = self._interpolator.node(node, (), self._report.problems)
        assert isinstance(result, MapNode), "interpolation keeps the kind of a node"
        return result

    def _text(self, file: str, *, is_optional: bool = False) -> str | None:
        try:
            return self._read(file)
        except FileNotFoundError:
            if not is_optional:
                self._report.problems.append(Problem(file, 0, 0, "", "there is no such file"))
        except UnicodeDecodeError:
            self._report.problems.append(Problem(file, 0, 0, "", "the file is not UTF-8 text"))
        except OSError as error:
            self._report.problems.append(Problem(file, 0, 0, "", f"the file cannot be read: {error.strerror or error}"))
        return None

    # --- Content

    def template(
        self, root: MapNode, files: tuple[str, ...], profiles: Sequence[str], *, require_image: bool
    ) -> Template:
        """Return what the merged files say.  Raises TemplateError with every mistake of content."""
        found = Value(root, (), root.place, self._report).known(keys.FILE)
        written = found["services"].entries() if "services" in found else {}
        if not written and not self._report.problems:
            self._report.problems.append(root.place.problem("services", "no service stands here; write at least one"))
        if len(written) > SERVICES_MAX:
            found["services"].key_problem(f"more than {SERVICES_MAX} services")
        belongs = {name: profiles_of(value) for name, value in written.items()}
        active = self._active(profiles)
        disabled = {name: of for name, of in belongs.items() if of and not {*of, ALL_PROFILES} & active}
        services = {
            name: read_service(name, value, self._surroundings(name not in disabled, require_image))
            for name, value in sorted(written.items())
        }
        enabled = {name: service for name, service in services.items() if name not in disabled}
        networks = {key: _network(key, value) for key, value in found.read("networks", Value.entries, {}).items()}
        volumes = {key: _volume(key, value) for key, value in found.read("volumes", Value.entries, {}).items()}
        places = Places(root)
        self._report.problems += consistency.check(
            enabled, disabled, frozenset(networks), frozenset(volumes), _container_names(written), places
        )
        self._stop_at_problems()
        return self._assembled(enabled, networks, volumes, files)

    def _assembled(
        self,
        enabled: Mapping[str, Service],
        networks: Mapping[str, Network],
        volumes: Mapping[str, Volume],
        files: tuple[str, ...],
    ) -> Template:
        """Return the template with what its services use, and nothing else."""
        services = {name: _without_missing(service, enabled) for name, service in enabled.items()}
        networks = {DEFAULT_NETWORK: Network(DEFAULT_NETWORK), **networks}
        joined = {attachment.network for service in services.values() for attachment in service.networks}
        mounted = {
            mount.source for service in services.values() for mount in service.mounts if mount.type is MountType.VOLUME
        }
        template = Template(
            project=self._environment[PROJECT_NAME],
            directory=self._folders.project,
            services=services,
            networks={key: network for key, network in sorted(networks.items()) if key in joined},
            volumes={key: volume for key, volume in sorted(volumes.items()) if key in mounted},
            files=files,
            notes=self._notes(),
        )
        return replace(template, digest=digest(template))

    def _notes(self) -> tuple[str, ...]:
        unset = ", ".join(self._interpolator.unset)
        return (*((f"variables not set, taken as empty: {unset}",) if unset else ()), *self._report.notes)

    def _active(self, profiles: Sequence[str]) -> frozenset[str]:
        named = profiles or self._environment.get(PROFILES, "").split(",")
        return frozenset(name.strip() for name in named if name.strip())

    def _surroundings(self, is_enabled: bool, require_image: bool) -> Surroundings:
        return Surroundings(self._folders, self._environment, self._read if is_enabled else None, require_image)

    def _stop_at_problems(self) -> None:
        if self._report.problems:
            unique = dict.fromkeys(self._report.problems)
            order = {file: index for index, file in enumerate(self._opened)}
            raise TemplateError(sorted(unique, key=lambda p: (order.get(p.file, len(order)), p.line, p.column)))


def _container_names(written: Mapping[str, Value]) -> dict[str, str]:
    """Return the container names that services ask for; what is no text has been reported by their reader."""
    names = {name: value.entries().get("container_name") for name, value in written.items() if value.is_mapping}
    return {name: str(plain(value.node)) for name, value in names.items() if value is not None}


def _without_missing(service: Service, services: Mapping[str, Service]) -> Service:
    """Return the service without the optional dependencies on services that are off."""
    return replace(service, depends_on=tuple(d for d in service.depends_on if d.service in services))


def _network(key: str, value: Value) -> Network:
    if value.is_null:
        return Network(key)
    found = value.known(keys.NETWORK)
    external, external_name = _external(found.get("external"))
    name = found.read("name", Value.text, "") or external_name
    return Network(
        key=key,
        name=name or (key if external else ""),
        driver=found.read("driver", Value.text, ""),
        driver_opts=found.read("driver_opts", read_labels, {}),
        internal=found.read("internal", Value.boolean, False),
        external=external,
        labels=found.read("labels", read_labels, {}),
    )


def _volume(key: str, value: Value) -> Volume:
    if value.is_null:
        return Volume(key)
    found = value.known(keys.VOLUME)
    external, external_name = _external(found.get("external"))
    name = found.read("name", Value.text, "") or external_name
    return Volume(
        key=key,
        name=name or (key if external else ""),
        driver=found.read("driver", Value.text, ""),
        driver_opts=found.read("driver_opts", read_labels, {}),
        external=external,
        labels=found.read("labels", lambda value: read_labels(value, labels.VOLUME_LABELS), {}),
    )


def _external(value: Value | None) -> tuple[bool, str]:
    """Return whether something is external, and the name that the old form `external: {name: x}` gives it."""
    if value is None:
        return False, ""
    if value.is_mapping:
        names = value.entries()
        return True, names["name"].text() if "name" in names else ""
    return value.boolean(), ""
