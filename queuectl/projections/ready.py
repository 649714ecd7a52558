"""What runs next? `ready`: queue, priority (higher first), number (first come first) -> nothing.

Before all of them each queue's first job stands once more, as the queue's *front*: NUL, priority, number -> the queue.
So what runs next of 20,000 queues is found without a look into each.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import islice
from typing import Final

from ..core.job import Job
from ..events.types import JobSpec
from ..store.store import Row, Transaction, key_of
from .row_codec import scan, write_many

TABLE: Final = "ready"

_HIGHEST: Final = 2**31 - 1
RANK_BYTES: Final = 12
"""A rank is 4 bytes of priority, inverted, and 8 of number: the smaller runs first."""

_TAIL: Final = 1 + RANK_BYTES  # and a NUL after the queue's name
_FRONT: Final = b"\0"
_JOBS: Final = b"\1"  # no name is empty, so that fronts sort before all jobs


def key(spec: JobSpec, number: bytes) -> bytes:
    """Return the key of a job that may run, from its number's."""
    return _lead(spec.queue, spec.priority) + number


def rank(spec: JobSpec, number: bytes) -> bytes:
    """Return a job's rank among all that may run, from its number's key."""
    return key(spec, number)[-RANK_BYTES:]


@lru_cache(maxsize=256)
def _lead(queue: str, priority: int) -> bytes:
    """Return how the keys of a queue's jobs of a priority begin."""
    return queue.encode() + b"\0" + (_HIGHEST - priority).to_bytes(4, "big")


def change(txn: Transaction, keys: Collection[bytes], rows: Collection[Row]) -> None:
    """Take rows of jobs out, put others in, and move the fronts of their queues."""
    queues = queues_of([*keys, *[key for key, _ in rows]])
    before = fronts(txn, queues)
    txn.delete_many(TABLE, sorted(keys))
    write_many(txn, TABLE, sorted(rows))
    after = fronts(txn, queues)
    if before != after:
        txn.delete_many(TABLE, sorted(key for key, _ in set(before) - set(after)))
        write_many(txn, TABLE, sorted(set(after) - set(before)))


def queues_of(keys: Iterable[bytes]) -> list[bytes]:
    """Return the names of the queues that keys of jobs belong to."""
    return sorted({key[:-_TAIL] for key in keys})


def queue_of(key: bytes) -> str:
    """Return the name of the queue that a job's key belongs to."""
    return key[:-_TAIL].decode()


def count(txn: Transaction) -> int:
    """Count the jobs that may run."""
    return txn.count(TABLE) - sum(1 for _ in scan(txn, TABLE, _FRONT, _JOBS))


def fronts(txn: Transaction, queues: Iterable[bytes]) -> list[Row]:
    """Return the fronts that queues are to have, by their jobs as they are."""
    firsts = (next(scan(txn, TABLE, queue + b"\0", queue + b"\1"), None) for queue in queues)
    return [(_FRONT + first[0][-RANK_BYTES:], first[0][:-_TAIL]) for first in firsts if first is not None]


def numbers(txn: Transaction, queues: Sequence[str] | None = None, behind: Job | None = None) -> Iterator[int]:
    """Return the numbers of the jobs to run next, in order, from these queues or all, after the place of `behind`."""
    after = b"" if behind is None else rank(behind.spec, key_of(behind.number)) + b"\0"
    return (_number(key) for key, _ in rows(txn, queues, after=after))


def rows(
    txn: Transaction, queues: Sequence[str] | None = None, *, after: bytes = b"", but: Collection[str] = ()
) -> Iterator[Row]:
    """Return the rows of the jobs to run next, in order, from these queues or all but some, after a rank."""
    if queues is None:
        found = list(islice(_fronts(txn, but), 2))
        if len(found) > 1:
            return _in_turn(txn, after, but)
        names = [name for _, name in found]
    else:
        names = [name.encode(errors="surrogatepass") for name in set(queues) if name not in but]
    scans = [scan(txn, TABLE, name + b"\0" + after, name + b"\1") for name in names]
    return scans[0] if len(scans) == 1 else _merged(scans)


def names(txn: Transaction) -> Iterator[bytes]:
    """Return the names of the queues that have jobs which may run."""
    start = _JOBS
    while (found := next(scan(txn, TABLE, start), None)) is not None:
        yield found[0][:-_TAIL]
        start = found[0][:-_TAIL] + b"\1"


def firsts(txn: Transaction, queue: str | None = None) -> Iterator[int]:
    """Yield the first job of each priority among the fronts of queues, then among the jobs of each queue, by number.

    `queue`: of each priority of that one alone.
    """
    ranges = [(_FRONT, _JOBS), (_JOBS, None)]
    if queue is not None:
        ranges = [(queue.encode() + b"\0", queue.encode() + b"\1")]
    for start, stop in ranges:
        while (found := next(scan(txn, TABLE, start, stop), None)) is not None:
            yield _number(found[0])
            start = found[0][:-8] + b"\xff" * 9  # after every number


def _fronts(txn: Transaction, but: Collection[str]) -> Iterator[Row]:
    rows = scan(txn, TABLE, _FRONT, _JOBS)
    return (row for row in rows if row[1].decode() not in but) if but else rows


def _in_turn(txn: Transaction, after: bytes, but: Collection[str]) -> Iterator[Row]:
    """Merge all queues, looking into each only when it is the turn of its first job."""
    from heapq import heappop, heappush, heapreplace  # only with several queues: it costs a command its start

    going: list[tuple[bytes, Row, Iterator[Row]]] = []

    def until(rank: bytes) -> Iterator[Row]:
        while going and going[0][0] < rank:
            _, first, rows = going[0]
            yield first
            if (following := next(rows, None)) is None:
                heappop(going)
            else:
                heapreplace(going, (following[0][-RANK_BYTES:], following, rows))

    for key, queue in _fronts(txn, but):
        rank = key[-RANK_BYTES:]
        yield from until(rank)
        rows = scan(txn, TABLE, queue + b"\0" + max(rank, after), queue + b"\1")
        if (first := next(rows, None)) is not None:
            heappush(going, (first[0][-RANK_BYTES:], first, rows))
    yield from until(b"\xff" * (RANK_BYTES + 1))


def _merged(scans: Sequence[Iterator[Row]]) -> Iterator[Row]:
    from heapq import merge  # only where there is more than one queue: it costs a command its start

    return merge(*scans, key=lambda row: row[0][-RANK_BYTES:])


def _number(key: bytes) -> int:
    return int.from_bytes(key[-8:], "big")
