"""How the image of a service is built, when no registry has it.

The engine's own builder knows less than BuildKit: what only BuildKit can do is read here as well, and whoever builds
looks whether there is one.
"""

from collections.abc import Mapping

from splitter.change import keys
from splitter.change.amounts import read_ulimits
from splitter.change.documents import read_id, read_mode
from splitter.change.folders import Folders, is_elsewhere, resolved
from splitter.change.labels import read_labels
from splitter.change.networks import SERVICE_PREFIX, read_hosts
from splitter.change.quantities import whole_bytes
from splitter.change.shapes import Fields, Value
from splitter.change.variables import Surroundings, passed_through
from splitter.template import Build


def read_build(value: Value, around: Surroundings) -> Build:
    """Return how an image is built; mistakes are in the value's report."""
    found = value.known(keys.BUILD)
    context = found.read("context", lambda value: value.text("."), ".")
    if is_elsewhere(context):
        found["context"].problem("a context on another machine is not supported yet; clone it and name the folder")
    if "dockerfile" in found and "dockerfile_inline" in found:
        found["dockerfile_inline"].key_problem("dockerfile says it as well; write one of the two")
    if found.read("privileged", Value.boolean, False):
        found["privileged"].key_problem("no builder gives a build all rights; write entitlements: [security.insecure]")
    platforms = found.read("platforms", Value.texts, ())
    return Build(
        context=resolved(found.get("context", value), context, around.folders),
        dockerfile=found.read("dockerfile", Value.text, ""),
        args=found.read("args", lambda value: passed_through(value, around), {}),
        target=found.read("target", Value.text, ""),
        dockerfile_inline=found.read("dockerfile_inline", Value.text, ""),
        labels=found.read("labels", read_labels, {}),
        cache_from=found.read("cache_from", Value.texts, ()),
        cache_to=found.read("cache_to", Value.texts, ()),
        network=found.read("network", Value.text, ""),
        platform=platforms[0] if len(platforms) == 1 else "",
        platforms=tuple(sorted(set(platforms))) if len(platforms) > 1 else (),
        shm_bytes=found.read("shm_size", lambda value: value.convert(whole_bytes, 0), None),
        extra_hosts=found.read("extra_hosts", read_hosts, ()),
        ulimits=found.read("ulimits", read_ulimits, ()),
        secrets=_secrets(found),
        ssh=found.read("ssh", lambda value: _ssh(value, around.folders), {}),
        additional_contexts=found.read("additional_contexts", lambda value: _contexts(value, around.folders), {}),
        entitlements=tuple(sorted(set(found.read("entitlements", Value.texts, ())))),
    )


def _secrets(found: Fields) -> Mapping[str, str]:
    """Return the secrets that a build may read: by the name that it asks for, the key of the secret."""
    secrets: dict[str, str] = {}
    for item in found.read("secrets", Value.items, []):
        source, name = _secret(item) if item.is_mapping else (item.text(), "")
        name = name or source
        if name in secrets:
            item.problem(f"{name} is given twice; remove one of the two")
        secrets[name] = source
    return dict(sorted(secrets.items()))


def _secret(item: Value) -> tuple[str, str]:
    found = item.known(keys.GRANT)
    if "source" not in found:
        item.problem("no source says which one is given; write source:")
    for key, reader in (("uid", read_id), ("gid", read_id), ("mode", read_mode)):
        if key in found:
            reader(found[key])
            found[key].note("has no effect: a build reads its secrets as root")
    return found.read("source", Value.text, ""), found.read("target", Value.text, "")


def _ssh(value: Value, folders: Folders) -> dict[str, str]:
    """Return the agents and keys that a build may use, by name; empty is the agent of who builds."""
    return {
        name: "" if each.is_null else resolved(each, each.text(), folders)
        for name, each in sorted(_pairs(value).items())
    }


def _contexts(value: Value, folders: Folders) -> dict[str, str]:
    """Return the folders, images and addresses that a Dockerfile may name, besides its own context."""
    found = {}
    for name, each in sorted(_pairs(value).items()):
        text = each.text()
        if text.startswith(SERVICE_PREFIX):
            each.problem("what another service builds is not supported yet; write docker-image:// and its image")
        found[name] = text if is_elsewhere(text) else resolved(each, text, folders)
    return found


def _pairs(value: Value) -> dict[str, Value]:
    """Return the values of a mapping; the list of `NAME=value` that it may be was made one before."""
    if value.is_list:
        value.scalars()  # says what is wrong with what is no such list
        return {}
    return value.entries()
