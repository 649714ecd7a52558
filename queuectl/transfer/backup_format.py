"""The file that a backup is: a tar that says what it is first and what must be in it last.

Members, in order: QUEUECTL-BACKUP (the format's number), data.mdb, outputs/..., archive/..., and
MANIFEST.json, which keeps a digest over the digests of all before it, so that a file cut short or
changed anywhere is noticed. Knows nothing of queues.
"""

import gzip
import io
import json
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from re import ASCII, fullmatch
from typing import IO, Any, Final, Literal

import zstandard

from .. import hints
from ..display import shown
from ..errors import NewerFormat, StoreError
from ..system.files import make_private, new_file
from ..system.interrupts import own
from ..system.queue_files import DATA_FILE
from ..system.untrusted import is_same, json_object, whole_number

FORMAT: Final = 1
"""The format of a backup; raised whenever an older queuectl could not restore it."""

MAGIC: Final = "QUEUECTL-BACKUP"
MANIFEST: Final = "MANIFEST.json"

_NAMES: Final = r"data\.mdb|outputs/[0-9]{6,}/[0-9]+-[0-9]+|archive(/[A-Za-z0-9_][A-Za-z0-9._:+-]*){1,3}"
_PIECE_BYTES: Final = 1 << 20
_GZIP: Final = b"\x1f\x8b"
_NAME_BYTES: Final = 1024
_MANIFEST_BYTES: Final = 1 << 20
_TEXT_CHARS: Final = 100
_SPARSE: Final = (tarfile.GNUTYPE_SPARSE, tarfile.CONTTYPE)
_ZSTD: Final = b"\x28\xb5\x2f\xfd"

_LARGEST_WINDOW_BYTES: Final = 1 << 27
"""More memory than any level of zstd asks for unless it is told to (`--long`)."""

Compression = Literal["gzip", "zstd"]

BytesDone = Callable[[int], None]
"""Called with the bytes done since it was called last."""


def is_member_name(name: str) -> bool:
    """Whether a backup may hold a file of this name."""
    return fullmatch(_NAMES, name, ASCII) is not None


class BackupWriter:
    """Writes a backup, member by member."""

    def __init__(
        self, sink: IO[bytes], *, compression: Compression | None, at_s: float, progress: BytesDone | None = None
    ) -> None:
        self._at_s = int(at_s)
        self._progress = progress
        self._compressor = None if compression is None else _compressor(sink, compression)
        self._tar = tarfile.open(  # noqa: SIM115 - finish() closes it
            fileobj=self._compressor or sink, mode="w|", format=tarfile.GNU_FORMAT
        )
        self._digest = sha256()
        self._add_text(MAGIC, f"{FORMAT}\n")

    def add(self, name: str, source: IO[bytes], size: int) -> None:
        """Add a file of so many bytes; one that turns out shorter is filled up with NUL."""
        hashing = _Hashing(source, size, self._progress)
        self._tar.addfile(self._info(name, size), hashing)  # type: ignore[arg-type]  # it only reads
        self._digest.update(_sum_line(name, hashing.digest()))

    def finish(self, manifest: dict[str, Any]) -> None:
        """Add the manifest, which makes it whole."""
        told = {"format": FORMAT, **manifest, "members_sha256": self._digest.hexdigest()}
        self._add_text(MANIFEST, json.dumps(told, indent=2) + "\n")
        self._tar.close()
        if self._compressor is not None:
            self._compressor.close()

    def abandon(self) -> None:
        """Write no more: unfinished, both would try to finish by themselves when they are collected."""
        stream: Any = self._tar.fileobj
        stream.closed = True
        if isinstance(self._compressor, gzip.GzipFile):
            self._compressor.fileobj = None  # type: ignore[assignment]  # as closing it leaves it

    def _add_text(self, name: str, text: str) -> None:
        self._tar.addfile(self._info(name, len(text)), io.BytesIO(text.encode()))

    def _info(self, name: str, size: int) -> tarfile.TarInfo:
        info = tarfile.TarInfo(name)
        info.size, info.mode, info.mtime = size, 0o600, self._at_s
        return info


def read(source: IO[bytes], name: str, *, into: Path | None, progress: BytesDone | None = None) -> dict[str, Any]:
    """Read a backup to its end and check it; returns its manifest.

    `into`: write its files there. Raises StoreError, naming the file, where it is none, was cut short
    or was changed; NewerFormat where a newer queuectl wrote it.
    """
    with _told(name):
        buffered = source if isinstance(source, io.BufferedReader) else io.BufferedReader(source)  # type: ignore[type-var]
        start = buffered.peek(4)[:4]
        plain: Any = buffered
        if start == _ZSTD:
            plain = zstandard.ZstdDecompressor(max_window_size=_LARGEST_WINDOW_BYTES).stream_reader(
                buffered, read_across_frames=True
            )
        elif start[:2] == _GZIP:
            plain = gzip.GzipFile(fileobj=buffered)
        members = _Members(plain)
        made_as = _check_magic(members, name)
        return _read_members(members, made_as, into, progress)


def _compressor(sink: IO[bytes], compression: Compression) -> Any:
    """Return what compresses what is written to it into a file, and leaves that open when it is closed."""
    if compression == "gzip":
        return gzip.GzipFile(fileobj=sink, mode="wb", compresslevel=1, mtime=0)
    return zstandard.ZstdCompressor(level=3, write_checksum=True).stream_writer(sink, closefd=False)


class _Members:
    """The members of a tar, of the few kinds that a backup has: a file, whose name is short or in a member before it.

    Python's own reader would believe an extended header of any size, and fill a sparse file with zeros.
    """

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source
        self._names: set[str] = set()
        self.left = 0

    def next(self) -> tuple[str, int] | None:
        """Return the name and the size of the next member, None at the end; what is left of the last one is skipped."""
        while self.read(_PIECE_BYTES):
            pass
        info = self._header()
        if info is not None and info.type == tarfile.GNUTYPE_LONGNAME:
            long = self._long_name(info)
            if (info := self._header()) is not None:
                info.name = long
        if info is None:
            return None
        if not info.isreg() or info.type in _SPARSE or info.size < 0 or info.name in self._names:
            raise StoreError(f"it holds {info.name[:100]!r}, which no backup does")
        self._names.add(info.name)
        self._begin(info.size)
        return info.name, info.size

    def read(self, size: int) -> bytes:
        """Return so many bytes of the member, or what is left of it."""
        size = min(size, self.left)
        piece = self._exactly(size)
        self.left -= size
        if size and not self.left:
            self._exactly(self._padding)
        return piece

    def _begin(self, size: int) -> None:
        self.left, self._padding = size, -size % tarfile.BLOCKSIZE

    def _header(self) -> tarfile.TarInfo | None:
        block = self._exactly(tarfile.BLOCKSIZE)
        return None if not any(block) else tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")

    def _long_name(self, info: tarfile.TarInfo) -> str:
        if not 0 < info.size <= _NAME_BYTES:
            raise StoreError(f"it holds a name of {info.size:,} bytes, which no backup does")
        self._begin(info.size)
        return self.read(info.size).rstrip(b"\0").decode("utf-8", "surrogateescape")

    def _exactly(self, size: int) -> bytes:
        pieces = []
        while size and (piece := self._source.read(size)):
            pieces.append(piece)
            size -= len(piece)
        if size:
            raise EOFError
        return b"".join(pieces)


def _check_magic(members: _Members, name: str) -> int:
    try:
        first = members.next()
    except (StoreError, tarfile.TarError, EOFError):
        first = None
    version = members.read(20).strip() if first and first[0] == MAGIC and first[1] <= 20 else b""
    if not version.isdigit():
        raise StoreError("it is not a backup made by queuectl", hint=hints.NO_BACKUP)
    if int(version) > FORMAT:
        raise NewerFormat(f"the format of the backup {name}", int(version), FORMAT)
    return int(version)


def _read_members(members: _Members, made_as: int, into: Path | None, progress: BytesDone | None) -> dict[str, Any]:
    digest, there = sha256(), {"format": made_as, "data_bytes": 0, "files": 0, "file_bytes": 0}
    while (found := members.next()) is not None:
        name, size = found
        if name == MANIFEST:
            manifest = _read_manifest(members, size, digest.hexdigest())
            check_manifest(manifest, there)
            return manifest
        if not is_member_name(name):
            raise StoreError(f"it holds {name[:100]!r}, which no backup does")
        digest.update(_sum_line(name, _read_file(members, name, into, progress)))
        there["data_bytes" if name == DATA_FILE else "file_bytes"] += size
        there["files"] += name != DATA_FILE
    raise StoreError("it was cut short: its manifest is missing")


def check_manifest(manifest: Mapping[str, Any], found: Mapping[str, Any]) -> None:
    """Refuse a manifest that says something else than what was found, of that which both tell; raises StoreError."""
    for key, value in found.items():
        if key in manifest and not is_same(manifest[key], value):
            raise StoreError(f"its manifest says {key} {shown(manifest[key])}, and what it holds is {shown(value)}")


def _read_file(members: _Members, name: str, into: Path | None, progress: BytesDone | None) -> bytes:
    hashed = sha256()
    target = None if into is None else into / name
    if target is not None:
        make_private(target.parent)
    with nullcontext() if target is None else new_file(target) as file:
        while piece := members.read(_PIECE_BYTES):
            hashed.update(piece)
            if file is not None:
                file.write(piece)
            if progress:
                progress(len(piece))
    return hashed.digest()


def _read_manifest(members: _Members, size: int, digest: str) -> dict[str, Any]:
    if size > _MANIFEST_BYTES:
        raise StoreError(f"its manifest has {size:,} bytes, which no backup's does")
    try:
        manifest = json_object(members.read(size))
        kept = manifest["members_sha256"]
        for key in ("head", "files"):
            whole_number(manifest[key], key)
        bytes.fromhex(manifest["digest"])
        if (made_as := whole_number(manifest["format"], "format", least=1)) > FORMAT:
            raise NewerFormat("the format of the backup", made_as, FORMAT)
        for key in ("queuectl", "time"):
            if not isinstance(manifest[key], str) or len(manifest[key]) > _TEXT_CHARS:
                raise ValueError(f"{key} is {shown(manifest[key])}, which no backup says")
        datetime.fromisoformat(manifest["time"])
    except KeyError as error:
        raise StoreError(f"its manifest lacks {error}") from None
    except own(ValueError, TypeError) as error:
        raise StoreError(f"its manifest cannot be read: {error}") from None
    if kept != digest:
        raise StoreError("it was changed: its members do not have the digest that its manifest keeps")
    return manifest


def _sum_line(name: str, digest: bytes) -> bytes:
    return f"{digest.hex()}  {name}\n".encode()


@contextmanager
def _told(name: str) -> Iterator[None]:
    """Raise whatever goes wrong as one line that names the file."""
    try:
        yield
    except NewerFormat:
        raise
    except StoreError as error:
        raise StoreError(f"cannot use {name} as a backup: {error.message}", hint=error.hint) from None
    except own(EOFError, ValueError, zlib.error, gzip.BadGzipFile, zstandard.ZstdError, tarfile.TarError) as error:
        told = str(error) or "it ends too early"
        raise StoreError(f"cannot use {name} as a backup: it was cut short, or is none ({told})") from None


class _Hashing:
    """A source that is read once, and hashed as it goes by."""

    def __init__(self, source: IO[bytes], size: int, progress: BytesDone | None) -> None:
        self._source = source
        self._left = size
        self._sum = sha256()
        self._progress = progress

    def read(self, size: int) -> bytes:
        """Return up to so many bytes, of those that are to be there."""
        size = min(size, self._left)
        piece = self._source.read(size) if size else b""
        if size and not piece:
            piece = bytes(size)
        self._left -= len(piece)
        self._sum.update(piece)
        if self._progress and piece:
            self._progress(len(piece))
        return piece

    def digest(self) -> bytes:
        """Return the digest of what went by."""
        return self._sum.digest()
