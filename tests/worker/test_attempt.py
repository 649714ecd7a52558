"""One attempt at a job, over real processes."""

import ctypes
import os
import signal
import time
from functools import partial
from pathlib import Path

import pytest

from queuectl.outputs.frames import STDOUT, read_stream
from queuectl.worker.attempt import LINGER_S, SETTLE_S, SHOW_AFTER_S
from queuectl.worker.outcome import Stop
from tests.processes import is_alive, pid_in
from tests.waiting import wait_until
from tests.worker.driven import Driven, running_job


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "output"


def test_a_good_end_is_completed(path: Path) -> None:
    """A command that exits with 0 is completed, with its output and how long it took."""
    result = Driven(running_job("echo hi; sleep 0.05"), path).result()
    assert (result.kind, result.return_code, result.error) == ("completed", 0, None)
    assert result.output.frames == b"o\0\0\0\x03hi\n"
    assert result.duration_ms is not None
    assert result.duration_ms >= 50


def test_no_run_lasts_less_than_nothing(path: Path) -> None:
    """A run that begins and ends within one look, whose moment is earlier, lasted 0 ms."""
    looked_at = time.monotonic() - 1
    run = Driven(running_job("exit 0"), path)
    wait_until(lambda: run.attempt.step(now=looked_at))
    assert run.result().duration_ms == 0


def test_a_bad_end_is_told_in_the_command_s_own_words(path: Path) -> None:
    """The error is the exit code and the last line of stderr."""
    result = Driven(running_job("echo first >&2; echo 'it broke' >&2; exit 7"), path).result()
    assert (result.kind, result.failure, result.return_code) == ("failed", "exit_code", 7)
    assert result.error == "exit code 7: it broke"
    assert result.output.stderr_tail == "first\nit broke\n"


def test_a_signal_is_named(path: Path) -> None:
    """A command killed by a signal failed by it, without a return code."""
    result = Driven(running_job("kill -SEGV $$"), path).result()
    assert (result.failure, result.signal, result.return_code) == ("signal", "SIGSEGV", None)
    assert result.error == "killed by SIGSEGV"


def test_a_timeout_ends_a_willing_command_gently(path: Path) -> None:
    """At its time limit a command gets TERM, and what it prints on the way out is kept."""
    command = "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.02; done"
    result = Driven(running_job(command, timeout_ms=300), path).result()
    assert (result.kind, result.failure, result.error) == ("failed", "timeout", "timed out after 0.3 s")
    assert result.output.frames is not None
    assert b"".join(read_stream(result.output.frames, STDOUT)) == b"up\nbye\n"


def test_a_timeout_ends_an_unwilling_group_for_good(path: Path, tmp_path: Path) -> None:
    """A command and its children that ignore TERM are gone by KILL after the grace, before the result."""
    command = f"trap '' TERM; sh -c 'echo $$ > {tmp_path}/child; while :; do sleep 1; done' & wait; sleep 30"
    run = Driven(running_job(command, timeout_ms=200), path, grace_s=0.2)
    child = pid_in(tmp_path / "child")
    result = run.result()
    assert (result.failure, result.signal) == ("timeout", "SIGKILL")
    assert not is_alive(child)


def test_the_grace_is_for_the_whole_group(path: Path, tmp_path: Path) -> None:
    """Children that need a moment behind their parent's end get it."""
    child = f"trap 'sleep 0.2; echo tidy > {tmp_path}/child; exit' TERM; echo 1 > {tmp_path}/up; "
    child += "while :; do sleep 0.02; done"
    run = Driven(running_job(("sh", "-c", 'sh -c "$1" & sleep 30', "sh", child)), path)
    pid_in(tmp_path / "up")
    run.attempt.stop(Stop.CANCELLED, now=time.monotonic())
    assert run.result().kind == "cancelled"
    assert (tmp_path / "child").read_text() == "tidy\n"


def test_what_a_failed_attempt_leaves_behind_is_killed(path: Path, tmp_path: Path) -> None:
    """A retry never runs beside a process of the attempt before."""
    result = Driven(running_job(f"sleep 30 & echo $! > {tmp_path}/child; exit 1"), path).result()
    assert result.kind == "failed"
    assert not is_alive(pid_in(tmp_path / "child"))


def test_a_background_process_does_not_hold_up_the_end(path: Path, tmp_path: Path) -> None:
    """A command is over when it exits, though a child keeps its output open; that child lives on."""
    begun = time.monotonic()
    result = Driven(running_job(f"sleep 30 & echo $! > {tmp_path}/child; echo done"), path).result()
    assert result.kind == "completed"
    assert result.output.frames == b"o\0\0\0\x05done\n"
    assert time.monotonic() - begun < 5
    child = pid_in(tmp_path / "child")
    assert is_alive(child)
    os.kill(child, signal.SIGKILL)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
@pytest.mark.parametrize("is_left", [False, True])
def test_who_has_the_pipes_for_a_moment_was_not_left_behind(path: Path, tmp_path: Path, is_left: bool) -> None:
    """Pipes that a command being started beside it has open for a moment are not put down to what a command left."""
    run = Driven(running_job(f"while [ ! -e {tmp_path}/go ]; do sleep 0.01; done"), path)
    held = os.open(f"/proc/{run.attempt.process.pid}/fd/1", os.O_WRONLY)
    (tmp_path / "go").touch()
    wait_until(lambda: run.attempt.process.exit_status() == 0)
    now = time.monotonic()
    assert not run.attempt.step(now=now)
    if not is_left:
        os.close(held)
    assert run.attempt.step(now=now + (SETTLE_S if is_left else 0))
    result = run.attempt.finish()
    assert (result.kind, result.leaves_processes) == ("completed", is_left)
    for each in [*run.attempt.unread, *([held] if is_left else [])]:
        os.close(each)


def test_a_chatty_background_process_does_not_hold_up_the_end(path: Path) -> None:
    """Not even a child that prints faster than anybody reads."""
    result = Driven(running_job("yes & exit 0"), path, limit_bytes=100_000).result()
    assert result.kind == "completed"


def test_a_run_that_is_over_is_not_cancelled(path: Path) -> None:
    """A command that ended well before it was told to stop has completed."""
    run = Driven(running_job("exit 0"), path)
    wait_until(lambda: not is_alive(run.attempt.process.pid))
    run.attempt.stop(Stop.CANCELLED, now=time.monotonic())
    assert run.result().kind == "completed"


def test_a_stopped_command_hears_term(path: Path) -> None:
    """A command frozen by SIGSTOP is cancelled by TERM all the same, within its grace."""
    run = Driven(running_job("exec sleep 30"), path)
    run.attempt.process.signal_group(signal.SIGSTOP)
    run.attempt.stop(Stop.CANCELLED, now=time.monotonic())
    result = run.result()
    assert (result.kind, result.signal) == ("cancelled", "SIGTERM")


def test_an_abandoned_run_is_killed_at_once(path: Path) -> None:
    """A run whose job is no longer ours gets no grace and gives nothing to record."""
    run = Driven(running_job("trap '' TERM; while :; do sleep 1; done"), path)
    run.attempt.stop(Stop.ABANDONED, now=time.monotonic())
    run.result()
    assert run.attempt.is_abandoned


def test_a_group_that_nobody_reaps_is_let_go(path: Path, tmp_path: Path) -> None:
    """An abandoned run ends soon though a dead child of it stays for ever, however often it is abandoned."""
    set_subreaper = partial(ctypes.CDLL(None).prctl, 36)  # orphans become ours, and we do not reap them
    assert set_subreaper(1, 0, 0, 0) == 0
    try:
        run = Driven(running_job(f"sleep 60 & echo $! > {tmp_path}/child; wait"), path)
        child = pid_in(tmp_path / "child")

        def is_over() -> bool:
            run.attempt.stop(Stop.ABANDONED, now=time.monotonic())
            return run.step()

        wait_until(is_over, timeout_s=3 * LINGER_S)
        assert run.attempt.process.signal_group(0), "the dead child is still there"
        run.result()
        os.waitpid(child, 0)
    finally:
        set_subreaper(0, 0, 0, 0)


def test_output_shows_while_the_command_runs(path: Path) -> None:
    """What a run printed is there for a follower when it is a moment old, not before."""
    run = Driven(running_job("echo early; sleep 30"), path)
    wait_until(lambda: run.step() or (run.capture and run.capture.is_hidden))
    wait_until(lambda: run.step() or path.exists())
    assert path.read_bytes() == b"o\0\0\0\x06early\n"
    assert SHOW_AFTER_S < 0.5
    run.attempt.stop(Stop.CANCELLED, now=time.monotonic())
    assert run.result().output.frames == b"o\0\0\0\x06early\n"
    run.attempt.recorded()
    assert not path.exists()
