"""Files laid over each other, with the projects that they include and the services that they extend.

File by file, in order: variables are replaced, what the file includes is laid over what was there, then the file
itself, each service over its base.  An included project has its own folder and its own `.env`, which lies under the
variables of whoever includes it; its names join ours, and where both have a name, ours is laid over it.

Paths of an included project start at its own folder, so they are made absolute before it is merged.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from splitter.change import keys
from splitter.change.extends import Extender
from splitter.change.folders import Folders, folder_of, resolved
from splitter.change.interpolation import Interpolator
from splitter.change.merge import merge
from splitter.change.positions import MapNode, Node
from splitter.change.rebasing import rebased_file
from splitter.change.shapes import Fields, Report, Value
from splitter.change.sources import Sources
from splitter.limits import INCLUDE_DEPTH_MAX, TEMPLATE_FILES_MAX

INCLUDE = "include"
_OWN = frozenset({INCLUDE, "name", "version"})
"""What a file says of itself alone."""


@dataclass(frozen=True, slots=True)
class Project:
    """Files that are read with one folder and one environment; `chain` are the files that led here.

    `own` are the variables of the environment that only this project has, and those that include it.
    """

    files: tuple[str, ...]
    folders: Folders
    environment: Mapping[str, str]
    chain: tuple[str, ...] = ()
    own: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Assembler:
    """Makes one tree of a project's files.

    `unset` collects the variables that had no value, `included` those that only included projects have, by the files
    that were read with them: what a value there looks up later, it looks up there as well.  `includes` are all
    includes so far, which ends files that include each other twice, and those twice, and so on.
    """

    sources: Sources
    report: Report
    unset: dict[str, None] = field(default_factory=dict)
    included: dict[str, Mapping[str, str]] = field(default_factory=dict)
    includes: list[str] = field(default_factory=list)

    def merged(self, project: Project) -> MapNode | None:
        """Return the tree; None where no file could be read.  Mistakes are in the report."""
        interpolated: dict[str, MapNode | None] = {}

        def open_file(file: str) -> MapNode | None:
            if file not in interpolated:
                root = self.sources.root(file)
                if project.own:
                    self.included[file] = {**project.own, **self.included.get(file, {})}
                interpolated[file] = None if root is None else self._interpolated(root, project.environment)
            return interpolated[file]

        extender = Extender(open_file, project.folders, self.report)
        result: Node | None = None
        for file in project.files:
            root = open_file(file)
            if root is None:
                continue
            for included in self._included(root, file, project):
                result = merge(result, included)
            result = merge(result, extender.resolve(_without(root, {INCLUDE}), file))
        assert result is None or isinstance(result, MapNode), "every file is a mapping"
        return result

    def _interpolated(self, root: MapNode, environment: Mapping[str, str]) -> MapNode:
        interpolator = Interpolator(environment)
        result = interpolator.node(root, (), self.report.problems)
        self.unset.update(interpolator.unset)
        assert isinstance(result, MapNode), "interpolation keeps the kind of a node"
        return result

    # --- Includes

    def _included(self, root: MapNode, file: str, project: Project) -> list[MapNode]:
        """Return the projects that a file includes, their paths absolute."""
        if INCLUDE not in root.entries:
            return []
        entry = root.entries[INCLUDE]
        value = Value(entry.value, (INCLUDE,), entry.place, self.report)
        chain = (*project.chain, file)
        found = [self._include(item, project, chain) for item in value.items()]
        return [included for included in found if included is not None]

    def _include(self, item: Value, project: Project, chain: tuple[str, ...]) -> MapNode | None:
        self.includes.append(item.name)
        if len(chain) > INCLUDE_DEPTH_MAX:
            item.problem(f"more than {INCLUDE_DEPTH_MAX} files include each other in a row")
            return None
        if len(self.includes) > TEMPLATE_FILES_MAX:
            item.problem(f"more than {TEMPLATE_FILES_MAX} includes")
            return None
        found = item.known(keys.INCLUDE) if item.is_mapping else Fields(path=item)
        files = self._paths(found, "path", project.folders)
        if not files:
            item.problem("no path says what is included; write path:")
            return None
        loop = [file for file in files if file in chain]
        if loop:
            shown = " → ".join((*chain[chain.index(loop[0]) :], loop[0]))
            item.problem(f"these files include each other for ever: {shown}")
            return None
        directory = found.get("project_directory")
        folder = folder_of(files[0]) if directory is None else resolved(directory, directory.text(), project.folders)
        return self._project(files, Folders(folder, project.folders.home), found, project, chain)

    def _project(
        self, files: tuple[str, ...], folders: Folders, found: Fields, outer: Project, chain: tuple[str, ...]
    ) -> MapNode | None:
        """Return an included project as a tree that can be laid under the files that include it."""
        env_files = self._paths(found, "env_file", outer.folders)
        own = self.sources.variables(
            env_files or (f"{folders.project.rstrip('/')}/.env",), outer.environment, is_optional=not env_files
        )
        new = {name: value for name, value in own.items() if name not in outer.environment}
        inner = Project(files, folders, {**new, **outer.environment}, chain, {**new, **outer.own})
        root = self.merged(inner)
        return None if root is None else rebased_file(_without(root, _OWN), folders)

    def _paths(self, found: Fields, key: str, folders: Folders) -> tuple[str, ...]:
        paths = found.read(key, Value.one_or_more, [])
        for path in paths:
            if "://" in path.text() or path.text().startswith("git@"):
                path.problem("files of other machines are not included; clone them and name the folder")
        return tuple(resolved(path, path.text(), folders) for path in paths if "://" not in path.text())


def _without(root: MapNode, names: frozenset[str] | set[str]) -> MapNode:
    return replace(root, entries={key: entry for key, entry in root.entries.items() if key not in names})
