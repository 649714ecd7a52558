"""A clock that tests set by hand; ids are time-ordered and dice always give the same."""

from queuectl.clock import SystemClock

START_US = 1_800_000_000_000_000


class FakeClock(SystemClock):
    """A Clock whose time stands still until it is told otherwise."""

    def __init__(self, now_us: int = START_US) -> None:
        self.time_us = now_us

    def now_us(self) -> int:
        return self.time_us

    def roll(self) -> float:
        return 0.5

    def set(self, now_us: int) -> None:
        self.time_us = now_us

    def advance(self, seconds: float) -> None:
        self.time_us += int(seconds * 1_000_000)
