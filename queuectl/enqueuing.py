"""From requests to jobs on disk: all are checked before the first is enqueued, and they go in whole chunks."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from .answers import Bulk
from .clock import Clock
from .engine import Engine
from .errors import DuplicateJob, InvalidInput, InvalidLine
from .events.types import JobSpec
from .intake import JobRequest, specify
from .job import Job
from .projections import ids, jobs
from .settings import Settings
from .store import Store
from .surroundings import directory

CHUNK: Final = 10_000
"""Jobs in a transaction."""


def specify_all(requests: Iterable[JobRequest], *, clock: Clock, settings: Settings) -> list[JobSpec]:
    """Check requests and fill them in; raises InvalidLine with the number of the first bad one, from 1."""
    given = requests if isinstance(requests, list) else list(requests)
    now_us, cwd = clock.now_us(), directory()
    specs: list[JobSpec] = []
    for request, fresh_id in zip(given, clock.job_ids(len(given)), strict=True):
        try:
            specs.append(specify(request, fresh_id=fresh_id, settings=settings, now_us=now_us, cwd=cwd))
        except InvalidInput as error:
            raise InvalidLine(len(specs) + 1, error) from error
    return specs


def enqueue_one(engine: Engine, request: JobRequest, *, reason: str | None) -> Job:
    """Enqueue one request; raises InvalidInput or DuplicateJob."""
    with engine.unit(reason=reason, rings=True) as unit:
        while True:
            try:
                spec = specify_all([request], clock=engine.clock, settings=unit.settings())[0]
            except InvalidLine as error:
                raise error.cause from None
            if request.id is not None or ids.find(unit.txn, spec.id) is None:
                return unit.enqueue([spec])[0]


def enqueue_all(
    engine: Engine,
    specs: Sequence[JobSpec],
    *,
    skip_existing: bool,
    progress: Callable[[int], None] | None,
    reason: str | None,
) -> Bulk:
    """Enqueue jobs, a chunk a transaction; raises InvalidLine before the first, or for what came to be since."""
    if len(specs) > CHUNK and not skip_existing:
        _check_ids(engine.store, specs)
    done: list[str] = []
    for start in range(0, len(specs), CHUNK):
        chunk = specs[start : start + CHUNK]
        try:
            with engine.unit(reason=reason, rings=True) as unit:
                enqueued = unit.enqueue(chunk, skip_existing=skip_existing)
        except DuplicateJob as error:
            raise InvalidLine(start + error.index + 1, error, enqueued=len(done)) from error
        done += [job.id for job in enqueued]
        if progress:
            progress(start + len(chunk))
    return Bulk(len(done), len(specs) - len(done), done)


def _check_ids(store: Store, specs: Sequence[JobSpec]) -> None:
    taken: set[str] = set()
    for start in range(0, len(specs), CHUNK):
        with store.read() as txn:
            for line, spec in enumerate(specs[start : start + CHUNK], start + 1):
                number = ids.find(txn, spec.id)
                if number is not None or spec.id in taken:
                    job = None if number is None else jobs.get(txn, number)
                    raise InvalidLine(line, DuplicateJob(spec.id, job.state if job else "in an earlier line"))
                taken.add(spec.id)
