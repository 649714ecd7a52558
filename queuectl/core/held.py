"""A worker's hold on a job, how its last run ended, and what it waits for."""

from enum import StrEnum
from typing import Final

from ..events.types import Frozen


class Lease(Frozen, array_like=True):
    """A worker's hold on a job. `attempt` is 0 until the command starts."""

    token: int
    worker: str
    expires_at_us: int
    attempt: int = 0
    cancel_requested: bool = False


TIMED_OUT: Final = "timed out after "
"""How the error begins of a run that hit its time limit."""


NOT_KNOWN: Final = "ended is not known"
"""What the error says of a run whose end nobody saw."""


class Outcome(Frozen, array_like=True):
    """How the last run ended; `error` is None when it ended well or was cancelled."""

    worker: str
    return_code: int | None
    signal: str | None
    duration_ms: int | None
    error: str | None

    @property
    def why(self) -> str | int | None:
        """Why it ended badly, in a word: the time limit, a signal, an exit code, or lost; None if none of them says."""
        error = self.error or ""
        if error.startswith(TIMED_OUT):
            return "timeout"
        if self.signal is None and self.return_code is None and NOT_KNOWN in error:
            return "lost"
        return self.signal or self.return_code


class Wait(StrEnum):
    """What a waiting job waits for by its own word, whatever its queue and the workers do."""

    PAUSED = "paused"
    DEPENDENCY = "dependency"
    LIMIT = "limit"
