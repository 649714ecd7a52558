"""For how many slots there are means: fewer are taken where descriptors or processes run out, and then a few more.

How many there are is found out by taking them for a moment: no job is at stake.
"""

import errno
import os
import threading
from typing import Final

from .attempt import NEVER
from .posix_spawn import close
from .slot_threads import SlotThreads
from .start_errors import NO_DESCRIPTORS, Shortage, shortage_of_all

SHORTAGE_PAUSE_S: Final = 1.0
"""How long no more commands run than did when means ran out; then a few more are tried each time."""

LONGEST_PAUSE_S: Final = 60.0
"""The same where that was in vain time and again: each try costs a job that is given back."""

IN_VAIN_S: Final = 5.0
"""How long a worker tries where there are not the means for a single command, before it says so and ends."""

_FDS_EACH: Final = 4
"""How many descriptors it takes to start a command: two pipes. Of those a worker keeps two, and a file of output."""

_FDS_BESIDE: Final = 2
"""What a worker opens for a moment: a module, another's doorbell."""

_TASKS_EACH: Final = 3
"""What a slot takes of processes and threads, which count alike: its thread, a shell, and what that runs."""

_MOST_TASKS: Final = 64
"""How many are tried at the most: who has so many left is not short of them."""


class Means:
    """How many of `count` slots may be taken, which the slots' threads are told as their `cap`."""

    def __init__(self, threads: SlotThreads, count: int) -> None:
        self._threads = threads
        self._count = count
        self._pause_s = SHORTAGE_PAUSE_S
        self._vain_since = NEVER  # that long there has not been enough for a single command
        self._lack: Shortage | None = None
        self.ease_at = NEVER
        """When a few more are to be tried."""

    @property
    def are_short(self) -> bool:
        """Whether means do not go as far as they should."""
        return self._threads.cap < self._count

    def fit(self, *, now: float) -> None:
        """Take no more slots than there are means for, before there are jobs; raises OSError where that is none.

        Processes are not tried for again: those that commands run with are not to lack for it.
        """
        self._count = _room_in_tasks(self._count)
        cap = min(self._count, _room_in_descriptors(self._count))
        if not cap:
            lacking = errno.EMFILE if self._count else errno.EAGAIN
            raise OSError(lacking, os.strerror(lacking))
        self._threads.cap, self.ease_at = cap, now + self._pause_s if cap < self._count else NEVER

    def sufficed(self) -> None:
        """Take note that a command could be started."""
        self._vain_since = NEVER

    def take_fewer(self, error: Shortage, now: float) -> Shortage | None:
        """Run no more than do now for a while; returns why to give up where that is none, time and again."""
        self._lack = error
        self._threads.cap, self.ease_at = self._threads.busy, now + self._pause_s
        if self._threads.busy:
            self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
        else:
            self._vain_since = min(self._vain_since, now)
        return self._in_vain(now)

    def ease(self, now: float) -> Shortage | None:
        """Have a few more run, where there are descriptors for them; returns why to give up where there never are."""
        cap, busy = self._threads.cap, self._threads.busy
        wanted = min(self._count, cap + cap // 8 + 1)
        self._threads.cap = max(cap, min(wanted, busy + _room_in_descriptors(wanted - busy)))
        why = None if self._threads.cap else self._in_vain(now)
        if not self.are_short:
            self._pause_s = SHORTAGE_PAUSE_S
        self.ease_at = now + SHORTAGE_PAUSE_S if self.are_short else NEVER
        return why

    def _in_vain(self, now: float) -> Shortage | None:
        if self._lack is not None and now - self._vain_since >= IN_VAIN_S:
            return shortage_of_all(self._lack)
        return None


def _room_in_descriptors(most: int) -> int:
    """Return how many more commands there are descriptors for, `most` at the most, some for the worker left aside."""
    held: list[int] = []
    try:
        for _ in range(most * _FDS_EACH + _FDS_BESIDE):
            held.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
    except OSError as error:
        if error.errno not in NO_DESCRIPTORS:
            raise
    finally:
        close(held)
    return max(0, len(held) - _FDS_BESIDE) // _FDS_EACH


def _room_in_tasks(most: int) -> int:
    """Return how many slots there are processes and threads for, `most` at the most; one slot has its thread already.

    Call it while no command runs: one that needs a process just then would get none.
    """
    wanted = min(most * _TASKS_EACH - 1, _MOST_TASKS)
    is_over = threading.Event()
    held: list[threading.Thread] = []
    try:
        for _ in range(wanted):
            thread = threading.Thread(target=is_over.wait, name="room", daemon=True)
            thread.start()
            held.append(thread)
    except RuntimeError:
        return (len(held) + 1) // _TASKS_EACH
    finally:
        is_over.set()
        for thread in held:
            thread.join()
    return most
