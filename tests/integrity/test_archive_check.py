"""verify reads through to the archive: what retention let go is proven where its segments are, and only there."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from queuectl import Queue
from queuectl.core.results import Captured
from queuectl.integrity.verify import Verified, verify
from queuectl.retention.compact import Retention
from queuectl.retention.policy import Limits, Rule
from queuectl.retention.segment import Segment
from queuectl.store.event_reader import EventReader
from queuectl.store.store import Store, key_of
from tests.clocks import FakeClock
from tests.lives import PRINTED, cancelled, completed, dead, failed, long_life, running
from tests.logs import rewritten, tampering
from tests.property.strategies import brief

SMALL = Limits(segment_events=20)


def let_go(queue: Queue, archive: Path | None = None) -> None:
    """Let all that has ended go, into segments of a few events."""
    rule = Rule(queue.log.head(), keep_dead=False)
    for _ in Retention(queue._engine, rule, archive, limits=SMALL).steps():
        pass


@pytest.fixture
def path(queue: Queue, clock: FakeClock, tmp_path: Path) -> Path:
    """Return a queue that was cut three times, with its archive in two places, and a checkpoint of before beside it."""
    long_life(queue, clock)
    queue.enqueue("true", id="printing", priority=99)
    queue.worker("w1").complete(running(queue), output=PRINTED)
    verify(queue.path, log_only=True, write_to=tmp_path / "early")
    let_go(queue)
    for n in range(6):
        completed(queue, f"a{n}")
    dead(queue, "doomed2")
    queue.retry(cancelled(queue, "again").id)
    let_go(queue, tmp_path / "away")
    failed(queue, "waits")
    completed(queue, "printing")
    verify(queue.path, log_only=True, write_to=tmp_path / "middle")
    let_go(queue)
    queue.enqueue("true", id="newest")
    queue.close()
    return queue.path


def segments(path: Path) -> list[Path]:
    return sorted([*(path / "archive").iterdir(), *(path.parent / "away").iterdir()])


def cut_of(path: Path) -> int:
    with Store.open(path, create=False, read_only=True) as store, store.read() as txn:
        return EventReader(txn).cut()


def in_archive(found: Verified) -> bool:
    return {problem.part for problem in found.problems} == {"archive"}


def test_the_chain_goes_through_the_archive(path: Path, tmp_path: Path) -> None:
    """With every segment there all is proven from position 1, checkpoints below the cut too."""
    found = verify(path, log_only=True, against=[tmp_path / "early", tmp_path / "middle"])
    assert (found.problems, found.parts["archive"]["segments"]) == ([], len(segments(path)))
    assert found.parts["archive"]["events"] > 60
    assert "the chain goes through it from the first" in found.notes[0]
    assert all(0 < position <= cut_of(path) for position in found.against.values())


def test_log_only_reads_through_too(path: Path) -> None:
    """The archive is a part of the log, and is checked with it alone."""
    assert list(verify(path, log_only=True).parts) == ["log", "archive"]


@pytest.mark.slow
def test_a_segment_that_is_not_there_is_no_failure(path: Path, tmp_path: Path) -> None:
    """It is named, with where it is looked for; the rest is checked, and only what it held is not proven."""
    gone = segments(path)[1]
    gone.rename(tmp_path / gone.name)
    found = verify(path)
    assert found.is_sound
    assert found.parts["archive"]["segments"] == len(segments(path))
    assert f"not proven: {gone.name[:6]}-*.seg in " in found.notes[0]
    (tmp_path / gone.name).rename(path / "archive" / gone.name)
    assert "goes through it" in verify(path).notes[0]


def test_a_checkpoint_cannot_be_proven_without_the_archive(path: Path, tmp_path: Path) -> None:
    """Whoever asks for a proof that there is none of hears so, as a problem."""
    segments(path)[0].unlink()
    [problem] = verify(path, against=[tmp_path / "middle"]).problems
    assert problem.part == "against"
    assert "nothing can be proven" in problem.what


@pytest.mark.slow
def test_a_checkpoint_finds_another_past(path: Path, tmp_path: Path) -> None:
    """An archive that agrees with itself and with the log, and not with a checkpoint, was made from another past."""
    early = tmp_path / "early"
    told = json.loads(early.read_text())
    early.write_text(json.dumps(told | {"digest": "00" * 32}))
    [problem] = verify(path, against=[early]).problems
    assert problem.part == "archive"
    assert "was changed since the checkpoint was made" in problem.what


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, bytes]:
    """Return a cut queue, its one segment, and what is in that."""
    path = tmp_path_factory.mktemp("once") / "q"
    with Queue.open(path, clock=FakeClock(), actor="tester") as queue:
        for n in range(9):
            queue.enqueue("true", id=f"a{n}")
            queue.worker("w").complete(
                queue.worker("w").start(*queue.worker("w").claim()), output=PRINTED if n % 2 else Captured()
            )
        queue.admin.compact(older_than_s=0)
    [segment] = (path / "archive").iterdir()
    return path, segment, segment.read_bytes()


@pytest.mark.slow
@brief
@given(data=st.data())
def test_any_flipped_byte_of_a_segment_is_found(once: tuple[Path, Path, bytes], data: st.DataObject) -> None:
    """Wherever in a segment, it is a problem that names the segment and where in the log its events are."""
    path, segment, content = once
    at, mask = data.draw(st.integers(0, len(content) - 1)), data.draw(st.integers(1, 255))
    segment.write_bytes(content[:at] + bytes([content[at] ^ mask]) + content[at + 1 :])
    try:
        found = verify(path, log_only=True)
    finally:
        segment.write_bytes(content)
    [problem] = found.problems
    assert (problem.part, str(segment) in problem.what) == ("archive", True)
    assert problem.position is not None
    assert 1 <= problem.position <= (problem.until or problem.position) <= cut_of(path)


@pytest.mark.sampled(1)
@pytest.mark.parametrize("size", [0, 10, 300, -1])
def test_a_segment_cut_short(path: Path, size: int) -> None:
    """A segment that was cut short is found, and so is one put in another's place."""
    first, second, *_ = segments(path)
    whole = first.read_bytes()
    first.write_bytes(whole[:size])
    assert in_archive(verify(path, log_only=True))
    first.write_bytes(second.read_bytes())
    assert in_archive(verify(path, log_only=True))
    first.write_bytes(whole)
    assert verify(path, log_only=True).is_sound


def test_a_log_rewritten_below_the_cut(path: Path) -> None:
    """An event that stayed in the log and was changed, its checksum made to match, breaks the chain."""
    with Store.open(path, create=False, read_only=True) as store, store.read() as txn:
        rows, cut = dict(txn.scan("log")), EventReader(txn).cut()
    position = min(int.from_bytes(key, "big") for key in rows)
    assert position < cut
    whole: list[Any] = [(key_of(n), rows.get(key_of(n), b"")) for n in range(1, position + 1)]
    with tampering(path) as txn:
        txn.put("log", *rewritten(whole, position, a="nobody")[-1])
    problem = verify(path, log_only=True).problems[0]
    assert problem.position is not None
    assert problem.position <= position <= (problem.until or problem.position)


def test_an_event_in_neither(path: Path) -> None:
    """A worker's event that was taken out of the log below the cut, and is in no segment, is missed."""
    with Store.open(path, create=False, read_only=True) as store, store.read() as txn:
        first = next(each for each in EventReader(txn).read() if each.stream == "config" and not each.prev)
    with tampering(path) as txn:
        txn.delete("log", key_of(first.position))
    assert any("neither the log nor the archive" in each.what for each in verify(path, log_only=True).problems)


def test_segments_tell_where_they_are_damaged(path: Path) -> None:
    """A damaged block of events is named by the positions that it holds."""
    segment = segments(path)[0]
    blocks = Segment(segment)._blocks
    content = bytearray(segment.read_bytes())
    content[blocks[0].offset + 20] ^= 1
    segment.write_bytes(content)
    [problem] = verify(path, log_only=True).problems
    assert problem.position == int(segment.name.split("-")[1])
    assert f"the block at byte {blocks[0].offset}" in problem.what
