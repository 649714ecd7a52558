"""The names that class Queue had before: they do the same, and say where that is now."""

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import queuectl
from queuectl import Chosen, Filter, JobRequest, Queue
from queuectl.api.deprecated import BY_JOB, BY_WORKER, MOVED
from tests.lives import running

ROOT = Path(queuectl.__file__).parent
NAMES = sorted(MOVED.keys() | BY_WORKER.keys() | BY_JOB)

CALLS: dict[str, tuple[Any, ...]] = {
    "branch": ("branch", 1), "choose": ("cancel", Filter()), "count": (Filter(),), "dlq_purge": ([],),
    "each_job": (Filter(),), "enqueue_request": (JobRequest("true"),), "gone_workers": (["w"],), "match_id": ("a",),
    "near_queues": ("mail",), "act_on_all": (Chosen("cancel", Filter(), []),),
    "backup": ("backup.tar",), "cause_of": (1,), "config_get": ("lease_s",), "config_set": ("lease_s", 20),
    "config_unset": ("lease_s",), "export": (io.BytesIO().write,), "job_id_of": (1,), "position_at": (0,),
    "remove_subscription": ("reader",), "rewind_subscription": ("reader", 0), "retaining": ("me",), "untold": ([],),
    "wait_for_change": (0, 0.0), "claim": ("w",), "exchange": ("w", []), "heartbeat": ("w",),
    "stop_requested": ("w",), "worker_stopped": ("w", "tired"), "worker_stopping": ("w",), "worker_started": ("w",),
}  # fmt: skip
"""Old name -> what it is called with; nothing, or a job for one that takes a job, where it is not here."""

KEYWORDS: dict[str, dict[str, Any]] = {
    "compact": {"older_than_s": 1e9},
    "exchange": {"want": 0, "lease_s": 30.0},
    "import_jobs": {"files": ["jobs.json"], "format": "jobs-json"},
    "worker_started": {"host": "h", "pid": 1, "slots": 1},
}


@pytest.fixture
def queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Queue]:
    monkeypatch.chdir(tmp_path)
    Path("jobs.json").write_text("[]")
    with Queue.open(tmp_path / "q") as opened:
        opened.enqueue("true", id="a")
        opened.worker("w").started(host="h", pid=1, slots=1)
        opened.subscribe("reader", follow=False)
        yield opened


def arguments(queue: Queue, name: str) -> tuple[Any, ...]:
    """Return what an old name is called with."""
    if name in ("output", "output_frames", "cut_bytes", "printed"):
        return (queue.runs(running(queue).id)[-1],)
    if name in CALLS or name not in BY_JOB | {"earlier", "inherited_env"} or name == "recover":
        return CALLS.get(name, ())
    job = queue.worker("w").claim()[0] if name == "start" else running(queue)
    return {"fail": (job, "broken"), "complete_many": ([job],), "refresh": ([job],)}.get(name, (job,))


@pytest.mark.parametrize("name", NAMES)
def test_an_old_name_does_the_same_and_says_the_new_one(queue: Queue, name: str) -> None:
    """Each is called once as it always was; the warning has what to write instead, and there is such a thing."""
    given = arguments(queue, name)
    with pytest.warns(
        DeprecationWarning, match=rf"^Queue\.{name} is now Queue\.(log|admin|dlq|ui|worker\(id\)|output_bytes)\.?\w*$"
    ) as told:
        getattr(queue, name)(*given, **KEYWORDS.get(name, {}))
    assert [each.filename for each in told] == [__file__]
    place, _, new = str(told[0].message).partition(" is now Queue.")[2].rpartition(".")
    where = queue.worker("w") if place == "worker(id)" else getattr(queue, place) if place else queue
    assert hasattr(where, new)


def test_what_an_old_name_records_is_in_the_same_name(queue: Queue) -> None:
    """A job is completed in the name of the worker that holds it, as ever, and the worker may be given by its name."""
    with pytest.warns(DeprecationWarning, match="claim"):
        [job] = queue.claim(worker="w", count=1)
    with pytest.warns(DeprecationWarning, match="start"):
        job = queue.start(job=job)
    with pytest.warns(DeprecationWarning, match="complete"):
        assert queue.complete(job).state == "completed"
    assert [each.actor for each in queue.history("a")][1:] == ["w"] * 3


def test_what_there_never_was_is_no_attribute(queue: Queue) -> None:
    """Any other name is refused as Python does it."""
    with pytest.raises(AttributeError, match="'Queue' object has no attribute 'colour'"):
        getattr(queue, "colour")  # noqa: B009 - this is how it is asked for


def test_the_package_itself_uses_no_old_name() -> None:
    """Nothing but this file calls a queue by what is going; mypy, or a warning that is an error, sees the rest."""
    old = re.compile(rf"\b(?:\w*queue|opened|Queue)\.({'|'.join(NAMES)})\b(?![(]?id[)]?[.])")
    pages = [*ROOT.rglob("*.py"), *(ROOT.parent / "examples").glob("*"), ROOT.parent / "README.md"]
    pages += [
        each for kind in ("tests", "bench") for each in (ROOT.parent / kind).rglob("*.py") if each != Path(__file__)
    ]
    pages += [each for each in (ROOT.parent / "docs").glob("*") if each.suffix in (".md", ".py")]
    found = {f"{page.name}: {each}" for page in pages for each in old.findall(page.read_text(encoding="utf-8"))}
    assert found == set()


def test_old_names_of_arguments_go_on(queue: Queue) -> None:
    """What `reason` and `cause` said of a run's failure and of a release is said by their old names as well."""
    queue.enqueue("true", id="b")
    released, failing = queue.worker("w1").claim(2)
    with pytest.warns(DeprecationWarning, match="fail"):
        queue.fail(failing, "killed", reason="signal", signal="SIGKILL")
    with pytest.warns(DeprecationWarning, match="release"):
        queue.release(released, cause="not now")
    assert getattr(queue.history("b")[-1].event, "failure", None) == "signal"
    assert getattr(queue.history("a")[-1].event, "why", None) == "not now"
    with pytest.warns(DeprecationWarning, match="printed"):
        assert queue.printed(run="b") == b""
    with pytest.warns(DeprecationWarning, match="claim"), pytest.raises(TypeError, match="worker"):
        queue.claim()
