"""Which job is this, and how does it stand? `jobs`: number -> the job."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from ..core.job import Job
from ..store.store import Transaction, key_of
from .row_codec import damaged_row, read_many, read_row, scan, scan_back, unpacker

TABLE = "jobs"


def get(txn: Transaction, number: int) -> Job | None:
    """Return a job by its number."""
    value = read_row(txn, TABLE, key_of(number))
    return None if value is None else unpack_job(value)


def each(txn: Transaction, numbers: Iterable[int]) -> Iterator[Job]:
    """Yield the jobs that another view names in the same transaction; raises StoreError where one is not there."""
    for number in numbers:
        job = get(txn, number)
        if job is None:
            raise damaged_row(TABLE, key_of(number))
        yield job


def newest_first(txn: Transaction, below: int | None = None) -> Iterator[Job]:
    """Return the jobs, last enqueued first, those numbered below `below` where it is given."""
    rows = scan_back(txn, TABLE, None if below is None else key_of(below))
    return (unpack_job(value) for _, value in rows)


def oldest_first(txn: Transaction, after: int = 0) -> Iterator[Job]:
    """Return the jobs numbered above `after`, first enqueued first."""
    return (unpack_job(value) for _, value in scan(txn, TABLE, key_of(after + 1)))


def get_many(txn: Transaction, numbers: Sequence[int]) -> dict[int, Job | None]:
    """Return jobs by their numbers, None for one that is not there."""
    found = read_many(txn, TABLE, [number.to_bytes(8, "big") for number in numbers])
    return {number: None if value is None else unpack_job(value) for number, value in zip(numbers, found, strict=True)}


unpack_job: Final = unpacker(Job)
"""Turns a value into its job."""
