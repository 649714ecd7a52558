"""One archive segment: a file of events that left the log, sealed and never changed.

It is a plain zstd file of frames, each with its checksum, whose content is msgpack: a header, blocks
of rows, of output and of ids, and a footer that says where each block begins. What is asked of it is
found by unpacking a few blocks. docs/log-format.md tells all of it. Knows nothing of jobs or stores.
"""

import os
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgpack
import zstandard

from ..core.argument_kinds import is_count
from ..display import shown
from ..errors import BadSegment, NewerFormat
from ..events.codec import StoredEvent
from ..system.files import open_private
from ..system.interrupts import own, suppress_own
from ..system.queue_files import SEGMENT
from ..system.untrusted import Malformed, msgpack_values, position_of, whole_number

FORMAT: Final = 1

_END: Final = b"QCTLSEG1"
_TRAILER: Final = b"\x50\x2a\x4d\x18" + (16).to_bytes(4, "little")  # a zstd frame that readers of zstd skip
_TRAILER_BYTES: Final = 24
_BLOCK_ROWS: Final = 1_000
_BLOCK_BYTES: Final = 1 << 20
_READ_BYTES: Final = 1 << 20
_CONTENT_BYTES: Final = 64 << 20
"""The largest content of a frame: an event or a piece of output larger than a block, of those that can be, has room."""

_ROWS, _OUTPUTS, _IDS = "rows", "outputs", "ids"


class Header(NamedTuple):
    """What a segment says of itself.

    `origin` tells whose it is: the digest at position 1 of that queue's log. `sequence` counts its
    segments from 1, `previous` is the SHA-256 of the one before (32 zero bytes: none). `chain` is the
    digest of the log's chain at `cut`.
    """

    origin: bytes
    sequence: int
    previous: bytes
    cut: int
    chain: bytes


class BlockEntry(NamedTuple):
    """A stream whose events are in a segment: a job's id and number, or a name and its first position; and its last."""

    id: str
    number: int
    last: int


class Piece(NamedTuple):
    """A piece of what a run printed, as frames; `offset` is where in them it begins."""

    number: int
    token: int
    offset: int
    frames: bytes


def _is_row(item: Any) -> bool:
    return type(item) is list and len(item) == 2 and is_count(item[0]) and type(item[1]) is bytes


def _is_piece(item: Any) -> bool:
    return type(item) is list and len(item) == 4 and all(map(is_count, item[:3])) and type(item[3]) is bytes


def _is_entry(item: Any) -> bool:
    return type(item) is list and len(item) == 3 and type(item[0]) is str and all(map(is_count, item[1:]))


_SHAPES: Final = {_ROWS: _is_row, _OUTPUTS: _is_piece, _IDS: _is_entry}


class _Block(NamedTuple):
    kind: str
    offset: int
    rows: int
    first: Any  # the first position, number or id in it


class SegmentWriter:
    """Writes a segment under a temporary name, block by block, in the order rows, output, seal."""

    def __init__(self, path: Path, header: Header) -> None:
        self.path = path
        self._digest = sha256()
        self._offset = 0
        self._blocks: list[_Block] = []
        self._pending: list[Any] = []
        self._kind = _ROWS
        self._pending_bytes = 0
        self._events = 0
        self._pack = msgpack.Packer(use_bin_type=True).pack
        self._compressor = zstandard.ZstdCompressor(level=3, write_checksum=True, write_content_size=True)
        fd = open_private(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        self._file = os.fdopen(fd, "wb")
        self._frame(self._pack({"format": FORMAT, **header._asdict()}))

    def rows(self, rows: Sequence[StoredEvent]) -> None:
        """Add events, in the order of their positions over all calls."""
        for key, value in rows:
            self._add(_ROWS, [int.from_bytes(key, "big"), value], len(value))
        self._events += len(rows)

    def output(self, piece: Piece) -> None:
        """Add a piece of output."""
        self._add(_OUTPUTS, list(piece), len(piece.frames))

    def seal(self, entries: Sequence[BlockEntry]) -> bytes:
        """Add the index and the footer, and have all of it on disk; returns the file's SHA-256."""
        for entry in sorted(entries):
            self._add(_IDS, list(entry), len(entry.id))
        self._end_block()
        footer = self._offset
        self._frame(self._pack({"events": self._events, "blocks": [list(block) for block in self._blocks]}))
        self._write(_TRAILER + footer.to_bytes(8, "big") + _END)
        self._file.flush()
        os.fsync(self._file.fileno())
        with suppress_own(AttributeError, OSError):  # so that what is read back comes from the disk
            os.posix_fadvise(self._file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        self._file.close()
        return self._digest.digest()

    def discard(self) -> None:
        """Close and remove what was written; harmless once it was sealed and renamed."""
        self._file.close()
        self.path.unlink(missing_ok=True)

    def _add(self, kind: str, item: list[Any], size: int) -> None:
        full = len(self._pending) >= _BLOCK_ROWS or self._pending_bytes + size > _BLOCK_BYTES
        if self._pending and (full or kind != self._kind):
            self._end_block()
        self._kind = kind
        self._pending.append(item)
        self._pending_bytes += size

    def _end_block(self) -> None:
        if self._pending:
            self._blocks.append(_Block(self._kind, self._offset, len(self._pending), self._pending[0][0]))
            self._frame(b"".join(map(self._pack, self._pending)))
            self._pending, self._pending_bytes = [], 0

    def _frame(self, content: bytes) -> None:
        self._write(self._compressor.compress(content))

    def _write(self, piece: bytes) -> None:
        self._file.write(piece)
        self._digest.update(piece)
        self._offset += len(piece)


class Segment:
    """A sealed segment, read block by block; holds no file open. Raises BadSegment where it is not sound."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with path.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - _TRAILER_BYTES))
                trailer = file.read()
            self.bytes = size
        except own(OSError) as error:
            raise BadSegment(str(path), error.strerror or str(error)) from error
        self._footer_at = int.from_bytes(trailer[8:16], "big")
        if not trailer.startswith(_TRAILER) or trailer[16:] != _END or self._footer_at >= size:
            raise BadSegment(str(path), "its end is missing: it was cut short, or is no segment")
        try:
            [footer] = self._unpacked(self._footer_at, size - _TRAILER_BYTES)
            self._blocks = _blocks(footer["blocks"], self._footer_at)
            self.events = whole_number(footer["events"], "events")
            [header] = self._unpacked(0, self._blocks[0].offset if self._blocks else self._footer_at)
            if (version := header.pop("format")) != FORMAT:
                raise NewerFormat(f"the format of the archive segment {path}", shown(version), FORMAT)
            self.header = _header(header)
        except own(KeyError, TypeError, ValueError, AttributeError) as error:
            raise BadSegment(str(path), f"its header or footer does not read ({error})") from error
        self._at = -1
        self._cached: list[Any] = []

    @property
    def first(self) -> int:
        """The position of the first event in it."""
        return next((int(block.first) for block in self._blocks if block.kind == _ROWS), 0)

    @property
    def last(self) -> int:
        """The position of the last event in it, as its name has it; 0 where it has another name."""
        return position_of(self.path.name.removesuffix(SEGMENT).rpartition("-")[2]) or 0

    def rows(self) -> Iterator[StoredEvent]:
        """Yield the events in it, in the order of their positions."""
        for position, value in self._items(_ROWS):
            yield position.to_bytes(8, "big"), value

    def row(self, position: int) -> StoredEvent | None:
        """Return the event at a position, None where it has none."""
        for found, value in self._near(_ROWS, position):
            if found == position:
                return found.to_bytes(8, "big"), value
        return None

    def entries(self, job_id: str | None = None) -> list[BlockEntry]:
        """Return the jobs in it by id, or those that had one id, earliest first."""
        if job_id is None:
            return [BlockEntry(*item) for item in self._items(_IDS)]
        return [BlockEntry(*item) for item in self._near(_IDS, job_id) if item[0] == job_id]

    def pieces(self, number: int | None = None) -> Iterator[Piece]:
        """Return what the runs of its jobs printed, by job and run, or those of one job by its number."""
        items = self._items(_OUTPUTS) if number is None else self._near(_OUTPUTS, number)
        return (piece for item in items if (piece := Piece(*item)).number == (number or piece.number))

    def check(self, digest: bytes | None, is_sound: Callable[[bytes, bytes], object]) -> Iterator[None]:
        """Read all of it, block by block, and compare with the SHA-256 it was sealed with, where that is known.

        `is_sound` is given each event, to raise CorruptLog where that is not what was written.
        """
        yield from self._check_blocks(is_sound)
        found = sha256()
        with self.path.open("rb") as file:
            while piece := file.read(_READ_BYTES):
                found.update(piece)
                yield
        if found.digest() != (digest or found.digest()):
            raise BadSegment(str(self.path), "its SHA-256 is not what it was sealed with")

    def _check_blocks(self, is_sound: Callable[[bytes, bytes], object]) -> Iterator[None]:
        count, last = 0, 0
        for kind in (_ROWS, _OUTPUTS, _IDS):
            for items in self._content(kind):
                if kind == _ROWS:
                    positions = [position for position, _ in items]
                    for position, value in items:
                        is_sound(position.to_bytes(8, "big"), value)
                    if positions != sorted(set(positions)) or positions[0] <= last:
                        raise BadSegment(
                            str(self.path), f"its events are out of order after position {last}", position=last + 1
                        )
                    count, last = count + len(items), positions[-1]
                yield
        if count != self.events:
            raise BadSegment(str(self.path), f"it holds {count} events, and says {self.events}")
        if last != self.last:
            raise BadSegment(str(self.path), f"its last event is at position {last}, and its name says {self.last}")

    def _items(self, kind: str) -> Iterator[Any]:
        for items in self._content(kind):
            yield from items

    def _content(self, kind: str) -> Iterator[list[Any]]:
        for index, block in enumerate(self._blocks):
            if block.kind == kind:
                yield self._block(index)

    def _near(self, kind: str, key: Any) -> Iterator[Any]:
        """Yield what stands in the blocks in which a key can be."""
        indexes = [index for index, block in enumerate(self._blocks) if block.kind == kind]
        firsts = [self._blocks[index].first for index in indexes]
        begin = max(0, bisect_right(firsts, key) - 1)
        while begin and firsts[begin] == key:  # one id may fill more than a block
            begin -= 1
        for nth in range(begin, len(indexes)):
            if firsts[nth] > key:
                return
            yield from self._block(indexes[nth])

    def _block(self, index: int) -> list[Any]:
        if index != self._at:
            after = index + 1
            end = self._blocks[after].offset if after < len(self._blocks) else self._footer_at
            block, where = self._blocks[index], self._positions_in(index)
            items = self._unpacked(block.offset, end, where)
            if found := _fault(block, items):
                found = f"the block at byte {block.offset} {found}"
                raise BadSegment(str(self.path), found, position=where[0], until=where[1])
            self._at, self._cached = index, items
        return self._cached

    def _positions_in(self, index: int) -> tuple[int, int]:
        """Return the positions that the events of a block lie between, zeros where it has none."""
        block, after = self._blocks[index], self._blocks[index + 1 : index + 2]
        if block.kind != _ROWS:
            return 0, 0
        return int(block.first), int(after[0].first) - 1 if after and after[0].kind == _ROWS else self.last

    def _unpacked(self, begin: int, end: int, where: tuple[int, int] = (0, 0)) -> list[Any]:
        try:
            with self.path.open("rb") as file:
                file.seek(begin)
                frame = file.read(end - begin)
            return msgpack_values(_decompressed(frame))
        except own(OSError, Malformed) as error:
            found = f"the block at byte {begin} does not read ({error})"
            raise BadSegment(str(self.path), found, position=where[0], until=where[1]) from error


def _fault(block: _Block, items: list[Any]) -> str | None:
    """Return what differs between a block and what the footer says of it, None if nothing does."""
    if len(items) != block.rows:
        return f"has {len(items)} rows of {block.rows}"
    if not all(map(_SHAPES[block.kind], items)):
        return f"has a row that is none of {block.kind}"
    if items[0][0] != block.first:  # by which a row is looked for, and would not be found
        return f"begins with {shown(items[0][0])}, and the footer says {shown(block.first)}"
    return None


def _decompressed(frame: bytes) -> bytes:
    """Return the content of a frame; raises Malformed if it is none, or promises more than any segment holds."""
    try:
        size = zstandard.frame_content_size(frame)
        if not 0 <= size <= _CONTENT_BYTES:
            raise Malformed(f"it would have {size:,} bytes" if size > 0 else "it does not say its size")
        return zstandard.ZstdDecompressor().decompress(frame)
    except (zstandard.ZstdError, MemoryError) as error:
        raise Malformed(str(error)) from error


def _blocks(listed: list[Any], end: int) -> list[_Block]:
    """Return the blocks that a footer lists, the first after the header; raises Malformed if it cannot be so."""
    blocks = [_Block(*block) for block in listed]
    before = 0
    for kind, offset, rows, first in blocks:
        if kind not in (_ROWS, _OUTPUTS, _IDS) or type(first) is not (str if kind == _IDS else int):
            raise Malformed(f"a block is of the kind {shown(kind)} and begins with {shown(first)}")
        before = whole_number(offset, "the offset of a block", least=before + 1, most=end - 1)
        whole_number(rows, "the number of rows in a block", least=1)
        if kind != _IDS:
            whole_number(first, "what a block begins with")
    return blocks


def _header(fields: dict[str, Any]) -> Header:
    header = Header(**fields)
    whole_number(header.sequence, "sequence")
    whole_number(header.cut, "cut")
    if not all(type(each) is bytes and len(each) == 32 for each in (header.origin, header.previous, header.chain)):
        raise Malformed("a digest in it is none")
    return header
