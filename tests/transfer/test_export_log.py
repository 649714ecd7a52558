"""Export and import: an export read back is the queue it was made of, or nothing at all."""

import base64
import io
import json
import random
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from queuectl import JobRequest, Queue
from queuectl.errors import JobNotFound, NewerFormat, NotYetMade, QueuectlError, StoreError
from queuectl.events.codec import encode as encode_event
from queuectl.outputs.frames import encode_frame
from queuectl.store import log_rows
from queuectl.store.store import Store, key_of
from tests.clocks import FakeClock
from tests.lives import PRINTED, cancelled, completed, dead, long_life, running
from tests.property.strategies import brief
from tests.rows import digest_of, files_of, rows_of
from tests.waiting import wait_until

IMPORTER = """
import sys
from queuectl import Queue
print("begun", flush=True)
with open(sys.argv[1], "rb") as source:
    Queue.import_export(source, sys.argv[2])
"""


def export(path: Path, *, outputs: bool = True) -> bytes:
    """Export a queue."""
    lines = io.BytesIO()
    with Queue.open(path, create=False) as queue:
        queue.admin.export(lines.write, outputs=outputs)
    return lines.getvalue()


def parsed(content: bytes) -> list[dict[str, Any]]:
    """Return the lines of an export."""
    return [json.loads(line) for line in content.splitlines()]


def joined(lines: list[dict[str, Any]]) -> bytes:
    """Return an export of lines."""
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


@pytest.fixture
def lived(queue: Queue, clock: FakeClock) -> Path:
    """Return where a queue lies, closed, with every event there is and an output in a file."""
    long_life(queue, clock)
    job = running(queue)
    path = queue.worker("w1").output_path(job)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_frame(b"o", b"x" * 3_000_000))
    queue.worker("w1").complete(job)
    queue.enqueue("true", id="printing", priority=99)
    queue.worker("w1").complete(running(queue), output=PRINTED)
    queue.close()
    return queue.path


def test_what_is_imported_is_what_was_exported(lived: Path, tmp_path: Path) -> None:
    """Every stored byte, every view row, every output and the digest are the same; it exports the same, and goes on."""
    content = export(lived)
    done = Queue.import_export(io.BytesIO(content), tmp_path / "new")
    assert rows_of(tmp_path / "new") == rows_of(lived)
    assert files_of(tmp_path / "new" / "outputs") == files_of(lived / "outputs")
    assert done.digest == digest_of(lived).hex() == digest_of(tmp_path / "new").hex()
    assert parsed(export(tmp_path / "new"))[1:] == parsed(content)[1:]
    with Queue.open(tmp_path / "new", create=False) as queue:
        queue.enqueue("true", id="next")
        assert queue.admin.replay(check=True).differences == []


@brief
@given(acts=st.lists(st.integers(0, 9), max_size=25), seed=st.integers(0, 2**32))
def test_any_queue_comes_back_the_same(acts: list[int], seed: int) -> None:
    """Whatever happened in a queue, and whatever clock it had: stored bytes, digest and views are the same."""
    chance, clock = random.Random(seed), FakeClock()
    with tempfile.TemporaryDirectory() as place:
        path, new = Path(place) / "q", Path(place) / "new"
        with Queue.open(path, clock=clock, actor="tester") as queue:
            for act in acts:
                with suppress(QueuectlError, ValueError):  # nothing to claim, or refused
                    live(queue, clock, act, chance)
        Queue.import_export(io.BytesIO(export(path)), new)
        assert rows_of(new) == rows_of(path)
        assert digest_of(new) == digest_of(path)


def live(queue: Queue, clock: FakeClock, act: int, chance: random.Random) -> None:
    """Let something happen."""
    job_id = f"job{chance.randrange(5)}"
    if act < 3:
        queue.enqueue("true", id=job_id, max_retries=act % 2, delay_s=chance.choice([None, 5]))
    elif act == 3:
        queue.worker("w").complete_many(queue.worker("w").claim(2))
    elif act == 4:
        queue.worker("w1").fail(running(queue), "é\x1b", return_code=1, output=None)
    elif act == 5:
        queue.cancel(job_id, reason="why")
    elif act == 6:
        queue.retry(job_id)
    elif act == 7:
        queue.clear(all=True, state=chance.choice(["completed", "dead", "cancelled"]))  # type: ignore[arg-type]
    elif act == 8:
        queue.admin.config_set("max_retries", chance.randrange(3))
    else:
        clock.jump(chance.choice([-100, 7, 1000]))


def test_lines_are_read_by_any_program(lived: Path) -> None:
    """The first line is the header, one line is one event in readable form, the last has count and digest."""
    header, *lines, end = parsed(export(lived))
    events = [line for line in lines if "raw" in line]
    assert (header["queuectl_export"], end["end"]) == (1, True)
    assert [event["position"] for event in events] == list(range(1, header["head"] + 1))
    assert (end["events"], end["digest"]) == (len(events), header["digest"])
    assert {event["type"] for event in events} >= {"enqueued", "claimed", "failed", "dead", "removed"}
    assert all(event["job"] for event in events if isinstance(event["stream"], int))
    assert len([line for line in lines if line.get("at", 0) == 0 and "output" in line]) == end["outputs"] > 1


def test_without_outputs(lived: Path, tmp_path: Path) -> None:
    """--no-outputs leaves out what runs printed and nothing else."""
    Queue.import_export(io.BytesIO(export(lived, outputs=False)), tmp_path / "new")
    old, new = rows_of(lived), rows_of(tmp_path / "new")
    assert new.pop("outputs") == []
    assert old.pop("outputs")
    assert old == new


@pytest.fixture
def cut(queue: Queue, clock: FakeClock) -> Path:
    """Return where a queue lies, closed, from which retention let go twice what had ended."""
    long_life(queue, clock)
    queue.enqueue("true", id="printing", priority=99)
    queue.worker("w1").complete(running(queue), output=PRINTED)
    queue.admin.compact(older_than_s=0)
    completed(queue, "kept for a while")
    queue.clear(all=True)
    queue.admin.compact(older_than_s=0)
    completed(queue, "kept")
    cancelled(queue, "last")
    queue.close()
    return queue.path


def test_a_queue_that_was_cut_comes_back_the_same(cut: Path, tmp_path: Path) -> None:
    """Gaps up to the cut come back as gaps, with the cut and whose log it is; verify and replay find nothing wrong."""
    content = export(cut)
    Queue.import_export(io.BytesIO(content), tmp_path / "new")
    assert rows_of(tmp_path / "new") == rows_of(cut)
    assert told_of_cut(tmp_path / "new") == told_of_cut(cut)
    assert parsed(export(tmp_path / "new"))[1:] == parsed(content)[1:]
    with Queue.open(tmp_path / "new") as new:
        assert new.admin.verify(log_only=True).is_sound
        new.enqueue("true")
        assert new.admin.replay(check=True).differences == []


def told_of_cut(path: Path) -> dict[bytes, bytes]:
    """Return what a store says of itself, but which set of views is live."""
    return {key: value for key, value in rows_of(path, "meta")["meta"] if key in (b"cut", b"origin", b"format")}


def test_its_archive_is_taken_for_its_own(cut: Path, tmp_path: Path) -> None:
    """With the archive put beside it the imported queue tells old histories, proves its chain, and is compacted on."""
    Queue.import_export(io.BytesIO(export(cut)), tmp_path / "new")
    with Queue.open(cut, read_only=True) as queue, Queue.open(tmp_path / "new") as new:
        with pytest.raises(JobNotFound, match=r"archived in 000001-\*.seg"):
            new.history("printing")
        copytree(cut / "archive", tmp_path / "new" / "archive")
        assert new.history("printing") == queue.history("printing")
        assert "goes through it" in new.admin.verify(log_only=True).notes[0]
        new.admin.compact(older_than_s=0)
        assert [path.name[:6] for path in sorted((new.path / "archive").iterdir())] == ["000001", "000002", "000003"]
        found = new.admin.verify(log_only=True)
        assert (found.problems, found.parts["archive"]["segments"]) == ([], 3)
        assert new.admin.replay(check=True).differences == []


@brief
@given(
    acts=st.lists(st.integers(0, 10), min_size=5, max_size=40),
    kept=st.booleans(),
    seed=st.integers(0, 2**32),
)
def test_any_queue_that_was_cut_comes_back_the_same(acts: list[int], kept: bool, seed: int) -> None:
    """Whatever happened, and whenever retention was at work: compact, export, import gives the same bytes and views."""
    chance, clock = random.Random(seed), FakeClock()
    with tempfile.TemporaryDirectory() as place:
        path, new = Path(place) / "q", Path(place) / "new"
        with Queue.open(path, clock=clock, actor="tester") as queue:
            for act in [*acts, 10]:
                with suppress(QueuectlError, ValueError):
                    if act == 10:
                        queue.admin.compact(older_than_s=chance.choice([0, 0, 5]), keep_dead=kept)
                    else:
                        live(queue, clock, act, chance)
            assert queue.admin.replay(check=True).differences == []
        Queue.import_export(io.BytesIO(export(path)), new)
        assert rows_of(new) == rows_of(path)
        assert digest_of(new) == digest_of(path)
        assert told_of_cut(new) == told_of_cut(path)
        if (path / "archive").exists():
            copytree(path / "archive", new / "archive")
        with Queue.open(new, clock=clock) as again:
            assert again.admin.verify(log_only=True).problems == []
            assert again.admin.replay(check=True).differences == []


def test_a_gap_that_retention_did_not_leave_is_refused(queue: Queue, tmp_path: Path) -> None:
    """An event that is missing behind the cut is named."""
    completed(queue, "gone")
    queue.clear(all=True)
    completed(queue, "kept")
    for number in range(4):
        cancelled(queue, f"later{number}")
    queue.close()
    with Store.open(queue.path, create=False) as store, store.write() as txn:
        for position in range(1, 6):
            txn.delete("log", key_of(position))
        txn.delete("removed", b"gone")
        log_rows.set_cut(txn, 7, bytes(32))
    content = export(queue.path)
    lines = parsed(content)
    lines[-1]["cut"] = 4
    refused(joined(lines), tmp_path / "other", "the event at position 5 is missing")


def refused(content: bytes, target: Path, told: str = "", *, kind: type[StoreError] = StoreError) -> None:
    """See an import refused in one line, with nothing made of it."""
    with pytest.raises(kind) as caught:
        Queue.import_export(io.BytesIO(content), target)
    assert "\n" not in str(caught.value)
    assert told in str(caught.value)
    assert not target.exists()


def test_an_export_cut_short_is_refused(lived: Path, tmp_path: Path) -> None:
    """Cut at any line, or in one, it is refused, and there is no queue."""
    content, chance = export(lived), random.Random(1)
    lines = content.splitlines(keepends=True)
    for count in [0, 1, 2, len(lines) - 1, *(chance.randrange(len(lines)) for _ in range(5))]:
        refused(b"".join(lines[:count]), tmp_path / "new", "nothing was imported")
    for _ in range(10):
        refused(content[: chance.randrange(len(content) - 1)], tmp_path / "new", "nothing was imported")


def test_a_changed_export_is_refused(lived: Path, tmp_path: Path) -> None:
    """An event changed, swapped, left out, added or given other bytes is refused with its line."""
    lines = parsed(export(lived))
    target = tmp_path / "new"
    raw = bytearray(base64.b64decode(lines[5]["raw"]))
    raw[-1] ^= 1
    spoilt = {"raw": base64.b64encode(raw).decode()}
    changes: dict[str, list[dict[str, Any]]] = {
        "line 6: the event at position 5 is damaged": [*lines[:5], lines[5] | spoilt, *lines[6:]],
        "line 6: position 6 does": [*lines[:5], lines[5] | {"position": 6}, lines[5] | {"position": 6}, *lines[7:]],
        "line 7: position 5 does": [*lines[:5], lines[6], lines[5], *lines[7:]],
        "it says events": [*lines[:5], *lines[6:]],
        "line 1: it does not begin": lines[1:],
        "line 3: it is neither": [*lines[:2], {"else": 1}, *lines[2:]],
        "line 1 lacks 'head'": [{"queuectl_export": 1}, *lines[1:]],
        "line 2: position '1'": [lines[0], lines[1] | {"position": "1"}],
        "the digest is": [lines[0] | {"digest": "00"}, *lines[1:]],
    }
    for told, changed in changes.items():
        refused(joined(changed), target, "" if told.startswith(("line 6: position", "it says")) else told)
    refused(b"\0\xff{[\n" * 9, target, "line 1: ")
    refused(b"[" * 100_000 + b"\n", target, "line 1: ")
    refused(joined([lines[0] | {"queuectl_export": 2}]), target, "newer queuectl", kind=NewerFormat)


def test_a_forged_event_does_not_fit_the_chain(lived: Path, tmp_path: Path) -> None:
    """An event written anew, checksum and all, is found by the chain of those behind it."""
    lines = parsed(export(lived))
    with Queue.open(lived) as queue:
        event = next(queue.events(after=4))
    forged = encode_event(replace(event, actor="mallory"), key_of(5))
    lines[5] |= {"raw": base64.b64encode(forged).decode(), "actor": "mallory"}
    refused(joined(lines), tmp_path / "new", "the hash chain does not fit at position")


def test_only_an_empty_queue_is_imported_into(lived: Path, tmp_path: Path) -> None:
    """One with events is refused and left alone; one without takes it; one in use is refused."""
    content = export(lived)
    before = rows_of(lived)
    with pytest.raises(StoreError, match="it holds events already"):
        Queue.import_export(io.BytesIO(content), lived)
    assert rows_of(lived) == before
    with Queue.open(tmp_path / "empty"), pytest.raises(StoreError, match="in use"):
        Queue.import_export(io.BytesIO(content), tmp_path / "empty")
    Queue.import_export(io.BytesIO(content), tmp_path / "empty")
    assert rows_of(tmp_path / "empty") == before
    assert not (tmp_path / "empty" / "replaced").exists()


def test_an_empty_queue_goes_out_and_in(tmp_path: Path) -> None:
    """A queue in which nothing happened yet is exported and imported like any other."""
    Queue.open(tmp_path / "q").close()
    Queue.import_export(io.BytesIO(export(tmp_path / "q")), tmp_path / "new")
    with Queue.open(tmp_path / "new", create=False) as queue:
        assert queue.log.head() == 0
        queue.enqueue("true")


@pytest.mark.slow
def test_an_import_killed_leaves_no_queue(tmp_path: Path) -> None:
    """Killed at any moment there is no queue, and the next import works; or it was done."""
    with Queue.open(tmp_path / "q") as queue:
        queue.enqueue_many([JobRequest("true")] * 5_000)
    (tmp_path / "e").write_bytes(export(tmp_path / "q"))
    target, chance = tmp_path / "new", random.Random(3)
    for _ in range(6):
        child = subprocess.Popen(
            [sys.executable, "-c", IMPORTER, str(tmp_path / "e"), str(target)], stdout=subprocess.PIPE
        )
        assert child.stdout
        child.stdout.readline()
        with suppress(subprocess.TimeoutExpired):
            child.wait(chance.uniform(0, 0.5))
        child.kill()
        child.communicate()
        assert not (target / "data.mdb").exists() or rows_of(target) == rows_of(tmp_path / "q")
        if (target / "data.mdb").exists():
            subprocess.run(["rm", "-r", str(target)], check=True)
    with suppress(NotYetMade):  # killed before anything was in place, as it says
        Queue.finish_restore(target)
    if not (target / "data.mdb").exists():
        with (tmp_path / "e").open("rb") as source:
            Queue.import_export(source, target)
    assert rows_of(target) == rows_of(tmp_path / "q")


def test_ctrl_c_in_an_import_leaves_nothing(tmp_path: Path) -> None:
    """Interrupted while it reads, it exits 130 and there is not even a directory."""
    words = [sys.executable, "-m", "queuectl", "--db", str(tmp_path / "new"), "import", "-"]
    child = subprocess.Popen(words, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    wait_until((tmp_path / "new" / "restoring").exists)
    child.send_signal(signal.SIGINT)
    assert child.stdin
    _, told = child.communicate()
    assert child.returncode == 130
    assert told == b"Interrupted: 0 done; no queue was made of it; type it again, it begins anew\n"
    assert not (tmp_path / "new").exists()


def test_a_dead_letter_stays_dead(queue: Queue, tmp_path: Path) -> None:
    """The order of the dead letter queue, and of what waits, is the one it was."""
    for name in "abc":
        dead(queue, name)
    queue.enqueue_many([JobRequest("true", f"w{n}", priority=n % 3) for n in range(9)])
    orders = [job.id for job in queue.dlq.jobs()], [job.id for job in queue.jobs(state="pending")]
    queue.close()
    Queue.import_export(io.BytesIO(export(queue.path)), tmp_path / "new")
    with Queue.open(tmp_path / "new") as new:
        assert ([job.id for job in new.dlq.jobs()], [job.id for job in new.jobs(state="pending")]) == orders
