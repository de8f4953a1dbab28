"""`extends`: a service laid over another one, of the same file or of another.

Relative paths of a base in another file start at that file's folder, so they are made absolute before the merge.
The chain from service to base is bounded and may not come back to itself.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from splitter.change import keys
from splitter.change.folders import Folders, folder_of, resolved
from splitter.change.merge import merge
from splitter.change.positions import Entry, MapNode, Node, size
from splitter.change.rebasing import rebased_service
from splitter.change.shapes import Report, Value
from splitter.change.spelling import nearest
from splitter.limits import EXTENDS_DEPTH_MAX, TEMPLATE_NODES_MAX

Step = tuple[str, str]
"""A file and a service of it."""


@dataclass(slots=True)
class Extender:
    """Resolves the chains of one template.  `open_file` returns a file's root, or None after reporting why not.

    `written` counts the values of all bases so far: a large base that many services extend is many times as large.
    """

    open_file: Callable[[str], MapNode | None]
    folders: Folders
    report: Report
    written: int = 0

    def resolve(self, root: MapNode, file: str) -> MapNode:
        """Return `root` with every service that extends another laid over it."""
        services = root.entries.get("services")
        if services is None or not isinstance(services.value, MapNode):
            return root
        entries = {
            name: Entry(entry.place, self._service(root, file, name, entry.value, ()))
            for name, entry in services.value.entries.items()
        }
        return _with(root, "services", replace(services.value, entries=entries))

    def _service(self, root: MapNode, file: str, name: str, node: Node, chain: tuple[Step, ...]) -> Node:
        """Return the service without its `extends`; what is wrong with that is reported and left out."""
        if not isinstance(node, MapNode) or "extends" not in node.entries:
            return node
        entry = node.entries["extends"]
        own = replace(node, entries={key: value for key, value in node.entries.items() if key != "extends"})
        shaped = merge(None, entry.value, ("services", name, "extends"))
        if shaped is None:
            return own
        value = Value(shaped, ("services", name, "extends"), entry.place, self.report)
        if len(chain) >= EXTENDS_DEPTH_MAX:
            value.problem(f"more than {EXTENDS_DEPTH_MAX} services extend each other in a row")
            return own
        base = self._base(root, file, value, (*chain, (file, name)))
        return own if base is None else merge(base, own, ("services", name)) or own

    def _base(self, root: MapNode, file: str, value: Value, chain: tuple[Step, ...]) -> Node | None:
        """Return the settled base that `value` names."""
        found = value.known(keys.EXTENDS)
        if "service" not in found:
            value.problem("no service says what is extended; write service:")
            return None
        wanted = found["service"].text()
        if "file" in found:
            base_file = resolved(found["file"], found["file"].text(), Folders(folder_of(file), self.folders.home))
            base_root = self.open_file(base_file)
            if base_root is None:
                return None
        else:
            base_file, base_root = file, root
        if (base_file, wanted) in chain:
            loop = " → ".join(name for _, name in (*chain[chain.index((base_file, wanted)) :], (base_file, wanted)))
            value.problem(f"these services extend each other for ever: {loop}")
            return None
        node = _find(base_root, wanted)
        if node is None:
            closest = nearest(wanted, _names(base_root))
            value.problem(
                f"there is no service {wanted!r} in {base_file}{f'; did you mean {closest!r}?' * bool(closest)}"
            )
            return None
        self.written += size(node)
        if self.written > TEMPLATE_NODES_MAX:
            value.problem(f"more than {TEMPLATE_NODES_MAX} values once bases are written out")
            return None
        settled = merge(None, self._service(base_root, base_file, wanted, node, chain), ("services", wanted))
        if settled is None or base_file == file:
            return settled
        return rebased_service(settled, Folders(folder_of(base_file), self.folders.home))


def _find(root: MapNode, service: str) -> Node | None:
    services = root.entries.get("services")
    if services is None or not isinstance(services.value, MapNode) or service not in services.value.entries:
        return None
    return services.value.entries[service].value


def _names(root: MapNode) -> list[str]:
    services = root.entries.get("services")
    return list(services.value.entries) if services and isinstance(services.value, MapNode) else []


def _with(node: MapNode, key: str, value: Node) -> MapNode:
    return replace(node, entries={**node.entries, key: Entry(node.entries[key].place, value)})
