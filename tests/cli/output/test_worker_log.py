"""The lines of a worker in the foreground: a job's in the colour of its state, whatever its id."""

import pytest

from queuectl.cli.output import table, worker_log
from queuectl.core.job import JobState
from queuectl.worker.log_lines import LogLine


@pytest.mark.parametrize("job_id", ["a", "a: b", "stage: build: 1"])
def test_what_is_said_of_a_job_has_the_colour_of_its_state(monkeypatch: pytest.MonkeyPatch, job_id: str) -> None:
    """The id is as it is, and all that is said of it is painted."""
    monkeypatch.setattr(table, "coloured", lambda: True)
    line = LogLine("completed in 1.00 s", job_id, JobState.COMPLETED)
    shown = worker_log._with_colours(line, "12:00:00")
    assert shown.endswith(f" {job_id}: {table.paint(line.told, table.STATE_COLOURS[JobState.COMPLETED])}")
    assert line.text == f"{job_id}: completed in 1.00 s"


def test_what_a_worker_says_of_itself_has_no_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    """A colon in it does not make a job of what is before."""
    monkeypatch.setattr(table, "coloured", lambda: True)
    assert worker_log._with_colours(LogLine("worker w stopped: drained"), "12").endswith("m worker w stopped: drained")
