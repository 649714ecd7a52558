"""Which job is this, and how does it stand? `jobs`: number -> the job."""

from collections.abc import Iterable, Iterator, Mapping
from operator import itemgetter

from ..events.types import JobSpec
from ..job import Job, JobState, Lease, Outcome
from ..store import Row, Transaction, key_of
from .rows import damaged, opened, pack, read, scan, scan_back, sealed, unpack

TABLE = "jobs"

CACHED = 4_096
"""Jobs a cache keeps about: several times what one worker has in hand."""

CACHED_ROW_BYTES = 2_048
"""Larger rows are read again: a cache of them would be as large as the queue."""

_new = tuple.__new__  # builds a NamedTuple from a tuple, past its slower constructor
_STATES = {str(state): state for state in JobState}


def get(txn: Transaction, number: int) -> Job | None:
    """Give a job by its number."""
    key = key_of(number)
    value = read(txn, TABLE, key)
    return None if value is None else unpack_job((key, value))


def each(txn: Transaction, numbers: Iterable[int]) -> Iterator[Job]:
    """Yield the jobs that another view names in the same transaction; raises StoreError where one is not there."""
    for number in numbers:
        job = get(txn, number)
        if job is None:
            raise damaged(TABLE, key_of(number))
        yield job


def newest_first(txn: Transaction, below: int | None = None) -> Iterator[Job]:
    """Give the jobs, last enqueued first, those numbered below `below` where it is given."""
    return map(unpack_job, scan_back(txn, TABLE, None if below is None else key_of(below)))


def oldest_first(txn: Transaction, after: int = 0) -> Iterator[Job]:
    """Give the jobs numbered above `after`, first enqueued first."""
    return map(unpack_job, scan(txn, TABLE, key_of(after + 1)))


def unpack_job(found: Row) -> Job:
    """Turn a row into its job; raises StoreError where it is of none."""
    key, value = found
    try:
        number, spec, state, version, created, updated, due, attempts, lease, started, finished, last = unpack(value)
        state = _STATES[state]
    except (ValueError, TypeError, KeyError) as error:
        raise damaged(TABLE, key) from error
    if lease is not None:
        lease = _new(Lease, lease)
    if last is not None:
        last = _new(Outcome, last)
    spec = _new(JobSpec, spec)
    fields = (number, spec, state, version, created, updated, due, attempts, lease, started, finished, last)
    return _new(Job, fields)


class Cache:
    """Jobs by number beside the rows they were read from, so that a row is unpacked once.

    It may be stale: a job counts only where the row in the store is still the same bytes.
    """

    def __init__(self) -> None:
        self._known: dict[int, tuple[bytes, Job]] = {}

    def get(self, txn: Transaction, number: int) -> Job | None:
        """Give a job by its number."""
        key = number.to_bytes(8, "big")
        stored = txn.get(TABLE, key)
        if stored is None:
            return None
        known = self._known.get(number)
        return known[1] if known is not None and known[0] == stored else unpack_job((key, opened(TABLE, key, stored)))

    def put_all(self, txn: Transaction, found: Mapping[int, Job]) -> None:
        """Write jobs."""
        if len(self._known) > CACHED:
            self._known.clear()
        rows = []
        for number, job in found.items():
            key = number.to_bytes(8, "big")
            stored = sealed(TABLE, key, pack(job))
            if len(stored) <= CACHED_ROW_BYTES:
                self._known[number] = (stored, job)
            rows.append((key, stored))
        rows.sort(key=itemgetter(0))
        txn.put_many(TABLE, rows)
