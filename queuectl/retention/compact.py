"""Lets the events of jobs that ended long ago go: into a sealed archive segment, then out of the store.

Each step is short, so that workers go on between them, and a crash between two loses nothing: an
event leaves the log only when it is in a segment that was read back from disk. What a transaction
removes it decides itself, so that a job that has moved on since it was chosen stays.
"""

from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from ..display import shown
from ..engine import expiry
from ..engine.engine import Engine
from ..engine.leaving_streams import LeavingStream
from ..errors import CompactBusy, InvalidInput, StoreError
from ..events.codec import unpack_envelope
from ..events.types import RETENTION_STREAM, RetentionApplied
from ..outputs import storage
from ..projections import archives
from ..store.directory import COMPACT_LOCK, lock
from ..store.event_reader import EventReader, stream_key
from ..store.store import Row, Store, Transaction, key_of
from ..store.tables import LOG, STREAMS
from ..system.files import make_private, rename
from ..system.interrupts import own
from ..system.queue_files import ARCHIVE
from . import archive
from .archived_history import origin_of
from .policy import (
    ChosenStreams,
    Compacted,
    Limits,
    Rule,
    check_streams,
    counted,
    next_streams,
    superseded_rows,
)
from .segment import BlockEntry, Header, Piece, Segment, SegmentWriter

OUTPUT_PIECE_BYTES: Final = 256 << 10
"""Output is copied in pieces of this size."""

ROWS_AT_ONCE: Final = 2_000
JOBS_AT_ONCE: Final = 200

LONGEST_NAME: Final = 400
"""A directory's name is a key of a view."""

NONE_BEFORE: Final = bytes(32)


class Retention:
    """One pass over the streams, in short steps; it holds the queue's lock while it makes and uses a segment."""

    def __init__(
        self,
        engine: Engine,
        rule: Rule,
        directory: Path | None,
        *,
        limits: Limits,
        actor: str | None = None,
        reason: str | None = None,
    ) -> None:
        self._engine = engine
        self._store = engine.store
        self._rule = rule
        # What goes in a step goes as a whole, with what is said of it.
        self._limits = limits._replace(step_jobs=min(limits.step_jobs, engine.writer.jobs_at_once - 1))
        self._actor = actor
        self._reason = reason
        node = engine.writer.node
        if directory is not None and node is not None:
            directory = directory / node  # two nodes never write to one directory
        self._directory = (directory or self._store.path / ARCHIVE).absolute()
        self._name = _name_of(self._store.path, self._directory)
        self.done = Compacted(rule.upto)

    def steps(self) -> Generator[Compacted, None, None]:
        """Do all of it; yields step by step what went so far. Raises CompactBusy or StoreError."""
        self._engine.writer.catch_up()
        while expiry.tell_some(self._engine, actor=self._actor):  # a parent that is gone tells its children nothing
            yield self.done
        through: bytes | None = b""
        while through is not None:
            with lock(self._store.path / COMPACT_LOCK, wait=False) as is_ours:
                if not is_ours:
                    raise CompactBusy(str(self._store.path))
                self._settle_pending()
                parts: list[ChosenStreams] = []
                yield from self._gather(through, parts)
                through = parts[-1].through
                try:
                    yield from self._let_go(parts)
                except own(OSError) as error:
                    raise StoreError(
                        f"cannot archive to {self._directory}: {error.strerror or error}; nothing that is not archived "
                        "was removed; check the directory and its free space, then try again"
                    ) from error
            yield self.done

    def _gather(self, through: bytes | None, parts: list[ChosenStreams]) -> Iterator[Compacted]:
        """Choose until a segment is full, or the streams end."""
        if not through:
            for _ in check_streams(self._store):
                yield self.done
        events = size = 0
        while through is not None and events < self._limits.segment_events and size < self._limits.segment_bytes:
            with self._store.read() as txn:
                part = next_streams(txn, self._rule, through, self._limits)
            parts.append(part)
            through, events, size = part.through, events + part.events, size + part.bytes
            yield self.done
        if through is None and (events or self.done.events):
            old: list[Row] = []
            for rows in superseded_rows(self._store, self._rule.upto, self._name):
                old += rows
                yield self.done
            if old:
                parts[-1] = ChosenStreams([*parts[-1].going, LeavingStream(RETENTION_STREAM, old)], None)

    def _let_go(self, parts: Sequence[ChosenStreams]) -> Iterator[Compacted]:
        going = [each for part in parts for each in part.going]
        if not going:
            self.done = counted(self.done, parts[-1])
            return
        begin, end = self.done.position, counted(self.done, parts[-1]).position
        header = self._prepare()
        path, rests, digest = yield from self._seal(header, going, end)
        for _ in Segment(rests).check(digest, unpack_envelope):
            yield self.done
        self.done = self.done._replace(segments=(*self.done.segments, str(path)))
        half = (begin + end) // 2
        is_named = False
        for part in parts:
            try:
                gone = self._cut(part.going, header, f"{self._name}/{path.name}", digest) if part.going else []
            except CompactBusy:
                self._discard(rests, is_named=is_named)
                raise
            if gone and not is_named:
                is_named = True
                if rests != path:
                    archive.place(rests, path)
            self.done = counted(self.done, ChosenStreams(gone, part.through))
            yield self.done._replace(position=half + (self.done.position - begin) // 2)
        self._discard(rests, is_named=is_named)  # all of it may have moved on, or another node have let it go

    def _settle_pending(self) -> None:
        """On a node of a shared log, place the segments that this names by now, of passes that were killed as well."""
        if self._engine.writer.node:
            with self._store.read() as txn:
                told = [each.event for each in EventReader(txn).read_stream(RETENTION_STREAM)]
            named = [each.sha256 for each in told if isinstance(each, RetentionApplied)]
            archive.settle_pending(self._directory, named)

    def _discard(self, segment: Path, *, is_named: bool) -> None:
        """Remove a segment unless an event names it: one of this pass, or of one that was killed with the same jobs."""
        self._settle_pending()
        if not is_named and segment.exists():
            archive.discard(segment)

    def _check_next(self, txn: Transaction, header: Header, digest: bytes) -> None:
        """Raise CompactBusy where another node of a shared log has sealed a segment since this one was begun."""
        last = archives.last(txn)
        if last is not None and last.sha256 not in (header.previous, digest):
            raise CompactBusy(str(self._store.path))

    def _prepare(self) -> Header:
        """Make the directory, clear it of what an interrupted compact left, and give the next segment's header."""
        home = self._store.path
        make_private(self._directory, is_named=self._directory.parent != home, like=home)
        with self._store.read() as txn:
            log, last, origin = EventReader(txn), archives.last(txn), origin_of(txn, home)
            cut = max(log.cut(), self._rule.upto)
            header = Header(origin, last.sequence + 1 if last else 1, last.sha256 if last else NONE_BEFORE, cut, b"")
            header = header._replace(chain=log.digest(cut))
        archive.tidy(self._directory, origin, header.sequence - 1, self._is_in_log)
        return header

    def _is_in_log(self, rows: Sequence[Row]) -> bool:
        with self._store.read() as txn:
            return all(txn.get(LOG, key) == value for key, value in rows)

    def _seal(
        self, header: Header, going: Sequence[LeavingStream], end: int
    ) -> Generator[Compacted, None, tuple[Path, Path, bytes]]:
        """Write a segment, have it on disk; returns the name it is to have, where it rests until then, and its SHA-256.

        For whoever watches, that is half of the way to the position `end`.
        """
        rows = sorted(row for each in going for row in each.rows)
        first, last = (int.from_bytes(key, "big") for key in (rows[0][0], rows[-1][0]))
        path = self._directory / archive.segment_name(header.sequence, first, last)
        numbers = [each.stream for each in going if isinstance(each.stream, int)]
        writer = SegmentWriter(archive.partial_of(self._directory, header.origin), header)
        try:
            for start in range(0, len(rows), ROWS_AT_ONCE):
                writer.rows(rows[start : start + ROWS_AT_ONCE])
                way = (end - self.done.position) // 2
                so_far = self.done._replace(position=self.done.position + way * start // len(rows))
                yield so_far
            for piece in _outputs(self._store, numbers):
                if piece is None:
                    yield so_far
                else:
                    writer.output(piece)
            digest = writer.seal([BlockEntry(each.id, each.first, each.last) for each in going if each.id])
            rests = archive.pending_of(path, digest) if self._engine.writer.node else path
            if rests.parent != path.parent:
                make_private(rests.parent)
            rename(writer.path, rests)
        except BaseException:
            writer.discard()
            raise
        return path, rests, digest

    def _cut(self, chosen: Sequence[LeavingStream], header: Header, segment: str, digest: bytes) -> list[LeavingStream]:
        """Archive and drop what was chosen and has not moved on, in one transaction; returns what went."""
        rule = self._rule
        with self._engine.unit(actor=self._actor, reason=self._reason) as unit:
            self._check_next(unit.txn, header, digest)
            going = [each for each in chosen if _is_as_it_was(unit.txn, each)]
            if not going:
                return []
            numbers = [each.stream for each in going if isinstance(each.stream, int)]
            after, through = (numbers[0] - 1, numbers[-1]) if numbers else (rule.upto, rule.upto)
            removed = sum(len(each.rows) for each in going)
            names = tuple(each.stream for each in going if isinstance(each.stream, str))
            event = RetentionApplied(
                rule.upto, after, through, removed, header.chain, segment, digest, rule.keep_dead, names
            )
            if not unit.let_go(event, going):
                raise CompactBusy(str(self._store.path))
            unit.local(lambda txn: storage.forget(txn, numbers))
        storage.remove_files(self._store.path, numbers)
        return going


def _name_of(path: Path, directory: Path) -> str:
    """Return the name of an archive's directory as events have it: inside the queue's own, relative to that."""
    name = directory.relative_to(path).as_posix() if directory.is_relative_to(path) else directory.as_posix()
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        raise InvalidInput("archive", shown(str(directory)), "a directory with a name in UTF-8") from None
    if size > LONGEST_NAME or name == ".":
        raise InvalidInput("archive", shown(str(directory)), f"a directory of its own, of {LONGEST_NAME} bytes at most")
    return name


def _is_as_it_was(txn: Transaction, going: LeavingStream) -> bool:
    if going.stream == RETENTION_STREAM:
        return True  # what goes of it is not its end
    return txn.get(STREAMS, stream_key(going.stream)) == key_of(going.last)


def _outputs(store: Store, numbers: Sequence[int]) -> Iterator[Piece | None]:
    """Yield what the runs of jobs printed, piece by piece, and None where a step may end."""
    for start in range(0, len(numbers), JOBS_AT_ONCE):
        some = numbers[start : start + JOBS_AT_ONCE]
        with store.read() as txn:
            kept: list[tuple[int, int, bytes | Path]] = [
                (number, *found) for number in some for found in storage.all_kept(txn, number)
            ]
        yield None
        found = [*kept, *storage.files(store.path, some)]
        for number, token, printed in sorted(found, key=lambda each: each[:2]):
            if isinstance(printed, bytes):
                yield from _pieces(number, token, printed)
            else:
                yield from _pieces_of_file(number, token, printed)


def _pieces(number: int, token: int, frames: bytes) -> Iterator[Piece]:
    for offset in range(0, len(frames), OUTPUT_PIECE_BYTES):
        yield Piece(number, token, offset, frames[offset : offset + OUTPUT_PIECE_BYTES])


def _pieces_of_file(number: int, token: int, path: Path) -> Iterator[Piece | None]:
    with suppress(FileNotFoundError), path.open("rb") as file:
        while frames := file.read(OUTPUT_PIECE_BYTES):
            yield Piece(number, token, file.tell() - len(frames), frames)
            yield None
