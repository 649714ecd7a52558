"""The views can be thrown away and made again from the log, and are then what they were, byte for byte."""

from collections.abc import Callable

import pytest

from queuectl import JobRequest, Queue, StoreError
from queuectl.errors import CorruptLog, IllegalTransition, QueuectlError
from queuectl.events.codec import LAYOUTS, name_of
from queuectl.events.lmdb_log import LmdbLog
from queuectl.events.log import Append
from queuectl.events.types import Completed
from queuectl.projections import ready
from queuectl.projections.rebuild import BATCH
from queuectl.store import VIEW_TABLES, Row, Store, Transaction, key_of
from tests.clocks import FakeClock
from tests.lives import completed, long_life, running

Views = dict[str, list[Row]]


@pytest.fixture
def store(queue: Queue, clock: FakeClock) -> Store:
    """Give the store of a queue in which everything has happened."""
    long_life(queue, clock)
    return queue._store


def live_views(store: Store) -> Views:
    """Give every row of every live view."""
    with store.read() as txn:
        return {table: list(txn.scan(table)) for table in VIEW_TABLES}


def write(store: Store, do: Callable[[Transaction], object]) -> None:
    """Do something to the store behind the engine's back."""
    with store.write() as txn:
        do(txn)


def test_a_long_life_has_everything(queue: Queue, store: Store) -> None:
    """The life that these tests replay holds every type of event and fills every view."""
    told = {name_of(each.event) for each in queue.events()}
    assert told == {layout.name for layout in LAYOUTS} - {"retention_applied"}  # which has tests of its own
    assert [table for table, rows in live_views(store).items() if not rows] == []


def test_the_views_are_what_the_log_says_at_every_step(queue: Queue, clock: FakeClock) -> None:
    """Replayed after each single change of a life, the rebuilt views equal the live ones byte for byte."""
    steps = [
        lambda: queue.enqueue("true", id="a", backoff_base=0),
        lambda: queue.enqueue("true", id="b", delay_s=10, priority=3),
        lambda: running(queue),
        lambda: clock.advance(40),
        lambda: queue.claim("w2", 1),
        lambda: clock.jump(-1000),
        lambda: queue.enqueue("true", id="c", delay_s=5),
        lambda: queue.claim("w3", 5),
        lambda: queue.cancel("c"),
        lambda: queue.clear(),
    ]
    for step in steps:
        step()
        before = live_views(queue._store)
        assert queue.replay().differences == []
        assert live_views(queue._store) == before


def test_a_check_changes_nothing(queue: Queue, store: Store) -> None:
    """A check compares and leaves the live views as they are, the right ones and the wrong."""
    write(store, lambda txn: txn.put("counts", b"default", b"wrong"))
    before = live_views(store)
    report = queue.replay(check=True)
    assert (len(report.differences), report.swapped, live_views(store)) == (1, False, before)


def test_a_clock_that_went_back_changes_nothing(queue: Queue, clock: FakeClock) -> None:
    """What was promoted before the clock went back is promoted in the rebuilt views too."""
    queue.enqueue_many([JobRequest("true", f"job{n}", delay_s=n) for n in range(5)])
    clock.advance(2)
    queue.claim("w1", 1)
    clock.jump(-3600)
    queue.enqueue("true", delay_s=3603)
    assert queue.replay().differences == []
    assert [job.id for job in queue.claim("w1", 5)] == ["job1", "job2"]


TAMPERED: dict[str, Callable[[Transaction], object]] = {
    "a row changed": lambda txn: txn.put("counts", b"default", b"wrong"),
    "a row lost": lambda txn: txn.delete("ids", b"doomed"),
    "a row added": lambda txn: txn.put("ready", b"default\0\0\0\0\0" + key_of(99), b""),
    "a row at the end": lambda txn: txn.put("workers", b"zzz", b"x"),
    "a view lost": lambda txn: txn.clear("jobs"),
}


@pytest.mark.parametrize("tamper", TAMPERED.values(), ids=TAMPERED)
def test_a_view_that_is_wrong_is_reported_and_mended(
    queue: Queue, store: Store, tamper: Callable[[Transaction], object]
) -> None:
    """A row that the log does not account for is told with its view and key; a replay puts it right."""
    right = live_views(store)
    write(store, tamper)
    [view] = [table for table, rows in live_views(store).items() if rows != right[table]]
    [difference] = queue.replay(check=True).differences
    assert difference.startswith(f"{view}: from key ")
    report = queue.replay()
    assert (report.differences, report.swapped) == ([difference], True)
    assert live_views(store) == right
    assert queue.replay(check=True).differences == []


def test_the_queue_goes_on_over_the_rebuilt_views(queue: Queue, store: Store) -> None:
    """After a swap, and after another, everything works as before."""
    queue.claim("w1", 99)
    for n in range(3):
        queue.replay()
        assert completed(queue, f"after{n}").state == "completed"
    assert queue.replay(check=True).differences == []


def illegal(txn: Transaction) -> None:
    """Append an event that its job's state does not allow."""
    log = LmdbLog(txn)
    [number, *_] = ready.numbers(txn)
    log.append([Append(number, log.version(number), (Completed(1, 1),))], at_us=0, actor="nobody")


def damaged(txn: Transaction) -> None:
    """Change a byte of an event."""
    value = txn.get("log", key_of(5))
    assert value is not None
    txn.put("log", key_of(5), value[:-1] + bytes([value[-1] ^ 1]))


@pytest.mark.parametrize(
    ("spoil", "error"),
    [(illegal, IllegalTransition), (damaged, CorruptLog), (lambda txn: txn.delete("log", key_of(5)), CorruptLog)],
    ids=["illegal", "damaged", "missing"],
)
@pytest.mark.parametrize("check", [True, False])
def test_a_log_that_cannot_be_applied_stops_a_replay(
    queue: Queue, store: Store, spoil: Callable[[Transaction], None], error: type[QueuectlError], check: bool
) -> None:
    """An impossible, damaged or missing event is told with its position, and the live views stay."""
    before = live_views(store)
    write(store, spoil)
    with pytest.raises(error, match="position"):
        queue.replay(check=check)
    assert live_views(store) == before


def test_an_empty_log_is_replayed(queue: Queue) -> None:
    """A queue in which nothing has happened has nothing to differ in."""
    report = queue.replay()
    assert (report.events, report.differences, report.swapped) == (0, [], True)


# Several transactions long


class Interrupted(Exception):
    """What a user's Ctrl-C, or a progress bar that breaks, amounts to."""


@pytest.fixture
def long_queue(queue: Queue) -> Queue:
    """Give a queue whose log is longer than one transaction of a rebuild."""
    queue.enqueue_many([JobRequest("true", cwd="/")] * (BATCH + 10))
    return queue


def test_the_progress_is_told(long_queue: Queue) -> None:
    """Behind each transaction, and at the end, it is told how many events of how many are applied."""
    told: list[tuple[int, int]] = []
    long_queue.replay(progress=lambda done, total: told.append((done, total)))
    assert told == [(BATCH, BATCH + 10), (BATCH + 10, BATCH + 10)]


@pytest.mark.parametrize("check", [True, False])
def test_an_interrupted_replay_harms_nothing(long_queue: Queue, check: bool) -> None:
    """A replay that is broken off leaves the live views untouched, and the next one works."""

    def interrupt(done: int, total: int) -> None:
        raise Interrupted

    before = live_views(long_queue._store)
    with pytest.raises(Interrupted):
        long_queue.replay(check=check, progress=interrupt)
    assert live_views(long_queue._store) == before
    assert long_queue.replay().differences == []
    assert live_views(long_queue._store) == before


def test_work_goes_on_during_a_replay(long_queue: Queue) -> None:
    """What is enqueued and claimed between the transactions of a replay is in its views at the end."""

    def work(done: int, total: int) -> None:
        if done < total:
            long_queue.enqueue("true", id="meanwhile", priority=1)
            assert long_queue.claim("w1")[0].id == "meanwhile"

    report = long_queue.replay(progress=work)
    assert (report.events, report.differences) == (BATCH + 12, [])
    assert long_queue.job("meanwhile").state == "processing"
    assert long_queue.replay(check=True).differences == []


@pytest.mark.parametrize("inner_check", [True, False])
def test_two_replays_at_once_are_refused(long_queue: Queue, inner_check: bool) -> None:
    """A replay that finds another at work in its views stops, and neither spoils the live ones."""

    def replay_too(done: int, total: int) -> None:
        assert long_queue.replay(check=inner_check).differences == []

    before = live_views(long_queue._store)
    with pytest.raises(StoreError, match="another replay is at work"):
        long_queue.replay(progress=replay_too)
    assert live_views(long_queue._store) == before
    assert long_queue.replay(check=True).differences == []


def test_the_views_that_are_not_live_are_empty_afterwards(queue: Queue, store: Store) -> None:
    """A replay leaves no second copy of the views on disk."""
    for check in (True, False):
        queue.replay(check=check)
        with store.read() as txn:
            assert sum(txn.shadow().count(table) for table in VIEW_TABLES) == 0
