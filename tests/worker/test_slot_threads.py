"""Commands are started and waited for beside the loop, and each that was is told of once."""

import os
import select
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from queuectl.liveness.lock_file import LockFile, sighting_of
from queuectl.worker.attempt import Attempt
from queuectl.worker.launcher import Launcher
from queuectl.worker.outcome import Stop
from queuectl.worker.slot_threads import Begun, Ended, RunOrder, SlotThreads
from tests.waiting import wait_until
from tests.worker.driven import find_processes, running_job

SLOTS = 2
ENTRIES = 30


@pytest.fixture
def launcher() -> Iterator[Launcher]:
    with closing(Launcher(os.environb)) as made:
        yield made


@pytest.fixture
def threads(tmp_path: Path, launcher: Launcher) -> Iterator[SlotThreads]:
    with ExitStack() as stack:
        lock = stack.enter_context(closing(LockFile(tmp_path, "w1", entries=ENTRIES, lease_s=9.0)))
        yield stack.enter_context(closing(SlotThreads(launcher, lock, slots=SLOTS, entries=ENTRIES)))


def order(
    launcher: Launcher, command: str, *, number: int = 1, lasts_s: float = 60.0, max_retries: int = 3
) -> RunOrder:
    """Return an order for a command that prints nothing."""
    job = running_job(command, max_retries=max_retries)
    attempt = Attempt(job, lambda: pytest.fail("it printed something"), find_processes, now=time.monotonic(), grace_s=1)
    return RunOrder(attempt, number, launcher.prepare(command, cwd=None, env={}), time.monotonic() + lasts_s)


def finish(threads: SlotThreads, news: Begun | Ended) -> bool:
    """Do what the loop does; tell whether a run is over by it."""
    if isinstance(news, Begun):
        assert news.process is not None
        news.attempt.begin(news.process, now=news.at)
        return False
    wait_until(lambda: news.attempt.step(now=time.monotonic()))
    news.attempt.finish()
    threads.let_go(news.attempt)
    return True


def is_rung(threads: SlotThreads, timeout_s: float = 0.0) -> bool:
    """Return whether a wait on it would return."""
    return bool(select.select([threads], [], [], timeout_s)[0])


def see_through(threads: SlotThreads, count: int) -> list[Attempt]:
    """Take what happens, only when rung, until so many runs are over; returns them in the order of their beginnings."""
    begun, over = [], 0
    while over < count:
        assert is_rung(threads, 10), f"not rung for the last {count - over}"
        for news in threads.take():
            begun += [news.attempt] if isinstance(news, Begun) else []
            over += finish(threads, news)
    return begun


@pytest.mark.parametrize(("command", "max_retries"), [("exit 0", 3), ("exit 0", 0), ("exit 3", 3)])
def test_whatever_cannot_wait_rings(threads: SlotThreads, launcher: Launcher, command: str, max_retries: int) -> None:
    """Who only waits, and takes when woken, sees everything that was lined up to its end, begun in its order."""
    orders = [order(launcher, command, number=number, max_retries=max_retries) for number in range(1, 21)]
    threads.line_up(orders)
    see_through(threads, 20)
    assert (threads.busy, threads.lined_up) == (0, 0)


def test_nothing_rings_for_ever(threads: SlotThreads, launcher: Launcher) -> None:
    """Who takes what has happened before it is rung for is woken in vain at the most once, and not over and over."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(200):
            threads.line_up([order(launcher, "exit 0")])
            while not any(finish(threads, news) for news in threads.take()):
                pass
            wait_until(lambda: not (threads.take() or is_rung(threads)))
    finally:
        sys.setswitchinterval(before)


def test_slots_go_on_by_themselves(threads: SlotThreads, launcher: Launcher, tmp_path: Path) -> None:
    """While runs are lined up and all goes well nobody need look; the lock file tells of all that nobody let go of."""
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    orders = [order(launcher, "exit 0", number=number) for number in range(1, 11)]
    orders += [order(launcher, f"read line < {gate}", number=number) for number in (11, 12, 13)]
    threads.line_up(orders)
    wait_until(lambda: (threads.busy, threads.lined_up) == (SLOTS, 1))
    sighting = sighting_of(tmp_path, "w1")
    assert sighting is not None
    assert (sighting.launched, sorted(attempt.token for attempt in sighting.runs)) == (12, list(range(1, 13)))
    with gate.open("w") as writing:
        writing.write("go\n" * 3)
        writing.flush()
        see_through(threads, 13)
    sighting = sighting_of(tmp_path, "w1")
    assert sighting is not None
    assert sighting.runs == []


@pytest.mark.parametrize(("command", "max_retries"), [("exit 3", 3), ("exit 0", 0)])
def test_a_slot_waits_for_the_loop(threads: SlotThreads, launcher: Launcher, command: str, max_retries: int) -> None:
    """Behind a failure, of which something may be left, and behind a last attempt nothing is begun unasked."""
    threads.line_up([order(launcher, command, number=number, max_retries=max_retries) for number in range(1, 6)])
    news: list[Begun | Ended] = []
    wait_until(lambda: news.extend(threads.take()) or len(news) == 2 * SLOTS)
    assert (threads.busy, threads.lined_up) == (SLOTS, 3)
    assert sum(finish(threads, each) for each in news) == SLOTS
    see_through(threads, 3)


def test_what_waits_too_long_is_not_begun(threads: SlotThreads, launcher: Launcher) -> None:
    """A run whose time has passed stays lined up until it is withdrawn."""
    late = order(launcher, "exit 0", lasts_s=-1.0)
    threads.line_up([late])
    assert threads.valid_until == late.until
    assert threads.withdraw() == [late.attempt]
    assert threads.withdraw() == []
    assert threads.take() == []


def test_each_run_is_begun_or_withdrawn(threads: SlotThreads, launcher: Launcher) -> None:
    """Whenever runs are withdrawn, each is given back or begun, never both, and what was begun is told of."""
    for _ in range(30):
        orders = [order(launcher, "exit 0", number=number) for number in range(1, 9)]
        threads.line_up(orders)
        withdrawn = threads.withdraw({orders[3].attempt, orders[6].attempt})
        withdrawn += threads.withdraw()
        begun = see_through(threads, len(orders) - len(withdrawn))
        assert {*begun, *withdrawn} == {each.attempt for each in orders}
        assert len(begun) + len(withdrawn) == len(orders)


def test_no_more_run_than_may(threads: SlotThreads, launcher: Launcher) -> None:
    """A cap holds back what is lined up, and lets it go on once it is lifted."""
    threads.cap = 0
    threads.line_up([order(launcher, "exec sleep 60", number=number) for number in (1, 2)])
    assert not is_rung(threads, 0.2)
    assert (threads.busy, threads.lined_up) == (0, 2)
    threads.cap = 1
    wait_until(lambda: threads.busy == 1)
    threads.cap = SLOTS
    wait_until(lambda: threads.busy == SLOTS)
    news: list[Begun | Ended] = []
    wait_until(lambda: news.extend(threads.take()) or len(news) == SLOTS)
    for each in news:
        finish(threads, each)
        each.attempt.stop(Stop.ABANDONED, now=time.monotonic())
    see_through(threads, SLOTS)
