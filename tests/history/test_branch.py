"""A second queue, made as the first was at a moment, is that queue in everything, and whole or not there at all."""

import os
from pathlib import Path

import pytest

from queuectl import Captured, InvalidInput, Queue, StoreError
from queuectl.events.types import Output
from queuectl.outputs.storage import file_of
from queuectl.store.event_reader import EventReader
from queuectl.store.store import Row, Store
from tests.clocks import FakeClock
from tests.lives import PRINTED, completed, long_life, running


class Interrupted(Exception):
    """What a user's Ctrl-C amounts to."""


@pytest.fixture
def lived(queue: Queue, clock: FakeClock) -> Queue:
    """Return a queue in which everything has happened."""
    long_life(queue, clock)
    return queue


def rows(store: Store, *tables: str) -> dict[str, list[Row]]:
    """Return all rows of tables."""
    with store.read() as txn:
        return {table: list(txn.scan(table)) for table in tables}


@pytest.mark.parametrize("part", [1, 0.3, 0.7, None], ids=str)
def test_it_is_the_queue_of_then(lived: Queue, tmp_path: Path, clock: FakeClock, part: float | None) -> None:
    """Its events are the same bytes under the same positions, its chain and views those of then, and it works on."""
    position = lived.log.head() if part is None else max(1, int(lived.log.head() * part)) if part != 1 else 1
    made = lived.admin.branch(tmp_path / "then", position)
    assert (made.path, made.position) == (str(tmp_path / "then"), position)
    with lived._store.read() as txn:
        digest = EventReader(txn).digest(position)
    with Queue.open(tmp_path / "then", create=False, clock=clock, actor="tester") as then:
        assert rows(then._store, "log")["log"] == rows(lived._store, "log")["log"][:position]
        with then._store.read() as txn, lived._store.read() as live:
            assert EventReader(txn).digest() == digest
            for stream in {each.stream for each in then.events()}:
                theirs = [each for each in EventReader(live).read_stream(stream) if each.position <= position]
                assert EventReader(txn).read_stream(stream) == theirs
        assert then.admin.replay(check=True).differences == []
        with lived.as_of(position) as past:
            assert then.jobs() == past.jobs()
            assert then.jobs(state="pending") == past.jobs(state="pending")
        then.enqueue("true", id="what-if", priority=100)
        assert then.worker("w9").claim()[0].id == "what-if"
        assert then.admin.replay(check=True).differences == []


def test_what_was_printed_until_then_is_there(queue: Queue, tmp_path: Path) -> None:
    """Small output and large is copied, of runs that had ended; what is gone is counted."""
    for job_id in ("small", "large", "gone", "later"):
        queue.enqueue("true", id=job_id, priority=-queue.log.head())
        job = running(queue)
        printed = PRINTED if job_id != "large" else Captured(None, Output(5, b"\1" * 32))
        path = queue.worker("w1").output_path(job)
        if job_id == "large":
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"o\0\0\0\5large")
        done = queue.worker("w1").complete(job, output=printed)
        if job_id == "gone":
            position = done.version
            queue.enqueue("true", id="waits", priority=-100)
            with queue._store.write() as txn:
                txn.delete("outputs", job.number.to_bytes(8, "big") + done_token(job))
    made = queue.admin.branch(tmp_path / "then", position)
    assert (made.outputs, made.outputs_gone) == (2, 1)
    with Queue.open(tmp_path / "then") as then:
        printed_then = {
            each.id: b"".join(then.ui.output_frames(run) for run in then.runs(each.id)) for each in then.jobs()
        }
    assert printed_then == {"small": PRINTED.frames, "large": b"o\0\0\0\5large", "gone": b""}


def done_token(job: object) -> bytes:
    """Return a claimed job's token as it stands in a key."""
    return job.lease.token.to_bytes(8, "big")  # type: ignore[attr-defined,no-any-return]


def test_it_is_never_made_over_something(lived: Queue, tmp_path: Path) -> None:
    """A directory, an empty one, a file, a link, a place that is not there: refused, and untouched."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to("nowhere")
    for name in ("empty", "file", "link", "queue", "no/such"):
        with pytest.raises(InvalidInput, match="into"):
            lived.admin.branch(tmp_path / name, 5)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "file", "link", "queue"]
    with pytest.raises(InvalidInput, match="one from 1"):
        lived.admin.branch(tmp_path / "then", 10**9)


def test_interrupted_it_leaves_nothing(lived: Queue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken off while it copies, or when the disk takes no more, there is nothing under any name."""

    def interrupt(done: int, total: int) -> None:
        raise Interrupted

    def refuse(old: Path, new: Path) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(Interrupted):
        lived.admin.branch(tmp_path / "then", 5, progress=interrupt)
    monkeypatch.setattr(os, "rename", refuse)
    with pytest.raises(StoreError, match="No space left on device; nothing was made"):
        lived.admin.branch(tmp_path / "then", 5)
    assert [path.name for path in tmp_path.iterdir()] == ["queue"]


def test_the_first_queue_goes_its_own_way(queue: Queue, tmp_path: Path) -> None:
    """What happens in one afterwards does not happen in the other, down to the files of output."""
    job = completed(queue, "a")
    queue.admin.branch(tmp_path / "then", queue.log.head())
    with Queue.open(tmp_path / "then") as then:
        then.clear(all=True)
        then.enqueue("true", id="b")
    assert [each.id for each in queue.jobs()] == ["a"]
    assert file_of(queue.path, job.number, 1) != file_of(tmp_path / "then", job.number, 1)
