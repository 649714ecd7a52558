"""How a worker was told to work, and how urgently it was asked to stop."""

from dataclasses import dataclass
from enum import IntEnum


@dataclass(frozen=True, slots=True)
class Options:
    """How a worker works: `drain` ends it once its queues (None: all) have nothing left to do.

    `is_sole`: nothing else in its process has children.
    """

    slots: int
    queues: tuple[str, ...] | None
    drain: bool
    poll_s: float
    lease_s: float
    grace_s: float
    reason: str | None = None
    is_sole: bool = False


class Halt(IntEnum):
    """How urgently a worker was asked to stop."""

    NO = 0
    FINISH = 1
    GIVE_BACK = 2
    KILL = 3
