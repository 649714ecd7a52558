"""The worker's one transaction a tick: results in, leases held on to, new jobs out."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from ..core.argument_kinds import is_count, is_job, is_text
from ..core.commands import CompleteJob, ConfirmCancel, FailJob, JobCommand, ReleaseJob, RetryPolicy
from ..core.event_check import MOST_CHARS_OF, TEXT_CHARS
from ..core.job import Job
from ..core.limits import QUEUE
from ..core.results import Captured, Exchange, Result
from ..display import shown
from ..errors import InvalidInput, QueuectlError
from ..events.types import Failure, Output
from ..outputs import storage
from ..projections import limits, scheduled
from ..projections import queues as queue_rows
from ..store.store import Transaction
from .decisions import JobOrder
from .ends import tell_ends
from .unit_of_work import Unit, token_of

ERROR_CHARS: Final = TEXT_CHARS
"""An event stays below half a page of the store, with the stderr that goes beside it."""

TAIL_CHARS: Final = MOST_CHARS_OF["stderr_tail"]
MOST_RETURN_CODE: Final = 255
"""What a process can end with, as whoever waited for it is told."""

_SIGNAL: Final = re.compile(r"SIG[A-Z][A-Z0-9]{0,15}(?:[+-][0-9]{1,3})?|signal [0-9]{1,3}")
"""A signal as a worker names it; of those that have no name, by its number."""

KINDS_OF_END: Final = ("completed", "failed", "cancelled", "released")
FAILURES: Final = tuple(map(str, Failure))
NOTHING_PRINTED: Final = Result._field_defaults["output"]
"""What most results have for what was printed: the one object."""


def exchange(
    unit: Unit,
    worker: str,
    results: Sequence[Result],
    *,
    want: int,
    free: int,
    queues: Sequence[str] | None,
    lease_s: float,
    hold: bool,
    held: Sequence[Job],
    host: str,
    pid: int,
) -> Exchange:
    """Record results, `hold` the worker's leases, then claim and start up to `want` jobs; refusals are collected.

    `free` of them have slots to run in.
    """
    settled, refused = settle(unit, results)
    if hold:
        unit.hold(worker, lease_s, held)
    if settled:
        tell_ends(unit)  # whom these held up can be claimed along
    claimed: list[Job] = []
    if want:
        claimed = unit.take(worker, want, free=free, lease_s=lease_s, queues=queues, host=host, pid=pid)
    unit.views.flush()
    return Exchange(claimed, settled, refused, _until_next_due_s(unit), frees_room(unit.txn, settled))


def frees_room(txn: Transaction, settled: Sequence[Job]) -> bool:
    """Whether jobs that run no more leave room to others: they used limits, or their queue has one."""
    if not settled or any(job.uses_limits for job in settled):
        return bool(settled)
    caps = limits.caps(txn)
    return any(f"{QUEUE}:{job.spec.queue}" in caps for job in settled) if caps else False


def _until_next_due_s(unit: Unit) -> float | None:
    """Return how soon there may be a job to claim that nobody tells of: a time comes, a pause ends, a rate lets it."""
    due_us = scheduled.next_due_us(unit.txn)
    ends = [row.until_us for row in queue_rows.paused(unit.txn, unit.now_us) if row.until_us is not None]
    others = [at_us for at_us in (due_us, unit.next_start_us) if at_us is not None]
    soonest_us = min([*ends, *others], default=None)
    return None if soonest_us is None else unit.until_s(soonest_us)


def settle(unit: Unit, results: Sequence[Result]) -> tuple[list[Job], list[tuple[Job, QueuectlError]]]:
    """Record how runs ended, and keep what they printed; refusals are collected."""
    if not results:
        return [], []
    for result in results:
        check_result(result)
    policies = unit.retry_policies()
    orders = [(result.job.number, command_of(result, policies)) for result in results]
    if [result for result in results if result.output.frames]:
        _keep(unit, results)
    settled, refused = unit.execute_each(orders)
    return settled, _with_jobs([result.job for result in results], refused)


def _keep(unit: Unit, results: Sequence[Result]) -> None:
    """Keep what runs printed whose lease still holds here: before their end is recorded, which speaks of it.

    Of several results of one run the first is the one that is recorded.
    """
    found = unit.views.jobs([result.job.number for result in results])
    printed: dict[int, bytes] = {}
    for result, job in zip(results, found, strict=True):
        if job is not None and job.lease is not None and job.lease.token == token_of(result.job):
            printed.setdefault(job.number, result.output.frames or b"")

    def keep(txn: Transaction) -> None:
        for result in results:
            if frames := printed.pop(result.job.number, b""):
                storage.keep(txn, result.job.number, token_of(result.job), frames)

    unit.local(keep)


def check_result(result: Result) -> None:
    """Refuse a result that the log should not keep; raises InvalidInput."""
    if not isinstance(result, Result):
        raise InvalidInput("results", type(result).__name__, "a list of results")
    job, kind, return_code, signal, failure, error, duration_ms, output, *_ = result
    if not is_job(job):
        raise InvalidInput("job", type(job).__name__, "a job as it was claimed")
    if kind not in KINDS_OF_END:
        raise InvalidInput("kind", shown(kind), "one of " + ", ".join(KINDS_OF_END))
    if failure is not None and failure not in FAILURES:
        raise InvalidInput("failure", shown(failure), "one of " + ", ".join(FAILURES))
    if return_code is not None and not (is_count(return_code) and return_code <= MOST_RETURN_CODE):
        raise InvalidInput(
            "return_code",
            shown(return_code),
            f"0 to {MOST_RETURN_CODE}, or None where a signal ended the run: `signal` names it",
        )
    if return_code and kind == "completed":
        raise InvalidInput("return_code", shown(return_code), "0, as a completed run has; fail() takes another")
    if duration_ms is not None and not is_count(duration_ms):
        raise InvalidInput("duration_ms", shown(duration_ms), "a whole number, 0 or more, or None")
    if signal is not None and not (is_text(signal) and _SIGNAL.fullmatch(signal)):
        raise InvalidInput("signal", shown(signal), "a signal's name, for example SIGTERM or SIGRTMIN+3, or None")
    if error is not None and not isinstance(error, str):
        raise InvalidInput("error", shown(error), "a text, or None")
    if output is not NOTHING_PRINTED:
        _check_captured(output)


def _check_captured(output: Captured) -> None:
    if not isinstance(output, Captured):
        raise InvalidInput("output", type(output).__name__, "a Captured")
    frames, tail = output.frames, output.stderr_tail
    if frames is not None and type(frames) is not bytes:
        raise InvalidInput("output.frames", type(frames).__name__, "bytes, or None")
    if tail is not None and not (is_text(tail) and len(tail) <= TAIL_CHARS):
        raise InvalidInput("output.stderr_tail", type(tail).__name__, f"a text of at most {TAIL_CHARS:,} characters")
    if output.output_error is not None and not is_text(output.output_error):
        raise InvalidInput("output.output_error", shown(output.output_error), "a text, or None")
    for name, each in (("stdout", output.stdout), ("stderr", output.stderr)):
        if each is not None and not _is_output(each):
            raise InvalidInput(f"output.{name}", shown(each)[:100], "an Output of a size and a SHA-256 of 32 bytes")


def _is_output(each: object) -> bool:
    return (
        isinstance(each, Output) and is_count(each.size_bytes) and type(each.sha256) is bytes and len(each.sha256) == 32
    )


def command_of(result: Result, policies: Iterator[RetryPolicy]) -> JobCommand:
    """Turn how a run ended into the command that records it; a failure takes a policy."""
    token, output = token_of(result.job), result.output
    output_error = None if output.output_error is None else bounded(output.output_error)
    if result.kind == "completed":
        return CompleteJob(
            token, result.duration_ms, result.return_code or 0, output.stdout, output.stderr, output_error
        )
    if result.kind == "cancelled":
        return ConfirmCancel(token, result.duration_ms, output.stdout, output.stderr, output_error)
    if result.kind == "released":
        return ReleaseJob(token, bounded(result.error or "released by its worker"), result.duration_ms)
    return FailJob(
        token,
        next(policies),
        result.failure or Failure.EXIT_CODE,
        bounded(result.error or "failed"),
        result.return_code,
        result.signal,
        result.duration_ms,
        output.stdout,
        output.stderr,
        output.stderr_tail,
        output_error,
    )


def bounded(text: str) -> str:
    """Cut a text to what an event should hold, and to what UTF-8 can."""
    return text[:ERROR_CHARS].encode(errors="replace").decode()


def _with_jobs(
    jobs: Sequence[Job], refused: Sequence[tuple[JobOrder, QueuectlError]]
) -> list[tuple[Job, QueuectlError]]:
    by_number = {job.number: job for job in jobs}
    return [(by_number[number], error) for (number, _), error in refused]
