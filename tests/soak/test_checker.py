"""The checker of the soak: all is well in a good life, and each violation that is planted is found."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from queuectl import JobSpec, Recorded
from queuectl.events.types import (
    Cancelled,
    Claimed,
    Completed,
    Dead,
    Enqueued,
    Event,
    Failed,
    Released,
    Started,
    WorkerStarted,
)
from tests.soak.checker import Evidence, Line, parse, violations
from tests.waiting import wait_until

JOB_SCRIPT = Path(__file__).with_name("job.py")


def log(*events: tuple[int | str, Event]) -> list[Recorded]:
    """Number events as a log does, a microsecond apart."""
    return [Recorded(n, n, stream, 0, "tester", event) for n, (stream, event) in enumerate(events, 1)]


def line(kind: str, attempt: int, token: int, at_ns: int, *more: str) -> Line:
    """Return a line of job1's journal."""
    return Line(kind, "job1", attempt, token, 100 + token, 7, at_ns, more)


ENQUEUED = (1, Enqueued(JobSpec("job1", "true")))
LOST = Failed(2, 1, "lost", "its worker is gone")
EVENTS = log(
    ENQUEUED,
    (1, Claimed("w1", 9)),
    (1, Started(2, 1, "here", 5)),
    ("worker:w2", WorkerStarted("here", 6, 4)),
    (1, LOST),
    (1, Claimed("w2", 9)),
    (1, Started(6, 2, "here", 6)),
    (1, Completed(6, 2)),
)
"""A job whose first attempt was lost, and whose second completed."""

LINES = [line("start", 1, 2, 10), line("start", 2, 6, 20), line("end", 2, 6, 30, "0")]
GOOD = Evidence(["job1"], EVENTS, LINES)


def changed(position: int, event: Event, *, events: Sequence[Recorded] = EVENTS) -> Sequence[Recorded]:
    """Return a log with another event in one place."""
    return [replace(each, event=event) if each.position == position else each for each in events]


def test_a_good_life_has_no_violation() -> None:
    """Attempts that follow each other, one of them lost and without an end of its own, are as it should be."""
    assert violations(GOOD) == []


@pytest.mark.parametrize("end", [LOST, Released(2, "short of means"), Failed(2, 1, "spawn_error", "no such program")])
def test_a_command_may_not_have_come_to_its_first_line(end: Event) -> None:
    """An attempt that was lost, given back or not spawned need not have written anything."""
    assert violations(GOOD._replace(events=changed(5, end), lines=LINES[1:])) == []


def test_a_cancelled_job_has_ended() -> None:
    """A job that was cancelled before or while it ran has come to its end."""
    waiting = log(ENQUEUED, (1, Cancelled()))
    running = log(*[(each.stream, each.event) for each in EVENTS[:3]], (1, Cancelled(2, 1)))
    assert violations(Evidence(["job1"], waiting, [])) == violations(Evidence(["job1"], running, [])) == []


PLANTED = {
    "job2 was acknowledged and is not in the log": GOOD._replace(acknowledged=["job1", "job2"]),
    "job1 has not ended: its last event is Failed": GOOD._replace(events=EVENTS[:5], lines=LINES[:1]),
    "job1 has not ended: its last event is Claimed": GOOD._replace(events=EVENTS[:6], lines=LINES[:1]),
    "job1 attempt 2 (run 6) began 5.0 ms before the end of run 2": GOOD._replace(
        lines=[*LINES, line("end", 1, 2, 5_000_020, "0")]
    ),
    "job1 attempt 2 (run 6) found process 102 (start) of run 2 alive": GOOD._replace(
        lines=[*LINES, line("overlap", 2, 6, 21, "2", "102", "start")]
    ),
    "job1 attempt 2 (run 6) found process 103 (child) of run 2 alive": GOOD._replace(
        lines=[*LINES, line("overlap", 2, 6, 21, "2", "103", "child")]
    ),
    "job1 attempt 2 (run 6) found process 104 (detached) of run 2 alive": GOOD._replace(
        lines=[*LINES, line("overlap", 2, 6, 21, "2", "104", "detached")]
    ),
    "job1 attempt 3 (run 9) ran, and the log says nothing of its token": GOOD._replace(
        lines=[*LINES, line("start", 3, 9, 40)]
    ),
    "job1 attempt 1 (run 2) ran 2 times": GOOD._replace(lines=[*LINES, line("start", 1, 2, 11)]),
    "job1 attempt 1 (run 2) ended as exit_code and never ran": GOOD._replace(
        events=changed(5, Failed(2, 1, "exit_code", "exit code 3", 3)),
        lines=[*LINES[1:], line("end", 1, 2, 12, "3")],
    ),
    "job1 attempt 2 (run 6) is completed with code 0, and its command ended with 3": GOOD._replace(
        lines=[*LINES[:2], line("end", 2, 6, 30, "3")]
    ),
    "job1 attempt 2 (run 6) is completed with code 0, and its command ended with None": GOOD._replace(lines=LINES[:2]),
    "job1 attempt 1 (run 2) is exit_code with code 3, and its command ended with 4": GOOD._replace(
        events=changed(5, Failed(2, 1, "exit_code", "exit code 3", 3)), lines=[*LINES, line("end", 1, 2, 12, "4")]
    ),
    "time goes back by 3 us at position 8": GOOD._replace(events=[*EVENTS[:7], replace(EVENTS[7], at_us=4)]),
    "the log goes from position 3 to 5": GOOD._replace(events=[*EVENTS[:3], *EVENTS[4:]]),
    "replay differs: jobs: one row": GOOD._replace(differences=["jobs: one row"]),
    "left over: sleep 600": GOOD._replace(leftovers=["sleep 600"]),
    "a worker crashed": GOOD._replace(troubles=["a worker crashed"]),
}


@pytest.mark.parametrize("said", PLANTED)
def test_what_is_planted_is_found(said: str) -> None:
    """Each violation is found, alone, and named with its job and run."""
    assert violations(PLANTED[said]) == [said]


def test_a_dead_job_has_ended() -> None:
    """A job that died has ended, however its last attempt did."""
    events = log(*[(each.stream, each.event) for each in EVENTS[:5]], (1, Dead(1, "lost")))
    assert violations(Evidence(["job1"], events, LINES[:1])) == []


def test_a_claim_without_a_start_is_no_attempt() -> None:
    """A claim that was given back before its command was started needs no line of a command."""
    events = log(ENQUEUED, (1, Claimed("w1", 9)), (1, Released(2, "gone")), (1, Cancelled()))
    assert violations(Evidence(["job1"], events, [])) == []


def test_what_left_its_group_may_outlive_a_timeout() -> None:
    """A process that has left its group has to be gone behind a lost attempt, and behind no other end."""
    lines = [*LINES, line("overlap", 2, 6, 21, "2", "104", "detached")]
    assert violations(GOOD._replace(events=changed(5, Failed(2, 1, "timeout", "too long")), lines=lines)) == []


def test_a_torn_line_is_refused() -> None:
    """A journal line that lacks words is not taken for a whole one."""
    with pytest.raises(ValueError, match="unpack"):
        parse("start job1 1 2 100")


def run_job(journals: Path, token: int, *words: str) -> "subprocess.Popen[bytes]":
    """Start the soak's job as a worker would."""
    names = {"QUEUECTL_JOB_ID": "job1", "QUEUECTL_ATTEMPT": "1", "QUEUECTL_RUN": f"host-1.{token}"}
    command = [sys.executable, "-I", "-S", str(JOB_SCRIPT), str(journals), *words]
    return subprocess.Popen(command, env={**os.environ, **names}, stdout=subprocess.DEVNULL)


def lines_of(journals: Path) -> list[Line]:
    """Read job1's journal."""
    path = journals / "job1"
    return [parse(text) for text in path.read_text().splitlines()] if path.exists() else []


def test_a_job_writes_its_start_and_end(tmp_path: Path) -> None:
    """A command's lines carry its run, its process and its exit code, and times of the clock that we read."""
    before_ns = time.monotonic_ns()
    process = run_job(tmp_path, 7, "0", "3")
    assert process.wait(10) == 3
    start, end = lines_of(tmp_path)
    assert (start.kind, start.token, start.pid) == ("start", 7, process.pid)
    assert (end.kind, end.token, end.started, end.more) == ("end", 7, start.started, ("3",))
    assert before_ns <= start.at_ns <= end.at_ns <= time.monotonic_ns()


def test_a_job_sees_who_is_still_there(tmp_path: Path) -> None:
    """An earlier attempt that lives, and its child, are written down; one that was killed is not."""
    killed = run_job(tmp_path, 5, "60", "0")
    wait_until(lambda: lines_of(tmp_path))
    killed.kill()
    killed.wait()
    first = run_job(tmp_path, 7, "60", "0", "parent")
    try:
        wait_until(lambda: [each for each in lines_of(tmp_path) if each.kind == "child"])
        assert run_job(tmp_path, 8, "0", "0").wait(10) == 0
        found = [each.more for each in lines_of(tmp_path) if each.kind == "overlap"]
        assert [(token, kind) for token, _, kind in found] == [("7", "start"), ("7", "child")]
    finally:
        first.kill()
        first.wait()
        for child in (each for each in lines_of(tmp_path) if each.kind == "child"):
            os.kill(child.pid, 9)
