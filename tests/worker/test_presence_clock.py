"""When a worker says that it is there."""

from queuectl.worker.attempt import NEVER
from queuectl.worker.presence_clock import PresenceClock

LEASE_S = 12.0


def test_presence_is_said_thrice_a_lease() -> None:
    """It is due a third of a lease after the first claim, and after each time; at once where it is late."""
    presence = PresenceClock(LEASE_S)
    presence.note_written(now=0.0)
    assert [presence.is_due(holds=True, now=now, along=False) for now in (3.9, 4.0, 9.0)] == [False, True, True]
    presence.note_written(now=4.0)
    assert presence.wake_at(holds=True) == 8.0


def test_presence_goes_along_where_it_is_due_soon() -> None:
    """A transaction that takes place anyway takes it along in the last quarter of the time, and not before."""
    presence = PresenceClock(LEASE_S)
    presence.note_written(now=0.0)
    assert [presence.is_due(holds=True, now=now, along=True) for now in (2.9, 3.0)] == [False, True]


def test_an_idle_worker_does_not_say_that_it_is_there() -> None:
    """Without leases nothing is due, and nothing wakes the worker."""
    presence = PresenceClock(LEASE_S)
    assert not presence.is_due(holds=True, now=100.0, along=True)  # it has not claimed anything yet
    presence.note_written(now=0.0)
    assert not presence.is_due(holds=False, now=100.0, along=True)
    assert presence.wake_at(holds=False) == NEVER
