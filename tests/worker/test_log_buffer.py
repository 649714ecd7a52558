"""What a worker has to say where nobody takes it: pipes that are full, broken or led to a full disk."""

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TextIO

import pytest

from queuectl import Queue
from queuectl.worker import log_buffer as module
from queuectl.worker.log_buffer import LINES_AT_ONCE, LogBuffer, can_take, write_lines
from queuectl.worker.log_lines import LogLine
from tests.waiting import wait_until

PAGE = 4096


@pytest.fixture
def ends() -> Iterator[tuple[int, TextIO]]:
    """Yield a pipe that holds a page: its end to read from, and what a worker prints to."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, PAGE)
    os.set_blocking(reading, False)
    with os.fdopen(writing, "w") as stream:
        yield reading, stream
    os.close(reading)


def print_to(stream: TextIO, told: Sequence[LogLine]) -> int:
    return write_lines(stream, [each.text for each in told])


def read(fd: int) -> list[str]:
    """Return the lines that lie in a pipe."""
    try:
        return os.read(fd, 1 << 20).decode().splitlines()
    except BlockingIOError:
        return []


def test_what_nobody_takes_waits_and_comes_in_order(ends: tuple[int, TextIO]) -> None:
    """A full pipe holds nothing up, and costs no line where somebody reads on."""
    reading, stream = ends
    lines = LogBuffer(partial(print_to, stream))
    said = [f"line {number} {'x' * 50}" for number in range(2 * LINES_AT_ONCE)]
    for line in said:
        lines.say(line)
    lines.flush()
    assert not can_take(stream)
    got: list[str] = []

    def has_come() -> bool:
        got.extend(read(reading))
        lines.flush()
        return len(got) == len(said)

    wait_until(has_come)
    assert got == said


def test_what_does_not_fit_is_counted(ends: tuple[int, TextIO], monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond a bound lines are dropped, and how many stands in their place."""
    monkeypatch.setattr(module, "MOST_HELD", 100)
    reading, stream = ends
    lines = LogBuffer(partial(print_to, stream))
    os.write(stream.fileno(), b"!" * PAGE)
    for number in range(150):
        lines.say(str(number))
    lines.flush()
    os.read(reading, PAGE)

    def has_come() -> list[str]:
        lines.flush()
        return read(reading)

    assert wait_until(has_come) == [str(number) for number in range(100)]
    lines.say("on again")
    lines.flush()
    assert read(reading) == ["... 50 lines dropped: nobody took what this worker prints", "on again"]


def test_a_broken_pipe_costs_the_lines_alone(ends: tuple[int, TextIO], capfd: pytest.CaptureFixture[str]) -> None:
    """Whoever read the lines may go, as head does; at the end it is said how many went into nothing."""
    reading, stream = ends
    lines = LogBuffer(partial(print_to, stream))
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, reading)
    os.close(null)
    for number in range(5):
        lines.say(str(number))
        lines.flush()
    lines.close()
    assert capfd.readouterr().err == "... 5 lines dropped: nobody took what this worker prints\n"


def test_a_report_that_fails_is_left_alone(capfd: pytest.CaptureFixture[str]) -> None:
    """Whatever a program does with the lines, it stops no worker."""

    def fail(told: object) -> None:
        raise ZeroDivisionError

    lines = LogBuffer(fail)
    lines.say("hello")
    lines.flush()
    lines.close()
    assert "1 line dropped" in capfd.readouterr().err


def test_a_line_is_never_longer_than_a_pipe_takes(ends: tuple[int, TextIO]) -> None:
    """The longest lines are cut rather than waited for."""
    reading, stream = ends
    assert write_lines(stream, ["x" * 3 * PAGE]) == 1
    assert read(reading) == ["x" * (PAGE - 1)]


@pytest.mark.sampled(1)
@pytest.mark.parametrize("kind", ["blocked", "broken", "full"])
def test_a_worker_whose_lines_nobody_takes_does_its_work(tmp_path: Path, kind: str) -> None:
    """Jobs, limits and ends go on, and the worker ends as it should, saying how much was not printed."""
    with Queue.open(tmp_path / "q", create=True) as queue:
        for number in range(30):
            queue.enqueue(f"true {number} {'x' * 60}")
        queue.enqueue("sleep 60", id="limited", timeout_s=0.2, max_retries=0)
        reading, writing = os.pipe()
        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, PAGE)
        if kind == "broken":
            os.close(reading)
        stdout = os.open("/dev/full", os.O_WRONLY) if kind == "full" else writing
        words = [sys.executable, "-m", "queuectl", "--db", str(queue.path), "worker", "start", "--drain"]
        ended = subprocess.run(words, stdout=stdout, stderr=subprocess.PIPE, text=True, check=False, timeout=60)
        assert ended.returncode == 0
        assert "lines dropped: nobody took what this worker prints" in ended.stderr
        assert queue.status().jobs["completed"] == 30
        assert queue.job("limited").state == "dead"
