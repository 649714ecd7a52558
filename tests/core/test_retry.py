"""The wait before the next attempt, and when there is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from queuectl.core.retry import delay_us, is_exhausted
from tests.property.strategies import brief

SECOND = 1_000_000


@pytest.mark.parametrize(("max_retries", "last"), [(0, 1), (2, 3), (10, 11)])
def test_max_retries_counts_what_follows_the_first_attempt(max_retries: int, last: int) -> None:
    """`max_retries=2` is three attempts: the third is the last, the second is not."""
    assert is_exhausted(last, max_retries)
    assert not is_exhausted(last - 1, max_retries)


def test_the_wait_grows_by_the_base() -> None:
    """The waits are base, base squared, base cubed ... seconds."""
    assert [delay_us(attempt, 2.0, max_delay_s=3600) // SECOND for attempt in range(1, 6)] == [2, 4, 8, 16, 32]


@pytest.mark.parametrize(("base", "wait_us"), [(0.0, 0), (1.0, SECOND), (0.5, SECOND // 8), (1.5, 3_375_000)])
def test_the_base_may_be_small(base: float, wait_us: int) -> None:
    """Base 0 retries at once, base 1 each second, and fractions of a second count."""
    assert delay_us(3, base, max_delay_s=3600) == wait_us


@pytest.mark.parametrize("attempt", [12, 1000, 10**6])
def test_the_wait_is_capped(attempt: int) -> None:
    """However many attempts there were, also where the power overflows, the wait is at most the cap."""
    assert delay_us(attempt, 2.0, max_delay_s=3600) == 3600 * SECOND


def test_jitter_only_ever_lengthens() -> None:
    """Roll 0 leaves the wait as it is; a roll near 1 lengthens it by nearly the whole jitter."""
    waits = [delay_us(3, 2.0, max_delay_s=3600, jitter=0.5, roll=roll) for roll in (0.0, 0.5, 0.999)]
    assert waits == [8 * SECOND, 10 * SECOND, 11_996_000]


def test_jobs_at_the_cap_spread_out_too() -> None:
    """Jitter is added behind the cap, so that jobs which failed together do not come back together."""
    assert delay_us(50, 2.0, max_delay_s=10, jitter=0.5, roll=0.5) == 12_500_000


@brief
@given(
    attempt=st.integers(1, 10**6),
    base=st.floats(0, 1e308),
    cap=st.floats(0, 1e9),
    jitter=st.floats(0, 10),
    roll=st.floats(0, 1, exclude_max=True),
)
def test_the_wait_is_bounded_whatever_is_asked(
    attempt: int, base: float, cap: float, jitter: float, roll: float
) -> None:
    """The wait is a whole number of microseconds between 0 and the cap with its jitter."""
    wait_us = delay_us(attempt, base, max_delay_s=cap, jitter=jitter, roll=roll)
    assert isinstance(wait_us, int)
    assert 0 <= wait_us <= cap * (1 + jitter) * SECOND
