"""Which job is this, and how does it stand? `jobs`: number -> the job."""

from collections.abc import Iterator
from itertools import islice

from ..events.types import JobSpec
from ..job import Job, JobState, Lease, Outcome
from ..store import Transaction, key_of
from .rows import pack, unpack

TABLE = "jobs"

_STATES = {str(state): state for state in JobState}


def get(txn: Transaction, number: int) -> Job | None:
    """Give a job by its number."""
    row = txn.get(TABLE, key_of(number))
    return None if row is None else unpack_job(row)


def newest_first(txn: Transaction, below: int | None = None) -> Iterator[Job]:
    """Give the jobs, last enqueued first, those numbered below `below` where it is given."""
    rows = txn.scan_back(TABLE, None if below is None else key_of(below))
    return (unpack_job(row) for _, row in rows)


def oldest_first(txn: Transaction, limit: int | None = None) -> Iterator[Job]:
    """Give the jobs, first enqueued first."""
    return (unpack_job(row) for _, row in islice(txn.scan(TABLE), limit))


def pack_job(job: Job) -> bytes:
    """Turn a job into its row."""
    return pack(job)


def unpack_job(row: bytes) -> Job:
    """Turn a row into its job."""
    number, spec, state, version, created, updated, due, attempts, lease, started, finished, last = unpack(row)
    return Job(
        number,
        JobSpec(*spec),
        _STATES[state],
        version,
        created,
        updated,
        due,
        attempts,
        None if lease is None else Lease(*lease),
        started,
        finished,
        None if last is None else Outcome(*last),
    )
