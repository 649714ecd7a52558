"""Where several may be named one may, as a text, and names with commas between them: in every method alike."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from queuectl import JobRequest, Queue, start_worker

ONE: dict[str, tuple[Callable[[Queue, Any], Any], Any, Any]] = {
    "wait": (lambda queue, one: queue.wait(one).id, "a", "a"),
    "remove": (lambda queue, one: queue.remove(one), "ended", ["ended"]),
    "jobs": (lambda queue, one: [job.id for job in queue.jobs(state=one)], "completed", ["ended", "a"]),
    "jobs of two states": (lambda queue, one: len(queue.jobs(state=one)), "completed, pending", 3),
    "events": (lambda queue, one: len(list(queue.events(types=one))), "completed", 2),
    "events of two types": (lambda queue, one: len(list(queue.events(types=one))), "enqueued,Completed", 5),
    "backlog": (lambda queue, one: queue.backlog(one), "mail", 1),
    "backlog of two queues": (lambda queue, one: queue.backlog(queues=one), "default, mail", 1),
    "unserved": (lambda queue, one: [each.queue for each in queue.ui.unserved(one)], "mail", ["mail"]),
    "claim": (lambda queue, one: len(queue.worker("w").claim(9, queues=one)), "mail", 1),
    "run_worker": (lambda queue, one: (queue.run_worker(queues=one, drain=True), queue.backlog()), "mail", (0, 0)),
    "start_worker": (lambda queue, one: (start_worker(queue, queues=one, drain=True), queue.backlog()), "mail", (0, 0)),
    "enqueue_many": (lambda queue, one: len(queue.enqueue_many(one).ids), "echo one, two", 1),
    "enqueue_many, a mapping": (lambda queue, one: queue.enqueue_many(one).ids, {"id": "x", "command": "true"}, ["x"]),
    "enqueue_many, a request": (lambda queue, one: queue.enqueue_many(one).ids, JobRequest("true", "x"), ["x"]),
}


@pytest.mark.real_clock
@pytest.mark.parametrize(("ask", "one", "expected"), ONE.values(), ids=ONE)
def test_one_is_taken_where_several_may_be(
    queue: Queue, ask: Callable[[Queue, Any], Any], one: Any, expected: Any
) -> None:
    """A text is one name, not its letters."""
    for job_id in ("a", "ended"):
        queue.enqueue("true", id=job_id)
        queue.worker("w").complete(queue.worker("w").start(queue.worker("w").claim()[0]))
    queue.enqueue("true", id="b", queue="mail")
    assert ask(queue, one) == expected


@pytest.mark.parametrize("as_it_is", [str, Path])
def test_one_file_is_taken_where_several_may_be(queue: Queue, tmp_path: Path, as_it_is: Callable[[Path], Any]) -> None:
    """As a text or as a Path."""
    queue.enqueue("true")
    queue.admin.verify(write_to=tmp_path / "checkpoint")
    assert queue.admin.verify(against=as_it_is(tmp_path / "checkpoint")).problems == []
    (tmp_path / "jobs.json").write_text("[]")
    assert queue.admin.import_jobs(as_it_is(tmp_path / "jobs.json"), format="jobs-json").read == 0
