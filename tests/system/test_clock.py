"""Ids are short, unique and in the order of time; the clock is the machine's."""

import time

from queuectl.system.clock import SystemClock, worker_id

CLOCK = SystemClock()
ALPHABET = set("0123456789abcdefghjkmnpqrstvwxyz")


def test_now_is_the_time_in_microseconds() -> None:
    """The time lies between two looks at the machine's own clock."""
    before = time.time_ns() // 1000
    now_us = CLOCK.now_us()
    assert before <= now_us <= time.time_ns() // 1000


def test_ids_are_short_and_typeable() -> None:
    """A job's id is 12 characters, none of which is mistaken for another."""
    [job_id] = CLOCK.job_ids(1)
    assert len(job_id) == 12
    assert set(job_id) <= ALPHABET


def test_ids_sort_by_time() -> None:
    """Ids given later sort behind those given before, and so do those of one call."""
    first = CLOCK.job_ids(100)
    begun = time.time_ns() // 1_000_000
    while time.time_ns() // 1_000_000 == begun:  # the next millisecond
        pass
    both = first + CLOCK.job_ids(100)
    assert both == sorted(both)


def test_ids_do_not_run_out_within_a_millisecond() -> None:
    """More ids than a millisecond has room for are still distinct and in order."""
    ids = CLOCK.job_ids(32**4 + 1)
    assert len(set(ids)) == len(ids) == 32**4 + 1
    assert ids[:1000] == sorted(ids[:1000])
    assert ids[-1] > ids[0]


def test_no_ids_are_given_for_none() -> None:
    """Asked for no ids, the clock gives none."""
    assert CLOCK.job_ids(0) == []


def test_the_dice_stay_in_range() -> None:
    """A roll is at least 0 and less than 1."""
    rolls = [CLOCK.roll() for _ in range(100)]
    assert all(0 <= roll < 1 for roll in rolls)
    assert len(set(rolls)) > 1


def test_a_worker_is_named_by_its_host_and_process() -> None:
    """A worker's id tells where it runs, and two of one process differ."""
    assert worker_id("host", 42).startswith("host-42-")
    assert len({worker_id("host", 42) for _ in range(20)}) > 1
