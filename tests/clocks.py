"""A clock that tests set by hand; ids are time-ordered and dice always give the same."""

from queuectl.system.clock import SystemClock

START_US = 1_800_000_000_000_000


class FakeClock(SystemClock):
    """A Clock whose time stands still until it is told otherwise: set like a clock, or passing like time."""

    def __init__(self, now_us: int = START_US) -> None:
        self.time_us = now_us
        self.passed_us = 0
        self.booted = "boot-1"

    def steady_us(self) -> int:
        return self.passed_us

    def boot(self) -> str:
        return self.booted

    def now_us(self) -> int:
        return self.time_us

    def roll(self) -> float:
        return 0.5

    def set(self, now_us: int) -> None:
        self.time_us = now_us

    def jump(self, seconds: float) -> None:
        """Be set forward or back."""
        self.time_us += int(seconds * 1_000_000)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.time_us += int(seconds * 1_000_000)
        self.passed_us += int(seconds * 1_000_000)
