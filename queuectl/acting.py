"""One command on jobs that someone named, or on all of a kind in chunks."""

from collections.abc import Iterator, Sequence
from itertools import islice

from . import outputs
from .commands import JobCommand, RemoveJob
from .engine import Engine, Unit
from .enqueuing import CHUNK
from .job import Job, JobState
from .projections import dead, jobs
from .store import Store


def act(engine: Engine, job_ids: Sequence[str], command: JobCommand, *, reason: str | None) -> list[Job]:
    """Carry out a command on the jobs named, all or none; raises JobNotFound or WrongState."""
    with engine.unit(reason=reason, rings=True) as unit:
        found = [unit.find(job_id) for job_id in dict.fromkeys(job_ids)]
        after = unit.execute([(job.number, command) for job in found])
        _forget(unit, found, command)
    _forget_files(engine, found, command)
    return after or found


def act_on_all(engine: Engine, numbers: Sequence[int], command: JobCommand, *, reason: str | None) -> list[str]:
    """Carry out a command on many jobs in chunks, leaving out those that moved on meanwhile; gives the ids done."""
    done: list[Job] = []
    for start in range(0, len(numbers), CHUNK):
        with engine.unit(reason=reason, rings=True) as unit:
            found = [job for number in numbers[start : start + CHUNK] if (job := unit.views.job(number))]
            _, refused = unit.execute_each([(job.number, command) for job in found])
            left = {number for (number, _), _ in refused}
            moved = [job for job in found if job.number not in left]
            _forget(unit, moved, command)
        _forget_files(engine, moved, command)
        done += moved
    return [job.id for job in done]


def all_dead(store: Store) -> list[int]:
    """Give the numbers of the dead letter queue."""
    with store.read() as txn:
        return list(dead.numbers(txn))


def ended(store: Store, state: JobState, before_us: int | None) -> list[int]:
    """Give the numbers of the jobs in a state that ended by a time, in short read transactions."""
    return [
        job.number
        for job in _every(store)
        if job.state is state and (before_us is None or (job.finished_at_us or 0) <= before_us)
    ]


def _every(store: Store) -> Iterator[Job]:
    after = 0
    while True:
        with store.read() as txn:
            batch = list(islice(jobs.oldest_first(txn, after), CHUNK))
        if not batch:
            return
        yield from batch
        after = batch[-1].number


def _forget(unit: Unit, found: Sequence[Job], command: JobCommand) -> None:
    if isinstance(command, RemoveJob):
        outputs.forget(unit.txn, [job.number for job in found])


def _forget_files(engine: Engine, found: Sequence[Job], command: JobCommand) -> None:
    if isinstance(command, RemoveJob):
        outputs.remove_files(engine.store.path, [job.number for job in found])
