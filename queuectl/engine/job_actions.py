"""One command on jobs that someone named, or on all of a kind in chunks."""

from collections.abc import Callable, Container, Mapping, Sequence
from itertools import islice
from typing import Any, Final

from .. import hints
from ..core.commands import CancelJob, EditJob, JobCommand, PauseJob, RemoveJob, RequeueJob, ResumeJob
from ..core.dependencies import fate
from ..core.edit import edit_from
from ..core.job import ENDED, WAITING, Job, JobState
from ..core.job_filter import Act, Chosen, Filter
from ..core.results import Acted
from ..display import shown
from ..errors import InvalidInput, KeyTaken, QueuectlError, WrongState
from ..outputs import storage
from ..projections import edges
from ..queries import job_list
from ..store.store import Store
from . import expiry
from .decisions import JobOrder
from .engine import Engine
from .limit_actions import UseCheck
from .unit_of_work import Unit

MOST_CHILDREN: Final = 1_000
"""Jobs that wait for one are counted up to here."""

JOBS_AT_ONCE: Final = 1_000
"""Jobs in a transaction."""

COMMANDS: Final[Mapping[Act, JobCommand]] = {
    "cancel": CancelJob(),
    "retry": RequeueJob(),
    "remove": RemoveJob(),
    "pause": PauseJob(),
    "resume": ResumeJob(),
}
STATES: Final[Mapping[Act, frozenset[JobState]]] = {
    "cancel": WAITING | {JobState.PROCESSING},
    "retry": ENDED | {JobState.FAILED},
    "remove": ENDED,
    "pause": WAITING | {JobState.PROCESSING},
    "resume": WAITING | {JobState.PROCESSING},
}
"""What many jobs can be told to do -> the states in which they can."""

DONE: Final[Mapping[Act, str]] = {
    "cancel": "cancelled",
    "retry": "retried",
    "remove": "removed",
    "pause": "paused",
    "resume": "resumed",
}


def act(engine: Engine, job_ids: Sequence[str], command: JobCommand, *, reason: str | None) -> list[Job]:
    """Carry out a command on the jobs named, all or none; raises JobNotFound or WrongState."""
    _before(engine, command)
    with engine.unit(reason=reason, rings=True) as unit:
        ids = list(dict.fromkeys(job_ids))
        if isinstance(command, RemoveJob):
            unit.require(lambda txn: _check_no_children(unit, ids))
        if isinstance(command, RequeueJob):
            unit.require(lambda txn: _check_parents(unit, ids))
        found, after = unit.execute_on(ids, lambda jobs: [(job.number, command) for job in jobs])
        _forget(unit, found, command)
    _forget_files(engine, found, command)
    expiry.tell_all(engine)
    return after or found


def act_on_named(engine: Engine, job_ids: Sequence[str], command: JobCommand, *, reason: str | None) -> list[str]:
    """Do as `act` on the jobs of some ids, and return the ids, each once."""
    named = list(dict.fromkeys(job_ids))
    act(engine, named, command, reason=reason)
    return named


def edit(engine: Engine, job_id: str, changes: Mapping[str, Any], *, again: bool, reason: str | None) -> Job:
    """Change what a job is to do, and with `again` let it run again now, or neither.

    Raises JobNotFound, WrongState or InvalidInput.
    """
    if again:
        _before(engine, RequeueJob())
    with engine.unit(reason=reason, rings=True) as unit:

        def orders(jobs: Sequence[Job]) -> list[JobOrder]:
            [job] = jobs
            wall_us = engine.clock.now_us()
            edited = edit_from(job.spec, changes, now_us=unit.now_us, wall_us=wall_us, options=job.options)
            if edited.options is not None and edited.options.use:
                unit.require(lambda txn: UseCheck(txn).check(edited.options))
            return [*([(job.number, RequeueJob())] if again else []), (job.number, EditJob(edited))]

        return unit.execute_on([job_id], orders)[1][-1]


def choose(store: Store, verb: Act, where: Filter) -> Chosen:
    """Find the jobs meant that can be told this, in short read transactions; raises InvalidInput for other states."""
    possible = STATES[verb]
    for state in (where.states or possible) - possible:
        expected = ", ".join(each for each in JobState if each in possible)
        raise InvalidInput("state", shown(state), f"one in which a job can be {DONE[verb]}: {expected}")
    where = where._replace(states=possible if where.states is None else where.states)
    if verb == "resume":
        where = where._replace(paused=True)
    return Chosen(verb, where, job_list.numbers(store.read, where))


def act_on_all(
    engine: Engine, chosen: Chosen, *, reason: str | None, progress: Callable[[int], None] | None = None
) -> Acted:
    """Do what was chosen to each of these jobs, in chunks; those that are no longer meant are left, and counted.

    `progress` is called with the number looked at after each transaction.
    """
    command, ids, left, asked = COMMANDS[chosen.verb], list[str](), 0, 0
    taken: list[QueuectlError] = []
    all_meant = frozenset(chosen.numbers)
    _before(engine, command)
    for start in range(0, len(chosen.numbers), JOBS_AT_ONCE):
        some = chosen.numbers[start : start + JOBS_AT_ONCE]
        with engine.unit(reason=reason, rings=True) as unit:
            found = [job for number in some if (job := unit.views.job(number)) and chosen.where.fits(job)]
            if isinstance(command, RemoveJob):
                found = [job for job in found if next(edges.children(unit.txn, job.number), None) is None]
            idle: list[WrongState] = []
            if isinstance(command, RequeueJob):
                idle = [error for job in found if (error := _held_for_good(unit, job, all_meant))]
                found = [job for job in found if job.id not in {error.job_id for error in idle}]
            passed: dict[int, bool] = {}

            def is_meant(job: Job, passed: dict[int, bool] = passed) -> bool:
                passed[job.number] = not chosen.where.fits(job)
                return not passed[job.number]

            _, refused = unit.execute_each([(job.number, command) for job in found], meant=is_meant)
            moved = {number for (number, _), _ in refused}
            held = [error for _, error in refused if isinstance(error, KeyTaken)]
            found = [job for job in found if job.number not in moved and not passed[job.number]]
            _forget(unit, found, command)
        _forget_files(engine, found, command)
        expiry.tell_all(engine)
        ids += [job.id for job in found]
        taken += [*held, *idle]
        left += len(some) - len(found) - len(held) - len(idle)
        asked += sum(job.state is JobState.PROCESSING for job in found)
        if progress:
            progress(start + len(some))
    return Acted(ids, left, asked, taken)


def _before(engine: Engine, command: JobCommand) -> None:
    """Have all told how others ended, before any of these runs again; and know all who wait for it before one goes."""
    if isinstance(command, RemoveJob):
        engine.writer.catch_up()
    if isinstance(command, RequeueJob):
        expiry.tell_all(engine)


def _check_no_children(unit: Unit, job_ids: Sequence[str]) -> None:
    """Refuse to remove a job that others wait for; raises WrongState."""
    ended = [job for job in map(unit.find, job_ids) if job.state in ENDED]
    for job in ended:
        waiting = list(islice(edges.children(unit.txn, job.number), MOST_CHILDREN + 1))
        if waiting:
            many = f"more than {MOST_CHILDREN}" if len(waiting) > MOST_CHILDREN else str(len(waiting))
            jobs = f"{many} job{'s wait' if many != '1' else ' waits'} for it"
            raise WrongState("remove", job.id, f"{job.state}, and {jobs}", hints.RETRY_OR_FREE)


def _check_parents(unit: Unit, job_ids: Sequence[str]) -> None:
    """Refuse to retry a job that would wait for good, or be cancelled at once; raises WrongState."""
    found = [unit.find(job_id) for job_id in job_ids]
    numbers = {job.number for job in found}
    for job in found:
        if (error := _held_for_good(unit, job, numbers)) is not None:
            raise error


def _held_for_good(unit: Unit, job: Job, retried: Container[int]) -> WrongState | None:
    """Return why it is no use to retry a job that waited for others: one is gone, or its end cancels this again.

    The numbers in `retried` are of jobs that are retried along.
    """
    for edge in job.unmet if job.state in ENDED else ():
        parent = unit.views.job(edge.parent)
        if parent is None:
            return WrongState("retry", job.id, f"{job.state}, and waits for {edge.id}, which is gone", hints.FREE)
        completed = parent.state is JobState.COMPLETED
        is_over = parent.state in ENDED and parent.number not in retried
        if is_over and fate(edge, job.options, completed=completed):
            found = f"{job.state}, and waits for {parent.id}, which is {parent.state}"
            return WrongState("retry", job.id, found, hints.FREE if completed else hints.RETRY_PARENT)
    return None


def _forget(unit: Unit, found: Sequence[Job], command: JobCommand) -> None:
    if isinstance(command, RemoveJob):
        unit.local(lambda txn: storage.forget(txn, [job.number for job in found]))


def _forget_files(engine: Engine, found: Sequence[Job], command: JobCommand) -> None:
    if isinstance(command, RemoveJob):
        storage.remove_files(engine.store.path, [job.number for job in found])
