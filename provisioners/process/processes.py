"""Processes of this machine: which one is meant, how ours are started, and which belong to a stack.

Rule 1: a pid alone names nobody.  A process is its pid and its start (on Linux: the boot and the kernel's own tick,
which no change of the date can move); signals go only to a process whose start is the one that we know.
Rule 2: a process is written down before it runs what it is for (`gate`); so whatever kills the daemon, a process of a
stack is in its record.  What it starts itself is found by session, by parent, and by the labels in its environment.
Rule 3: when the first process of a session of ours ends, what it left in its group is killed before it is reaped: until
then nobody else can have its number.

All but `Children` are functions that read what the kernel says now.  A scan of all processes costs some 50 µs for
each, so it runs on a thread, and only when a stack is looked for or ended.
"""

import contextlib
import functools
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from provisioners.process.logs import open_log
from provisioners.process.placement import SERVICE

GATE = Path(__file__).with_name("gate.py")
PROC = Path("/proc")
_DESCRIPTORS = resource.getrlimit(resource.RLIMIT_NOFILE)  # as we were started with; the daemon raises its own later


@dataclass(frozen=True, slots=True)
class ProcessId:
    """One process, never another that got its pid later."""

    pid: int
    start: str


@dataclass(frozen=True, slots=True)
class Seen:
    """A process as the kernel shows it."""

    id: ProcessId
    parent: int
    session: int


@dataclass(frozen=True, slots=True)
class Member:
    """A process that belongs to a stack, and to which service (empty if that cannot be told)."""

    id: ProcessId
    service: str


@dataclass(frozen=True, slots=True)
class Launch:
    """What to run, where, with what; `labels` are those of `environment` that mark it as ours."""

    executable: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    directory: str
    labels: Mapping[str, str]


class LaunchError(Exception):
    """A process could not be started; the message says why."""


class Children:
    """The processes that this daemon has started and not reaped yet.  Written by `start`, `reap` and `let_go`."""

    def __init__(self) -> None:
        self._running: dict[ProcessId, subprocess.Popen[bytes]] = {}

    def start(self, launch: Launch, log: Path, write_down: Callable[[ProcessId], None]) -> ProcessId:
        """Start a process in a session of its own; blocks until it runs.  Raises LaunchError and OSError.

        `write_down` is called before the process becomes what it is for; if it raises, nothing has run.
        """
        child, answer = _start_gate(launch, log)
        try:
            found = look(child.pid)
            if found is not None:
                write_down(found.id)
                _open_gate(child, launch)
            failure = _read_to_end(answer) if found else "it was killed before it ran"
        except BaseException:
            _discard(child)
            raise
        finally:
            os.close(answer)
        if found is None or failure:
            _discard(child)
            raise LaunchError(f"{launch.executable} cannot be run: {failure}")
        self._running[found.id] = child
        return found.id

    def reap(self, process: ProcessId) -> int | None:
        """Return the exit code of a process that has ended; None if it was not our child, so nobody can know."""
        child = self._running.pop(process, None)
        if child is None:
            return None
        if child.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(child.pid, signal.SIGKILL)
        return child.wait()

    def let_go(self) -> None:
        """Forget the processes; they outlive us on purpose."""
        for child in self._running.values():
            if child.poll() is None:
                child.returncode = 0  # otherwise Popen warns that it is still running, and keeps it to reap it
        self._running.clear()


def look(pid: int) -> Seen | None:
    """Return the process of that pid, or None if there is none or it has ended and is not reaped yet."""
    return _look_in_proc(pid) if _boot() else _look_by_psutil(pid)


def is_alive(process: ProcessId) -> bool:
    seen = look(process.pid)
    return seen is not None and seen.id == process


def send(process: ProcessId, number: int) -> None:
    """Send a signal to a process, unless it is gone."""
    if is_alive(process):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(process.pid, number)


def members(labels: Mapping[str, str], leaders: Mapping[ProcessId, str]) -> list[Member]:
    """Return all processes of a stack: those with its labels, those in their sessions, and all their descendants.

    `leaders` are the processes that were written down, with their services.  The session of one that is gone counts
    only if somebody in it has the labels: its number may be another's by now.
    """
    seen = _all_but_us()
    services = {each.id.pid: leaders[each.id] for each in seen if each.id in leaders}
    for each in seen:
        environment = environment_of(each.id.pid)
        if all(environment.get(key) == value for key, value in labels.items()):
            services.setdefault(each.id.pid, environment.get(SERVICE, ""))
    sessions = {each.session: services[each.id.pid] for each in seen if each.id.pid in services}
    for each in seen:
        if each.session in sessions:
            services.setdefault(each.id.pid, sessions[each.session])
    _add_descendants(services, seen)
    return [Member(each.id, services[each.id.pid]) for each in seen if each.id.pid in services]


def labelled(labels: Mapping[str, str], key: str) -> set[str]:
    """Return the values of `key` in the environments that have all `labels`."""
    environments = (environment_of(each.id.pid) for each in _all_but_us())
    return {one[key] for one in environments if key in one and labels.items() <= one.items()}


def environment_of(pid: int) -> dict[str, str]:
    """Return the environment that a process was started with; empty if we may not know."""
    try:
        return psutil.Process(pid).environ()
    except (psutil.Error, OSError):
        return {}


def listening_ports(family: Iterable[ProcessId]) -> set[int] | None:
    """Return the TCP ports that some processes listen on; None if we may not know."""
    found = set()
    for each in family:
        try:
            connections = psutil.Process(each.pid).net_connections("tcp")
        except psutil.NoSuchProcess:
            continue
        except (psutil.Error, OSError):
            return None
        found |= {int(one.laddr.port) for one in connections if one.status == psutil.CONN_LISTEN}
    return found


def ending(code: int | None) -> str:
    """Return how a process ended, in words after its name."""
    if code is None:
        return "ended (it was started by an earlier run of splitter, so its exit code is not known)"
    if code >= 0:
        return f"exited with code {code}"
    if -code == signal.SIGKILL:
        return "was killed by SIGKILL, perhaps by the kernel for want of memory"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"


def _start_gate(launch: Launch, log: Path) -> tuple[subprocess.Popen[bytes], int]:
    """Return the waiting process, and the file descriptor that tells how its `exec` went."""
    answer, status = os.pipe()
    output = open_log(log)
    try:
        child = subprocess.Popen(  # noqa: S603 - running what the template says is what we are for
            [sys.executable, "-I", "-S", "-X", "utf8", str(GATE), str(status)],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            cwd=launch.directory,
            env={**os.environ, **launch.labels},  # the gate's own; the service gets nothing of the daemon's
            pass_fds=(status,),
            start_new_session=True,
        )
    except BaseException:
        os.close(answer)
        raise
    finally:
        os.close(output)
        os.close(status)
    return child, answer


def _discard(child: subprocess.Popen[bytes]) -> None:
    child.kill()
    if child.stdin is not None:
        with contextlib.suppress(OSError):
            child.stdin.close()
    child.wait()


def _open_gate(child: subprocess.Popen[bytes], launch: Launch) -> None:
    order = {
        "program": launch.executable,
        "arguments": launch.arguments,
        "environment": dict(launch.environment),
        "descriptors": _DESCRIPTORS,
    }
    assert child.stdin is not None
    with contextlib.suppress(BrokenPipeError), child.stdin as gate:  # a gate that is gone is noticed by its absence
        gate.write(json.dumps(order).encode())


def _read_to_end(descriptor: int) -> str:
    text = b""
    while more := os.read(descriptor, 4096):
        text += more
    return text.decode(errors="replace")


def _all_but_us() -> list[Seen]:
    """Return all processes except ourselves and those that we descend from."""
    ours = {os.getpid()}
    with contextlib.suppress(psutil.Error):
        ours |= {each.pid for each in psutil.Process().parents()}
    found = (look(pid) for pid in psutil.pids() if pid not in ours)
    return [each for each in found if each is not None]


def _add_descendants(services: dict[int, str], seen: Iterable[Seen]) -> None:
    children: dict[int, list[int]] = {}
    for each in seen:
        children.setdefault(each.parent, []).append(each.id.pid)
    todo = list(services)
    while todo:
        parent = todo.pop()
        for pid in children.get(parent, ()):
            if pid not in services:
                services[pid] = services[parent]
                todo.append(pid)


@functools.cache
def _boot() -> str:
    """Return what names the time since the machine was started; empty where the kernel has no such name."""
    try:
        return (PROC / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _look_in_proc(pid: int) -> Seen | None:
    try:
        text = (PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    fields = text[text.rindex(")") + 2 :].split()  # the name before may hold blanks and brackets: proc_pid_stat(5)
    state, parent, session, start = fields[0], fields[1], fields[3], fields[19]
    return None if state in "ZX" else Seen(ProcessId(pid, f"{_boot()}/{start}"), int(parent), int(session))


def _look_by_psutil(pid: int) -> Seen | None:
    try:
        process = psutil.Process(pid)
        with process.oneshot():
            if process.status() == psutil.STATUS_ZOMBIE:
                return None
            return Seen(ProcessId(pid, f"{process.create_time():.6f}"), process.ppid(), os.getsid(pid))
    except (psutil.Error, OSError):
        return None
