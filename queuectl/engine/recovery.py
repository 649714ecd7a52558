"""Recover jobs from workers that are gone, or frozen for longer than their lease.

What such a worker has left running is killed first, so that no two attempts of a job overlap on
this machine. A worker that is merely late (its lease ran out because a clock was set, or the disk
was slow) keeps its jobs: its lock file shows that it is alive. Of workers elsewhere, and of those
that hold no lock file, only the lease is known.
"""

import time
from collections.abc import Sequence
from contextlib import closing
from typing import Final

from ..core.commands import RecoverJob
from ..core.job import Job
from ..core.results import Recovered
from ..liveness import lock_file
from ..liveness.lock_file import Sighting
from ..liveness.orphans import kill_orphans
from ..projections import jobs, leases, workers
from ..queries import presence
from ..store.store import Transaction
from ..system.boot import awake_s
from ..system.host import host, is_process
from .decisions import JobOrder
from .engine import Engine
from .unit_of_work import Unit, token_of

_PATIENCE_S: Final = 0.1
"""How long it is tried to kill what a worker left running; what is left then is met again the next time."""

_NAMESPACE_ENDS_S: Final = 0.2
"""How long the kernel has for killing what is in a namespace, once it has let go of the first process's lock."""


def recover_jobs(engine: Engine, *, actor: str | None = None) -> Recovered:
    """Recover the jobs that workers hold that are gone or frozen, and record the end of those that are gone.

    Looks before it writes: where there is nothing to recover, nothing waits for the store's lock.
    """
    found, path = Recovered([], []), engine.store.path
    gone = [worker for worker in lock_file.workers(path) if lock_file.is_held(path, worker) is False]
    if gone:
        engine.writer.catch_up()  # what such a worker claimed last may be in the shared log, and not here yet
    ends_by_s = awake_s() + _NAMESPACE_ENDS_S  # for all of them: who dies from now on is found the next time
    for worker in gone:
        if (seized := lock_file.seize(path, worker)) is not None:
            with closing(seized):
                _recover_from(engine, worker, seized.sighting(), found, actor, ends_by_s=ends_by_s)
    expired, unseen = _look(engine)
    if expired:
        _recover_expired(engine, expired, found, actor)
        _, unseen = _look(engine)
    for worker in unseen:
        _record_gone(engine, worker, [], found, actor)
    return found


def recover(unit: Unit, held: Sequence[Job], *, gone: bool = False, launched: int | None = None) -> list[Job]:
    """Recover jobs whose lease has expired, or whose worker is `gone`; those that have moved on are left.

    `launched` is the highest token for which the worker had come to start a command, where that is known.
    """
    policies = unit.retry_policies()
    orders: list[JobOrder] = []
    for job in held:
        worker = job.lease.worker if job.lease else ""
        row = workers.get(unit.txn, worker)
        pid = None if row is None else row.pid
        until_us = presence.get(unit.txn, worker).holds_until_us
        token = token_of(job)
        was_launched = launched is None or token <= launched
        orders.append((job.number, RecoverJob(token, next(policies), gone, pid, was_launched, until_us)))
    recovered, _ = unit.execute_each(orders)
    return recovered


def _look(engine: Engine) -> tuple[list[Job], list[str]]:
    """Return the jobs whose lease has expired, and this machine's workers that are gone and left no lock file or jobs.

    Jobs of workers whose presence holds their leases are not among them.
    """
    with engine.store.read() as txn:
        now_us = engine.now_us_in(txn)
        numbers = leases.expired(txn, now_us, lambda worker: presence.get(txn, worker).holds_until_us > now_us)
        expired = list(jobs.each(txn, numbers))
        rows = workers.present(txn)
        held = leases.held(txn) if rows else {}
    path, here = engine.store.path, host()
    ours = [row for row in rows if row.host == here and row.node == engine.writer.node]
    unheld = [row for row in ours if row.id not in held]
    return expired, [row.id for row in unheld if lock_file.is_held(path, row.id) is None and not is_process(row.pid)]


def _recover_from(
    engine: Engine, worker: str, sighting: Sighting | None, found: Recovered, actor: str | None, *, ends_by_s: float
) -> None:
    with engine.store.read() as txn:
        row, held = workers.get(txn, worker), _held(txn, worker)
    is_elsewhere = row is not None and row.host != host()
    if held and (sighting is None or not _is_over(sighting, is_elsewhere=is_elsewhere, ends_by_s=ends_by_s)):
        return  # its jobs are recovered when their leases end
    _record_gone(engine, worker, held, found, actor, launched=sighting.launched if sighting else None)
    lock_file.remove(engine.store.path, worker)


def _is_over(sighting: Sighting, *, is_elsewhere: bool, ends_by_s: float) -> bool:
    """Whether nothing that a dead worker started can run any more; `is_elsewhere` by the name of its host.

    A namespace whose first process it was has ended by a moment of awake_s(), which is waited for.
    """
    if sighting.is_of_this_pid_space:
        return kill_orphans(sighting, sighting.runs, patience_s=_PATIENCE_S)
    if sighting.is_of_gone_namespace:
        time.sleep(max(0.0, ends_by_s - awake_s()))
        return True
    return not (is_elsewhere or sighting.is_of_this_boot)


def _recover_expired(engine: Engine, expired: Sequence[Job], found: Recovered, actor: str | None) -> None:
    due: dict[str, list[Job]] = {}
    for job in expired:
        if job.lease is not None and _is_given_up(engine, job):
            due.setdefault(job.lease.worker, []).append(job)
    for worker, theirs in due.items():
        sighting = _living(engine, worker)
        with engine.unit(actor=actor, rings=True) as unit:
            found.jobs.extend(recover(unit, theirs, launched=sighting.launched if sighting else None))


def _living(engine: Engine, worker: str) -> Sighting | None:
    """Return what the lock file of a worker says that may go on, where that can be known here."""
    sighting = lock_file.sighting_of(engine.store.path, worker)
    if sighting is None or not sighting.is_of_this_boot or not lock_file.is_held(engine.store.path, worker):
        return None
    return sighting


def _is_given_up(engine: Engine, job: Job) -> bool:
    """Return whether a worker whose lease expired does nothing about the job any more."""
    assert job.lease is not None, "a job that is held has a lease"
    sighting = _living(engine, job.lease.worker)
    if sighting is None:
        return True
    is_frozen = awake_s() - sighting.seen_s > sighting.lease_s
    runs = [run for run in sighting.runs if run.token == token_of(job)]
    return is_frozen and (not sighting.is_of_this_pid_space or kill_orphans(sighting, runs, patience_s=_PATIENCE_S))


def _record_gone(
    engine: Engine, worker: str, held: list[Job], found: Recovered, actor: str | None, *, launched: int | None = None
) -> None:
    with engine.unit(actor=actor, rings=bool(held)) as unit:
        found.jobs.extend(recover(unit, held, gone=True, launched=launched))
        if unit.end_worker(worker, "found gone"):
            found.workers.append(worker)


def _held(txn: Transaction, worker: str) -> list[Job]:
    return list(jobs.each(txn, leases.held_by(txn, worker)))
