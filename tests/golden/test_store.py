"""A store of the first format, written by the first release and kept as it was, opens, replays and goes on."""

import gzip
import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest

from queuectl import Queue
from queuectl.queries.json_form import event_json, job_json
from queuectl.store.directory import lock
from queuectl.store.store import REPLAY_LOCK, Store
from tests.clocks import FakeClock
from tests.rows import rows_of
from tests.waiting import wait_until

HERE = Path(__file__).parent
TOLD = json.loads((HERE / "store-v1.json").read_text())
LATER = {"cause", "caused_by"}
"""Keys that later releases tell of an event."""

OF_ITS_STATE = {"cancelled": {"worker_id", "duration_ms"}}
"""Keys that later releases tell of a job whose run was cancelled; at first they were of the run before it, or null."""

LATER_OF_A_JOB = {
    "timeout_is_default",
    "shell",
    "inherited",
    "inherited_env",
    "due",
    "merge",
    "labels",
    "meta",
    "replaced",
    "output_error",
    "node",
    "paused",
    "use",
    "unique",
    "unique_until",
    "after",
    "if_parent_fails",
    "waits_for",
    "policy",
    "expiry",
    "if_expired",
    "max_time_s",
    "snoozes",
    "ended_by",
}
"""Keys that later releases tell of a job, and of what the events say of it or of its worker."""


def earlier(told: dict[str, Any], later: set[str]) -> dict[str, Any]:
    """Return a document without keys that came later."""
    return {key: value for key, value in told.items() if key not in later}


def _as_then(job: dict[str, Any]) -> dict[str, Any]:
    return earlier(job, LATER_OF_A_JOB | {"expires_at"} | OF_ITS_STATE.get(job["state"], set()))


def _data_as_then(event: dict[str, Any]) -> dict[str, Any]:
    return earlier(event["data"], LATER_OF_A_JOB | ({"signal"} if event["type"] == "completed" else set()))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "q").mkdir(mode=0o700)
    (tmp_path / "q" / "data.mdb").write_bytes(gzip.decompress((HERE / "store-v1.mdb.gz").read_bytes()))
    return tmp_path / "q"


def test_the_first_format_tells_what_it_told_then(path: Path) -> None:
    """Jobs, events and configuration are those that the release which wrote them saw."""
    clock = FakeClock()
    clock.advance(7_200)  # later than all that the store tells of
    with Queue.open(path, create=False, clock=clock) as queue:
        told = [_as_then(job_json(job)) for job in queue.jobs()]
        assert told == [_as_then(job) for job in TOLD["jobs"]]
        events = [earlier(event_json(event), LATER) for event in queue.events()]
        assert [event | {"data": _data_as_then(event)} for event in events] == TOLD["events"]
        config = {key: value.value for key, value in queue.admin.config().items()}
        assert TOLD["config"].items() <= config.items()  # later releases have further keys
        assert queue.admin.replay(check=True).differences == []


def test_a_migration_waits_for_a_replay(path: Path) -> None:
    """As opening the queue does: another process at the same work is no reason to refuse it."""
    with ThreadPoolExecutor(1) as executor:
        with lock(path / REPLAY_LOCK, wait=True):
            migrating = executor.submit(Queue.migrate, path)
            wait_until(lambda: _opened(path / REPLAY_LOCK) == 2)
            assert not migrating.done()
        assert migrating.result(timeout=60).steps != []
    assert Queue.migrate(path, check=True).steps == []


def _opened(file: Path) -> int:
    """Return how many descriptors this process has of a file."""
    found = 0
    for each in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            found += each.readlink() == file
    return found


def test_an_empty_older_store_is_migrated(tmp_path: Path) -> None:
    """A store without an event is brought up to date as any other."""
    Queue.open(tmp_path / "q").close()
    with Store.open(tmp_path / "q", create=False) as store, store.write() as txn:
        txn.put("meta", b"views", b"1")
    assert Queue.migrate(tmp_path / "q").steps != []
    assert Queue.migrate(tmp_path / "q", check=True).steps == []
    with Queue.open(tmp_path / "q", create=False) as queue:
        assert queue.enqueue("true").id
        assert queue.admin.replay(check=True).differences == []


def test_the_first_format_is_migrated_compacted_verified_and_exported(path: Path, tmp_path: Path) -> None:
    """Whatever a later release does with a queue it does with one of the first format, and nothing is lost of it."""
    Queue.migrate(path)
    assert Queue.migrate(path, check=True).steps == []
    with Queue.open(path, create=False) as queue:
        assert queue.admin.verify().problems == []
        stories = {job["id"]: queue.history(job["id"]) for job in TOLD["jobs"]}
        assert queue.admin.compact(older_than_s=0).jobs > 0
        assert {job_id: queue.history(job_id) for job_id in stories} == stories
        found = queue.admin.verify()
        assert found.problems == []
        assert "the chain goes through it from the first" in found.notes[0]
        lines = BytesIO()
        queue.admin.export(lines.write)
    Queue.import_export(BytesIO(lines.getvalue()), tmp_path / "new")
    copytree(path / "archive", tmp_path / "new" / "archive")
    assert rows_of(tmp_path / "new") == rows_of(path)
    with Queue.open(tmp_path / "new", create=False) as queue:
        assert {job_id: queue.history(job_id) for job_id in stories} == stories
        assert queue.admin.verify().problems == []


def test_the_first_format_goes_on(path: Path) -> None:
    """What is added to it is there when it is opened again, and its views stay what the log says."""
    with Queue.open(path, create=False) as queue:
        queue.enqueue("true", id="new")
    with Queue.open(path, create=False, read_only=True) as queue:
        assert queue.log.head() == TOLD["head"] + 1
        assert queue.job("new").state == "pending"
    with Queue.open(path, create=False) as queue:
        assert queue.admin.replay(check=True).differences == []
