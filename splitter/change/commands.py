"""What runs inside a container: command lines, the health check, and what runs beside the main process."""

import shlex

from splitter.change import keys
from splitter.change.quantities import duration_s
from splitter.change.shapes import Value
from splitter.change.variables import Surroundings, passed_through
from splitter.template import Healthcheck, Hook


def read_words(value: Value) -> tuple[str, ...] | None:
    """Return a command as words; nothing is the image's own, an empty text or list clears it."""
    if value.is_null:
        return None
    if value.is_list:
        return value.texts()
    try:
        return tuple(shlex.split(value.text()))
    except ValueError as error:
        value.problem(f"the command cannot be split into words: {str(error).lower()}; write a list")
        return ()


def read_seconds(value: Value) -> float:
    return value.convert(duration_s, 0.0)


def read_healthcheck(value: Value) -> Healthcheck | None:
    found = value.known(keys.HEALTHCHECK)
    test = found.read("test", _health_test, ())
    if ("disable" in found and found["disable"].boolean()) or test[:1] == ("NONE",):
        return Healthcheck(("NONE",))
    given = Healthcheck(test)
    return Healthcheck(
        test=test,
        interval_s=found.read("interval", read_seconds, given.interval_s),
        timeout_s=found.read("timeout", read_seconds, given.timeout_s),
        retries=found.read("retries", lambda value: value.number(given.retries), given.retries),
        start_period_s=found.read("start_period", read_seconds, 0.0),
        start_interval_s=found.read("start_interval", _start_interval, None),
    )


def _start_interval(value: Value) -> float:
    value.note("has effect on engines from API 1.44 on")
    return read_seconds(value)


def _health_test(value: Value) -> tuple[str, ...]:
    if not value.is_list:
        return ("CMD-SHELL", value.text())
    test = value.texts()
    if test[:1] not in {("NONE",), ("CMD",), ("CMD-SHELL",)}:
        value.problem('a list begins with "NONE", "CMD" or "CMD-SHELL"; write a text to use the shell')
    elif test[0] != "NONE" and len(test) < 2:
        value.problem(f'nothing follows "{test[0]}"; write the command')
    return test


def read_hooks(value: Value, around: Surroundings) -> tuple[Hook, ...]:
    """Return the commands of `post_start` or `pre_stop`, in order."""
    return tuple(_hook(item, around) for item in value.items())


def _hook(item: Value, around: Surroundings) -> Hook:
    found = item.known(keys.HOOK)
    command = found.read("command", read_words, None)
    if not command:
        item.problem("no command says what to run; write command:")
    return Hook(
        command=command or (),
        user=found.read("user", Value.text, ""),
        privileged=found.read("privileged", Value.boolean, False),
        working_dir=found.read("working_dir", Value.text, ""),
        environment=found.read("environment", lambda value: passed_through(value, around), {}),
    )
