"""How much of a service there is, and how much of the host it may take.

Limits may stand under `deploy` or beside it; both places must say the same.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeVar

from splitter.change import keys
from splitter.change.devices import read_requests
from splitter.change.quantities import size_bytes, whole_bytes
from splitter.change.shapes import Fields, Value
from splitter.limits import REPLICAS_MAX
from splitter.template import BlockIo, DeviceRate, Limits, Service, Ulimit

N = TypeVar("N", int, float)

WEIGHT_MIN, WEIGHT_MAX = 10, 1_000
SCORE_MAX = 1_000
_RESTART = re.compile(r"no|always|unless-stopped|on-failure(:[0-9]{1,9})?")
_RESTART_CONDITIONS = {"none": "no", "any": "always", "on-failure": "on-failure"}


def with_amounts(service: Service, found: Fields) -> Service:
    """Return the service with replicas, limits, devices of drivers and restart."""
    deploy = found.read("deploy", _deploy, Fields())
    _check_mode(deploy)
    resources = deploy.read("resources", lambda value: value.known(keys.RESOURCES), Fields())
    reserved = resources.read("reservations", lambda value: value.known(keys.RESERVATIONS), Fields())
    restart = found.read("restart", _restart, "no")
    service = replace(
        service,
        replicas=_replicas(found, deploy),
        limits=_limits(found, resources, reserved),
        device_requests=(*found.read("gpus", read_requests, ()), *reserved.read("devices", read_requests, ())),
        restart=deploy.read("restart_policy", _restart_policy, restart),
    )
    if "container_name" in found and service.replicas > 1:
        found["container_name"].problem(f"{service.replicas} replicas cannot have one name; remove one of the two")
    return service


def _deploy(value: Value) -> Fields:
    return Fields() if value.is_null else value.known(keys.DEPLOY)


def _check_mode(deploy: Fields) -> None:
    if "mode" in deploy and (mode := deploy["mode"].text("replicated")) != "replicated":
        if mode == "global":
            deploy["mode"].note("global has no effect: only a swarm uses it")
        else:
            deploy["mode"].problem(f"the mode {mode!r} is not supported yet; write replicated")


def _replicas(found: Fields, deploy: Fields) -> int:
    scale = found.read("scale", lambda value: value.number(1, most=REPLICAS_MAX), None)
    replicas = deploy.read("replicas", lambda value: value.number(1, most=REPLICAS_MAX), None)
    if scale is not None and replicas is not None and scale != replicas:
        found["scale"].problem(f"scale is {scale}, deploy.replicas is {replicas}; write one of them")
    return next((count for count in (scale, replicas) if count is not None), 1)


def _restart(value: Value) -> str:
    if value.is_boolean:
        value.problem('write "no", "always", "unless-stopped" or "on-failure"')
        return "no"
    restart = value.text("no")
    if _RESTART.fullmatch(restart) is None:
        value.problem(f"{restart!r} is not one of no, always, unless-stopped, on-failure, on-failure:<n>")
    return restart


def _restart_policy(value: Value) -> str:
    found = value.known(keys.RESTART_POLICY)
    condition = found.read("condition", lambda value: value.text("any"), "any")
    attempts = found.read("max_attempts", lambda value: value.number(0), 0)
    if condition not in _RESTART_CONDITIONS:
        found["condition"].problem(f"{condition!r} is not one of {', '.join(_RESTART_CONDITIONS)}")
        return "no"
    restart = _RESTART_CONDITIONS[condition]
    return f"{restart}:{attempts}" if restart == "on-failure" and attempts else restart


# --- Limits ------------------------------------------------------------------------------------------------------


def _limits(found: Fields, resources: Fields, reserved: Fields) -> Limits:
    nested = resources.read("limits", lambda value: value.known(keys.LIMITS), Fields())
    return Limits(
        memory_bytes=_limit(found.get("mem_limit"), nested.get("memory"), _size, _size_text),
        cpus=_limit(found.get("cpus"), nested.get("cpus"), lambda value: value.decimal(0.0)),
        pids=_limit(found.get("pids_limit"), nested.get("pids"), lambda value: max(0, value.number(0, least=-1))),
        memory_reservation_bytes=_limit(found.get("mem_reservation"), reserved.get("memory"), _size, _size_text),
        memory_swap_bytes=found.read("memswap_limit", _swap, None) or None,
        memory_swappiness=found.read("mem_swappiness", _swappiness, None),
        shm_bytes=found.read("shm_size", _size, None) or None,
        cpu_shares=_positive(found, "cpu_shares"),
        cpu_quota_us=_positive(found, "cpu_quota"),
        cpu_period_us=_positive(found, "cpu_period"),
        cpu_rt_period_us=_positive(found, "cpu_rt_period"),
        cpu_rt_runtime_us=_positive(found, "cpu_rt_runtime"),
        cpu_set=found.read("cpuset", Value.text, ""),
        oom_kill_disable=found.read("oom_kill_disable", Value.boolean, False),
        oom_score_adj=found.read("oom_score_adj", _score, None),
        block_io=found.read("blkio_config", _block_io, BlockIo()),
        ulimits=found.read("ulimits", read_ulimits, ()),
    )


def _limit(
    beside: Value | None,
    nested: Value | None,
    read: Callable[[Value], N],
    read_nested: Callable[[Value], N] | None = None,
) -> N | None:
    """Return a limit that may stand in two places, as long as both say the same; 0 is unbounded."""
    places = ((beside, read), (nested, read_nested or read))
    limits = [read(value) for value, read in places if value is not None]
    if beside is not None and len(set(limits)) > 1:
        beside.problem("deploy.resources says another limit; write one of them")
    return limits[0] or None if limits else None


def _size(value: Value) -> int:
    return value.convert(whole_bytes, 0)


def _size_text(value: Value) -> int:
    """Return a size under `deploy`, where the specification knows text alone."""
    text = value.text("0")
    return value.attempt(lambda: size_bytes(text), 0)


def _swap(value: Value) -> int:
    """Return memory and swap together; -1 is endless swap, 0 the engine's default."""
    return value.convert(lambda given: -1 if str(given).strip() == "-1" else whole_bytes(given), 0)


def _swappiness(value: Value) -> int:
    return value.number(0, most=100)


def _score(value: Value) -> int:
    return value.number(0, least=-SCORE_MAX, most=SCORE_MAX)


def _positive(found: Fields, key: str) -> int | None:
    """Return a whole number; 0 is the engine's default."""
    return found.read(key, lambda value: value.number(0), None) or None


def _block_io(value: Value) -> BlockIo:
    found = value.known(keys.BLKIO)
    operations = {
        key: found.read(key, lambda value: _rates(value, lambda rate: rate.number(0)), ())
        for key in ("device_read_iops", "device_write_iops")
    }
    byte_rates = {
        key: found.read(key, lambda value: _rates(value, _size), ()) for key in ("device_read_bps", "device_write_bps")
    }
    return BlockIo(
        weight=found.read("weight", _weight, None) or None,
        weight_device=found.read("weight_device", lambda value: _rates(value, _weight, "weight"), ()),
        **operations,
        **byte_rates,
    )


def _weight(value: Value) -> int:
    weight = value.number(0, most=WEIGHT_MAX)
    if 0 < weight < WEIGHT_MIN:
        value.problem(f"{weight} is less than {WEIGHT_MIN}; write 0 for the engine's default")
    return weight


def _rates(value: Value, read: Callable[[Value], int], key: str = "rate") -> tuple[DeviceRate, ...]:
    table: Mapping[str, keys.Key] = keys.BLKIO_WEIGHT if key == "weight" else keys.BLKIO_RATE
    rates = []
    for item in value.items():
        found = item.known(table)
        if "path" not in found or key not in found:
            item.problem(f"a bound needs path and {key}; write both")
            continue
        rates.append(DeviceRate(found["path"].text(), read(found[key])))
    return tuple(sorted(rates, key=lambda rate: rate.path))


def read_ulimits(value: Value) -> tuple[Ulimit, ...]:
    """Return the limits of processes, by name."""
    return tuple(_ulimit(name, entry) for name, entry in sorted(value.entries().items()))


def _ulimit(name: str, value: Value) -> Ulimit:
    if not value.is_mapping:
        both = value.number(0, least=-1)
        return Ulimit(name, both, both)
    found = value.known(keys.ULIMIT)
    if "soft" not in found or "hard" not in found:
        value.problem("a limit needs soft and hard; write both, or one number")
        return Ulimit(name, 0, 0)
    soft, hard = found["soft"].number(0, least=-1), found["hard"].number(0, least=-1)
    if hard != -1 and (soft == -1 or soft > hard):
        value.problem(f"soft ({soft}) is more than hard ({hard})")
    return Ulimit(name, soft, hard)
