"""Questions answered from one read transaction; changes nothing."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Literal

from .. import hints
from ..core.due_times import DueTimes
from ..core.held import Wait
from ..core.job import Job, JobState
from ..core.results import ConfigValue, Run, Running, Status, Unserved, WorkerInfo
from ..core.settings import KEYS, from_environment
from ..errors import JobNotFound, Unusable
from ..events.types import (
    CONFIG_STREAM,
    RETENTION_STREAM,
    WORKER_STREAM,
    Cancelled,
    Claimed,
    Completed,
    Enqueued,
    Failed,
    Recorded,
    Released,
    Snoozed,
    Started,
    Stream,
)
from ..liveness import lock_file
from ..projections import (
    config,
    counts,
    dead,
    ids,
    jobs,
    lanes,
    leases,
    marks,
    ready,
    removed,
    scheduled,
    waiting,
    workers,
)
from ..projections.row_codec import check_all
from ..store import adopted
from ..store.event_reader import EventReader
from ..store.store import Transaction
from ..system.boot import booted_s
from ..system.host import host, is_process
from . import paused, presence

FIRSTS = 1_000
"""Queues and priorities that are looked at for the job that has waited longest."""

SCHEDULED_LOOKED_AT = 10_000


def find(txn: Transaction, job_id: str) -> Job:
    """Return a job by its id; raises JobNotFound."""
    number = ids.find(txn, job_id)
    if number is None:
        check_all(txn, ids.TABLE)
        raise JobNotFound(job_id, removed=removed.find(txn, job_id) is not None)
    return next(jobs.each(txn, [number]))


def number_of(txn: Transaction, job_id: str) -> int:
    """Return the number of the job of an id, or of the last that was removed; raises JobNotFound."""
    number = ids.find(txn, job_id)
    if number is None:
        check_all(txn, ids.TABLE)
        number = removed.find(txn, job_id)
    if number is None:
        check_all(txn, removed.TABLE)
        raise JobNotFound(job_id)
    return number


def find_stream(txn: Transaction, name: str) -> Stream:
    """Return the stream of a job by its id, or the named stream where no job ever had that for an id.

    Raises JobNotFound, or InvalidInput for a worker that never was.
    """
    try:
        return number_of(txn, name)
    except JobNotFound:
        if name in (CONFIG_STREAM, RETENTION_STREAM) or EventReader(txn).version(name):
            return name
        if name.startswith(WORKER_STREAM):
            found = repr(name.removeprefix(WORKER_STREAM))
            raise Unusable("worker", found, "a worker that once started", hint=hints.A_PAST_WORKER) from None
        raise


def history(txn: Transaction, name: str, lives: int | None = None) -> list[Recorded]:
    """Return the events of a job or a named stream, those of earlier jobs of its id before them; raises JobNotFound.

    `lives`: of the last so many jobs of the id.
    """
    log, stream = EventReader(txn), find_stream(txn, name)
    if isinstance(stream, int) and log.is_gone(stream):
        raise JobNotFound(name)  # a row of `removed` outlived it
    if lives is None or not isinstance(stream, int):
        return log.read_stream(stream)
    newest_first: list[list[Recorded]] = []
    while len(newest_first) < lives:
        newest_first.append(log.read_stream(stream, after=int(stream) - 1))
        before = newest_first[-1][0].prev
        if not before or log.is_gone(before):
            break
        stream = log.at(before).stream
    return list(chain.from_iterable(reversed(newest_first)))


def dead_jobs(txn: Transaction) -> Iterator[Job]:
    """Return the dead letter queue, last to die first."""
    return jobs.each(txn, dead.numbers(txn))


def status(txn: Transaction, path: Path | None, times: DueTimes, queue: str | None = None) -> Status:
    """Return the counts, how many workers are at work, and how long a job that could run has waited.

    `path` None: the workers are as they are recorded. `queue`: of its jobs and the workers that serve it alone.
    """
    queues = counts.all_queues(txn) if queue is None else {queue: counts.get(txn, queue)}
    found = [info for info in list_workers(txn, path, times.wall_us) if info.serves(queue)]
    active = sum(info.state != "dead" for info in found)
    lacking = _unserved((info.queues for info in found if info.state == "running"), queues)
    total = counts.total(txn) if queue is None else queues[queue]
    there = [each for each in paused.queues(txn, times) if queue in (None, each.name)]
    waiting = {
        "paused": counts.waiting(txn, queue)[Wait.PAUSED],
        "queue_paused": sum(paused.waiting(queues[each.name]) for each in there if each.name in queues),
        "dependency": counts.waiting(txn, queue)[Wait.DEPENDENCY],
        "limit": counts.waiting(txn, queue)[Wait.LIMIT],
        "time": _wait_for_their_time(txn, times, queue),
        "no_worker": sum(each.waiting for each in lacking),
    }
    longest_s = _longest_wait_s(txn, times, queue)
    return Status(total, active, queues, marks.get(txn, marks.APPLIED), longest_s, lacking, waiting, there)


def _wait_for_their_time(txn: Transaction, times: DueTimes, queue: str | None) -> int:
    """Count the jobs that are not due; of one queue, and of those that are due and not seen to be, the first only."""
    if queue is not None:
        found = islice(scheduled.later(txn, times.log_us), SCHEDULED_LOOKED_AT)
        return sum(each == queue for each in found)
    waits = counts.waiting(txn)
    due = sum(1 for _ in islice(scheduled.due(txn, times.log_us, SCHEDULED_LOOKED_AT), SCHEDULED_LOOKED_AT))
    return txn.count(scheduled.TABLE) - sum(waits[each] for each in (Wait.PAUSED, Wait.DEPENDENCY)) - due


def settings(txn: Transaction, environ: Mapping[str, str]) -> dict[str, ConfigValue]:
    """Return every setting's value and whether the environment, the store or nobody says so."""
    given, kept = from_environment(environ), config.values(txn)
    found: dict[str, ConfigValue] = {}
    for name, key in KEYS.items():
        if name in given:
            found[name] = ConfigValue(given[name], "environment")
        elif name in kept:
            found[name] = ConfigValue(kept[name], "store")
        else:
            found[name] = ConfigValue(key.default, "default")
    return found


def backlog(txn: Transaction, queues: Sequence[str] | None) -> int:
    """Count the jobs that have not ended, in these queues or in all."""
    waiting = (JobState.PENDING, JobState.PROCESSING, JobState.FAILED)
    found = [counts.total(txn)] if queues is None else [counts.get(txn, name) for name in set(queues)]
    return sum(each[state] for each in found for state in waiting)


def is_stuck(txn: Transaction, queues: Sequence[str] | None) -> bool:
    """Whether a view is damaged, so that jobs left in these queues, or in all, are found by no claim, now or later.

    None is ready then, and more wait than will be due, or some should be running and none is leased. Of very many
    that will be due only the first are looked at.
    """
    held = [counts.total(txn)] if queues is None else [counts.get(txn, name) for name in set(queues)]
    waiting = sum(each[state] for each in held for state in (JobState.PENDING, JobState.FAILED))
    if next(ready.numbers(txn, queues), None) is not None:
        return False
    if not waiting:
        return not txn.count(leases.TABLE) and any(each[JobState.PROCESSING] for each in held)
    there = txn.count(scheduled.TABLE) + txn.count(lanes.LANES)
    if queues is None:
        return there < waiting
    looked_at = islice(chain(scheduled.queues(txn), (names.of.queue for names in lanes.each(txn))), SCHEDULED_LOOKED_AT)
    found = sum(1 for _ in islice((name for name in looked_at if name in queues), waiting))
    return found < waiting and there <= SCHEDULED_LOOKED_AT


def strays(txn: Transaction) -> int:
    """Return by how many the jobs that have not ended differ from those that can run, will be due or are held."""
    found = waiting.count(txn) + txn.count(leases.TABLE)
    return abs(backlog(txn, None) - found)


def list_workers(txn: Transaction, path: Path | None, now_us: int) -> list[WorkerInfo]:
    """Return the workers that have not stopped, those found dead among them.

    `path` None: none is looked for, and all count as alive.
    """
    rows = workers.present(txn)
    held = leases.held(txn) if rows else {}
    return [_worker_info(txn, path, row, held.get(row.id, []), now_us) for row in rows]


def gone_workers(txn: Transaction, path: Path, now_us: int, ids: Iterable[str]) -> frozenset[str]:
    """Return those of some workers that are gone without having stopped; what they ran is not taken over yet."""
    rows = (row for worker in set(ids) if (row := workers.get(txn, worker)) is not None)
    return frozenset(row.id for row in rows if not _is_alive(txn, path, row, now_us))


def unserved(txn: Transaction, path: Path, now_us: int, names: Iterable[str] | None = None) -> list[Unserved]:
    """Return the queues, of these or of all, where jobs wait and that no running worker serves.

    Asks after one worker at a time, until one serves every queue. A program that claims jobs without having
    said that it is a worker is not known, and does not count.
    """
    rows = sorted(workers.present(txn), key=lambda row: row.queues is not None)
    serving = (row.queues for row in rows if not row.stopping and _is_alive(txn, path, row, now_us))
    return _unserved(
        serving, counts.all_queues(txn) if names is None else {name: counts.get(txn, name) for name in names}
    )


def runs(txn: Transaction, job: Job) -> list[Run]:
    """Return a job's runs in order."""
    return runs_of(job.number, EventReader(txn).read_stream(job.number, after=job.number - 1))


def runs_of(number: int, events: Iterable[Recorded]) -> list[Run]:
    """Return the runs of a job in order, from its events, those of earlier jobs of its id before them."""
    claims: dict[int, Recorded] = {}
    begun: dict[int, tuple[int, Recorded]] = {}  # token -> attempt, and the event that began it
    ended: dict[int, Recorded] = {}
    for recorded in events:
        event = recorded.event
        if isinstance(event, Enqueued):
            begun.clear()  # an earlier job of the same id
        elif isinstance(event, Claimed):
            claims[recorded.position] = recorded
        elif isinstance(event, Started):
            begun[event.token] = event.attempt, recorded
        elif isinstance(event, Completed | Failed | Snoozed | Released | Cancelled) and event.token is not None:
            ended[event.token] = recorded
            if isinstance(
                event, Completed | Failed | Snoozed
            ):  # one that ended counts, though nobody said that it started
                begun.setdefault(event.token, (event.attempt, claims[event.token]))
    return [_run(number, token, *start, ended.get(token)) for token, start in begun.items()]


def position_at(txn: Transaction, at_us: int) -> int:
    """Return the last position whose time is not after `at_us`, by bisection: times never go back."""
    log = EventReader(txn)
    low, high = 0, log.head()
    while low < high:
        middle = (low + high + 1) // 2
        found = next(log.read(middle - 1, 1))  # at `middle`, or the next where retention left none there
        if found.at_us <= at_us:
            low = found.position
        else:
            high = middle - 1
    return low


def _unserved(serving: Iterable[tuple[str, ...] | None], queues: Mapping[str, counts.Counts]) -> list[Unserved]:
    """Return the queues where jobs wait and that no worker serves; `serving` has the queues of each, None for all."""
    served: set[str] = set()
    for names in serving:
        if names is None:
            return []
        served.update(names)
    waiting = {name: each[JobState.PENDING] + each[JobState.FAILED] for name, each in queues.items()}
    return [Unserved(name, count) for name, count in waiting.items() if count and name not in served]


def _longest_wait_s(txn: Transaction, times: DueTimes, queue: str | None) -> float | None:
    """Return how long the first of each queue and priority has waited, or one not yet promoted, at the most.

    Those of paused queues wait for something else.
    """
    held = {each.name for each in paused.queues(txn, times)}
    found = jobs.each(txn, chain(islice(ready.firsts(txn, queue), FIRSTS), islice(scheduled.numbers(txn), 1)))
    may_run = (job for job in found if job.parked is None and job.spec.queue not in held)
    due = (job for job in may_run if job.due_us <= times.log_us and queue in (None, job.spec.queue))
    waits = [times.passed_us(max(job.updated_at_us, job.due_us)) for job in due]
    return max(0, *waits) / 1_000_000 if waits else None


def _worker_info(
    txn: Transaction, path: Path | None, row: workers.WorkerRow, held: list[int], now_us: int
) -> WorkerInfo:
    beat_us = None if path is None else _beat_us(txn, path, row.id, now_us)
    runs = sorted(map(_running, jobs.each(txn, held)), key=lambda run: run.since_us)
    state: Literal["running", "stopping", "dead"] = "stopping" if row.stopping else "running"
    if path is not None and not _is_alive(txn, path, row, now_us):
        state = "dead"
    return WorkerInfo(
        row.id, row.pid, row.host, row.slots, row.queues, runs, row.started_at_us, beat_us, state, row.stop_now, now_us
    )


def _is_alive(txn: Transaction, path: Path, row: workers.WorkerRow, now_us: int) -> bool:
    """Whether a worker holds its lock file, or was heard of lately if it has none; of other nodes' it is not known."""
    if row.node != adopted.node(txn):
        return True
    is_held = lock_file.is_held(path, row.id)
    if is_held is not None:
        return is_held
    heard_us = _beat_us(txn, path, row.id, now_us) or row.started_at_us
    return now_us - heard_us <= presence.SILENT_US and (row.host != host() or is_process(row.pid))


def _beat_us(txn: Transaction, path: Path, worker: str, now_us: int) -> int | None:
    return _seen_us(path, worker, now_us) or presence.get(txn, worker).heard_at_us or None


def _seen_us(path: Path, worker: str, now_us: int) -> int | None:
    sighting = lock_file.sighting_of(path, worker)
    if sighting is None or not sighting.is_of_this_boot:
        return None
    return now_us - round((booted_s() - sighting.seen_boot_s) * 1_000_000)


def _running(job: Job) -> Running:
    lease = job.lease
    assert lease is not None, "a job that is held has a lease"
    since_us = (lease.attempt and job.started_at_us) or job.updated_at_us
    return Running(job.id, job.spec.queue, lease.attempt, since_us, lease.cancel_requested)


def _run(number: int, token: int, attempt: int, begun: Recorded, end: Recorded | None) -> Run:
    state, summary = _ending(end)
    output_error = getattr(end.event, "output_error", None) if end is not None else None
    return Run(number, attempt, token, begun.actor, begun.at_us, state, summary, output_error)


def _ending(
    end: Recorded | None,
) -> tuple[Literal["running", "completed", "failed", "snoozed", "cancelled", "released"], str]:
    if end is None:
        return "running", "running"
    event = end.event
    if isinstance(event, Completed):
        by = "" if event.ended_by is None else f" [{event.ended_by}]"
        return "completed", "completed" + _took(event.duration_ms) + by
    if isinstance(event, Failed):
        return "failed", f"failed{_took(event.duration_ms)}: {event.error}"
    if isinstance(event, Snoozed):
        return "snoozed", f"snoozed{_took(event.duration_ms)} [{event.ended_by}]: {event.error}"
    if isinstance(event, Cancelled):
        return "cancelled", "cancelled" + _took(event.duration_ms)
    return "released", "given back"


def _took(duration_ms: int | None) -> str:
    return "" if duration_ms is None else f" in {duration_ms / 1000:.3f} s"
