"""Which jobs were completed or cancelled, in what order? `ended`: state, position of the last event -> number.

That position is the one of the job's end, or of an edit since.
"""

from collections.abc import Iterator, Mapping, Sequence

from ..core.job import Job, JobState
from ..store.store import Transaction
from .row_codec import scan, scan_back

TABLE = "ended"

_FIRST: Mapping[JobState, int] = {JobState.COMPLETED: 1 << 56, JobState.CANCELLED: 2 << 56}
"""The state in the first byte of a key, as what is added to the position in the others; no log grows so long."""

VersionAndNumber = tuple[int, int]
"""The position of a job's last event, and its number."""


def key(job: Job) -> bytes:
    """Return the key of a completed or cancelled job."""
    return (_FIRST[job.state] + job.version).to_bytes(8, "big")


def newest_first(txn: Transaction, states: Sequence[JobState], below: int | None = None) -> Iterator[VersionAndNumber]:
    """Return the jobs in some of these states whose last event lies `below` a position, that one first."""
    stop = 1 << 56 if below is None else below
    scans = [_newest_first(txn, _FIRST[state], stop) for state in states]
    return scans[0] if len(scans) == 1 else _merged(scans, reverse=True)


def oldest_first(txn: Transaction, states: Sequence[JobState], above: int = 0) -> Iterator[VersionAndNumber]:
    """Return the jobs in some of these states whose last event lies `above` a position, the oldest first."""
    scans = [_oldest_first(txn, _FIRST[state], above) for state in states]
    return scans[0] if len(scans) == 1 else _merged(scans, reverse=False)


def _newest_first(txn: Transaction, first: int, stop: int) -> Iterator[VersionAndNumber]:
    for key, number in scan_back(txn, TABLE, (first + stop).to_bytes(8, "big")):
        if (position := int.from_bytes(key, "big") - first) < 0:
            return
        yield position, int.from_bytes(number, "big")


def _oldest_first(txn: Transaction, first: int, above: int) -> Iterator[VersionAndNumber]:
    start, stop = first + above + 1, first + (1 << 56)
    for key, number in scan(txn, TABLE, start.to_bytes(8, "big"), stop.to_bytes(8, "big")):
        yield int.from_bytes(key, "big") - first, int.from_bytes(number, "big")


def _merged(scans: Sequence[Iterator[VersionAndNumber]], *, reverse: bool) -> Iterator[VersionAndNumber]:
    from heapq import merge  # only where there is more than one state: it costs a command its start

    return merge(*scans, reverse=reverse)
