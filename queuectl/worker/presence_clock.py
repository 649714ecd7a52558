"""When a worker is to say that it is there, by which its leases hold; knows nothing of jobs and of the queue."""

from typing import Final

from .attempt import NEVER

SAID_A_LEASE: Final = 3
"""How often in the length of a lease."""

SOON: Final = 4
"""What is due within this part of that time goes along with another transaction."""


class PresenceClock:
    """Due a third of a lease after it was last said, or after the first claim: claims hold that long by themselves."""

    def __init__(self, lease_s: float) -> None:
        self._every_s = lease_s / SAID_A_LEASE
        self._due_at = NEVER

    def wake_at(self, *, holds: bool) -> float:
        """Return the moment at which it is to be said, if the worker `holds` leases."""
        return self._due_at if holds else NEVER

    def is_due(self, *, holds: bool, now: float, along: bool) -> bool:
        """Whether it is to be said now, or soon where it can go `along` with another transaction."""
        return now >= self.wake_at(holds=holds) - (self._every_s / SOON if along else 0.0)

    def said(self, *, now: float) -> None:
        """Take note that it was said, or that the first leases were taken just now."""
        self._due_at = now + self._every_s
