"""What was made, on disk: all that a fresh daemon needs to find a stack, keep it, and take it down.

    <state_dir>/process/<app>/<stack>/stack.json             what was ordered, and the ports it was given
    <state_dir>/process/<app>/<stack>/<service>-<n>.json     the process of one replica, and how far it came
    <state_dir>/process/<app>/<stack>/<service>-<n>.log      what it printed

Each file is replaced as a whole, so it is never half-written.  Environments may hold secrets: only the owner can read.
"""

import contextlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from provisioners.files import write_json
from provisioners.process.placement import Place
from provisioners.process.processes import ProcessId
from provisioners.process.programs import Program
from splitter.model import ServicePort, StackId
from splitter.template import Healthcheck, Limits

VERSION = 1
STACK_FILE = "stack.json"


class Phase(StrEnum):
    """How far a replica came.  `LOST` is final, and only for services that the stack can do without."""

    STARTING = "starting"
    READY = "ready"
    DONE = "done"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Run:
    """The process of one replica.  `process` is None before its first start."""

    service: str
    number: int
    phase: Phase
    process: ProcessId | None = None


@dataclass(frozen=True, slots=True)
class StackRecord:
    """What was ordered, resolved."""

    id: StackId
    app: str
    revision: int
    rollout: str
    template: str
    routed: tuple[ServicePort, ...]
    programs: tuple[Program, ...]
    places: tuple[Place, ...]

    def program(self, service: str) -> Program:
        return next(each for each in self.programs if each.service == service)

    @classmethod
    def read(cls, plain: dict[str, Any]) -> Self:
        """Return what `asdict` made plain; raises ValueError, KeyError or TypeError for anything else."""
        if plain.pop("version") != VERSION:
            raise ValueError("written by another version of splitter")
        plain["routed"] = tuple(ServicePort(**each) for each in plain["routed"])
        plain["programs"] = tuple(_program(each) for each in plain["programs"])
        plain["places"] = tuple(_place(each) for each in plain["places"])
        return cls(**plain)


class Records:
    """The records of one app.  Every method blocks on the disk."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def stacks(self) -> list[StackId]:
        """Return the stacks that left anything here, readable or not."""
        if not self._directory.is_dir():
            return []
        return sorted(StackId(path.name) for path in self._directory.iterdir() if path.is_dir())

    def open(self, record: StackRecord) -> None:
        """Write down what is to be made, before anything is."""
        folder = self._folder(record.id)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_json(folder / STACK_FILE, {"version": VERSION, **asdict(record)})

    def stack(self, stack: StackId) -> StackRecord | None:
        """Return what was ordered; None if there is no record, or none that can be read."""
        try:
            return StackRecord.read(json.loads((self._folder(stack) / STACK_FILE).read_bytes()))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def save(self, stack: StackId, run: Run) -> None:
        write_json(self._folder(stack) / f"{run.service}-{run.number}.json", asdict(run))

    def runs(self, stack: StackId) -> list[Run]:
        """Return the processes that were written down; unreadable files are none."""
        found = []
        for path in sorted(self._folder(stack).glob("*-*.json")):
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
                found.append(_run(json.loads(path.read_bytes())))
        return found

    def log(self, stack: StackId, service: str, number: int) -> Path:
        return self._folder(stack) / f"{service}-{number}.log"

    def remove(self, stack: StackId) -> None:
        """Forget a stack, its logs with it."""
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(self._folder(stack))

    def _folder(self, stack: StackId) -> Path:
        return self._directory / stack


def _program(plain: dict[str, Any]) -> Program:
    check = plain["healthcheck"]
    plain["healthcheck"] = check and Healthcheck(**{**check, "test": tuple(check["test"])})
    written = plain.get("limits", {})  # an older splitter wrote none
    limits = Limits(written.get("memory_bytes"), written.get("cpus"), written.get("pids"))  # what is measured
    return Program(
        **{**plain, "arguments": tuple(plain["arguments"]), "ports": tuple(plain["ports"]), "limits": limits}
    )


def _place(plain: dict[str, Any]) -> Place:
    return Place(plain["service"], plain["number"], tuple((target, port) for target, port in plain["ports"]))


def _run(plain: dict[str, Any]) -> Run:
    process = plain["process"] and ProcessId(**plain["process"])
    return Run(plain["service"], plain["number"], Phase(plain["phase"]), process)


def missing(record: StackRecord, runs: Sequence[Run], alive: set[ProcessId]) -> tuple[str, ...]:
    """Return the services of which a replica is not there, or never came to be ready."""
    up = {(run.service, run.number) for run in runs if _is_up(run, alive)}
    return tuple(sorted({each.service for each in record.places if (each.service, each.number) not in up}))


def _is_up(run: Run, alive: set[ProcessId]) -> bool:
    return run.phase in (Phase.DONE, Phase.LOST) or (run.phase is Phase.READY and run.process in alive)
