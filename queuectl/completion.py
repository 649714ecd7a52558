"""What may be named next on a command line: ids, queues and workers that begin as typed.

Looks at a bounded number of rows and changes nothing, not even a store that an older release left.
"""

from collections.abc import Container, Iterator
from contextlib import contextmanager
from itertools import chain, islice
from typing import Final

from .core.job import JobState
from .projections import counts, dead, ids, jobs, lanes, leases, ready, scheduled, tags, workers
from .projections import limits as limit_rows
from .projections import queues as queue_rows
from .store.store import Store, Transaction
from .system.host import absolute, default_path

MOST_OFFERED: Final = 50
"""How many are offered: more would not be read."""

LOOKED: Final = 300
"""Rows looked at in one table."""


@contextmanager
def opened_to_read(path: str | None) -> Iterator[Transaction]:
    """Open the queue at a path, or where it lies unless told otherwise, to look at it once.

    Raises StoreError where there is none that can be read as it is.
    """
    directory = absolute(path or default_path())
    with Store.open(directory, create=False, read_only=True, as_is=True) as store, store.read() as txn:
        yield txn


def job_ids(
    txn: Transaction, start: str, states: Container[JobState] | None = None, *, but: Container[str] = ()
) -> list[str]:
    """Return ids that begin with `start`, of jobs in these states: waiting ones by when they run, others newest first.

    Where there are more than are given, the first and the last in the alphabet are among them, so that a
    shell sees how far all of them are alike.
    """
    wanted = tuple(JobState) if states is None else states

    def fitting(numbers: Iterator[int | None]) -> Iterator[str]:
        for number in numbers:
            job = None if number is None else jobs.get(txn, number)
            if job is not None and job.state in wanted and job.id.startswith(start) and job.id not in but:
                yield job.id

    def alphabetical(found: Iterator[str]) -> Iterator[str]:
        return fitting(ids.find(txn, job_id) for job_id in islice(found, LOOKED))

    forwards, backwards = alphabetical(ids.beginning(txn, start)), alphabetical(ids.last_beginning(txn, start))
    ends = dict.fromkeys(chain(islice(forwards, 1), islice(backwards, 1)))
    between = dict.fromkeys(chain(fitting(_numbers(txn, wanted)), forwards))
    return [*islice((each for each in between if each not in ends), MOST_OFFERED - len(ends)), *ends]


def queues(txn: Transaction, start: str) -> list[str]:
    """Return the names of queues that have jobs."""
    return list(islice(counts.names(txn, start), MOST_OFFERED))


def paused_queues(txn: Transaction, start: str) -> list[str]:
    """Return the names of queues that were paused."""
    return [row.name for row in islice(queue_rows.paused(txn, 0), LOOKED) if row.name.startswith(start)][:MOST_OFFERED]


def labels(txn: Transaction, start: str) -> list[str]:
    """Return labels that jobs have, as `key=value`, after their keys where `start` has no `=` yet."""
    keys = [] if "=" in start else [f"{key}=" for key in islice(tags.label_keys(txn, start), MOST_OFFERED)]
    return [*keys, *islice(tags.labels(txn, start), MOST_OFFERED - len(keys))]


def limit_names(txn: Transaction, start: str) -> list[str]:
    """Return the names of limits that are set."""
    return [name for name in islice(limit_rows.every(txn), LOOKED) if name.startswith(start)][:MOST_OFFERED]


def worker_ids(txn: Transaction, start: str) -> list[str]:
    """Return the ids of workers that have not stopped."""
    return [row.id for row in islice(workers.present(txn), LOOKED) if row.id.startswith(start)][:MOST_OFFERED]


def subscription_names(txn: Transaction, start: str) -> list[str]:
    """Return the names under which programs read the log."""
    from .history.subscriptions import names  # only where one is to be named: it costs a start

    return list(islice(names(txn, start), MOST_OFFERED))


def _numbers(txn: Transaction, states: Container[JobState]) -> Iterator[int]:
    if JobState.PROCESSING in states:
        yield from islice(chain.from_iterable(leases.held(txn).values()), LOOKED)
    if JobState.FAILED in states or JobState.PENDING in states:
        yield from islice(scheduled.numbers(txn), LOOKED)
        yield from islice(ready.numbers(txn), LOOKED)
        yield from islice(lanes.numbers(txn), LOOKED)
    if JobState.DEAD in states:
        yield from islice(dead.numbers(txn), LOOKED)
    if JobState.COMPLETED in states or JobState.CANCELLED in states:
        yield from (job.number for job in islice(jobs.newest_first(txn), LOOKED))
