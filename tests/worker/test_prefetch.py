"""How many jobs are claimed ahead of free slots."""

import pytest

from queuectl.core.results import Result
from queuectl.worker.prefetch import MOST_AHEAD, Ahead
from tests.worker.driven import running_job


def ended(duration_ms: int) -> Result:
    """Return the end of a run that took so long."""
    return Result(running_job("true"), "completed", duration_ms=duration_ms)


@pytest.mark.parametrize("slots", [1, 8, 1000])
def test_nothing_is_claimed_ahead_before_a_run_has_ended(slots: int) -> None:
    """Of jobs that may be long only as many are claimed as can start at once, however many slots there are."""
    ahead = Ahead()
    assert (ahead.wanted(slots, waiting=0, slots=slots), ahead.wanted(0, waiting=0, slots=slots)) == (slots, 0)
    ahead.note([ended(1)])
    assert ahead.wanted(0, waiting=0, slots=slots) > 0
    ahead.forget()
    assert ahead.wanted(0, waiting=0, slots=slots) == 0


def test_the_longer_runs_take_the_fewer_are_claimed_ahead() -> None:
    """Brief runs have many claimed ahead, within bounds, and long ones none; those that wait already count."""
    wanted = []
    for duration_ms in (1, 20, 200, 5_000):
        ahead = Ahead()
        ahead.note([ended(duration_ms)])
        wanted.append(ahead.wanted(0, waiting=0, slots=8))
        assert ahead.wanted(3, waiting=2, slots=8) == max(0, wanted[-1] + 1)
        assert ahead.wanted(0, waiting=MOST_AHEAD, slots=8) == 0
    assert wanted == sorted(wanted, reverse=True)
    assert 8 < wanted[0] <= MOST_AHEAD
    assert wanted[-1] == 0
