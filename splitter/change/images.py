"""What a service's containers are made from: an image by its name, or one that is built."""

import re
from dataclasses import replace

from splitter.change import keys
from splitter.change.builds import read_build
from splitter.change.commands import read_words
from splitter.change.quantities import duration_s
from splitter.change.shapes import Fields, Value
from splitter.change.variables import Surroundings
from splitter.template import Service

_EVERY = re.compile(r"every_([0-9]+[wdhms])+", re.ASCII)
_SAME_POLICY = {"if_not_present": "missing", "daily": "every_86400s", "weekly": "every_604800s"}


def with_image(service: Service, found: Fields, value: Value, around: Surroundings) -> Service:
    """Return the service with what it is made from.  One of image, build and endpoints is needed, or a command."""
    service = replace(
        service,
        image=found.read("image", _image, ""),
        build=found.read("build", lambda value: read_build(value, around), None),
        pull_policy=_pull_policy(found),
        platform=found.read("platform", Value.text, ""),
        command=found.read("command", read_words, None),
        entrypoint=found.read("entrypoint", read_words, None),
    )
    if service.pull_policy == "build" and service.build is None:
        found["pull_policy"].problem("'build' needs to know how; write build:")
    if "endpoints" not in found and around.is_on:
        _check_image(service, found, value, require_image=around.require_image)
    return service


def _check_image(service: Service, found: Fields, value: Value, *, require_image: bool) -> None:
    """Report a service that says nothing about what to run; note an image that nobody uses."""
    images = [found[key] for key in ("image", "build") if key in found]
    if require_image:
        if not images:
            value.key_problem("neither image nor build says what to run; write one of them")
        return
    for unused in images:
        unused.note("has no effect: nothing runs in containers here")
    if not (service.command or service.entrypoint):
        value.key_problem("neither command nor endpoints says what answers; write one of them")


def _image(value: Value) -> str:
    image = value.text("unknown")
    if not image:
        value.problem("the image has no name; write for example nginx:1.27, or build")
    return image


def _pull_policy(found: Fields) -> str:
    """Return when an image is pulled; all the ways to say how old it may get are one."""
    policy = found.read("pull_policy", _known_policy, "missing")
    after = found.read("pull_refresh_after", _duration, 0.0)
    if policy == "refresh":
        if "pull_refresh_after" not in found:
            found["pull_policy"].problem("'refresh' needs to know when; write pull_refresh_after, or every_1d here")
            return "missing"
        return every(after)
    if "pull_refresh_after" in found:
        found["pull_refresh_after"].note("has no effect: pull_policy is not refresh")
    return policy


def _duration(value: Value) -> float:
    text = value.text("0")
    return value.attempt(lambda: duration_s(text), 0.0)


def _known_policy(value: Value) -> str:
    policy = value.text("missing")
    if _EVERY.fullmatch(policy):
        return every(value.attempt(lambda: duration_s(policy.removeprefix("every_")), 0.0))
    if policy not in keys.PULL_POLICY:
        value.problem(f"{policy!r} is not a policy; write always, missing, never, build, daily, weekly or every_12h")
        return "missing"
    return _SAME_POLICY.get(policy, policy)


def every(seconds: float) -> str:
    """Return the policy of an image that is pulled again once it has been here for so long."""
    return f"every_{int(seconds)}s"
