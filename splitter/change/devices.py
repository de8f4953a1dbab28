"""Devices of the host that a service uses: named ones, and those that a driver chooses."""

import re

from splitter.change import keys
from splitter.change.labels import read_labels
from splitter.change.positions import plain
from splitter.change.shapes import Value
from splitter.template import Device, DeviceRequest

_PERMISSIONS = re.compile(r"[rwm]{1,3}")
_CGROUP_RULE = re.compile(r"[abc] ([0-9]+|\*):([0-9]+|\*) [rwm]{1,3}", re.ASCII)
ALL = -1
"""As many devices as there are."""


def read_devices(value: Value) -> tuple[Device, ...]:
    """Return the devices of `devices`, by their place in the container."""
    found = [_long(item) if item.is_mapping else _short(item) for item in value.items()]
    return tuple(sorted((device for device in found if device is not None), key=lambda device: device.target))


def _short(item: Value) -> Device | None:
    text = item.text()
    return item.attempt(lambda: parse_device(text), None) if item.is_text else None


def _long(item: Value) -> Device | None:
    found = item.known(keys.DEVICE)
    if "source" not in found:
        item.problem("no source says which device of the host; write source:")
        return None
    source = found["source"].text()
    target = found.read("target", Value.text, source)
    permissions = found.read("permissions", lambda value: value.text("rwm"), "rwm")
    return item.attempt(lambda: _device(source, target, permissions), None)


def parse_device(text: str) -> Device:
    """Return the device of `source[:target[:permissions]]`.  Raises ValueError with a sentence."""
    source, *rest = text.split(":")
    if len(rest) > 2 or not all((source, *rest)):
        raise ValueError(f"{text!r} is not a device; write source:target or source:target:rwm")
    if len(rest) == 1 and _PERMISSIONS.fullmatch(rest[0]):
        return _device(source, source, rest[0])
    return _device(source, rest[0] if rest else source, rest[1] if len(rest) == 2 else "rwm")


def _device(source: str, target: str, permissions: str) -> Device:
    if _PERMISSIONS.fullmatch(permissions) is None or len(set(permissions)) != len(permissions):
        raise ValueError(f"the permissions {permissions!r} are not some of r, w and m")
    return Device(source, target, "".join(letter for letter in "rwm" if letter in permissions))


def read_cgroup_rules(value: Value) -> tuple[str, ...]:
    """Return the rules of `device_cgroup_rules`, in order: later ones decide."""
    for item in value.items():
        if _CGROUP_RULE.fullmatch(item.text()) is None:
            item.problem("is not a rule; write for example c 1:3 mr")
    return value.texts()


def read_requests(value: Value) -> tuple[DeviceRequest, ...]:
    """Return the requests of `gpus` or `reservations.devices`; `all` is every GPU there is."""
    if not value.is_list:
        if value.text() != "all":
            value.problem("write all, or a list of what is needed")
        return (DeviceRequest(("gpu",), count=ALL),)
    is_gpus = value.path[-1] == "gpus"
    return tuple(_request(item, is_gpus=is_gpus) for item in value.items())


def _request(item: Value, *, is_gpus: bool) -> DeviceRequest:
    found = item.known(keys.DEVICE_REQUEST)
    capabilities = found.read("capabilities", Value.texts, ())
    if is_gpus:
        capabilities = tuple(dict.fromkeys(("gpu", *capabilities)))
    elif not capabilities:
        item.problem("no capabilities say what the devices must be able to do; write for example [gpu]")
    if "count" in found and "device_ids" in found:
        found["count"].key_problem("count and device_ids exclude each other; remove one of the two")
    ids = found.read("device_ids", Value.texts, ())
    return DeviceRequest(
        capabilities=capabilities,
        driver=found.read("driver", Value.text, ""),
        count=found.read("count", _count, None if ids else ALL),
        ids=ids,
        options=found.read("options", read_labels, {}),
    )


def _count(value: Value) -> int:
    return ALL if plain(value.node) == "all" else value.number(1, least=1)
