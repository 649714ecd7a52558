"""How a worker was told to work."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Options:
    """How a worker works: `drain` ends it once its queues (None: all) have nothing left to do.

    `is_sole`: nothing else in its process has children. `id` None: named after its host and process.
    """

    slots: int
    queues: tuple[str, ...] | None
    drain: bool
    poll_s: float
    lease_s: float
    grace_s: float
    reason: str | None = None
    is_sole: bool = False
    id: str | None = None
