"""How a run that is over is judged."""

import signal

import pytest

from queuectl import JobSpec, Result
from queuectl.worker.outcome import Stop, Verdict, judge, spared
from tests.worker.driven import running_job

JOB = running_job("true")
SPEC = JobSpec("a", "true", timeout_ms=1_500)


@pytest.mark.parametrize(
    ("status", "stop", "stderr", "verdict"),
    [
        (0, None, "warning\n", Verdict("completed", 0)),
        (3, None, None, Verdict("failed", 3, None, "exit_code", "exit code 3")),
        (1, None, "a\nlast  \n\n", Verdict("failed", 1, None, "exit_code", "exit code 1: last")),
        (
            1,
            None,
            "no such thing: x\n  ^~~^\n",
            Verdict("failed", 1, None, "exit_code", "exit code 1: no such thing: x"),
        ),
        (1, None, "--\n^^\n", Verdict("failed", 1, None, "exit_code", "exit code 1: ^^")),
        (-11, None, None, Verdict("failed", None, "SIGSEGV", "signal", "killed by SIGSEGV")),
        (-15, Stop.TIMEOUT, None, Verdict("failed", None, "SIGTERM", "timeout", "timed out after 1.5 s")),
        (0, Stop.TIMEOUT, "x", Verdict("failed", 0, None, "timeout", "timed out after 1.5 s")),
        (-9, Stop.CANCELLED, None, Verdict("cancelled", None, "SIGKILL")),
        (0, Stop.CANCELLED, None, Verdict("cancelled", 0)),
        (
            -15,
            Stop.RELEASED,
            None,
            Verdict("released", None, "SIGTERM", None, "the worker was told to stop at once"),
        ),
    ],
)
def test_a_run_is_judged_by_its_status_and_why_it_was_stopped(
    status: int, stop: Stop | None, stderr: str | None, verdict: Verdict
) -> None:
    """Each way to end has its kind, its reason and its words."""
    assert judge(status, stop, spec=SPEC, stderr_tail=stderr) == verdict


def test_a_limit_that_nobody_asked_for_says_so() -> None:
    """A run that dies of the default limit is told that it was that, and how to lift it, ready to be typed."""
    spec = JobSpec("a b", "true", timeout_ms=300_000, timeout_is_default=True)
    assert judge(-15, Stop.TIMEOUT, spec=spec, stderr_tail=None).error == (
        "timed out after 300 s, the default limit; lift it: queuectl edit 'a b' --set timeout=1h, "
        "and where it is dead then: queuectl dlq retry 'a b'; "
        "or for jobs to come: queuectl config set job_timeout_s 1h"
    )


def test_the_error_is_one_printable_line() -> None:
    """What a command printed cannot break a line, a terminal or the size of the error."""
    stderr = "10%\r20%\r\x1b[31mred\x07" + "x" * 1000 + "\n"
    error = judge(1, None, spec=SPEC, stderr_tail=stderr).error
    assert error is not None
    assert error.startswith("exit code 1: ?[31mred?xxx")
    assert len(error) < 250
    assert error.isprintable()


def test_a_long_line_keeps_its_end() -> None:
    """Of a line that is too long its beginning is kept and its last words, which are the cause."""
    error = judge(1, None, spec=SPEC, stderr_tail=f"rsync: {'/deep' * 100}: Permission denied (13)\n").error
    assert error is not None
    assert error.startswith("exit code 1: rsync: /deep")
    assert error.endswith("/deep: Permission denied (13)")
    assert len(error) == len("exit code 1: ") + 200


def test_signals_are_named() -> None:
    """The signal is its name, not its number."""
    assert judge(-signal.SIGKILL, None, spec=SPEC, stderr_tail=None).signal == "SIGKILL"


@pytest.mark.parametrize(
    ("result", "is_spared"),
    [
        (Result(JOB, "failed", signal="SIGINT", failure="signal", error="killed", duration_ms=2), True),
        (Result(JOB, "failed", signal="SIGINT", failure="signal", error="killed", duration_ms=2_000), False),
        (Result(JOB, "failed", signal="SIGTERM", failure="signal", error="killed", duration_ms=2), False),
        (Result(JOB, "failed", 130, failure="exit_code", error="exit code 130", duration_ms=2), False),
        (Result(JOB, "completed", 0, duration_ms=2), False),
    ],
)
def test_a_run_that_fell_to_the_ctrl_c_of_its_worker_costs_no_attempt(result: Result, is_spared: bool) -> None:
    """Killed by SIGINT in the moment of its start, with the worker interrupted, it is released; nothing else is."""
    judged = spared(result, now=100.01, interrupted_at=100.0)
    assert judged == (
        Result(JOB, "released", error="it was being started when its worker was interrupted") if is_spared else result
    )
    assert spared(result, now=100.01, interrupted_at=50.0) == result
