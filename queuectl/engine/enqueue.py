"""From requests to jobs on disk: all are checked before the first is enqueued, and they go in whole chunks."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from .. import hints
from ..core.commands import EnqueueJob
from ..core.inherited_env import Inheritance
from ..core.job import ENDED
from ..core.job_mapping import request_of
from ..core.job_request import JobRequest
from ..core.request import Intake
from ..core.settings import Settings
from ..core.unique import Answer
from ..errors import BulkStopped, DuplicateJob, InvalidInput, InvalidLine, StoreError
from ..events.types import ENVIRONMENT_STREAM, EnvironmentKept
from ..projections import environments, ids, jobs
from ..store.store import Store
from ..system.clock import Clock
from ..system.host import directory, environment
from ..system.lazy import Later
from .engine import Engine
from .group_commit import GroupCommit
from .limit_actions import UseCheck
from .new_jobs import Enqueuing
from .parents import no_parent
from .unit_of_work import Unit
from .writer import JOBS_AT_ONCE

if TYPE_CHECKING:
    from ..core.results import Bulk
    from ..outputs import storage
else:
    storage = Later("outputs.storage")  # only where a job replaces another


def specify_all(
    requests: Sequence[JobRequest], *, clock: Clock, settings: Settings, now_us: int, inheritance: Inheritance
) -> list[EnqueueJob]:
    """Check requests and fill them in; raises InvalidLine with the number of the first bad one, from 1."""
    intake = Intake(settings, now_us=now_us, cwd=directory(), inheritance=inheritance, wall_us=clock.now_us())
    orders: list[EnqueueJob] = []
    try:
        for request, fresh_id in zip(requests, clock.job_ids(len(requests)), strict=True):
            orders.append(intake.specify(request, fresh_id))
    except InvalidInput as error:
        raise InvalidLine(len(orders) + 1, error) from error
    return orders


def enqueue_one(engine: Engine, commits: GroupCommit, request: JobRequest, *, reason: str | None) -> Answer:
    """Enqueue one request, unless a job holds its unique key; raises InvalidInput or DuplicateJob."""

    def enqueue(unit: Unit) -> Enqueuing:
        settings = unit.settings()
        taken = Inheritance(environment(), settings.inherit_env)
        try:
            order = specify_all([request], clock=engine.clock, settings=settings, now_us=unit.now_us, inheritance=taken)
        except InvalidLine as error:
            raise error.error from None
        if order[0].options is not None and order[0].options.use:
            unit.require(lambda txn: UseCheck(txn).check_new(order[0].spec.queue, order[0].options))
        keep_environments(unit, taken.kept)
        return unit.enqueue_in_place(order, generated=_generated([request]), replacing=_replacing([request]))

    enqueued = commits.run(enqueue, reason=reason)
    _remove_output(engine.store, enqueued)
    if enqueued.met:
        [met] = enqueued.met
        return Answer(met.job, existing=True, edited=met.is_edited)
    return Answer(enqueued.jobs[0])


def enqueue_all(
    engine: Engine,
    requests: Iterable[JobRequest | Mapping[str, Any] | str],
    *,
    settings: Settings,
    skip_existing: bool,
    progress: Callable[[int], None] | None,
    reason: str | None,
) -> "Bulk":
    """Enqueue jobs, a chunk a transaction; raises InvalidLine before the first, or for what came to be since."""
    from ..core.results import Bulk  # only for many at once: it costs a command its start

    now_us = engine.now_us()
    wall_us = engine.clock.now_us()
    given = _requests_of(requests, now_us=wall_us)
    taken = Inheritance(environment(), settings.inherit_env)
    orders = specify_all(given, clock=engine.clock, settings=settings, now_us=now_us, inheritance=taken)
    at_once = engine.writer.jobs_at_once
    _check_uses(engine, orders)
    _check_parents(engine, orders)
    if len(orders) > at_once and not skip_existing:
        engine.writer.catch_up()
        _check_ids(engine.store, given)
    done: list[str] = []
    existing: list[str] = []
    edited: list[str] = []
    replacing = _replacing(given)
    for start in range(0, len(orders), at_once):
        chunk = orders[start : start + at_once]
        unit = None
        try:
            with engine.unit(reason=reason, rings=True) as unit:
                generated = _generated(given[start : start + at_once])
                indexes = {index - start for index in replacing if start <= index < start + at_once}
                keep_environments(unit, taken.kept)
                enqueued = unit.enqueue_in_place(
                    chunk, skip_existing=skip_existing, generated=generated, replacing=indexes
                )
            _remove_output(engine.store, enqueued)
        except StoreError as error:
            raise (BulkStopped(start, len(orders), error) if start else error) from None
        except DuplicateJob as error:
            raise InvalidLine(start + error.index + 1, error, enqueued=len(done)) from error
        except KeyboardInterrupt:
            if progress and unit is not None and unit.is_kept:
                progress(start + len(chunk))  # it came between the commit and the word of it
            raise
        done += [job.spec.id for job in enqueued.jobs]
        for met in enqueued.met:
            (edited if met.is_edited else existing).append(met.job.id)
        if progress:
            progress(start + len(chunk))
    return Bulk(len(done), len(orders) - len(done) - len(existing) - len(edited), done, tuple(existing), tuple(edited))


def _remove_output(store: Store, enqueued: Enqueuing) -> None:
    if enqueued.replaced:
        storage.remove_files(store.path, enqueued.replaced)


def keep_environments(unit: Unit, kept: Mapping[bytes, Mapping[str, str | None]]) -> None:
    """Keep the environments that jobs about to be enqueued take along, each once and for good; raises StoreError.

    What is kept already is compared: a log from elsewhere may say anything, and jobs would run by it.
    """
    for digest, entries in kept.items():
        if _kept_as(unit, digest, entries):  # what is kept is so for good
            unit.append_named(ENVIRONMENT_STREAM + digest.hex(), partial(_kept_as, unit, digest, entries))


def _kept_as(unit: Unit, digest: bytes, entries: Mapping[str, str | None]) -> tuple[EnvironmentKept, ...]:
    found = environments.find(unit.txn, digest)
    if found is not None and found != entries:
        raise StoreError(
            f"cannot enqueue: what is kept as environment {digest.hex()} is not what has that digest, so this "
            "log was tampered with",
            hint=hints.TAMPERED,
        )
    return () if found is not None else (EnvironmentKept(entries),)


def _requests_of(given: Iterable[JobRequest | Mapping[str, Any] | str], *, now_us: int) -> list[JobRequest]:
    """Read what is given as requests; raises InvalidLine with the number of the first that is none, from 1."""
    requests: list[JobRequest] = []
    for each in given:
        try:
            requests.append(request_of(each, now_us=now_us))
        except InvalidInput as error:
            raise InvalidLine(len(requests) + 1, error) from error
    return requests


def _generated(requests: Sequence[JobRequest]) -> set[int]:
    return {index for index, request in enumerate(requests) if request.id is None}


def _replacing(requests: Sequence[JobRequest]) -> list[int]:
    """Return the indexes of requests that may replace an ended job: of several with one id only the first."""
    first: dict[str, int] = {}
    if not any(request.replace for request in requests):
        return []
    for index, request in enumerate(requests):
        if request.id is not None:
            first.setdefault(request.id, index)
    return [index for index in first.values() if requests[index].replace]


def _check_uses(engine: Engine, orders: Sequence[EnqueueJob]) -> None:
    """Refuse the first request, by its number, that uses what is not there; raises InvalidLine."""
    if not any(order.options is not None and order.options.use for order in orders):
        return
    engine.writer.catch_up()
    with engine.store.read() as txn:
        check, checked = UseCheck(txn), set[tuple[str, tuple[str, ...]]]()
        for line, order in enumerate(orders, 1):
            asked = order.spec.queue, (order.options and order.options.use) or ()
            if not asked[1] or asked in checked:
                continue
            checked.add(asked)
            try:
                check.check_new(order.spec.queue, order.options)
            except InvalidInput as error:
                raise InvalidLine(line, error) from error


def _check_parents(engine: Engine, orders: Sequence[EnqueueJob]) -> None:
    """Refuse the first request, by its number, that waits for a job that is not there; raises InvalidLine."""
    if not any(order.options is not None and order.options.after for order in orders):
        return
    engine.writer.catch_up()
    earlier = set[str]()
    with engine.store.read() as txn:
        for line, order in enumerate(orders, 1):
            for edge in (order.options and order.options.after) or ():
                if edge.id not in earlier and ids.find(txn, edge.id) is None:
                    raise InvalidLine(line, no_parent(edge.id))
            earlier.add(order.spec.id)


def _check_ids(store: Store, requests: Sequence[JobRequest]) -> None:
    taken: set[str] = set()
    for start in range(0, len(requests), JOBS_AT_ONCE):
        with store.read() as txn:
            for line, request in enumerate(requests[start : start + JOBS_AT_ONCE], start + 1):
                job_id = request.id
                if job_id is None or request.unique is not None:  # who holds the key comes before the id
                    continue
                if job_id in taken:
                    raise InvalidLine(line, DuplicateJob(job_id, "in an earlier line"))
                taken.add(job_id)
                number = ids.find(txn, job_id)
                job = None if number is None else jobs.get(txn, number)
                if job is not None and not (request.replace and job.state in ENDED):
                    raise InvalidLine(line, DuplicateJob(job_id, job.state, replace=request.replace))
