"""As of any position, the queue is what it was: the fold of the first events, whatever became of the snapshots."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from queuectl import JobRequest, Queue
from queuectl.core.evolve import evolve
from queuectl.core.job import Job
from queuectl.errors import Archived, InvalidInput
from queuectl.events.types import RETENTION_STREAM, Recorded
from queuectl.history.as_of import views_at
from queuectl.history.snapshot_files import missing, superfluous
from queuectl.projections import counts
from queuectl.projections.views import Views
from queuectl.store.event_reader import EventReader
from queuectl.store.store import VIEW_TABLES, Row, Store
from queuectl.system.queue_files import SNAPSHOTS
from tests.clocks import FakeClock
from tests.depth import tries

Rows = dict[str, list[Row]]
Step = Callable[[Queue, FakeClock], object]

STEPS: dict[str, Step] = {
    "enqueue": lambda queue, clock: queue.enqueue_many(
        [JobRequest("true", priority=n, max_retries=0) for n in range(3)]
    ),
    "later": lambda queue, clock: queue.enqueue("true", delay_s=10, queue="other", labels={"n": "1"}),
    "work": lambda queue, clock: queue.worker("w1").complete_many(queue.worker("w1").claim(2)),
    "claim": lambda queue, clock: queue.worker("w2").claim(1, lease_s=5),
    "fail": lambda queue, clock: [
        queue.worker("w1").fail(queue.worker("w1").start(job), "exit code 1") for job in queue.worker("w1").claim(1)
    ],
    "again": lambda queue, clock: queue.dlq.retry(),
    "purge": lambda queue, clock: queue.dlq.purge(all=True),
    "clear": lambda queue, clock: queue.clear(all=True),
    "time": lambda queue, clock: clock.advance(8),
    "lost": lambda queue, clock: queue.worker(queue.actor).recover(),
    "back": lambda queue, clock: clock.jump(-3),
    "configure": lambda queue, clock: queue.admin.config_set("backoff_base", 3),
    "worker": lambda queue, clock: queue.worker("w1").started(host="here", pid=1, slots=2),
}


class Undone(Exception):
    """Ends a transaction without a trace."""


@contextmanager
def lived(steps: list[str]) -> Iterator[tuple[Queue, dict[int, Rows]]]:
    """Yield a queue with a life behind it, and its views behind each step."""
    with tempfile.TemporaryDirectory() as home:
        clock = FakeClock()
        with Queue.open(Path(home) / "q", clock=clock, actor="tester") as queue:
            queue.admin.config_set("snapshot_events", 5)
            seen: dict[int, Rows] = {}
            for step in steps:
                (STEPS | STEPS_OF_RETENTION)[step](queue, clock)
                seen[queue.log.head()] = rows_of(queue._store, queue.log.head())
            yield queue, seen


def rows_of(store: Store, position: int) -> Rows:
    """Return all rows of the views, no job promoted, after seeing that the live ones agree; changes nothing."""
    rows: Rows = {}
    try:
        with store.write() as txn:
            rebuilt = Views(txn.shadow())
            for recorded in events(store, position):
                rebuilt.apply([recorded])
            rebuilt.flush()
            live = {table: list(txn.scan(table)) for table in VIEW_TABLES}
            again = {table: list(txn.shadow().scan(table)) for table in VIEW_TABLES}
            for table in set(VIEW_TABLES) - {"ready", "scheduled", "marks"}:
                assert live[table] == again[table]
            assert counts.all_queues(txn) == counts.all_queues(txn.shadow())
            rows = again
            raise Undone
    except Undone:
        return rows


def events(store: Store, position: int) -> list[Recorded]:
    """Return the first events of the log."""
    with store.read() as txn:
        return list(EventReader(txn).read(until=position))


def as_of(queue: Queue, position: int) -> Rows:
    """Return all rows of the views as of a position."""
    with views_at(queue._store, position) as views, views.read() as txn:
        return {table: list(txn.scan(table)) for table in VIEW_TABLES}


def folded(queue: Queue, position: int) -> list[Job]:
    """Return the jobs there are after the first events, newest first, told by `evolve` alone."""
    jobs: dict[int, Job | None] = {}
    for recorded in events(queue._store, position):
        if isinstance(recorded.stream, int):
            jobs[recorded.stream] = evolve(jobs.get(recorded.stream), recorded)
    return [job for _, job in sorted(jobs.items(), reverse=True) if job is not None]


STEPS_OF_RETENTION: dict[str, Step] = {
    "compact": lambda queue, clock: queue.admin.compact(older_than_s=0),
    "compact what is older": lambda queue, clock: queue.admin.compact(older_than_s=6, keep_dead=True),
}

lives = st.lists(st.sampled_from(sorted(STEPS)), min_size=3, max_size=25).map(lambda steps: ["enqueue", *steps])


@settings(max_examples=tries(25))
@given(steps=lives, data=st.data())
def test_as_of_is_what_was(steps: list[str], data: st.DataObject) -> None:
    """As of each step the views are those that were live then, and at any position jobs are the fold of what came."""
    with lived(steps) as (queue, seen):
        if data.draw(st.booleans(), label="snapshots"):
            queue.admin.make_snapshots(with_head=data.draw(st.booleans()))
            for path in sorted((queue.path / SNAPSHOTS).glob("*.snapshot")):
                spoil(path, data.draw(st.sampled_from(["", "", "gone", "cut", "flipped", "empty"]), label=path.name))
        for position in data.draw(st.lists(st.sampled_from(sorted(seen)), min_size=1, max_size=4)):
            assert as_of(queue, position) == seen[position]
        for position in data.draw(st.lists(st.integers(1, queue.log.head()), min_size=1, max_size=4)):
            with queue.as_of(position) as then:
                jobs = folded(queue, position)
                assert then.jobs() == jobs
                assert [then.job(job.id) for job in jobs] == jobs
                assert sum(then.status().jobs.values()) == len(jobs)
                pending = {job.number: job for job in jobs if job.state == "pending"}
                assert {job.number: job for job in then.jobs(state="pending")} == pending
                assert {job.id for job in then.dlq.jobs()} == {job.id for job in jobs if job.state == "dead"}


cut_lives = st.lists(st.sampled_from(sorted([*STEPS, "work", *STEPS_OF_RETENTION])), min_size=3, max_size=25)


@settings(max_examples=tries(25))
@given(steps=cut_lives, more=lives, data=st.data())
def test_as_of_beside_retention(steps: list[str], more: list[str], data: st.DataObject) -> None:
    """From the last retention event on the views are those that were live then; below the cut that is refused."""
    with lived(["enqueue", "work", *steps, "compact", *more]) as (queue, seen):
        cut, last = retained(queue)
        if data.draw(st.booleans(), label="snapshots"):
            queue.admin.make_snapshots(with_head=data.draw(st.booleans()))
        whole = [position for position in seen if position >= last]
        for position in data.draw(st.lists(st.sampled_from(whole), min_size=1, max_size=4)):
            assert as_of(queue, position) == seen[position]
        for position in data.draw(st.lists(st.integers(1, max(1, cut - 1)), min_size=1, max_size=3)) if cut > 1 else ():
            with pytest.raises(Archived, match=f"the events up to position {cut} are archived; the earliest state"):
                queue.as_of(position)
        for position in data.draw(st.lists(st.integers(max(1, cut), queue.log.head()), min_size=1, max_size=3)):
            with queue.as_of(position) as then:
                assert [then.job(job.id) for job in then.jobs()] == then.jobs()


def retained(queue: Queue) -> tuple[int, int]:
    """Return the cut, and the position of the last event that tells of it; zeros where nothing went yet."""
    with queue._store.read() as txn:
        log = EventReader(txn)
        return log.cut(), log.version(RETENTION_STREAM)


@settings(max_examples=tries(10))
@given(steps=cut_lives, more=lives, data=st.data())
def test_a_branch_beside_retention(steps: list[str], more: list[str], data: st.DataObject) -> None:
    """A second queue as of any moment that is not refused is sound, and its views are what its log says."""
    with lived(["enqueue", "work", *steps, "compact", *more]) as (queue, _), tempfile.TemporaryDirectory() as home:
        position = data.draw(st.integers(1, queue.log.head()))
        try:
            queue.admin.branch(Path(home) / "then", position)
        except (Archived, InvalidInput):
            assert position < retained(queue)[1]
            return
        with Queue.open(Path(home) / "then", create=False) as then:
            assert then.admin.replay(check=True).differences == []
            assert then.admin.verify(log_only=True).problems == []
            then.admin.compact(older_than_s=0)
            assert then.admin.replay(check=True).differences == []


def spoil(path: Path, how: str) -> None:
    """Do something to a file that ought not to happen."""
    content = path.read_bytes()
    middle = len(content) // 2
    if how == "gone":
        path.unlink()
    elif how == "cut":
        path.write_bytes(content[:middle])
    elif how == "flipped":
        path.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
    elif how == "empty":
        path.write_bytes(b"")


@given(
    there=st.lists(st.integers(1, 3_000), unique=True).map(sorted),
    head=st.integers(1, 3_000),
    every=st.integers(20, 500),
)
def test_snapshots_stay_few_and_near(there: list[int], head: int, every: int) -> None:
    """With those missing made and those too many gone, there are few, and one not far behind each position."""
    there = [position for position in there if position <= head]
    wanted = missing(there, 0, head, every)
    everything = sorted({*there, *wanted})
    kept = sorted(set(everything) - set(superfluous(everything, every)))
    bounds = [0, *kept, head]
    assert max(after - before for before, after in pairwise(bounds)) <= every * 3 // 2 + 1
    assert len(kept) <= 2 * head // every + 2
    assert missing(kept, 0, head, every) == []
