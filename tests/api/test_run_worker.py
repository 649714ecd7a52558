"""A worker in a program: what it reports, and by which id it is stopped."""

import logging
import threading
from pathlib import Path

import pytest

from queuectl import DuplicateJob, InvalidInput, Queue
from tests.waiting import wait_until

pytestmark = pytest.mark.real_clock


def test_a_worker_reports_and_prints_nothing(queue: Queue, capsys: pytest.CaptureFixture[str]) -> None:
    """Each line goes to `report`, one by one."""
    queue.enqueue("true", id="a")
    lines: list[str] = []
    assert queue.run_worker(drain=True, report=lines.append, id="mine") == 0
    assert lines[0].startswith("worker mine started")
    assert any(line.startswith("a: ") for line in lines)
    assert capsys.readouterr().out == ""


def test_without_report_the_lines_are_logged(
    queue: Queue, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """They are the logger's, at INFO, and nothing is printed."""
    with caplog.at_level(logging.INFO, logger="queuectl.worker"):
        queue.run_worker(drain=True, id="100%s")
    assert {(each.name, each.levelname) for each in caplog.records} == {("queuectl.worker", "INFO")}
    assert caplog.messages[0].startswith("worker 100%s started")
    assert capsys.readouterr().out == ""


def test_a_program_stops_its_own_worker(queue: Queue) -> None:
    """By the id that it gave it; a second worker of that id is refused meanwhile."""
    thread = threading.Thread(target=queue.run_worker, kwargs={"id": "mine"})
    thread.start()
    wait_until(lambda: [each.id for each in queue.workers()] == ["mine"])
    with pytest.raises(InvalidInput, match="no worker has which has not stopped"):
        queue.run_worker(id="mine", drain=True)
    queue.worker("mine").stop()
    thread.join(20)
    assert not thread.is_alive()
    assert queue.workers() == []


def test_what_the_log_calls_an_event_and_its_class_mean_the_same(queue: Queue) -> None:
    """`Enqueued` is what a history shows, `enqueued` what the log has."""
    queue.enqueue("true", id="a")
    found = list(queue.events(types=["Enqueued"]))
    assert len(found) == 1
    assert found == list(queue.events(types=["enqueued"]))


def test_small_things_are_as_in_python(queue: Queue) -> None:
    """A queue shows its path, an id that is taken is a ValueError, a Path is taken as its text."""
    assert repr(queue) == f"Queue({str(queue.path)!r})"
    job = queue.enqueue(["ls", Path("/tmp")], id="a", env={"HERE": Path("/srv")})
    assert (job.command, dict(job.env)) == (("ls", "/tmp"), {"HERE": "/srv"})
    [other] = queue.enqueue_many([{"command": ["ls", Path("/tmp")], "env": {"HERE": Path("/srv")}}]).ids
    assert (queue.job(other).command, dict(queue.job(other).env)) == (("ls", "/tmp"), {"HERE": "/srv"})
    with pytest.raises(ValueError, match="cannot enqueue 'a'") as refused:
        queue.enqueue("true", id="a")
    assert isinstance(refused.value, DuplicateJob)
