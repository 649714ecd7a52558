"""Who waits for whom? `edges`: number of the parent, kind, number of the child -> nothing, while the child waits.

What a parent's end has made due is told to its children by events of theirs. A parent of which that is yet to be done
has a row in `timers`, before every time: it is *owed*. So it is found at once, and is done by whoever comes next.
"""

from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from typing import Final

from ..core.dependencies import ANY, CANCEL, NOT_OK, OK
from ..core.job import ENDED, Job, JobState
from ..store.store import Row, Transaction, key_of
from . import jobs, timers
from .row_codec import scan, write_many

TABLE: Final = "edges"

_HELD: Final = b"\1"
"""The kind of those that wait on where their parent does not complete; it is not due then."""

_KINDS: Final = {OK: _HELD, ANY: b"\3", NOT_OK: b"\4"}
_CANCELS: Final = b"\2"
"""The kind of those that are cancelled then."""


def keys(job: Job | None, number: bytes) -> set[bytes]:
    """Return the keys of the rows of a job that waits for others, from its number's."""
    if job is None or not job.unmet or job.state in ENDED:
        return set()
    kinds = _KINDS
    if job.options is not None and job.options.if_parent_fails == CANCEL:
        kinds = {**_KINDS, OK: _CANCELS}
    return {key_of(edge.parent) + kinds[edge.kind] + number for edge in job.unmet}


def parents_of(keys: Iterable[bytes]) -> set[bytes]:
    """Return the keys of the numbers of the parents that rows are about."""
    return {key[:8] for key in keys}


def settle(txn: Transaction, parents: Collection[bytes]) -> None:
    """Have those parents owed whose end has made something due, and no other of these."""
    going, coming = owed_changes(txn, parents)
    txn.delete_many(timers.TABLE, going)
    write_many(txn, timers.TABLE, coming)


def owed_changes(txn: Transaction, parents: Collection[bytes]) -> tuple[list[bytes], list[Row]]:
    """Return the keys that parents are not to have in `timers`, and the rows that they are to have."""
    found = jobs.get_many(txn, [int.from_bytes(parent, "big") for parent in sorted(parents)])
    going, coming = list[bytes](), list[Row]()
    for number, job in found.items():
        key = timers.owed_key(key_of(number))
        if job is not None and next(_due(txn, job), None) is not None:
            coming.append((key, b""))
        else:
            going.append(key)
    return going, coming


def due(txn: Transaction, limit: int) -> list[tuple[int, Job]]:
    """Return children to whom the end of a parent is to be told, and that parent, up to so many."""
    found: list[tuple[int, Job]] = []
    for parent in timers.owed(txn):
        job = jobs.get(txn, parent)
        if job is not None:
            found += [(child, job) for child in islice(_due(txn, job), limit - len(found))]
        if len(found) >= limit:
            break
    return found


def is_any_due(txn: Transaction) -> bool:
    """Whether a parent's end is to be told to anyone."""
    return next(timers.owed(txn), None) is not None


def children(txn: Transaction, parent: int) -> Iterator[int]:
    """Yield the numbers of the jobs that wait for one."""
    prefix = key_of(parent)
    return (int.from_bytes(key[9:], "big") for key, _ in scan(txn, TABLE, prefix, prefix + b"\xff"))


def all_parents(txn: Transaction) -> Iterator[bytes]:
    """Yield the key of the number of each job that some wait for."""
    start = b""
    while (found := next(scan(txn, TABLE, start), None)) is not None:
        yield found[0][:8]
        start = found[0][:8] + b"\xff"


def _due(txn: Transaction, parent: Job) -> Iterator[int]:
    """Yield the numbers of the children to whom something is to be told of their parent's end."""
    if parent.state not in ENDED:
        return iter(())
    prefix = key_of(parent.number)
    start = prefix if parent.state is JobState.COMPLETED else prefix + _HELD + b"\xff" * 9
    return (int.from_bytes(key[9:], "big") for key, _ in scan(txn, TABLE, start, prefix + b"\xff"))
