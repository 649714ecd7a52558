"""Other queues' jobs taken in from Python: refused with a report, and run for the attempts that they have left."""

import json
from pathlib import Path
from typing import Any

import pytest

from queuectl import ImportRefused, Queue


def take_in(queue: Queue, path: Path, *rows: Any) -> Any:
    """Import rows, each a job of another queue; returns the report."""
    path.write_text(json.dumps(rows), encoding="utf-8")
    return queue.admin.import_jobs([path], format="jobs-json")


def test_rows_that_cannot_be_taken_come_with_the_error(tmp_path: Path) -> None:
    """Where a row cannot be taken nothing comes in, and the error has each such row with why."""
    with Queue.open(tmp_path / "queue") as queue:
        with pytest.raises(ImportRefused, match="1 row of 2 cannot be taken") as caught:
            take_in(queue, tmp_path / "jobs.json", {"command": "true"}, {"id": "bad"})
        assert [row[1] for row in caught.value.report.rejected] == ["bad"]
        assert queue.log.head() == 0


@pytest.mark.parametrize(
    ("counts", "attempts"),
    [({"max_attempts": 3, "attempts": 2}, 3), ({"max_retries": 3, "attempts": 3}, 4)],
    ids=["attempts", "retries"],
)
def test_the_last_attempt_that_is_left_is_made(tmp_path: Path, counts: dict[str, int], attempts: int) -> None:
    """A failed job with one attempt left runs once more, and is dead when that fails."""
    with Queue.open(tmp_path / "queue") as queue:
        take_in(queue, tmp_path / "jobs.json", {"id": "a", "command": "false", "state": "failed", **counts})
        assert queue.job("a").state == "failed"
        queue.run_worker(drain=True)
        job = queue.job("a")
        assert (job.state, job.attempts) == ("dead", attempts)
