"""The archive checked: whether it has the events that retention let go, as they were. Changes nothing.

Each segment is held against the SHA-256 that it was sealed with. With every segment there, archive and log make one
log again: its hash chain is followed from position 1 to the cut, where it must have the digest that retention saw.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Final

from ..errors import BadSegment, CorruptLog
from ..events.audit import Audit, Problem, Problems
from ..events.codec import StoredEvent, unpack_envelope
from ..projections import archives
from ..retention import archive
from ..retention.archived_history import archive_directories, missing_text, whole_log
from ..retention.segment import Segment
from ..store.event_reader import EventReader
from ..store.store import Store, key_of
from ..store.tables import LOG
from ..system.queue_files import ARCHIVE
from ..system.shortage import hindrance

ROWS_AT_ONCE: Final = 10_000


class Provenance:
    """What can be proven of the events up to the cut; `chain` is the chain's digest there, empty if not known."""

    def __init__(self, store: Store, cut: int, chain: bytes) -> None:
        self.problems = Problems()
        self.proven: set[int] = set()
        """The positions of those `watched` at which the chain has the digest that it ought to have."""
        self.segments = 0
        self.events = 0
        """How many segments there are, and how many archived events are in them."""
        self.told = ""
        """What this proves, in words."""
        self.duration_s = 0.0
        self._store = store
        self._cut = cut
        self._chain = chain

    def check(self, watched: Mapping[int, bytes], *, is_log_sound: bool) -> Iterator[int]:
        """Go through the archive, then through archive and log as one; yields up to which position it has come.

        `is_log_sound`: nothing is wrong with what the log itself still has up to the cut.
        """
        begun = time.monotonic()
        if self._cut:
            places, wanted, origin = self._expected()
            yield from self._check_segments(places, wanted, origin)
            if missing := missing_text(self._store):
                self.told = f"not proven: {missing} is not there; put it back and verify again"
            elif not wanted:
                self.told = "not proven: no segment is known that has them"
            elif any(each.is_damage for each in self.problems):
                self.told = "not proven: the archive is damaged; put a sound copy of it in its place"
            elif self.problems:
                self.told = "not proven: the archive could not be looked at"
            elif not is_log_sound:
                self.told = "the archive has them, but the log itself is damaged below that position"
            else:
                yield from self._follow_chain(watched)
        self.duration_s = round(time.monotonic() - begun, 6)

    def _expected(self) -> tuple[list[Path], dict[int, bytes | None], bytes]:
        """Return where to look, and for each segment the SHA-256 that it was sealed with, where the log has it."""
        with self._store.read() as txn:
            known, last = archives.known(txn), archives.last(txn)
            sealed = {each.sequence: each.sha256 for each in known.values()}
            places, highest = archive_directories(txn, self._store.path), last.sequence if last else 0
            there = (sequence for sequence in archive.found(places) if 0 < sequence <= highest)
            wanted = {sequence: sealed.get(sequence) for sequence in {*there, *sealed}}
            return places, wanted, EventReader(txn).origin()

    def _check_segments(self, places: list[Path], wanted: dict[int, bytes | None], origin: bytes) -> Iterator[int]:
        there = archive.found(places)
        for sequence in sorted(wanted.keys() & there.keys(), reverse=True):  # each has the SHA-256 of the one before
            path = there[sequence]
            try:
                segment = Segment(path)
                said = segment.header.origin, segment.header.sequence, segment.first
                if said != (origin, sequence, archive.span_of(path)[0]):
                    raise BadSegment(str(path), "it is another queue's, or has another's name")
                if sequence - 1 in wanted and not wanted[sequence - 1]:
                    wanted[sequence - 1] = segment.header.previous
                self.segments += 1
                for _ in segment.check(wanted[sequence], unpack_envelope):
                    yield 0
                self.events += segment.events
            except BadSegment as error:
                first, last = archive.span_of(path)
                position, until = error.position or first, error.until or (0 if error.position else last)
                what = f"the archive segment {path}: {error.found}"
                self.problems.append(Problem(position, what, until, is_damage=not hindrance(error)))
            except CorruptLog as error:
                self._problem(error.position, f"the archive segment {path}: the checksum of this event does not match")

    def _follow_chain(self, watched: Mapping[int, bytes]) -> Iterator[int]:
        audit = Audit(self.problems.append, cut=self._cut, watched=watched)
        rows = _without_gaps(whole_log(self._store, until=self._cut), self._cut, self._problem)
        try:
            while batch := list(islice(rows, ROWS_AT_ONCE)):
                with self._store.read() as txn:
                    audit.feed(batch, lambda position: txn.get(LOG, key_of(position)))
                yield audit.position
        except CorruptLog as error:
            self._problem(error.position, error.found)
        if self._chain and not self.problems:
            audit.anchor(self._chain)
        audit.finish()
        self.proven = set(watched).difference(audit.unproven)
        self.told = (
            "not proven" if self.problems else "the archive has them, and the chain goes through it from the first"
        )

    def _problem(self, position: int, what: str, until: int = 0) -> None:
        self.problems.append(Problem(position, what, until))


def ahead_of_log(store: Store) -> Iterator[str]:
    """Yield what is wrong if segments in the queue's archive go on where its log ends: that was lost, or is older."""
    there = archive.found([store.path / ARCHIVE])
    with store.read() as txn:  # after the look: what is archived was in the log before
        head = EventReader(txn).head()
    for path in (there[sequence] for sequence in sorted(there)):
        if (last := archive.span_of(path)[1]) > head:
            yield f"it ends at position {head}, and the archive segment {path} goes up to {last}"


def _without_gaps(
    rows: Iterator[StoredEvent], upto: int, on_gap: Callable[[int, str, int], None]
) -> Iterator[StoredEvent]:
    """Yield rows; `on_gap` is called for positions up to `upto` without a row: the first, what is wrong, the last."""
    last, what = 0, "neither the log nor the archive has it"
    for key, value in rows:
        position = int.from_bytes(key, "big")
        if position > last + 1:
            on_gap(last + 1, what, position - 1)
        last = position
        yield key, value
    if last < upto:
        on_gap(last + 1, what, upto)
