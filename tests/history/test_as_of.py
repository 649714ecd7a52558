"""A past moment can be asked for by position or time; snapshots make that quick and may be lost at any time."""

import fcntl
import json
import os
import tempfile
from pathlib import Path

import pytest

from queuectl import InvalidInput, JobNotFound, JobRequest, Queue, StoreError
from queuectl.errors import Archived
from queuectl.history.snapshot_files import interval
from queuectl.store import log_rows
from queuectl.system.queue_files import SNAPSHOTS
from tests.clocks import START_US, FakeClock
from tests.lives import completed, dead, long_life, running

SECOND_US = 1_000_000


def files(queue: Queue) -> list[Path]:
    """Return the files of the snapshots there are."""
    return sorted((queue.path / SNAPSHOTS).glob("*.snapshot"))


def test_a_moment_is_a_position_or_a_time(queue: Queue, clock: FakeClock) -> None:
    """A time is that of the last event until then, and durations count from the time itself."""
    queue.enqueue("true", id="a")
    clock.advance(60)
    queue.worker("w1").complete(running(queue))
    clock.advance(60)
    with queue.as_of(at_us=START_US + 30 * SECOND_US) as then:
        assert (then.moment.position, then.status().oldest_pending_s, then.job("a").state) == (1, 30.0, "pending")
    with queue.as_of(1) as then:
        assert (then.moment.at_us, then.status().oldest_pending_s) == (START_US, 0.0)
    with queue.as_of(at_us=clock.now_us()) as then:
        assert (then.moment.position, then.job("a").state) == (queue.log.head(), "completed")


def test_a_moment_that_the_log_does_not_know_is_refused(queue: Queue, clock: FakeClock) -> None:
    """Before its first event, behind its last, in the future, in an empty queue: each is refused with what there is."""
    with pytest.raises(InvalidInput, match="empty log"):
        queue.as_of(1)
    queue.enqueue("true")
    for position in (0, 2, 10**15):
        with pytest.raises(InvalidInput, match="one from 1 to 1"):
            queue.as_of(position)
    with pytest.raises(InvalidInput, match="a whole number, 0 or more"):
        queue.as_of(-1)
    with pytest.raises(InvalidInput, match="when the log begins"):
        queue.as_of(at_us=START_US - 1)
    with pytest.raises(InvalidInput, match="a time that has passed"):
        queue.as_of(at_us=clock.now_us() + 1)


def test_what_retention_has_cut_is_told(queue: Queue, clock: FakeClock) -> None:
    """A moment before the cut is refused with the first that can be told; from the cut on it is answered."""
    for n in range(3):
        completed(queue, f"job{n}")
        clock.advance(1)
    with queue._store.write() as txn:
        for position in range(1, 5):
            txn.delete("log", position.to_bytes(8, "big"))
        log_rows.set_cut(txn, 4, bytes(32))
    for moment in ({"position": 3}, {"at_us": START_US}):
        with pytest.raises(Archived, match="up to position 4 are archived"):
            queue.as_of(**moment)  # type: ignore[arg-type]
    for position in range(4, queue.log.head() + 1):
        with queue.as_of(position) as then:
            assert "job0" not in [job.id for job in then.jobs()]


def test_retention_at_work_meanwhile_is_noticed(queue: Queue) -> None:
    """Where events went while they were being read there is no answer, rather than a wrong one."""
    completed(queue, "a")
    completed(queue, "b")

    def cut(done: int, total: int) -> None:
        with queue._store.write() as txn:
            log_rows.set_cut(txn, 4, bytes(32))

    with pytest.raises(StoreError, match="retention took events out meanwhile; try again"):
        queue.as_of(6, progress=cut).jobs()
    assert len(queue.as_of(6).jobs()) == 2


def test_an_id_that_was_used_twice_is_the_job_of_then(queue: Queue) -> None:
    """A job that was removed is shown as it was, the next one of its id from its own beginning on."""
    first = completed(queue, "a")
    queue.clear(all=True)
    cleared = queue.log.head()
    second = queue.enqueue("false", id="a")
    assert queue.as_of(first.version).job("a") == first
    assert queue.as_of(second.version).job("a") == second
    with pytest.raises(JobNotFound, match="was removed"):
        queue.as_of(cleared).job("a")
    with pytest.raises(JobNotFound):
        queue.as_of(1).job("b")


def test_workers_are_as_recorded(queue: Queue) -> None:
    """Workers of then are told with what they ran, though nobody holds their lock file now."""
    queue.worker("w1").started(host="here", pid=1, slots=2)
    queue.enqueue("true", id="a")
    job = running(queue)
    queue.worker("w1").complete(job)
    queue.worker("w1").stopped("asked to stop")
    with queue.as_of(queue.log.head() - 2) as then:
        [worker] = then.workers()
        assert (worker.id, worker.state, worker.running, worker.heartbeat_at_us) == ("w1", "running", ["a"], None)
        assert then.status().active_workers == 1


def test_pages_of_the_past_go_on_where_they_ended(queue: Queue) -> None:
    """A page behind a job is the rest of the list of then, in each order."""
    for n in range(4):
        dead(queue, f"dead{n}")
    queue.enqueue_many([JobRequest("true", f"job{n}", priority=n % 2) for n in range(4)])
    position = queue.log.head()
    queue.dlq.purge(all=True)
    queue.worker("w1").claim(4)
    with queue.as_of(position) as then:
        for state in (None, "dead", "pending"):
            ids = [job.id for job in then.jobs(state=state)]
            assert len(ids) >= 4
            assert [job.id for job in then.jobs(state=state, after=ids[1])] == ids[2:]


def test_nothing_is_left_behind(
    queue: Queue, clock: FakeClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store that an answer is made in is gone while it is still in use."""
    long_life(queue, clock)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    with queue.as_of(10) as then:
        assert then.jobs()
        assert list(scratch.iterdir()) == []


# Snapshots


@pytest.fixture
def long_queue(queue: Queue, clock: FakeClock) -> Queue:
    """Return a queue with a life behind it, and snapshots every 10 events."""
    long_life(queue, clock)
    queue.admin.config_set("snapshot_events", 10)
    return queue


def test_snapshots_are_made_where_they_are_missing(long_queue: Queue) -> None:
    """The first time one every so many events, then those that were deleted, then none."""
    made = long_queue.admin.make_snapshots(with_head=False)
    assert made is not None
    assert [each.position for each in made] == list(range(10, long_queue.log.head() + 1, 10))
    assert not long_queue.admin.are_snapshots_due()
    files(long_queue)[2].unlink()
    files(long_queue)[2].unlink()
    again = long_queue.admin.make_snapshots(with_head=False)
    assert again is not None
    assert [each.position for each in again] == [30, 40]
    assert long_queue.admin.make_snapshots(with_head=False) == []
    long_queue.enqueue_many(["true"] * (11 - long_queue.log.head() % 10))  # so that none is due at the head
    long_queue.admin.make_snapshots(with_head=False)
    assert [each.position for each in long_queue.admin.make_snapshots() or ()] == [long_queue.log.head()]


@pytest.mark.parametrize("kind", ["a pipe", "a link"])
def test_a_snapshot_that_is_no_file_is_replaced(long_queue: Queue, tmp_path: Path, kind: str) -> None:
    """A named pipe is not waited for, and a link not followed: both are passed over, and the snapshot is made again."""
    long_queue.admin.make_snapshots(with_head=False)
    with long_queue.as_of(25) as then:
        right = then.jobs(), then.status()
    path = files(long_queue)[1]
    path.rename(tmp_path / "precious")
    if kind == "a pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(tmp_path / "precious")
    with long_queue.as_of(25) as then:
        assert (then.jobs(), then.status()) == right
    long_queue.admin.make_snapshots(with_head=False)
    assert path.is_file()
    assert not path.is_symlink()
    assert (tmp_path / "precious").exists()


@pytest.mark.sampled(3)
@pytest.mark.parametrize("how", ["cut", "flipped", "header", "other views", "foreign", "renamed", "not one"])
def test_a_snapshot_that_is_not_right_is_replaced(long_queue: Queue, how: str) -> None:
    """Damaged, of another layout, of another log, under another's name: it is passed over, and made again."""
    long_queue.admin.make_snapshots(with_head=False)
    position = 25
    with long_queue.as_of(position) as then:
        right = then.jobs(), then.status()
    path = files(long_queue)[1]
    content = path.read_bytes()
    header, _, rest = content.partition(b"\n")
    said = json.loads(header)
    wrong = {
        "cut": content[:-5],
        "flipped": content[:-5] + bytes([content[-5] ^ 1]) + content[-4:],
        "header": b"{" + content,
        "other views": json.dumps(said | {"views": 1}).encode() + b"\n" + rest,
        "foreign": json.dumps(said | {"digest": "00" * 32}).encode() + b"\n" + rest,
        "renamed": files(long_queue)[2].read_bytes(),
        "not one": b"",
    }
    path.write_bytes(wrong[how])
    with long_queue.as_of(position) as then:
        assert (then.jobs(), then.status()) == right
    long_queue.admin.make_snapshots(with_head=False)
    assert 20 in [each.position for each in long_queue.admin.snapshots()]
    assert path.read_bytes()[:20] == content[:20]


def test_only_one_makes_snapshots(long_queue: Queue) -> None:
    """While another process is at it, nothing is made, and an answer is given all the same."""
    directory = long_queue.path / SNAPSHOTS
    directory.mkdir()
    fd = os.open(directory / "lock", os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        assert long_queue.admin.make_snapshots() is None
        assert long_queue.as_of(long_queue.log.head()).jobs()
    finally:
        os.close(fd)
    assert long_queue.admin.snapshots() == []


def test_an_answer_that_took_long_leaves_a_snapshot(long_queue: Queue) -> None:
    """Where much had to be folded the next answer near there need not; what was half made is swept away."""
    with long_queue.as_of(35) as then:
        assert then.jobs()
    assert [each.position for each in long_queue.admin.snapshots()] == [35]
    (long_queue.path / SNAPSHOTS / ".making-gone").mkdir()
    long_queue.admin.make_snapshots()
    assert list((long_queue.path / SNAPSHOTS).glob(".making-*")) == []


def test_zero_makes_none(long_queue: Queue) -> None:
    """With snapshot_events 0 none is due and none is made unasked; by hand one of now is."""
    long_queue.admin.config_set("snapshot_events", 0)
    assert not long_queue.admin.are_snapshots_due()
    assert long_queue.admin.make_snapshots(with_head=False) == []
    assert long_queue.as_of(long_queue.log.head()).jobs()
    assert long_queue.admin.snapshots() == []
    assert [each.position for each in long_queue.admin.make_snapshots() or ()] == [long_queue.log.head()]
    assert long_queue.admin.delete_snapshots() == 1


def test_snapshots_are_bounded_in_number() -> None:
    """The longer the log, the further apart they are."""
    assert interval(1_000, 50_000) == 50_000
    assert round(10_000_000 / interval(10_000_000, 50_000)) == 20
    assert interval(10_000_000, 0) == 0


def test_the_dead_letter_queue_is_read_as_it_was(queue: Queue) -> None:
    """`dlq` has what was dead then, the last to die first, and nothing that changes it."""
    dead(queue, "first")
    dead(queue, "second")
    then = queue.log.head()
    dead(queue, "third")
    queue.dlq.purge("first")
    with queue.as_of(then) as past:
        assert [job.id for job in past.dlq.jobs()] == ["second", "first"]
        assert [job.id for job in past.dlq.jobs(limit=1)] == ["second"]
        assert {name for name in dir(past.dlq) if name[0] != "_"} == {"jobs"}
        with pytest.raises(InvalidInput, match="limit"):
            past.dlq.jobs(limit=-1)
        with pytest.warns(DeprecationWarning, match=r"Past\.dlq\.jobs"):
            assert past.dead() == past.dlq.jobs()
