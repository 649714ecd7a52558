"""From an attempt's number to the wait before the next one, or to giving up; pure."""

from collections.abc import Sequence


def is_exhausted(attempt: int, max_retries: int) -> bool:
    """Return whether no attempt follows this one: `max_retries=2` is three attempts."""
    return attempt > max_retries


def delay_us(
    attempt: int,
    base: float,
    *,
    max_delay_s: float,
    jitter: float = 0.0,
    roll: float = 0.0,
    waits_ms: Sequence[int] | None = None,
) -> int:
    """Return the wait after a failed attempt, in microseconds: `base ** attempt` seconds, capped.

    `waits_ms` are what attempts are waited after instead, one after another, the last again and again. Jitter
    lengthens it by up to that fraction of itself: `roll` in [0, 1) says how far. The cap
    holds before the jitter, so that jobs at the cap spread out too.
    """
    if waits_ms is not None:
        seconds = min(waits_ms[min(max(attempt, 1), len(waits_ms)) - 1] / 1000, max_delay_s)
        return int(seconds * (1 + jitter * roll) * 1_000_000)
    try:
        seconds = min(base**attempt, max_delay_s)
    except OverflowError:
        seconds = max_delay_s
    return int(seconds * (1 + jitter * roll) * 1_000_000)
