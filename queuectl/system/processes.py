"""The processes of this machine as /proc shows them: seen at a look, by descent, and signalled for certain.

A process id means a process only together with its start: it is given away again. Where there is no
/proc, or one of another namespace, nothing is seen. Imports little: the guardian is to be small.
"""
# pathlib takes longer to load than all of a guardian's work:
# ruff: noqa: PTH208

import os
import signal
from collections import defaultdict
from collections.abc import Iterable
from typing import Final, NamedTuple

from .boot import sees_processes
from .interrupts import own

TICKS: Final = os.sysconf("SC_CLK_TCK")
"""How many parts of a second processes' starts are counted in."""

_STAT_BYTES: Final = 4096


class SeenProcesses(NamedTuple):
    """A process as it was found; `started` in ticks since the machine was. A dead one waits to be reaped."""

    pid: int
    parent: int
    group: int
    session: int
    started: int
    is_dead: bool
    is_stopped: bool


class Look:
    """All processes at one look: by their ids, and those of each parent, group and session."""

    def __init__(self, there: Iterable[SeenProcesses]) -> None:
        self.by_pid = {each.pid: each for each in there}
        self.children: dict[int, list[SeenProcesses]] = defaultdict(list)
        self.groups: dict[int, list[SeenProcesses]] = defaultdict(list)
        self.sessions: dict[int, list[SeenProcesses]] = defaultdict(list)
        for each in self.by_pid.values():
            self.children[each.parent].append(each)
            self.groups[each.group].append(each)
            self.sessions[each.session].append(each)

    def descendants(self, roots: Iterable[SeenProcesses]) -> dict[int, SeenProcesses]:
        """Return some processes with all that descends from them, and all of the sessions that these began.

        A session whose first process is gone counts as begun by whoever is in it.
        """
        found: dict[int, SeenProcesses] = {}
        todo = list(roots)
        while todo:
            each = todo.pop()
            if each.pid in found:
                continue
            found[each.pid] = each
            todo += self.children.get(each.pid, ())
            if each.session == each.pid or each.session not in self.by_pid:
                todo += self.sessions[each.session]
        return found


def look() -> Look:
    """Look at all processes; there are none where there is no /proc."""
    names = os.listdir("/proc") if sees_processes() else []
    return Look(each for name in names if name.isdecimal() and (each := seen(int(name))) is not None)


def seen(pid: int) -> SeenProcesses | None:
    """Return a process, None where there is none of that id."""
    if not sees_processes():
        return None
    try:
        words = _read(f"/proc/{pid}/stat", _STAT_BYTES).rpartition(b")")[2].split()
        state, parent, group, session, started = words[0], words[1], words[2], words[3], words[19]
    except own(OSError, IndexError):
        return None
    return SeenProcesses(pid, int(parent), int(group), int(session), int(started), state in b"ZX", state == b"T")


def exit_status(pid: int, options: int) -> int | None:
    """Return a child's exit code, or minus its signal; it is reaped where there is no looking at it otherwise.

    None where it runs and `options` say not to wait; raises ChildProcessError where it was reaped.
    """
    if not hasattr(os, "waitid"):  # macOS, before Python 3.13
        found, status = os.waitpid(pid, options)
        return os.waitstatus_to_exitcode(status) if found else None
    seen = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | options)
    if seen is None:
        return None
    return seen.si_status if seen.si_code == os.CLD_EXITED else -seen.si_status


def environ(pid: int) -> list[bytes]:
    """Return the entries of a process's environment as it began; none where it may not be read."""
    content = bytearray()
    try:
        fd = os.open(f"/proc/{pid}/environ", os.O_RDONLY | os.O_CLOEXEC)
        try:
            while part := os.read(fd, 1 << 16):
                content += part
        finally:
            os.close(fd)
    except own(OSError):
        pass
    return bytes(content).split(b"\0")


def send(to: SeenProcesses, number: int) -> bool:
    """Send a signal to a process that was seen, and to none that has its id by now; 0 sends none.

    Returns whether this process may: one that is gone does not mind.
    """
    handle = handle_of(to.pid)
    try:
        now = seen(to.pid)
        if now is None or now.started != to.started:
            return True
        if handle < 0:
            os.kill(to.pid, number)
        else:
            signal.pidfd_send_signal(handle, number)
    except PermissionError:
        return False
    except own(OSError):
        pass
    finally:
        if handle >= 0:
            os.close(handle)
    return True


def handle_of(pid: int) -> int:
    """Open a handle to a process, which no later one of its id answers to; -1 where it is gone, or there are none."""
    try:
        return os.pidfd_open(pid)
    except own(AttributeError, OSError):
        return -1


def _read(path: str, most: int) -> bytes:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(fd, most)
    finally:
        os.close(fd)
