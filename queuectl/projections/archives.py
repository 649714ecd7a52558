"""Where lie the events that retention let go? `archives`: directory -> the last segment sealed there."""

from ..events.types import RETENTION_STREAM, Frozen, RetentionApplied
from ..store.event_reader import EventReader
from ..store.store import Transaction
from .layout import is_older
from .row_codec import pack, scan, unpacker, write_row

TABLE = "archives"


class SealedSegment(Frozen, array_like=True):
    """The last segment sealed in a directory: its path, as the event names it, and its SHA-256."""

    segment: str
    sha256: bytes

    @property
    def sequence(self) -> int:
        """How many segments there were in all directories, with it."""
        return int(self.segment.rpartition("/")[2].partition("-")[0])


_unpack = unpacker(SealedSegment)


def segment_directory(segment: str) -> str:
    """Return the directory in a segment's path."""
    return segment.rpartition("/")[0] or "/"


def apply(txn: Transaction, event: RetentionApplied) -> None:
    """Note where a segment was sealed."""
    row = SealedSegment(event.archive, event.sha256)
    write_row(txn, TABLE, segment_directory(event.archive).encode(), pack(row))


def known(txn: Transaction) -> dict[str, SealedSegment]:
    """Return each directory, with the last segment sealed there.

    Who checks a store changes nothing in it: where its views are still an older release's, the log tells.
    """
    if is_older(txn):
        told = [recorded.event for recorded in EventReader(txn).read_stream(RETENTION_STREAM)]
        sealed = [SealedSegment(event.archive, event.sha256) for event in told if isinstance(event, RetentionApplied)]
        return {segment_directory(each.segment): each for each in sealed}
    return {key.decode(): _unpack(row) for key, row in scan(txn, TABLE)}


def last(txn: Transaction) -> SealedSegment | None:
    """Return the last segment sealed anywhere."""
    return max(known(txn).values(), key=lambda found: found.sequence, default=None)
