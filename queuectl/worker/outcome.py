"""How a run that is over is judged: what kind of end it was, and the words for it; pure."""

from collections.abc import Collection
from enum import StrEnum
from typing import Final, Literal, NamedTuple

from .. import hints
from ..core.held import NOT_KNOWN, TIMED_OUT
from ..core.results import Result
from ..events.types import Failure, JobSpec
from .process import UNKNOWN, signal_name

EndKind = Literal["completed", "failed", "cancelled", "released"]
_LINE_CHARS: Final = 200
_HEAD_CHARS: Final = 60
"""Of a longer line its beginning is kept, which says what failed, and its end, which says why."""

INTERRUPT_S: Final = 0.25
"""How far apart a command's start and a Ctrl-C may be seen that came at the same time."""


class Stop(StrEnum):
    """Why a worker ends a run that would go on."""

    TIMEOUT = "timeout"
    CANCELLED = "cancelled"
    RELEASED = "released"
    ABANDONED = "abandoned"
    FROZEN = "frozen"


class Verdict(NamedTuple):
    """What is to be recorded of a run; `error` is for people, None where nothing went wrong."""

    kind: EndKind
    return_code: int | None = None
    signal: str | None = None
    failure: str | None = None
    error: str | None = None


def judge(
    status: int | None,
    stop: Stop | None,
    *,
    spec: JobSpec,
    stderr_tail: str | None,
    left: Collection[int] = (),
    limit_ms: int | None = None,
) -> Verdict:
    """Judge a run by its exit status (minus the number of the signal that killed it) and why it was stopped.

    The status is None where it could not be ended; `left` are the ids of processes that could not be. `limit_ms` is
    how long it was allowed, where that was less than the job's timeout.
    """
    verdict = _judge(status, stop, spec=spec, stderr_tail=stderr_tail, limit_ms=limit_ms)
    if not left:
        return verdict
    which = f"process {min(left)}" if len(left) == 1 else f"{len(left)} processes ({', '.join(map(str, left))})"
    told = f"{which} could not be ended"
    return verdict._replace(error=told if verdict.error is None else f"{verdict.error}; {told}")


def _judge(
    status: int | None, stop: Stop | None, *, spec: JobSpec, stderr_tail: str | None, limit_ms: int | None
) -> Verdict:
    return_code = status if status is not None and 0 <= status < UNKNOWN else None
    signal = signal_name(-status) if status is not None and status < 0 else None
    if stop is Stop.TIMEOUT:
        # Behind a TERM the last line is mostly the shell saying "Terminated": not worth repeating.
        return Verdict("failed", return_code, signal, Failure.TIMEOUT, _timed_out(spec, limit_ms))
    if stop is Stop.CANCELLED:
        return Verdict("cancelled", return_code, signal)
    if stop is Stop.FROZEN:
        return Verdict("released", return_code, signal, error="it was paused when its worker was told to stop")
    if stop is not None:
        return Verdict("released", return_code, signal, error="the worker was told to stop at once")
    if status == UNKNOWN:
        return Verdict(
            "failed", None, None, Failure.LOST, f"how it {NOT_KNOWN}: the process that waited for it was killed"
        )
    if signal is not None:
        return Verdict("failed", None, signal, Failure.SIGNAL, _with_last_line(f"killed by {signal}", stderr_tail))
    if return_code:
        error = _with_last_line(f"exit code {return_code}", stderr_tail)
        return Verdict("failed", return_code, None, Failure.EXIT_CODE, error)
    return Verdict("completed", return_code)


def spared(result: Result, *, now: float, interrupted_at: float) -> Result:
    """Return a run that fell to the Ctrl-C meant for its worker as released: it costs no attempt.

    A command is in the worker's own process group, which the terminal interrupts, for the moment between
    its making and its first step. Moments are seconds of one clock.
    """
    if result.kind != "failed" or result.signal != "SIGINT":
        return result
    begun_at = now - (result.duration_ms or 0) / 1000
    if abs(begun_at - interrupted_at) > INTERRUPT_S:
        return result
    return Result(result.job, "released", error="it was being started when its worker was interrupted")


def _timed_out(spec: JobSpec, limit_ms: int | None) -> str:
    if limit_ms is not None and limit_ms != spec.timeout_ms:
        return f"{TIMED_OUT}{limit_ms / 1000:g} s, all that was left of its max_time"
    told = f"{TIMED_OUT}{(spec.timeout_ms or 0) / 1000:g} s"
    if not spec.timeout_is_default:
        return told
    return f"{told}, the default limit; {hints.lift_timeout(spec.id)}"


def _with_last_line(what: str, stderr_tail: str | None) -> str:
    line = _last_line(stderr_tail or "")
    return f"{what}: {line}" if line else what


def _last_line(text: str) -> str:
    # Carriage returns end lines too: of a progress bar only its last state is of interest. Shells and compilers point
    # at a place by a line of signs: what they say of it comes before.
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    worded = (line for line in reversed(lines) if any(map(str.isalnum, line)))
    last = next(worded, lines[-1] if lines else "")
    shown = "".join(c if c.isprintable() else "?" for c in last)
    if len(shown) <= _LINE_CHARS:
        return shown
    return f"{shown[:_HEAD_CHARS]}...{shown[_HEAD_CHARS + 3 - _LINE_CHARS :]}"
