"""`splitter run`, but with a death wish: the process kills itself (-9) right after the journal has taken an event.

    python mortal_daemon.py CONFIG        KILL_AT=<kind>[:<state>] in the environment

It dies at the moment that hurts most: the fact is written, and nothing that follows from it has been done.  With
KILL_BEFORE=1 it dies right before: everything was done and the fact is not written.  KILL_AT is met once: a daemon that
finds `killed` in its state directory lives.
"""

import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from splitter import daemon
from splitter.config import load_config
from splitter.rollout.events import Event
from splitter.rollout.journal import Journal


def main(path: str) -> int:
    config = load_config(path)
    mark = config.state_dir / "killed"
    kind, _, state = os.environ.get("KILL_AT", "").partition(":")
    before = bool(os.environ.get("KILL_BEFORE"))
    append = Journal.append

    def is_the_moment(event: Event) -> bool:
        return event.kind.value == kind and (not state or event.state == state) and not mark.exists()

    def die(event: Event) -> None:
        mark.write_text(f"{event.kind.value} {event.state}")
        os.kill(os.getpid(), signal.SIGKILL)

    async def append_and_die(
        journal: Journal, *events: Event, templates: Mapping[str, str] | None = None, **more: Any
    ) -> tuple[Event, ...]:
        moments = [event for event in events if is_the_moment(event)]
        if moments and before:
            die(moments[0])
        written = await append(journal, *events, templates=templates, **more)
        if moments:
            die(moments[0])
        return written

    setattr(Journal, "append", append_and_die)  # noqa: B010 - this program exists for it
    return daemon.run(config)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if Path(sys.argv[1]).exists() else sys.exit("name a configuration")))
