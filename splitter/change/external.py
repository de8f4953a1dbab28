"""Resources that exist already and are not made by splitter."""

from splitter.change import keys
from splitter.change.shapes import Value


def read_external(value: Value | None) -> tuple[bool, str]:
    """Return whether something is external, and the name that the old form `external: {name: x}` gives it."""
    if value is None:
        return False, ""
    if value.is_mapping:
        names = value.known(keys.EXTERNAL)
        return True, names["name"].text() if "name" in names else ""
    return value.boolean(), ""
