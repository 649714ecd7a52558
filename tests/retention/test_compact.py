"""What is old and ended goes to the archive and out of the store; all else stays, and nothing is lost."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from queuectl import Compacted, InvalidInput, JobNotFound, JobRequest, Queue, StoreError
from queuectl.errors import BadSegment, CompactBusy, NewerFormat
from queuectl.events.hash_chain import GENESIS, link
from queuectl.events.types import Enqueued, RetentionApplied
from queuectl.outputs.storage import file_of
from queuectl.retention import archived_history
from queuectl.retention.archived_history import rows, whole_log
from queuectl.retention.background import LOOK_EVERY_S, BackgroundCompactor
from queuectl.retention.compact import Retention
from queuectl.retention.policy import Limits, Rule
from queuectl.retention.segment import Segment
from queuectl.store.directory import COMPACT_LOCK, lock
from queuectl.store.event_reader import EventReader
from queuectl.store.tables import LOG
from tests.clocks import FakeClock
from tests.lives import PRINTED, cancelled, completed, dead, failed, long_life, running

HOUR_S = 3600
DAY_S = 86_400


def steps_of(queue: Queue, upto: int | None = None, **options: Limits) -> Iterator[Compacted]:
    """Return a pass over all that has ended, to be taken step by step."""
    rule = Rule(queue.log.head() if upto is None else upto, keep_dead=False)
    return Retention(queue._engine, rule, None, limits=options.get("limits", Limits())).steps()


def applied(queue: Queue) -> list[RetentionApplied]:
    """Return what retention has said in the log."""
    return [each.event for each in queue.events() if isinstance(each.event, RetentionApplied)]


def segments(queue: Queue) -> list[Path]:
    """Return the files of the archive."""
    return sorted((queue.path / "archive").iterdir())


def test_what_ended_long_ago_goes(queue: Queue, clock: FakeClock) -> None:
    """Jobs that completed or were cancelled before the time leave the log, the views and their ids; others stay."""
    completed(queue, "old")
    cancelled(queue, "dropped")
    queue.enqueue("true", id="waits", delay_s=100 * DAY_S)
    clock.advance(2 * DAY_S)
    completed(queue, "new")
    done = queue.admin.compact(older_than_s=DAY_S)
    assert (done.jobs, done.events) == (2, 6)
    assert {job.id for job in queue.jobs()} == {"waits", "new"}
    assert {each.event.spec.id for each in queue.events() if isinstance(each.event, Enqueued)} == {"waits", "new"}
    assert queue.enqueue("true", id="old").state == "pending"
    assert queue.admin.replay(check=True).differences == []


def test_a_long_life_replays_after_it(queue: Queue, clock: FakeClock) -> None:
    """A queue in which everything has happened lets go what has ended, and its views are what the log says."""
    long_life(queue, clock)
    stories = {job.id: queue.history(job.id) for job in queue.jobs()}
    done = queue.admin.compact(older_than_s=0)
    assert done.jobs > 5
    assert done.workers == 1
    assert next(type(each.event).__name__ for each in queue.history("worker:w2")) == "WorkerStarted"
    assert queue.admin.replay(check=True).differences == []
    assert {job_id: queue.history(job_id) for job_id in stories} == stories
    assert {str(job.state) for job in queue.jobs()} <= {"pending", "processing", "failed"}


def test_a_job_whose_last_event_is_new_stays(queue: Queue, clock: FakeClock) -> None:
    """It is the last event that counts: a job of old that was run again just now stays, with all its events."""
    completed(queue, "a")
    clock.advance(2 * DAY_S)
    queue.retry("a")
    queue.worker("w1").complete(running(queue))
    assert queue.admin.compact(older_than_s=DAY_S).events == 0
    assert len(queue.history("a")) == 8
    assert not (queue.path / "archive").exists()


def test_the_dead_stay_where_that_is_asked_for(queue: Queue) -> None:
    """With `keep_dead` the dead letter queue stays, without it goes; a purged job goes either way."""
    dead(queue, "d")
    dead(queue, "purged")
    queue.dlq.purge(["purged"])
    assert queue.admin.compact(older_than_s=0, keep_dead=True).jobs == 1
    assert [job.id for job in queue.dlq.jobs()] == ["d"]
    assert queue.admin.compact(older_than_s=0).jobs == 1
    assert queue.dlq.jobs() == []
    assert [event.keep_dead for event in applied(queue)][-1] is False
    assert queue.admin.replay(check=True).differences == []


def test_what_has_not_ended_stays(queue: Queue) -> None:
    """Waiting, running and retrying jobs, running workers and the configuration stay however old."""
    queue.worker("w1").started(host="here", pid=1, slots=1)
    queue.admin.config_set("max_retries", 7)
    failed(queue, "retrying")
    queue.enqueue("true", id="runs", priority=5)
    running(queue)
    queue.enqueue("true", id="waits")
    before = list(queue.events())
    assert queue.admin.compact(older_than_s=0).events == 0
    assert list(queue.events()) == before


def test_what_is_removed_is_a_verified_segment_before(queue: Queue) -> None:
    """The segment has the removed bytes as they were, in order; the event names it with its SHA-256 and the chain."""
    completed(queue, "a")
    dead(queue, "b")
    with queue._store.read() as txn:
        before, digest = list(txn.scan(LOG)), EventReader(txn).digest()
    queue.admin.compact(older_than_s=0, reason="tidy")
    [path], [event] = segments(queue), applied(queue)
    segment = Segment(path)
    assert list(segment.rows()) == list(rows(queue._store)) == before
    assert (event.removed, event.upto, event.chain) == (len(before), len(before), digest)
    assert event.archive == f"archive/{path.name}" == f"archive/000001-1-{len(before)}.seg"
    list(segment.check(event.sha256, lambda key, value: None))
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.reason for each in queue.history("a")] == [None] * 4
    assert [each.reason for each in queue.events()] == ["tidy"]


def test_the_whole_log_can_be_put_together_again(queue: Queue, clock: FakeClock) -> None:
    """Archive and log merged give every position once, in order, and the chain over them is the log's own."""
    long_life(queue, clock)
    queue.admin.compact(older_than_s=HOUR_S)
    completed(queue, "one more")
    queue.admin.compact(older_than_s=0)
    digest, positions = GENESIS, []
    for key, value in whole_log(queue._store, until=queue.log.head()):
        digest = link(digest, value)
        positions.append(int.from_bytes(key, "big"))
    assert positions == list(range(1, queue.log.head() + 1))
    with queue._store.read() as txn:
        assert EventReader(txn).digest() == digest


def test_segments_are_chained(queue: Queue) -> None:
    """Each segment has the SHA-256 of the one before, wherever that lies, and they are counted."""
    for n in range(3):
        completed(queue, f"a{n}")
        queue.admin.compact(older_than_s=0, archive=queue.path.parent / f"elsewhere{n % 2}")
    directories = [queue.path.parent / name for name in ("elsewhere0", "elsewhere1")]
    headers = sorted(
        (Segment(path).header for each in directories for path in each.iterdir()), key=lambda h: h.sequence
    )
    assert [header.sequence for header in headers] == [1, 2, 3]
    assert headers[0].previous == bytes(32)
    by_sha = {event.archive: event.sha256 for event in applied(queue)}
    assert headers[2].previous == next(sha for name, sha in by_sha.items() if "elsewhere1" in name)
    assert len({header.origin for header in headers}) == 1
    assert {job: len(queue.history(job)) for job in ("a0", "a1", "a2")} == {"a0": 4, "a1": 4, "a2": 4}


def test_output_goes_along(queue: Queue) -> None:
    """What runs printed is archived, from the store and from files, and gone from both."""
    queue.enqueue("true", id="little")
    queue.worker("w1").complete(running(queue), output=PRINTED)
    queue.enqueue("true", id="much")
    job = running(queue)
    file = file_of(queue.path, job.number, job.lease.token)
    file.parent.mkdir(parents=True)
    frames = b"o\0\x09\x27\xc0" + b"x" * 600_000
    file.write_bytes(frames)
    queue.worker("w1").complete(job)
    queue.admin.compact(older_than_s=0)
    pieces = list(Segment(segments(queue)[0]).pieces())
    assert pieces[0].frames == PRINTED.frames
    assert b"".join(piece.frames for piece in pieces[1:]) == frames
    assert {piece.number for piece in pieces[1:]} == {job.number}
    assert not file.exists()
    with queue._store.read() as txn:
        assert txn.count("outputs") == 0


def test_a_job_that_moves_on_meanwhile_stays(queue: Queue) -> None:
    """One that is run again between its choice and its removal stays whole, though a copy is in the archive."""
    completed(queue, "a")
    completed(queue, "b")
    steps = steps_of(queue)
    for _ in steps:
        if any((queue.path / "archive").glob("*.seg")):
            break
    queue.retry("a")
    done = list(steps)[-1]
    assert (done.jobs, done.events) == (1, 4)
    assert queue.job("a").state == "pending"
    assert len(queue.history("a")) == 5
    assert queue.admin.replay(check=True).differences == []
    queue.worker("w1").complete(running(queue))
    assert queue.admin.compact(older_than_s=0).jobs == 1
    assert len(queue.history("a")) == 8


@pytest.mark.parametrize("left", range(12))
def test_stopped_anywhere_it_loses_nothing(queue: Queue, left: int) -> None:
    """Whatever step it ended behind, each event is in the log or the archive, and the next one goes on."""
    for n in range(6):
        completed(queue, f"a{n}")
    stories = {f"a{n}": queue.history(f"a{n}") for n in range(6)}
    steps = steps_of(queue, limits=Limits(step_jobs=1, step_events=4, segment_events=12))
    for _, _ in zip(range(left), steps, strict=False):
        pass
    steps.close()
    assert {job_id: queue.history(job_id) for job_id in stories} == stories
    queue.admin.compact(older_than_s=0)
    assert {job_id: queue.history(job_id) for job_id in stories} == stories
    assert queue.jobs() == []
    assert not list((queue.path / "archive").glob("*.partial"))
    assert queue.log.missing_history(stories["a0"]) is None


def test_what_an_interrupted_one_left_is_cleared_away(queue: Queue) -> None:
    """A sealed segment by which nothing went, and one half written, are removed by the next compact."""
    completed(queue, "a")
    steps = steps_of(queue)
    while not any((queue.path / "archive").glob("*.seg")):
        next(steps)
    steps.close()
    [unused] = segments(queue)
    completed(queue, "b")
    queue.admin.compact(older_than_s=0)
    assert [path.name for path in segments(queue)] == ["000001-1-8.seg"]
    assert not unused.exists()


def test_a_segment_of_another_past_is_left_alone(queue: Queue) -> None:
    """A segment with events that the log does not have, as after a restored backup, is refused and stays."""
    completed(queue, "a")
    queue.close()
    backup = (queue.path / "data.mdb").read_bytes()
    with Queue.open(queue.path) as lost:
        completed(lost, "b")
        lost.admin.compact(older_than_s=0)
    (queue.path / "data.mdb").write_bytes(backup)
    with Queue.open(queue.path) as restored:
        [theirs] = segments(restored)
        completed(restored, "c")
        with pytest.raises(StoreError, match="events that this log does not have"):
            restored.admin.compact(older_than_s=0)
        assert len(list(restored.events())) == 8
        assert theirs.exists()


def test_the_header_of_a_segment_is_read_once(queue: Queue) -> None:
    """However often archived jobs are asked for, the last segment's header is read once, and anew where it changed."""
    completed(queue, "a")
    queue.admin.compact(older_than_s=0)
    queue.history("a")
    before = archived_history._header.cache_info()
    for _ in range(3):
        queue.history("a")
    after = archived_history._header.cache_info()
    assert (after.misses - before.misses, after.hits - before.hits) == (0, 3)
    [segment] = segments(queue)
    segment.write_bytes(segment.read_bytes()[:100])
    with pytest.raises(StoreError):
        queue.history("a")


def test_another_queues_archive_is_refused(queue: Queue, tmp_path: Path) -> None:
    """Two queues do not mix their segments."""
    completed(queue, "a")
    queue.admin.compact(older_than_s=0)
    with Queue.open(tmp_path / "other", actor="other") as other:
        completed(other, "a")
        with pytest.raises(StoreError, match="another queue's; name a directory of its own"):
            other.admin.compact(older_than_s=0, archive=queue.path / "archive")
        assert len(other.history("a")) == 4


@pytest.mark.parametrize("place", ["", "x" * 500, "\udcff"])
def test_a_directory_that_cannot_be_named_is_refused(queue: Queue, place: str) -> None:
    """The queue's own directory, and names too long or not in UTF-8, are refused; nothing goes."""
    completed(queue, "a")
    with pytest.raises(InvalidInput, match="archive"):
        queue.admin.compact(older_than_s=0, archive=queue.path / place)
    assert queue.job("a").state == "completed"


def test_an_archive_that_cannot_be_written_costs_nothing(queue: Queue, tmp_path: Path) -> None:
    """Where the segment cannot be written the compact fails, says so, and nothing is removed."""
    completed(queue, "a")
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="nothing that is not archived was removed"):
        queue.admin.compact(older_than_s=0, archive=tmp_path / "file" / "below")
    assert len(list(queue.events())) == 4


def test_one_at_a_time(queue: Queue) -> None:
    """While one compact is at work another is refused, and changes nothing."""
    completed(queue, "a")
    with lock(queue.path / COMPACT_LOCK, wait=False), pytest.raises(CompactBusy):
        queue.admin.compact(older_than_s=0)
    assert queue.admin.compact(older_than_s=0).jobs == 1


def test_history_says_what_is_not_there(queue: Queue, tmp_path: Path) -> None:
    """Without the archive an old job is not found, with a word on where it may be; a new one of its id tells of it."""
    completed(queue, "a")
    completed(queue, "b")
    queue.clear(all=True)
    queue.enqueue("true", id="b", delay_s=HOUR_S)
    queue.admin.compact(older_than_s=0)
    assert len(queue.history("b")) == 6
    (queue.path / "archive").rename(tmp_path / "away")
    with pytest.raises(JobNotFound, match=r"archived in 000001-\*.seg in .*/archive, which is not there"):
        queue.history("a")
    [first] = queue.history("b")
    assert f"up to position {first.prev} are archived in 000001-*.seg" in str(queue.log.missing_history([first]))
    (tmp_path / "away").rename(queue.path / "archive")
    assert len(queue.history("a")) == 5


@pytest.mark.parametrize("spoil", [lambda data: data[:-30], lambda data: data[:200] + b"x" + data[201:]])
def test_a_spoilt_segment_is_named(queue: Queue, spoil: Callable[[bytes], bytes]) -> None:
    """A segment that was cut short or changed is named, with what is wrong, and never half read."""
    completed(queue, "a")
    queue.admin.compact(older_than_s=0)
    [path] = segments(queue)
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(BadSegment, match=path.name):
        list(rows(queue._store)), queue.history("a")


def test_an_older_queuectl_refuses_the_store(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new store has format 1 and gets format 2 with its first cut, which a release that knows 1 refuses."""
    monkeypatch.setattr("queuectl.store.tables.FORMAT", 1)
    completed(queue, "a")
    queue.close()
    Queue.open(queue.path, create=False).close()
    with Queue.open(queue.path) as again:
        again.admin.compact(older_than_s=0)
    with pytest.raises(NewerFormat):
        Queue.open(queue.path)


def test_times_are_found_though_positions_are_missing(queue: Queue, clock: FakeClock) -> None:
    """The position of a time is that of the last event there is, wherever the bisection falls."""
    for n in range(20):
        completed(queue, f"a{n}") if n % 3 else queue.enqueue("true", id=f"w{n}", delay_s=DAY_S)
        clock.advance(10)
    queue.admin.compact(older_than_s=50)
    events = list(queue.events())
    for at_us in {each.at_us + shift for each in events for shift in (-1, 0, 1)}:
        expected = max((each.position for each in events if each.at_us <= at_us), default=0)
        assert queue.log.position_at(at_us=at_us) == expected


def test_what_retention_said_of_old_goes_too(queue: Queue, clock: FakeClock) -> None:
    """Under churn the log does not fill with what retention says of itself; the last word stays."""
    for n in range(12):
        completed(queue, f"a{n}")
        clock.advance(HOUR_S)
        queue.admin.compact(older_than_s=HOUR_S / 2)
    assert len(applied(queue)) <= 2
    assert len(list(queue.events())) <= 6
    assert len(queue.history("a0")) == 4
    assert queue.admin.replay(check=True).differences == []


@pytest.mark.slow
def test_the_file_stops_growing_under_churn(queue: Queue, clock: FakeClock) -> None:
    """Enqueue, complete and compact over and over: the pages in use stay what they were after the first rounds."""
    used: list[int] = []
    for _ in range(14):
        for _ in range(3):
            queue.enqueue_many([JobRequest("true") for _ in range(300)])
            claimed = queue.worker("w1").claim(300)
            queue.worker("w1").complete_many(claimed)
        clock.advance(HOUR_S)
        queue.admin.compact(older_than_s=HOUR_S / 2)
        used.append(queue.admin.sizes()["used"])
    assert max(used[7:]) <= max(used[:7])
    assert queue.status().jobs["completed"] == 0


def test_a_dry_run_tells_and_changes_nothing(queue: Queue) -> None:
    """What a dry run tells is what then goes; until then nothing has."""
    for n in range(5):
        completed(queue, f"a{n}")
    queue.enqueue("true", id="waits")
    before = list(queue.events())
    would = queue.admin.compact(older_than_s=0, dry_run=True)
    assert list(queue.events()) == before
    done = queue.admin.compact(older_than_s=0)
    assert would == done._replace(segments=())
    assert (would.jobs, would.events, would.upto) == (5, 20, 21)


def take_all(compactor: BackgroundCompactor) -> None:
    """Let a worker's retention work until it pauses."""
    while compactor.step() < LOOK_EVERY_S:
        pass


def test_a_worker_does_it_as_configured(queue: Queue, clock: FakeClock) -> None:
    """With `retention_s` what is older goes, by the worker's name; the dead stay unless that is configured."""
    compactor = queue.admin.background_compactor("w9")
    completed(queue, "a")
    dead(queue, "d")
    clock.advance(2 * HOUR_S)
    take_all(compactor)
    assert len(queue.jobs()) == 2
    queue.admin.config_set("retention_s", HOUR_S)
    take_all(compactor)
    assert [job.id for job in queue.jobs()] == ["d"]
    assert [each.actor for each in queue.events(types=["retention_applied"])] == ["w9"]
    queue.admin.config_set("retention_keep_dead", 0)
    completed(queue, "b")
    clock.advance(2 * HOUR_S)
    take_all(compactor)
    assert queue.jobs() == []
    assert queue.admin.replay(check=True).differences == []


def test_a_worker_does_not_archive_crumbs(queue: Queue, clock: FakeClock) -> None:
    """It waits until a tenth of `retention_s` has gone by since the last time."""
    compactor = queue.admin.background_compactor("w9")
    queue.admin.config_set("retention_s", HOUR_S)
    for n in range(30):
        completed(queue, f"a{n}")
        clock.advance(60)
        take_all(compactor)
    clock.advance(HOUR_S)
    take_all(compactor)
    assert 1 <= len(segments(queue)) <= 4
    assert queue.jobs() == []


def test_a_worker_leaves_it_to_another(queue: Queue, clock: FakeClock) -> None:
    """Where another process compacts, a worker does not wait for it, and tries again later."""
    compactor = queue.admin.background_compactor("w9")
    queue.admin.config_set("retention_s", 1)
    completed(queue, "a")
    clock.advance(60)
    with lock(queue.path / COMPACT_LOCK, wait=False):
        assert compactor.step() == LOOK_EVERY_S
    clock.advance(60)
    take_all(compactor)
    assert queue.jobs() == []


@pytest.mark.slow
def test_it_shrinks_when_nobody_has_it_open(queue: Queue) -> None:
    """Space goes back to the disk while the queue is closed, all else as it was; while it is open, that is refused."""
    queue.enqueue_many([JobRequest("x" * 500, f"a{n}") for n in range(3000)])
    while claimed := queue.worker("w1").claim(1000):
        queue.worker("w1").complete_many(claimed)
    queue.enqueue("true", id="waits")
    queue.admin.compact(older_than_s=0)
    with pytest.raises(StoreError, match="it is in use; stop the workers"):
        Queue.shrink(queue.path)
    events = list(queue.events())
    queue.close()
    shrunk = Queue.shrink(queue.path)
    file = queue.path / "data.mdb"
    assert shrunk.after_bytes == file.stat().st_size < shrunk.before_bytes / 5
    assert file.stat().st_mode & 0o777 == 0o600
    assert not (queue.path / "shrunk").exists()
    with Queue.open(queue.path, create=False) as again:
        assert list(again.events()) == events
        assert again.job("waits").state == "pending"
        assert again.admin.replay(check=True).differences == []
        again.enqueue("true")
