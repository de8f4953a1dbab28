"""Commands that a template has run inside a container: after its start, before its stop.

What is to be run before the stop stands in a label, because whoever takes a stack down knows its labels alone.
"""

import json
from collections.abc import Mapping
from typing import Any

from docker import APIClient

from provisioners.docker import names
from provisioners.docker.engine import TIMEOUT_S, Engine
from provisioners.last_words import in_one_line
from splitter.template import Hook

OUTPUT_MAX = 500


async def run_hook(engine: Engine, container: str, hook: Hook, silence_s: int = TIMEOUT_S) -> str:
    """Run a command in a container to its end; return how it failed, in words after its name, or an empty text.

    One that says nothing for `silence_s` is no longer waited for, which is an EngineError.
    """

    def run(client: APIClient) -> str:
        client.timeout = silence_s  # the client is this thread's own
        try:
            return execute(client)
        finally:
            client.timeout = TIMEOUT_S

    def execute(client: APIClient) -> str:
        made = client.exec_create(
            container,
            list(hook.command),
            user=hook.user,
            privileged=hook.privileged,
            workdir=hook.working_dir or None,
            environment=dict(hook.environment) or None,
        )
        output: bytes = client.exec_start(made["Id"])
        code = client.exec_inspect(made["Id"])["ExitCode"]
        said = in_one_line(output[-OUTPUT_MAX:])
        return f"{' '.join(hook.command)} ended with {code} ({said or 'it said nothing'})" if code else ""

    return await engine.change(f"run a command in {container}", run, slow=True)


def before_stop(labels: Mapping[str, str]) -> list[Hook]:
    """Return what a container's labels say is to be run before it is stopped."""
    plain: list[dict[str, Any]] = json.loads(labels.get(names.PRE_STOP, "[]"))
    return [Hook(**{**each, "command": tuple(each["command"])}) for each in plain]
