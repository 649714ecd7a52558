"""verify on a real store: what is damaged is found and named, and whatever the engine does of it is told."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from shutil import copytree
from typing import Any

import lmdb.verify
import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from queuectl import Queue
from queuectl.errors import InvalidInput, NoQueue
from queuectl.events.append import Append
from queuectl.events.hash_chain import KEPT_EVERY, link
from queuectl.events.types import Enqueued, Recorded, Removed, RetentionApplied
from queuectl.integrity import data_file_check, log_check, verify_task
from queuectl.integrity.verify import Verified, verify
from queuectl.store import log_rows
from queuectl.store.directory import REPLAY_LOCK
from queuectl.store.event_reader import EventReader
from queuectl.store.event_writer import EventWriter
from queuectl.store.store import Store, key_of
from tests.logs import LARGE, file_of, fill, rechained, replace, rewritten, rows_of, tampering
from tests.property.strategies import brief
from tests.waiting import wait_until


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("verify") / "q"
    fill(path)
    return path


@pytest.fixture
def path(sound: Path, tmp_path: Path) -> Path:
    """Return a queue to be spoilt."""
    copytree(sound, tmp_path / "q")
    return tmp_path / "q"


def found(path: Path, **options: Any) -> list[tuple[str, int | None]]:
    """Return where there are problems: the part, and the position."""
    return [(each.part, each.position) for each in verify(path, **options).problems]


def number_of(path: Path, job_id: str) -> int:
    with Queue.open(path, create=False, read_only=True) as queue:
        return queue.job(job_id).number


@pytest.mark.slow
def test_a_sound_queue(path: Path) -> None:
    """Every part is gone through, and nothing is wrong."""
    report = verify(path)
    assert (report.is_sound, report.problems, report.notes) == (True, [], [])
    assert list(report.parts) == ["file", "log", "outputs", "views"]
    assert report.parts["log"]["events"] == report.parts["views"]["events"] == len(rows_of(path))
    assert report.parts["outputs"]["runs"] == 2  # that of the job which was cleared is gone, as it ought to be
    assert report.head is not None
    assert report.head.position == report.head.events == len(rows_of(path))


def test_the_log_alone(path: Path) -> None:
    """`log_only` leaves out the file, the outputs and the views, and writes nothing."""
    before = (path / "data.mdb").read_bytes()
    assert list(verify(path, log_only=True).parts) == ["log"]
    assert (path / "data.mdb").read_bytes() == before


@pytest.mark.slow
def test_retention_beside_it_is_no_damage(path: Path) -> None:
    """Where retention lets events go while the log is read, it is read once more, with retention held off."""
    messages = log_check.messages(path, {}, log_only=True)
    told = [next(messages), next(messages)]
    words = [sys.executable, "-m", "queuectl", "--db", str(path), "compact", "--older-than", "0s", "--json"]
    done = json.loads(subprocess.run(words, capture_output=True, check=True, timeout=60).stdout)
    assert done["events"] > 0
    told += messages
    assert [each for each in told if each["is"] == "problem"] == []
    [head] = [each for each in told if each["is"] == "head"]
    assert head["cut"] > 0, "it was read again, as retention has left it"


def test_an_archive_of_an_older_release_is_found(path: Path) -> None:
    """Where the views are still an older release's, the log says where the archive lies: verify and restore need it."""
    with Queue.open(path) as queue:
        queue.admin.compact(older_than_s=0)
        whole = queue.admin.verify()
    with Store.open(path, create=False) as store, store.write() as txn:
        txn.put("meta", b"views", b"3")
        for key, row in list(txn.scan("archives")):
            txn.put("archives", key, row[:-4])
    again = verify(path)
    assert (again.problems, again.parts["archive"]["segments"]) == ([], whole.parts["archive"]["segments"])
    sound = data_file_check.check(path)
    assert (sound.segments, sound.archives) == (1, ["archive"])


def test_an_empty_queue(tmp_path: Path) -> None:
    """A queue without events is sound, and so is a checkpoint of it."""
    Queue.open(tmp_path / "q").close()
    assert verify(tmp_path / "q", write_to=tmp_path / "c").is_sound
    assert verify(tmp_path / "q", against=[tmp_path / "c"]).is_sound


def test_from_python(path: Path, tmp_path: Path) -> None:
    """An open queue is verified too, and writes checkpoints."""
    with Queue.open(path) as queue:
        assert queue.admin.verify(log_only=True, write_to=tmp_path / "c").is_sound
        assert queue.admin.verify(against=[tmp_path / "c"]).is_sound


def test_no_queue(tmp_path: Path) -> None:
    """Where there is no queue none is made."""
    with pytest.raises(NoQueue):
        verify(tmp_path / "q")
    assert not (tmp_path / "q").exists()


@pytest.mark.slow
@brief
@given(data=st.data())
def test_any_flipped_byte_of_an_event_is_named(
    sound: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """A byte changed in the file, in any stored event, is found at that event's position and nowhere else."""
    path = tmp_path_factory.mktemp("flip") / "q"
    copytree(sound, path)
    rows = rows_of(path)
    position = data.draw(st.integers(1, len(rows)))
    value = rows[position - 1][1]
    file = bytearray((path / "data.mdb").read_bytes())
    start = 0
    at, mask = data.draw(st.integers(0, len(value) - 1)), data.draw(st.integers(1, 255))
    while (start := file.find(value, start)) >= 0:  # old pages may hold it too
        file[start + at] ^= mask
        start += 1
    (path / "data.mdb").write_bytes(file)
    messages = list(verify_task.messages(str(path), log_only=True))
    assert [each["position"] for each in messages if each["is"] == "problem"] == [position]


@pytest.mark.slow
def test_a_dropped_event(path: Path) -> None:
    """It is missing, and what only follows from that is not told as well."""
    rows = rows_of(path)
    replace(path, rows[:49] + rows[50:])
    assert found(path) == [("log", 50)]


@pytest.mark.slow
def test_dropped_events_at_the_end(path: Path) -> None:
    """A log that was cut at its end is found by what the streams say."""
    rows = rows_of(path)
    replace(path, rows[:-2])
    assert ("log", len(rows)) in found(path)


@pytest.mark.slow
def test_a_swapped_pair(path: Path) -> None:
    """Both events are named."""
    rows = rows_of(path)
    replace(path, [*rows[:49], (rows[49][0], rows[50][1]), (rows[50][0], rows[49][1]), *rows[51:]])
    assert found(path) == [("log", 50), ("log", 51)]


def test_a_rewritten_event(path: Path) -> None:
    """One whose checksum was made to match is named as one between two that keep the digest."""
    kept = len(rows_of(path)) // KEPT_EVERY * KEPT_EVERY
    replace(path, rewritten(rows_of(path), kept - 1, a="nobody"))
    report = verify(path)
    assert [(each.position, each.until) for each in report.problems] == [(kept - KEPT_EVERY, kept)]


def test_a_rewritten_event_of_an_earlier_release(path: Path) -> None:
    """Where each event was appended alone, and so kept the digest, it is named alone."""
    replace(path, rechained(rows_of(path), keeps=lambda _: True))
    last = len(rows_of(path))
    replace(path, rewritten(rows_of(path), last - 1, a="nobody"))
    report = verify(path)
    assert [(each.position, each.until) for each in report.problems] == [(last - 1, last)]


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda txn, number: txn.delete("streams", key_of(number)), "streams"),
        (lambda txn, number: txn.put("streams", key_of(number), key_of(number)), "streams"),
        (lambda txn, number: txn.put("streams", key_of(2**40), key_of(5)), "streams"),
        (lambda txn, number: txn.put("streams", b"odd", key_of(5)), "streams"),
        (lambda txn, number: txn.put("meta", b"cut", key_of(5)), "log"),
        (lambda txn, number: txn.delete("jobs", key_of(number)), "views"),
        (lambda txn, number: txn.clear("marks"), "views"),
        (lambda txn, number: txn.put("dead", key_of(1), b""), "views"),
    ],
)
def test_tables_that_are_not_what_the_log_says(path: Path, change: Callable[[Any, int], Any], part: str) -> None:
    """A row too many, too few or another one, in `streams` or in a view."""
    number = number_of(path, "last")
    with tampering(path) as txn:
        change(txn, number)
    report = verify(path)
    assert {each.part for each in report.problems} == {part}


def test_two_events_that_follow_one(path: Path) -> None:
    """A log forged so that a stream forks is told, though its chain is whole."""
    rows = rows_of(path)
    last = len(rows)
    envelope = msgpack.unpackb(rows[-1][1][4:])
    replace(path, rechained(rewritten(rows, last, p=envelope["p"] - 1)))
    assert ("log", last) in found(path)


# Outputs


def last_run(path: Path) -> tuple[int, int]:
    """Return number and token of a job whose output lies in the store."""
    with Queue.open(path, create=False, read_only=True) as queue:
        [run] = queue.runs("last")
        return run.number, run.token


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    ("frames", "what"),
    [
        (None, "what the run printed is not there"),
        (b"o\0\0\0\6hello\ne\0\0\0\3oh", "cut off or damaged"),
        (b"o\0\0\0\6hellO\ne\0\0\0\3oh\n", "stdout is not what was printed"),
        (b"o\0\0\0\6hello\n", "stderr has 0 bytes; the log says 3"),
        (b"o\0\0\0\6hello\nc\0\0\0\0017e\0\0\0\3oh\n", "16 bytes with those cut; the log says 9"),
        (b"?\0\0\0\6hello\n", "cut off or damaged"),
    ],
)
def test_output_that_is_gone_or_changed_is_told_at_its_event(path: Path, frames: bytes | None, what: str) -> None:
    """Output that is gone, short or changed is told at the event that ended its run."""
    number, token = last_run(path)
    with tampering(path) as txn:
        if frames is None:
            txn.delete("outputs", key_of(number) + key_of(token))
        else:
            txn.put("outputs", key_of(number) + key_of(token), frames)
    [problem] = verify(path).problems
    assert (problem.part, problem.position) == ("outputs", len(rows_of(path)))
    assert what in problem.what


def test_outputs_in_files(path: Path) -> None:
    """A file of large output that is gone or was changed is told."""
    [file] = (path / "outputs").rglob("*-*")
    assert file.read_bytes() == LARGE
    file.write_bytes(LARGE[:-1] + b"y")
    assert "stdout is not what was printed" in verify(path).problems[0].what
    file.unlink()
    assert "is not there" in verify(path).problems[0].what
    number, token = map(int, file.name.split("-"))
    assert file == file_of(path, number, token)


# Checkpoints


@pytest.fixture
def checkpoint(path: Path, tmp_path: Path) -> Path:
    verify(path, write_to=tmp_path / "checkpoint")
    return tmp_path / "checkpoint"


def test_a_checkpoint(path: Path, checkpoint: Path) -> None:
    """It says position, digest, time and number of events; the log agrees with it, then and later."""
    head = verify(path).head
    told = json.loads(checkpoint.read_text())
    assert head is not None
    assert (told["position"], told["digest"], told["events"]) == (head.position, head.digest.hex(), head.events)
    assert told["time"].endswith("Z")
    with Queue.open(path) as queue:
        queue.enqueue("true")
    assert verify(path, against=[checkpoint], write_to=checkpoint).is_sound
    assert json.loads(checkpoint.read_text())["position"] == head.position + 1


def test_a_checkpoint_finds_a_shortened_log(path: Path, checkpoint: Path) -> None:
    """A log cut at its end, with all tables made to fit, is found by the checkpoint, and so is an older copy."""
    last = len(rows_of(path))
    with tampering(path) as txn:
        rows = rows_of_txn(txn)
        txn.clear("log")
        txn.put_many("log", rows[:-4])
        txn.delete("streams", rows[-4][0])
    assert verify(path, log_only=True).is_sound
    report = verify(path, log_only=True, against=[checkpoint])
    assert [(each.position, each.until) for each in report.problems] == [(last - 3, last)]


def rows_of_txn(txn: Any) -> list[tuple[bytes, bytes]]:
    return list(txn.scan("log"))


def test_a_checkpoint_finds_a_log_that_was_written_anew(path: Path, checkpoint: Path) -> None:
    """Whoever changes an event and makes every digest behind it fit is found by the checkpoint alone."""
    replace(path, rechained(rewritten(rows_of(path), 30, a="nobody")))
    assert verify(path, log_only=True).is_sound
    report = verify(path, log_only=True, against=[checkpoint])
    assert [(each.position, each.until) for each in report.problems] == [(1, len(rows_of(path)))]


def test_nothing_wrong_is_certified(path: Path, checkpoint: Path) -> None:
    """Where something is wrong no checkpoint is written, and an older one stays."""
    before = checkpoint.read_bytes()
    rows = rows_of(path)
    replace(path, rows[:49] + rows[50:])
    report = verify(path, write_to=checkpoint)
    assert "no checkpoint was written" in report.notes[-1]
    assert checkpoint.read_bytes() == before


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    "content",
    [None, b"", b"[]", b"{}", b"\xff", b'{"kind":"queuectl checkpoint","version":9,"position":1,"digest":"00"}'],
)
def test_what_is_no_checkpoint(path: Path, tmp_path: Path, content: bytes | None) -> None:
    """A file that is none is refused before anything is read."""
    if content is not None:
        (tmp_path / "c").write_bytes(content)
    with pytest.raises(InvalidInput, match=r"against: found .*expected a file that"):
        verify(path, against=[tmp_path / "c"])
    with pytest.raises(InvalidInput, match="checkpoint: found"):
        verify(path, write_to=tmp_path / "missing" / "c")


# Retention


@pytest.fixture
def cut(path: Path, checkpoint: Path) -> int:
    """Let the events of completed bulk jobs go, as retention does, and give the cut."""
    assert checkpoint.exists()
    with Store.open(path, create=False) as store, store.write() as txn:
        log = EventWriter(txn)
        events = list(log.read())
        enqueued = {each.stream for each in events if isinstance(each.event, Enqueued)}
        gone = {each.stream for each in events if isinstance(each.event, Removed)} & enqueued
        upto = max(each.position for each in events if each.stream in gone)
        removed = [each.position for each in events if each.stream in gone]
        chain = audit_of(txn, upto)
        event = RetentionApplied(upto, 0, max(map(int, gone)), len(removed), chain, "segment", bytes(32))
        log.append([Append("retention", 0, (event,))], at_us=log.last_at_us, actor="tester")
        log_rows.set_cut(txn, upto, bytes(32))
        txn.delete_many("log", [key_of(each) for each in removed])
        txn.delete_many("streams", sorted(key_of(int(each)) for each in gone))
    return upto


def audit_of(txn: Any, upto: int) -> bytes:
    digest = bytes(32)
    for _, value in txn.scan("log", b"", key_of(upto + 1)):
        digest = link(digest, value)
    return digest


def test_what_retention_let_go_is_not_missed(path: Path, cut: int, tmp_path: Path, checkpoint: Path) -> None:
    """The log is sound and says what is not there; the chain goes on at the cut, and so do checkpoints behind it."""
    report = verify(path, log_only=True, against=[checkpoint], write_to=tmp_path / "later")
    assert report.problems == []
    assert f"up to position {cut} are not in the store" in report.notes[0]
    assert verify(path, log_only=True, against=[tmp_path / "later"]).is_sound


def test_a_gap_that_retention_does_not_tell_of(path: Path, cut: int) -> None:
    """A part of a job that is missing below the cut is told, and so is an event missing above it."""
    job = next(each for each in events_of(path) if each.prev and isinstance(each.stream, int) and each.position <= cut)
    with tampering(path) as txn:
        txn.delete("log", key_of(job.prev))
    assert ("log", job.position) in found(path, log_only=True)


def events_of(path: Path) -> list[Recorded]:
    with Store.open(path, create=False, read_only=True) as store, store.read() as txn:
        return list(EventReader(txn).read())


def test_nothing_is_proven_below_the_cut(path: Path, tmp_path: Path, cut: int) -> None:
    """A checkpoint of a position whose digest cannot be known any more is told as a problem."""
    early = {"kind": "queuectl checkpoint", "version": 1, "position": cut - 1, "digest": "00" * 32}
    (tmp_path / "early").write_text(json.dumps(early))
    [problem] = verify(path, log_only=True, against=[tmp_path / "early"]).problems
    assert (problem.part, problem.position) == ("against", cut - 1)
    assert "nothing can be proven" in problem.what


# Files that the engine cannot bear


def reaches_all(path: Path, size: int) -> bool:
    """Return by LMDB's own verifier whether a file that was cut short still has every page that counts."""
    try:
        return (path / "data.mdb").stat().st_size > size // 2 and not lmdb.verify.verify(str(path))
    except lmdb.verify.VerifyError:
        return False


@pytest.mark.sampled(1)
@pytest.mark.parametrize("tenths", range(10))
def test_a_truncated_file(path: Path, tenths: int, checkpoint: Path) -> None:
    """A data file cut short is told wherever it was cut; what can be read of the log says up to where."""
    size = (path / "data.mdb").stat().st_size
    whole = verify(path, log_only=True).parts["log"]
    os.truncate(path / "data.mdb", size * tenths // 10)
    for log_only in (False, True):
        report = verify(path, log_only=log_only, against=[checkpoint])
        if reaches_all(path, size):  # the pages that went were free ones
            assert report.is_sound
            continue
        assert log_only or report.problems[0].part == "file"
        found = report.parts.get("log", {})
        is_log_whole = all(found.get(count) == whole[count] for count in ("events", "streams"))
        assert any(each.part in ("log", "streams", "against") for each in report.problems) != is_log_whole
        assert report.is_sound == (log_only and is_log_whole)


def test_the_engine_ends_the_process(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the pages of the log end in the middle, the position is told at which reading ended."""
    with Queue.open(path) as queue:
        for _ in range(3):
            queue.enqueue_many(["true"] * 1000)
    rows, file = rows_of(path), (path / "data.mdb").read_bytes()
    position = 2000
    os.truncate(path / "data.mdb", file.index(rows[position - 1][1]) // 4096 * 4096)
    problems = [each for each in verify(path, log_only=True).problems if each.part == "log"]
    assert [each.what for each in problems if signal.Signals.SIGBUS.name in each.what]
    assert problems[0].position is not None
    assert 1 < problems[0].position <= position


@pytest.mark.sampled(1)
@pytest.mark.parametrize("seed", range(12))
def test_any_byte_of_the_file_may_be_spoilt(path: Path, seed: int) -> None:
    """Whatever is written over a page of the file, verify answers."""
    file = bytearray((path / "data.mdb").read_bytes())
    at = seed * len(file) // 12
    file[at : at + 40] = bytes((seed * 37 + n * 11) % 256 for n in range(40))
    (path / "data.mdb").write_bytes(file)
    report = verify(path)
    assert report.problem_count == len(report.problems)


@pytest.mark.slow
def test_a_queue_at_work_is_verified(path: Path) -> None:
    """While others write, what was there at the beginning is checked, and nothing wrong is found."""
    pid = os.fork()
    if pid == 0:
        try:
            with Queue.open(path) as queue:
                while True:
                    queue.enqueue_many(["true"] * 50)
                    queue.worker("w9").complete_many(queue.worker("w9").claim(20))
        finally:
            os._exit(1)
    try:
        for _ in range(3):
            report = verify(path)
            assert report.problems == []
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def test_the_first_release_is_verified(tmp_path: Path) -> None:
    """A log without a chain is checked as far as it goes, and a checkpoint of it holds."""
    import gzip

    golden = Path(__file__).parents[1] / "golden" / "store-v1.mdb.gz"
    (tmp_path / "q").mkdir(mode=0o700)
    (tmp_path / "q" / "data.mdb").write_bytes(gzip.decompress(golden.read_bytes()))
    assert verify(tmp_path / "q", log_only=True).problems == []
    Queue.open(tmp_path / "q").close()
    report: Verified = verify(tmp_path / "q", write_to=tmp_path / "c")
    assert report.problems == []
    assert verify(tmp_path / "q", against=[tmp_path / "c"]).is_sound
    with Store.open(tmp_path / "q", create=False) as store, store.read() as txn:
        assert txn.last("log") is not None


def test_a_cut_ahead_of_the_log(path: Path) -> None:
    """A cut that no message can carry, since its row is damaged, is told; the rest of the log is checked."""
    rows = rows_of(path)
    with Store.open(path, create=False) as store, store.write() as txn:
        txn.put_many("meta", [(b"cut", b"\x7f" * 20), (b"format", b"2"), (b"origin", bytes(32))])
    report = verify(path, log_only=True)
    assert [each.part for each in report.problems] == ["log"]
    assert "`cut` in the table `meta`" in report.problems[0].what
    assert report.parts["log"]["events"] == len(rows)


def test_verify_waits_for_a_replay(path: Path) -> None:
    """Another replay at work is nothing wrong with the queue: the views are compared once it is through."""
    with Store.open(path, create=False) as store, ThreadPoolExecutor(1) as executor:
        with store.sole(REPLAY_LOCK):
            parts: SimpleQueue[str] = SimpleQueue()
            verifying_it = executor.submit(verify, path, progress=lambda part, *_: parts.put(part))
            while parts.get(timeout=60) != "views":
                pass
            assert not verifying_it.done()
        report = verifying_it.result(timeout=60)
    assert report.is_sound
    assert "views" in report.parts


def test_a_part_that_was_killed_is_not_damage(path: Path) -> None:
    """A part whose process somebody kills could not be looked at; nothing is said to be damaged."""
    with Store.open(path, create=False) as store, ThreadPoolExecutor(1) as executor, store.sole(REPLAY_LOCK):
        parts: SimpleQueue[str] = SimpleQueue()
        report = executor.submit(verify, path, progress=lambda part, *_: parts.put(part))
        while parts.get(timeout=60) != "views":
            pass
        wait_until(lambda: any(b"\0views\0" in words for words in _commands(path).values()))
        [views] = [pid for pid, words in _commands(path).items() if b"\0views\0" in words]
        os.kill(views, signal.SIGKILL)
        [problem] = report.result(timeout=60).problems
    assert (problem.part, problem.is_damage) == ("views", False)
    assert "SIGKILL" in problem.what
    assert problem.what.startswith("could not be looked at: ")


def _commands(path: Path) -> dict[int, bytes]:
    """Return the command lines of the processes that look at a queue."""
    found = {}
    for directory in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (directory / "cmdline").read_bytes()
            if os.fsencode(path).hex().encode() in words:
                found[int(directory.name)] = words
    return found
