"""For how many slots there are means: fewer are taken where descriptors or processes run out, and then a few more."""

import errno
import os
from typing import Final

from .attempt import NEVER
from .room import room_in_descriptors, room_in_tasks
from .spawner import Spawner
from .start_errors import Shortage, none_at_all

SHORTAGE_PAUSE_S: Final = 1.0
"""How long no more commands run than did when means ran out; then a few more are tried each time."""

LONGEST_PAUSE_S: Final = 60.0
"""The same where that was in vain time and again: each try costs a job that is given back."""

IN_VAIN_S: Final = 5.0
"""How long a worker tries where there are not the means for a single command, before it says so and ends."""


class Means:
    """How many of `count` slots may be taken, which is told to the spawner as its `cap`."""

    def __init__(self, spawner: Spawner, count: int) -> None:
        self._spawner = spawner
        self._count = count
        self._pause_s = SHORTAGE_PAUSE_S
        self._vain_since = NEVER  # that long there has not been enough for a single command
        self._lack: Shortage | None = None
        self.ease_at = NEVER
        """When a few more are to be tried."""

    @property
    def are_short(self) -> bool:
        """Whether means do not go as far as they should."""
        return self._spawner.cap < self._count

    def fit(self, *, now: float) -> None:
        """Take no more slots than there are means for, before there are jobs; raises OSError where that is none.

        Processes are not tried for again: those that commands run with are not to lack for it.
        """
        self._count = room_in_tasks(self._count)
        cap = min(self._count, room_in_descriptors(self._count))
        if not cap:
            lacking = errno.EMFILE if self._count else errno.EAGAIN
            raise OSError(lacking, os.strerror(lacking))
        self._spawner.cap, self.ease_at = cap, now + self._pause_s if cap < self._count else NEVER

    def sufficed(self) -> None:
        """Take note that a command could be started."""
        self._vain_since = NEVER

    def take_fewer(self, error: Shortage, now: float) -> Shortage | None:
        """Run no more than do now for a while; returns why to give up where that is none, time and again."""
        self._lack = error
        self._spawner.cap, self.ease_at = self._spawner.busy, now + self._pause_s
        if self._spawner.busy:
            self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
        else:
            self._vain_since = min(self._vain_since, now)
        return self._in_vain(now)

    def ease(self, now: float) -> Shortage | None:
        """Have a few more run, where there are descriptors for them; returns why to give up where there never are."""
        cap, busy = self._spawner.cap, self._spawner.busy
        wanted = min(self._count, cap + cap // 8 + 1)
        self._spawner.cap = max(cap, min(wanted, busy + room_in_descriptors(wanted - busy)))
        why = None if self._spawner.cap else self._in_vain(now)
        if not self.are_short:
            self._pause_s = SHORTAGE_PAUSE_S
        self.ease_at = now + SHORTAGE_PAUSE_S if self.are_short else NEVER
        return why

    def _in_vain(self, now: float) -> Shortage | None:
        if self._lack is not None and now - self._vain_since >= IN_VAIN_S:
            return none_at_all(self._lack)
        return None
