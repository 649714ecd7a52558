"""When a worker is to say that it is there, by which its leases hold; knows nothing of jobs and of the queue."""

from typing import Final

from .attempt import NEVER

HEARTBEATS_PER_LEASE: Final = 3
"""How often a worker writes its presence in the length of a lease."""

JOIN_FRACTION: Final = 4
"""A presence due within this part of the time between two joins another transaction."""


class PresenceClock:
    """Due a third of a lease after the last writing, or after the first claim: claims hold that long by themselves."""

    def __init__(self, lease_s: float) -> None:
        self._every_s = lease_s / HEARTBEATS_PER_LEASE
        self._due_at = NEVER

    def wake_at(self, *, holds: bool) -> float:
        """Return the moment at which presence is to be written, if the worker `holds` leases."""
        return self._due_at if holds else NEVER

    def is_due(self, *, holds: bool, now: float, along: bool) -> bool:
        """Whether presence is to be written now, or soon where it can go `along` with another transaction."""
        return now >= self.wake_at(holds=holds) - (self._every_s / JOIN_FRACTION if along else 0.0)

    def note_written(self, *, now: float) -> None:
        """Take note that presence was written, or that the first leases were taken just now."""
        self._due_at = now + self._every_s
