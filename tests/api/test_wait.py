"""Waiting for jobs, and running them, in one program."""

import threading
from datetime import timedelta
from typing import Any

import pytest

import queuectl.queries.job_wait
from queuectl import InvalidInput, Queue, WaitTimeout
from tests.waiting import wait_until

pytestmark = pytest.mark.real_clock


@pytest.fixture
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let it be looked for workers ten times a second."""
    monkeypatch.setattr(queuectl.queries.job_wait, "LOOK_EVERY_S", 0.1)


def test_one_job_is_waited_for_as_one_and_several_as_a_list(queue: Queue) -> None:
    """An id gives the job, a list of ids a list, also of one; a worker of this very process has run them."""
    a, b = queue.enqueue("exit 3", id="a", max_retries=0), queue.enqueue("true", id="b", queue="mail")
    assert queue.run_worker(slots=2, drain=True) == 0
    assert (queue.wait(a.id, timeout=5).state, queue.wait(a.id).return_code) == ("dead", 3)
    assert [job.id for job in queue.wait([b.id, a.id])] == ["b", "a"]
    assert [job.id for job in queue.wait([a.id])] == ["a"]


@pytest.mark.parametrize("timeout", [0.05, "50ms", timedelta(milliseconds=50)])
@pytest.mark.parametrize("name", ["timeout", "timeout_s"])
def test_a_time_limit_is_told_in_any_way(queue: Queue, name: str, timeout: Any) -> None:
    """Seconds, a text and a timedelta mean the same, by either name."""
    job = queue.enqueue("true")
    with pytest.raises(WaitTimeout, match=r"not ended after 0\.05 s"):
        queue.wait(job.id, **{name: timeout})
    with pytest.raises(WaitTimeout):
        queue.wait_all(**{name: timeout})


def test_a_time_limit_is_told_once(queue: Queue) -> None:
    """Both names at once are refused."""
    with pytest.raises(InvalidInput, match=r"^timeout: found two"):
        queue.wait("a", timeout=1, timeout_s=1)


@pytest.mark.usefixtures("quick_looks")
@pytest.mark.parametrize("named", [True, False])
def test_a_wait_without_a_worker_warns_once(queue: Queue, named: bool) -> None:
    """Who waits for what nobody runs is told so once, where the program waits; not at once, for one may be starting."""
    queue.enqueue("true", id="a", queue="mail")
    with (
        pytest.warns(RuntimeWarning, match=r"no worker serves queue mail \(1 job waits\)") as told,
        pytest.raises(WaitTimeout),
    ):
        queue.wait("a", timeout=0.5) if named else queue.wait_all(timeout=0.5)
    assert [each.filename for each in told] == [__file__]


@pytest.mark.usefixtures("quick_looks")
def test_a_wait_with_a_worker_warns_of_nothing(queue: Queue) -> None:
    """A worker in a thread of the program runs the job, is asked to stop, and ends its thread."""
    job = queue.enqueue("sleep 0.4")
    thread = threading.Thread(target=queue.run_worker, kwargs={"poll_s": "100ms"})
    thread.start()
    wait_until(queue.workers)
    assert queue.wait(job.id, timeout="20s").state == "completed"
    [worker] = queue.workers()
    queue.worker(worker.id).stop()
    thread.join(20)
    assert not thread.is_alive()
    assert queue.workers() == []


def test_who_looks_is_not_warned(queue: Queue) -> None:
    """A program that hears of the queues itself gets no warning."""
    queue.enqueue("true", id="a")
    heard: list[Any] = []
    with pytest.raises(WaitTimeout):
        queue.wait("a", timeout=0.1, on_look=heard.append)
    assert heard == [{"default"}]


def test_what_a_job_printed_is_read_by_its_id(queue: Queue) -> None:
    """Its last run's output is there as text and as bytes, of one stream or both; before the first run it is empty."""
    queue.enqueue(r"printf 'one\n\377\n'; echo two >&2", id="a")
    assert (queue.output_text("a"), queue.output_bytes("a")) == ("", b"")
    queue.run_worker(drain=True)
    assert queue.output_bytes("a", "stdout") == b"one\n\xff\n"
    assert queue.output_text("a", "stdout", last_lines=1) == "\ufffd\n"
    assert queue.output_text("a", "stderr") == "two\n"
    assert sorted(queue.output_text("a").splitlines()) == ["one", "two", "\ufffd"]
    [run] = queue.runs("a")
    assert queue.output_bytes(run) == queue.output_bytes("a")
    with pytest.raises(LookupError):
        queue.output_text("b")
