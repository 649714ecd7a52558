"""The processes of a run, wherever they have gone: asked to end, and killed, until all are gone.

A look at all processes takes milliseconds. So runs share looks, looks do not come one upon another, and a
run of which nothing can be left needs none. Waits for nothing.
"""

import os
import signal
import time
from collections.abc import Callable, Collection
from typing import Final

from ..liveness.orphans import EMPTY_LOOKS, Root, kill, living_processes
from ..system.boot import sees_processes
from ..system.processes import TICKS, Look, SeenProcesses, environ, look, seen, send
from ..system.run_mark import MARK
from .process import Process
from .subreaper import Subreaper

_FRESH_S: Final = 0.005
"""How old a look may be for a signal that asks: who was missed is killed later."""

_PAUSES: Final = 4
"""How many times as long as a look took there is none, so that looking takes a fifth of a processor at the most."""


class Looks:
    """Looks at all processes, shared by a worker's runs; `commands` returns the ids of those that it has not reaped."""

    def __init__(self, subreaper: Subreaper, commands: Callable[[], Collection[int]]) -> None:
        self.subreaper = subreaper
        self._commands = commands
        self._last = Look(())
        self._began = self._may_at = -1.0
        self._starts: dict[int, int] = {}

    def fresh(self) -> Look:
        """Return a look of just now."""
        if time.monotonic() - self._began > _FRESH_S:
            self._look()
        return self._last

    def since(self, moment: float) -> Look | None:
        """Return a look that was begun after a moment of the monotonic clock, None where it is too soon for one."""
        if self._began <= moment:
            if time.monotonic() < self._may_at:
                return None
            self._look()
        return self._last

    def may_be_left(self, root: Root) -> bool:
        """Whether something may be left of a run whose command has exited; it costs no look to know."""
        if not self.subreaper.sees_orphans:
            return True
        pids = self.subreaper.living_orphans(self._commands())
        self._starts = {pid: self._starts.get(pid) or _start_of(pid) for pid in pids}
        return any(started >= int(root.born_from_s * TICKS) for started in self._starts.values())

    def again(self) -> Look:
        """Look anew, and return it."""
        self._look()
        return self._last

    def commands(self) -> Collection[int]:
        """Return the ids of this worker's commands, which are nobody's orphans."""
        return self._commands()

    def _look(self) -> None:
        self._began = time.monotonic()
        self._last = look()
        took_s = time.monotonic() - self._began
        self._may_at = self._began + took_s * (1 + _PAUSES)


class RunProcesses:
    """The processes of one run, known by the value of its mark."""

    def __init__(self, process: Process, looks: Looks, mark: str) -> None:
        self._process = process
        self._looks = looks
        self._root = Root(mark, process.pid, *process.born_s)
        self._known: set[tuple[int, int]] = set()
        self._sessions: set[int] = set()
        self._since = -1.0
        self._has_exited = False
        self._is_killing = False
        self._frozen_since = -1.0
        self._empty_looks = 0
        self.left: tuple[int, ...] = ()
        """The ids of the processes that were there at the last look."""
        self.is_out_of_reach = not sees_processes()
        """Whether what is left may not be signalled: it is another user's. Or it may be dead, which is not seen."""

    def ask(self) -> None:
        """Send TERM to each process once, and have a stopped one go on, which hears it only then."""
        self._process.signal_group(signal.SIGTERM)
        self._process.signal_group(signal.SIGCONT)
        for each in self._found(self._looks.fresh()):
            if each.group != self._process.pid:
                send(each, signal.SIGTERM)
                send(each, signal.SIGCONT)

    def stand_still(self) -> bool:
        """Send STOP to each process that goes; returns whether none did at a look after the last that was sent."""
        if self._frozen_since < 0:
            self._process.signal_group(signal.SIGSTOP)
            self._frozen_since = time.monotonic()
        if not sees_processes():
            return True
        there = self._looks.since(self._frozen_since)
        going = None if there is None else [each for each in self._found(there) if not each.is_stopped]
        for each in going or ():
            send(each, signal.SIGSTOP)
        if going:
            self._frozen_since = time.monotonic()
        return going == []

    def go_on(self) -> None:
        """Send CONT to each process."""
        self._frozen_since = -1.0
        self._process.signal_group(signal.SIGCONT)
        for each in self._found(self._looks.fresh()):
            if each.group != self._process.pid:
                send(each, signal.SIGCONT)

    def kill(self) -> None:
        """Kill the command's group; are_gone() kills whatever else it finds from now on."""
        self._is_killing = True
        self._process.signal_group(signal.SIGKILL)

    def are_gone(self, *, has_exited: bool) -> bool:
        """Whether nothing is left, of the command either if that `has_exited`; else it is to be asked again soon."""
        if not sees_processes():
            return has_exited and not self._process.signal_group(0)
        if has_exited and not self._has_exited:
            self._has_exited = True
            self._since = time.monotonic()
        if has_exited and not self._looks.may_be_left(self._root):
            self.left = ()
            return True
        there = self._looks.since(self._since)
        return there is not None and self._is_empty(there)

    def _is_empty(self, there: Look) -> bool:
        found = self._found(there)
        self._since = time.monotonic()
        if not found:
            self.left = ()
            self._empty_looks += 1
            return self._has_exited and self._empty_looks >= EMPTY_LOOKS
        self._empty_looks = 0
        self.left = tuple(sorted(each.pid for each in found))
        if self._is_killing:
            kill(found, lambda: self._found(self._looks.again()))
            self.is_out_of_reach = not any(send(each, 0) for each in found)
        return False

    def _found(self, there: Look) -> list[SeenProcesses]:
        """Return what belongs to the run, and remember it: what it leaves later may be known by its session alone."""
        found = living_processes(there, self._root, [each for each in self._candidates(there) if self._is_kin(each)])
        self._known = {(each.pid, each.started) for each in found}
        own = {each.pid for each in found}
        self._sessions |= {each.session for each in found if each.session in own or each.session not in there.by_pid}
        return found

    def _candidates(self, there: Look) -> list[SeenProcesses]:
        """Return those that may be of the run though nobody of its session or descent says so."""
        known = [each for pid, _ in self._known if (each := there.by_pid.get(pid)) is not None]
        if self._looks.subreaper.sees_orphans:
            commands = self._looks.commands()
            others = [each for each in there.children.get(os.getpid(), ()) if each.pid not in commands]
        else:
            others = list(there.by_pid.values())
        return [each for each in (*known, *others) if not each.is_dead and self._root.can_be_of(each)]

    def _is_kin(self, each: SeenProcesses) -> bool:
        if (each.pid, each.started) in self._known or each.session in self._sessions:
            return True
        entries = environ(each.pid)
        if any(entry.startswith(_MARKED) for entry in entries):
            return self._root.entry in entries
        return self._prints_here(each.pid)  # its environment was emptied, or may not be read

    def _prints_here(self, pid: int) -> bool:
        pipes = {f"pipe:[{os.fstat(fd).st_ino}]" for fd in self._process.pipes.values()}
        return any(_target(f"/proc/{pid}/fd/{number}") in pipes for number in (1, 2))


_MARKED: Final = f"{MARK}=".encode()


def _target(link: str) -> str:
    try:
        return os.readlink(link)  # noqa: PTH115 - what it leads to is no path
    except OSError:
        return ""


def _start_of(pid: int) -> int:
    found = seen(pid)
    return -1 if found is None else found.started
