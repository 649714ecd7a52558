"""The views can be thrown away and made again from the log, and are then what they were, byte for byte."""

from collections.abc import Callable
from typing import Any
from zlib import crc32

import pytest
from msgpack import packb

from queuectl import JobRequest, JobState, Queue, StoreError
from queuectl.errors import CorruptLog, IllegalTransition, NewerFormat, QueuectlError
from queuectl.events.append import Append
from queuectl.events.codec import LAYOUTS, name_of, unpack_envelope
from queuectl.events.types import Completed, RetentionApplied
from queuectl.projections import bulk_fold, compare, ready, rebuild, stream_walk
from queuectl.projections.compare import Comparison
from queuectl.projections.rebuild import EVENTS_AT_ONCE
from queuectl.store import log_rows
from queuectl.store.event_writer import EventWriter
from queuectl.store.store import VIEW_TABLES, Row, Store, Transaction, key_of
from queuectl.system import subprocess_task
from tests.clocks import FakeClock
from tests.lives import completed, long_life, running

Views = dict[str, list[Row]]


@pytest.fixture
def store(queue: Queue, clock: FakeClock) -> Store:
    """Return the store of a queue in which everything has happened."""
    long_life(queue, clock)
    return queue._store


def live_views(store: Store) -> Views:
    """Return every row of every live view."""
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
    assert [table for table, rows in live_views(store).items() if not rows] == ["archives"]  # as above


def test_the_views_are_what_the_log_says_at_every_step(queue: Queue, clock: FakeClock) -> None:
    """Replayed after each single change of a life, the rebuilt views equal the live ones byte for byte."""
    steps = [
        lambda: queue.enqueue("true", id="a", backoff_base=0),
        lambda: queue.enqueue("true", id="b", delay_s=10, priority=3),
        lambda: running(queue),
        lambda: clock.advance(40),
        lambda: queue.worker("w2").claim(1),
        lambda: clock.jump(-1000),
        lambda: queue.enqueue("true", id="c", delay_s=5),
        lambda: queue.worker("w3").claim(5),
        lambda: queue.cancel("c"),
        lambda: queue.clear(all=True),
    ]
    for step in steps:
        step()
        before = live_views(queue._store)
        assert queue.admin.replay().differences == []
        assert live_views(queue._store) == before


def test_a_check_changes_nothing(queue: Queue, store: Store) -> None:
    """A check compares and leaves the live views as they are, the right ones and the wrong."""
    write(store, lambda txn: txn.put("marks", b"queue default", b"wrong"))
    before = live_views(store)
    report = queue.admin.replay(check=True)
    assert (len(report.differences), report.swapped, live_views(store)) == (1, False, before)


def test_a_clock_that_went_back_changes_nothing(queue: Queue, clock: FakeClock) -> None:
    """What was promoted before the clock went back is promoted in the rebuilt views too."""
    queue.enqueue_many([JobRequest("true", f"job{n}", delay=n) for n in range(5)])
    clock.advance(2)
    queue.worker("w1").claim(1)
    clock.jump(-3600)
    queue.enqueue("true", delay_s=3603)
    assert queue.admin.replay().differences == []
    assert [job.id for job in queue.worker("w1").claim(5)] == ["job1", "job2"]


TAMPERED: dict[str, Callable[[Transaction], object]] = {
    "a row changed": lambda txn: txn.put("marks", b"queue default", b"wrong"),
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
    [difference] = queue.admin.replay(check=True).differences
    assert difference.startswith(f"{view}: from key ")
    report = queue.admin.replay()
    assert (report.differences, report.swapped) == ([difference], True)
    assert live_views(store) == right
    assert queue.admin.replay(check=True).differences == []


def test_the_queue_goes_on_over_the_rebuilt_views(queue: Queue, store: Store) -> None:
    """After a swap, and after another, everything works as before."""
    queue.worker("w1").claim(99)
    for n in range(3):
        queue.admin.replay()
        assert completed(queue, f"after{n}").state == "completed"
    assert queue.admin.replay(check=True).differences == []


def illegal(txn: Transaction) -> None:
    """Append an event that its job's state does not allow."""
    log = EventWriter(txn)
    [number, *_] = ready.numbers(txn)
    log.append([Append(number, log.version(number), (Completed(1, 1),))], at_us=0, actor="nobody")


def unknown(txn: Transaction) -> None:
    """Put an event of a type that nobody knows in the place of another."""
    envelope = unpack_envelope(key_of(5), txn.get("log", key_of(5)) or b"")
    payload = packb(envelope | {"y": "teleported"})
    txn.put("log", key_of(5), crc32(payload, crc32(key_of(5))).to_bytes(4, "big") + payload)


def damaged(txn: Transaction) -> None:
    """Change a byte of an event."""
    value = txn.get("log", key_of(5))
    assert value is not None
    txn.put("log", key_of(5), value[:-1] + bytes([value[-1] ^ 1]))


@pytest.mark.parametrize(
    ("spoil", "error"),
    [
        (illegal, IllegalTransition),
        (damaged, CorruptLog),
        (unknown, NewerFormat),
        (lambda txn: txn.delete("log", key_of(5)), CorruptLog),
    ],
    ids=["illegal", "damaged", "unknown", "missing"],
)
@pytest.mark.parametrize("check", [True, False])
def test_a_log_that_cannot_be_applied_stops_a_replay(
    queue: Queue, store: Store, spoil: Callable[[Transaction], None], error: type[QueuectlError], check: bool
) -> None:
    """An impossible, damaged or missing event is told with its position, and the live views stay."""
    before = live_views(store)
    write(store, spoil)
    with pytest.raises(error, match="position"):
        queue.admin.replay(check=check)
    assert live_views(store) == before


def test_an_empty_log_is_replayed(queue: Queue) -> None:
    """A queue in which nothing has happened has nothing to differ in."""
    report = queue.admin.replay()
    assert (report.events, report.differences, report.swapped) == (0, [], True)


# Several transactions long


class Interrupted(Exception):
    """What a user's Ctrl-C, or a progress bar that breaks, amounts to."""


@pytest.fixture
def long_queue(queue: Queue) -> Queue:
    """Return a queue whose log is longer than one transaction of a rebuild."""
    queue.enqueue_many([JobRequest("true", cwd="/")] * (EVENTS_AT_ONCE + 10))
    return queue


def test_the_progress_is_told(long_queue: Queue) -> None:
    """After each portion, and at the end, it is told how many events of how many are applied."""
    told: list[tuple[int, int]] = []
    long_queue.admin.replay(progress=lambda done, total: told.append((done, total)))
    done = [each for each, _ in told]
    assert len(done) > 2
    assert done == sorted(set(done))
    assert told[-1] == (EVENTS_AT_ONCE + 10, EVENTS_AT_ONCE + 10)
    assert {total for _, total in told} == {EVENTS_AT_ONCE + 10}


@pytest.mark.parametrize("check", [True, False])
def test_an_interrupted_replay_harms_nothing(long_queue: Queue, check: bool) -> None:
    """A replay that is broken off leaves the live views untouched, and the next one works."""

    def interrupt(done: int, total: int) -> None:
        raise Interrupted

    before = live_views(long_queue._store)
    with pytest.raises(Interrupted):
        long_queue.admin.replay(check=check, progress=interrupt)
    assert live_views(long_queue._store) == before
    assert long_queue.admin.replay().differences == []
    assert live_views(long_queue._store) == before


def test_work_goes_on_during_a_replay(long_queue: Queue) -> None:
    """What is enqueued and claimed between the transactions of a replay is in its views at the end."""

    works = iter([True])

    def work(done: int, total: int) -> None:
        if done < total and next(works, False):
            long_queue.enqueue("true", id="meanwhile", priority=1)
            assert long_queue.worker("w1").claim()[0].id == "meanwhile"

    report = long_queue.admin.replay(progress=work)
    assert (report.events, report.differences) == (EVENTS_AT_ONCE + 12, [])
    assert long_queue.job("meanwhile").state == "processing"
    assert long_queue.admin.replay(check=True).differences == []


def test_workers_change_what_was_compared_already(long_queue: Queue, clock: FakeClock, monkeypatch: Any) -> None:
    """Jobs that are claimed, die, are removed or become due while rows are compared are no differences."""
    long_queue.enqueue("true", id="due", delay_s=5, priority=9)
    long_queue.cancel(long_queue.enqueue("true", id="gone").id)
    changes = iter(
        [
            lambda: long_queue.worker("w1").claim(3),
            lambda: long_queue.clear(all=True, state=JobState.CANCELLED),
            lambda: clock.advance(10),
            lambda: long_queue.worker("w1").fail(running(long_queue), "exit code 1", return_code=1),
            lambda: long_queue.enqueue("true", id="gone"),
            lambda: long_queue.worker("w1").started(host="here", pid=1, slots=2),
        ]
    )
    read_on = Comparison.read_on

    def read_and_work(self: Comparison, live: Transaction) -> bool:
        more = read_on(self, live)
        next(changes, lambda: None)()
        return more

    monkeypatch.setattr(Comparison, "read_on", read_and_work)
    assert long_queue.admin.replay().differences == []
    assert next(changes, None) is None
    monkeypatch.undo()
    assert long_queue.admin.replay(check=True).differences == []


@pytest.mark.parametrize("check", [True, False])
def test_limits_change_what_was_compared_already(long_queue: Queue, monkeypatch: Any, check: bool) -> None:
    """One that is set or removed while rows are compared moves jobs that no event names: that is no difference."""
    long_queue.limits.set("user", running=1)
    long_queue.enqueue_many([JobRequest("true", use=[f"user:{n % 3}"], priority=1) for n in range(9)])
    held = long_queue.worker("w1").claim(3)
    assert [job.use for job in held] == [("user:0",), ("user:1",), ("user:2",)]
    changes = iter(
        [
            lambda: long_queue.limits.set("user", running=2),
            lambda: long_queue.limits.set("user:1", running=1),
            lambda: long_queue.limits.remove("user:1", force=True),
            lambda: long_queue.worker("w1").complete(held[0]),
            lambda: long_queue.limits.remove("user", force=True),
        ]
    )
    read_on = Comparison.read_on

    def read_and_work(self: Comparison, live: Transaction) -> bool:
        more = read_on(self, live)
        next(changes, lambda: None)()
        return more

    monkeypatch.setattr(Comparison, "read_on", read_and_work)
    assert long_queue.admin.replay(check=check).differences == []
    assert next(changes, None) is None
    monkeypatch.undo()
    assert long_queue.admin.replay(check=True).differences == []


def test_environments_are_compared_beside_the_work(queue: Queue, monkeypatch: pytest.MonkeyPatch, store: Store) -> None:
    """Piece by piece before the swap, not within it: one that is kept meanwhile is no difference, a wrong one is."""
    monkeypatch.setattr(compare, "LARGE_ROWS", 2)
    for number in range(5):
        monkeypatch.setenv("TAKEN", str(number))
        queue.enqueue("true", inherit_env="TAKEN")
    read_on, pieces = Comparison.read_on, []

    def read_and_keep(self: Comparison, live: Transaction) -> bool:
        more = read_on(self, live)
        pieces.append(self._unread.get("environments"))
        if len(pieces) <= 3:
            monkeypatch.setenv("TAKEN", f"meanwhile {len(pieces)}")
            queue.enqueue("true", inherit_env="TAKEN")
        return more

    monkeypatch.setattr(Comparison, "read_on", read_and_keep)
    assert queue.admin.replay().differences == []
    assert len({piece for piece in pieces if piece}) >= 3
    monkeypatch.setattr(Comparison, "read_on", read_on)
    write(store, lambda txn: txn.put("environments", list(txn.scan("environments"))[-1][0], b"x"))
    [difference] = queue.admin.replay(check=True).differences
    assert difference.startswith("environments: from key ")


def test_a_row_spoilt_after_it_was_compared_shows_in_the_count(long_queue: Queue, monkeypatch: Any) -> None:
    """A row that vanishes by no event, behind the comparison's back, is told by the number of rows."""
    write_once = iter([lambda: write(long_queue._store, lambda txn: txn.delete("jobs", key_of(3)))])
    read_on = Comparison.read_on

    def read_and_spoil(self: Comparison, live: Transaction) -> bool:
        more = read_on(self, live)
        if not more:
            next(write_once, lambda: None)()
        return more

    monkeypatch.setattr(Comparison, "read_on", read_and_spoil)
    [difference] = long_queue.admin.replay(check=True).differences
    assert difference.startswith(f"jobs: live has {EVENTS_AT_ONCE + 9} rows, from the log {EVENTS_AT_ONCE + 10}")


@pytest.mark.parametrize("inner_check", [True, False])
def test_a_second_replay_at_once_is_refused(long_queue: Queue, inner_check: bool) -> None:
    """While a replay is at work another is refused in words, and the first comes to its end."""
    refused = []

    def replay_too(done: int, total: int) -> None:
        with pytest.raises(StoreError, match="another replay is at work; let it end") as refusal:
            long_queue.admin.replay(check=inner_check)
        refused.append(refusal)

    assert long_queue.admin.replay(progress=replay_too).differences == []
    assert refused
    assert long_queue.admin.replay(check=True).differences == []


def test_a_replay_of_an_older_release_is_noticed(long_queue: Queue) -> None:
    """One that knows no lock and works in the same shadow makes a replay stop, with the live views as they were."""

    def swap(done: int, total: int) -> None:
        write(long_queue._store, lambda txn: txn.shadow().put("marks", b"applied", key_of(99)))

    before = live_views(long_queue._store)
    with pytest.raises(StoreError, match="another replay is at work"):
        long_queue.admin.replay(progress=swap)
    assert live_views(long_queue._store) == before
    assert long_queue.admin.replay().differences == []


# In a process of its own: the same rows, however far that comes


@pytest.fixture
def apart_always(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Fold by two processes however short the log is; returns from which position on this one had to go on alone."""
    afters: list[int] = []
    fold = stream_walk.fold

    def folding_on(*words: Any, after: int, until: int | None = None, **options: Any) -> Any:
        if until is None:
            afters.append(after)
        return fold(*words, after=after, until=until, **options)

    monkeypatch.setattr(rebuild, "APART_FROM", 1)
    monkeypatch.setattr(rebuild, "SPAN_JOBS", 3)
    monkeypatch.setattr(rebuild, "processors", lambda: 2)
    monkeypatch.setattr(rebuild, "fold", folding_on)
    return afters


def last_number(store: Store) -> int:
    """Return the number of the job that was enqueued last."""
    with store.read() as txn:
        [*_, (last, _)] = txn.scan("streams", stop=b"\xff")
        return int.from_bytes(last, "big")


@pytest.mark.sampled(2)
@pytest.mark.parametrize("tamper", [lambda txn: None, *TAMPERED.values()], ids=["nothing", *TAMPERED])
def test_another_process_folds_the_same(store: Store, queue: Queue, apart_always: list[int], tamper: Any) -> None:
    """What a process of its own folds are the right views, all of them, and what differs from them is told."""
    right = live_views(store)
    write(store, tamper)
    report = queue.admin.replay()
    assert bool(report.differences) == (tamper in TAMPERED.values())
    assert live_views(store) == right
    assert apart_always == [last_number(store)]


@pytest.mark.usefixtures("apart_always")
def test_a_process_that_dies_is_gone_on_from(
    long_queue: Queue, apart_always: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the process that folds is killed half way, this one goes on alone, and nothing is missing."""
    before = live_views(long_queue._store)
    stream = subprocess_task.stream

    def cut_short(*words: Any) -> Any:
        messages = stream(*words)
        yield next(messages)
        messages.close()  # which kills it
        return "killed"

    monkeypatch.setattr(subprocess_task, "stream", cut_short)
    report = long_queue.admin.replay()
    assert (report.events, report.differences) == (EVENTS_AT_ONCE + 10, [])
    assert live_views(long_queue._store) == before
    assert 0 < apart_always[0] < last_number(long_queue._store)


@pytest.mark.usefixtures("apart_always")
def test_what_another_process_cannot_fold_is_told_as_ever(store: Store, queue: Queue) -> None:
    """A damaged event ends a replay with its position, also where another process met it, and harms nothing."""
    before = live_views(store)
    write(store, lambda txn: txn.put("log", key_of(7), b"spoilt"))
    with pytest.raises(CorruptLog, match="position 7: the checksum does not match"):
        queue.admin.replay()
    assert live_views(store) == before


def test_retention_after_the_walk_is_followed(queue: Queue, clock: FakeClock) -> None:
    """Jobs that retention lets go of once they were folded are not in the new views, and the rest is as it was."""
    for number in range(20):
        completed(queue, f"job{number}")
    queue.enqueue("true", id="stays")
    clock.advance(100)
    works = iter([True])

    def let_go_of_all(done: int, total: int) -> None:
        if next(works, False):
            assert done == total
            assert queue.admin.compact(older_than_s=1).jobs == 20

    report = queue.admin.replay(progress=let_go_of_all)
    assert [job.id for job in queue.jobs()] == ["stays"]
    assert queue.admin.replay(check=True).differences == []
    assert report.swapped


# In small portions: many writes, jobs read again, comparisons that have to wait


@pytest.fixture
def in_small_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every portion so small that a short log takes many."""
    portions = ((stream_walk, "JOBS_AT_ONCE"), (bulk_fold, "HELD_JOBS"), (bulk_fold, "ROWS_AT_ONCE"))
    for module, name in (*portions, (compare, "ROWS_AT_ONCE"), (compare, "OPEN_ROWS")):
        monkeypatch.setattr(module, name, 3)
    monkeypatch.setattr("queuectl.projections.rebuild.EVENTS_AT_ONCE", 5)
    monkeypatch.setattr("queuectl.projections.rebuild.REST", 2)


@pytest.mark.usefixtures("in_small_portions")
@pytest.mark.parametrize("tamper", [lambda txn: None, *TAMPERED.values()], ids=["nothing", *TAMPERED])
def test_portions_change_nothing(queue: Queue, store: Store, tamper: Callable[[Transaction], object]) -> None:
    """However small the portions, the rebuilt views are the right ones, and what differs is told."""
    right = live_views(store)
    write(store, tamper)
    wrong = [table for table, rows in live_views(store).items() if rows != right[table]]
    assert [each.split(":")[0] for each in queue.admin.replay().differences] == wrong
    assert live_views(store) == right
    assert queue.admin.replay(check=True).differences == []


@pytest.mark.usefixtures("in_small_portions")
def test_small_portions_while_work_goes_on(queue: Queue, store: Store, clock: FakeClock) -> None:
    """What happens between any two portions is in the rebuilt views."""
    happened = []

    def work(done: int, total: int) -> None:
        if len(happened) < 15:
            clock.advance(1)
            happened.append(queue.enqueue("true", id=f"new{len(happened)}", delay_s=len(happened) % 3))
            for job in queue.worker("w9").claim(2):
                queue.worker("w9").fail(queue.worker("w9").start(job), "exit code 1", return_code=1)

    assert queue.admin.replay(progress=work).differences == []
    assert len(happened) == 15
    assert queue.admin.replay(check=True).differences == []


# Retention


def let_go(txn: Transaction, numbers: set[int], upto: int) -> None:
    """Take the events of jobs out of the log and say so in it, as retention does."""
    log = EventWriter(txn)
    gone = [each.position for each in log.read() if each.position <= upto and each.stream in numbers]
    for position in gone:
        txn.delete("log", key_of(position))
    for number in numbers:
        txn.delete("streams", key_of(number))
    swept = RetentionApplied(upto, 0, max(numbers), len(gone), b"", "", b"")
    log.append([Append("retention", log.version("retention"), (swept,))], at_us=0, actor="nobody")
    log_rows.set_cut(txn, upto, bytes(32))


@pytest.mark.sampled(1)
@pytest.mark.parametrize("reaches", [False, True], ids=["what was read", "what comes after"])
def test_retention_during_a_replay_is_followed(long_queue: Queue, reaches: bool) -> None:
    """Where events go, of jobs that were read or not, no half of one is in the views; those to come begin it anew."""
    for _ in range(4):
        long_queue.worker("w1").complete(running(long_queue))
    told: list[int] = []

    def cut(done: int, total: int) -> None:
        if not told:
            if reaches:
                long_queue.enqueue("true", id="new")
            write(long_queue._store, lambda txn: let_go(txn, {1, 2}, long_queue.log.head()))
        told.append(done)

    report = long_queue.admin.replay(progress=cut)
    assert (told == sorted(told)) is not reaches
    with long_queue._store.read() as txn:
        assert report.events == (
            txn.count("log") if reaches else long_queue.log.head()
        )  # those that were there to be read
    assert report.differences  # nobody took these jobs out of the live views
    with long_queue._store.read() as txn:
        assert [txn.get("jobs", key_of(number)) is None for number in (1, 2, 3)] == [True, True, False]
    assert long_queue.admin.replay(check=True).differences == []


def test_jobs_that_retention_lets_go_of_meanwhile_leave_nothing(queue: Queue, clock: FakeClock) -> None:
    """The ids of removed jobs, and who enqueued what, are forgotten with the jobs as they are in the live views."""
    for number in range(20):
        completed(queue, f"job{number}")
    queue.remove([f"job{number}" for number in range(10)])
    with Queue.open(queue.path, clock=clock, actor="w1", cause=2) as inside:
        completed(inside, "child")
    queue.enqueue("true", id="stays")
    clock.advance(100)
    works = iter([True])

    def let_go_of_all(done: int, total: int) -> None:
        if next(works, False):
            assert queue.admin.compact(older_than_s=1).jobs == 21

    queue.admin.replay(progress=let_go_of_all)
    with queue._store.read() as txn:
        assert [txn.count(table) for table in ("removed", "children", "jobs")] == [0, 0, 1]
    assert queue.admin.replay(check=True).differences == []


def test_large_histories_are_folded_in_smaller_portions(
    store: Store, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However few bytes may be in memory, the views are the same."""
    right = live_views(store)
    portions: list[int] = []
    fold = stream_walk._fold

    def folding_of(streams: Any, *words: Any) -> Any:
        events = list(streams)
        portions.append(len(events))
        return fold(iter(events), *words)

    monkeypatch.setattr(stream_walk, "HELD_BYTES", 1_500)
    monkeypatch.setattr(stream_walk, "EVENTS_AT_ONCE", 2)
    monkeypatch.setattr(stream_walk, "_fold", folding_of)
    assert queue.admin.replay().differences == []
    assert live_views(store) == right
    assert len(portions) > 3
    assert min(portions) < max(portions)


def test_a_stream_that_leads_to_another_s_events_is_damage(store: Store, queue: Queue) -> None:
    """Where `streams` leads from one job to another's events a replay ends, and the views stay as they are."""
    before = live_views(store)
    with store.read() as txn:
        (first, _), (_, other), *_ = txn.scan("streams")
    write(store, lambda txn: txn.put("streams", first, other))
    with pytest.raises(CorruptLog, match="`streams` leads there for"):
        queue.admin.replay()
    assert live_views(store) == before


def test_the_views_that_are_not_live_are_empty_afterwards(queue: Queue, store: Store) -> None:
    """A replay leaves no second copy of the views on disk."""
    for check in (True, False):
        queue.admin.replay(check=check)
        with store.read() as txn:
            assert sum(txn.shadow().count(table) for table in VIEW_TABLES) == 0
