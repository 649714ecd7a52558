"""The worker's one transaction a tick: results in, leases held on to, new jobs out."""

from collections.abc import Iterator, Sequence
from typing import Final

from . import outputs
from .answers import Exchange, Result
from .commands import CompleteJob, ConfirmCancel, FailJob, JobCommand, ReleaseJob, RetryPolicy
from .engine import Order, Unit, token_of
from .errors import QueuectlError
from .events.types import Reason
from .job import Job
from .projections import scheduled

ERROR_CHARS: Final = 1_000
"""An event stays below half a page of the store, with the stderr that goes beside it."""


def exchange(
    unit: Unit,
    worker: str,
    results: Sequence[Result],
    *,
    want: int,
    queues: Sequence[str] | None,
    lease_s: float,
    hold: bool,
    host: str,
    pid: int,
) -> Exchange:
    """Record results, `hold` the worker's leases, then claim and start up to `want` jobs; refusals are collected."""
    settled, refused = settle(unit, results)
    if hold:
        unit.hold(worker, lease_s)
    claimed: list[Job] = []
    if want:
        claimed = unit.take(worker, want, lease_s=lease_s, queues=queues, host=host, pid=pid)
    unit.views.flush()
    return Exchange(claimed, settled, refused, _until_next_due_s(unit))


def _until_next_due_s(unit: Unit) -> float | None:
    due_us = scheduled.next_due_us(unit.txn)
    return None if due_us is None else max(0, due_us - unit.now_us) / 1_000_000


def settle(unit: Unit, results: Sequence[Result]) -> tuple[list[Job], list[tuple[Job, QueuectlError]]]:
    """Record how runs ended, and keep what they printed; refusals are collected."""
    if not results:
        return [], []
    policies = unit.retry_policies()
    orders = [(result.job.number, command_of(result, policies)) for result in results]
    settled, refused = unit.execute_each(orders)
    lost = {number for (number, _), _ in refused}
    for result in results:
        if result.output.frames and result.job.number not in lost:
            outputs.keep(unit.txn, result.job.number, token_of(result.job), result.output.frames)
    return settled, _with_jobs([result.job for result in results], refused)


def command_of(result: Result, policies: Iterator[RetryPolicy]) -> JobCommand:
    """Turn how a run ended into the command that records it; a failure takes a policy."""
    token, output = token_of(result.job), result.output
    if result.kind == "completed":
        return CompleteJob(token, result.duration_ms, result.return_code or 0, output.stdout, output.stderr)
    if result.kind == "cancelled":
        return ConfirmCancel(token, result.duration_ms, output.stdout, output.stderr)
    if result.kind == "released":
        return ReleaseJob(token, _bounded(result.error or "released by its worker"))
    return FailJob(
        token,
        next(policies),
        result.reason or Reason.EXIT_CODE,
        _bounded(result.error or "failed"),
        result.return_code,
        result.signal,
        result.duration_ms,
        output.stdout,
        output.stderr,
        output.stderr_tail,
    )


def _bounded(text: str) -> str:
    """Cut a text to what an event should hold, and to what UTF-8 can."""
    return text[:ERROR_CHARS].encode(errors="replace").decode()


def _with_jobs(jobs: Sequence[Job], refused: Sequence[tuple[Order, QueuectlError]]) -> list[tuple[Job, QueuectlError]]:
    by_number = {job.number: job for job in jobs}
    return [(by_number[number], error) for (number, _), error in refused]
