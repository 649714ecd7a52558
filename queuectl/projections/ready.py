"""What runs next? `ready`: queue, priority (higher first), number (first come first) -> nothing."""

from collections.abc import Iterator, Sequence

from ..job import Job
from ..store import Row, Transaction

TABLE = "ready"

_HIGHEST = 2**31 - 1
_TAIL = 13  # NUL, 4 bytes of priority, 8 of number


def row(job: Job) -> Row:
    """Give the row of a job that may run."""
    spec = job.spec
    return spec.queue.encode() + b"\0" + (_HIGHEST - spec.priority).to_bytes(4, "big") + job.number.to_bytes(
        8, "big"
    ), b""


def numbers(txn: Transaction, queues: Sequence[str] | None = None, behind: Job | None = None) -> Iterator[int]:
    """Give the numbers of the jobs to run next, in order, from these queues or from all, `behind` a job's place."""
    first = b"\0" if behind is None else row(behind)[0][-_TAIL:] + b"\0"
    names = list(_queues(txn)) if queues is None else [name.encode(errors="surrogatepass") for name in set(queues)]
    scans = [txn.scan(TABLE, name + first, name + b"\1") for name in names]
    return (int.from_bytes(key[-8:], "big") for key, _ in (scans[0] if len(scans) == 1 else _merged(scans)))


def _merged(scans: Sequence[Iterator[Row]]) -> Iterator[Row]:
    from heapq import merge  # only where there is more than one queue: it costs a command its start

    return merge(*scans, key=lambda row: row[0][1 - _TAIL :])


def firsts(txn: Transaction) -> Iterator[int]:
    """Give the number of the first job of each queue and priority."""
    start = b""
    while (found := next(txn.scan(TABLE, start), None)) is not None:
        yield int.from_bytes(found[0][-8:], "big")
        start = found[0][:-8] + b"\xff" * 9  # behind every number


def _queues(txn: Transaction) -> Iterator[bytes]:
    start = b""
    while (found := next(txn.scan(TABLE, start), None)) is not None:
        name = found[0][:-_TAIL]
        yield name
        start = name + b"\1"
