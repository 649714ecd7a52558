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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from re import fullmatch
from typing import IO, Any, Final

from .errors import NewerFormat, StoreError

FORMAT: Final = 1
"""The format of a backup; raised whenever an older queuectl could not restore it."""

MAGIC: Final = "QUEUECTL-BACKUP"
MANIFEST: Final = "MANIFEST.json"
DATA: Final = "data.mdb"

_NAMES: Final = r"data\.mdb|outputs/[0-9]{6,}/[0-9]+-[0-9]+|archive(/[A-Za-z0-9_][A-Za-z0-9._:+-]*){1,3}"
_PIECE_BYTES: Final = 1 << 20
_GZIP: Final = b"\x1f\x8b"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"

Progress = Callable[[int], None]
"""Called with the bytes done since it was called last."""


class Writer:
    """Writes a backup, member by member; `compressed`: by gzip."""

    def __init__(self, sink: IO[bytes], *, compressed: bool, at_s: float, progress: Progress | None = None) -> None:
        self._at_s = int(at_s)
        self._progress = progress
        self._gzip = gzip.GzipFile(fileobj=sink, mode="wb", compresslevel=1, mtime=0) if compressed else None
        self._tar = tarfile.open(  # noqa: SIM115 - finish() closes it
            fileobj=self._gzip or sink, mode="w|", format=tarfile.GNU_FORMAT
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
        if self._gzip is not None:
            self._gzip.close()

    def abandon(self) -> None:
        """Write no more: unfinished, both would try to finish by themselves when they are collected."""
        stream: Any = self._tar.fileobj
        stream.closed = True
        if self._gzip is not None:
            self._gzip.fileobj = None  # type: ignore[assignment]  # as closing it leaves it

    def _add_text(self, name: str, text: str) -> None:
        self._tar.addfile(self._info(name, len(text)), io.BytesIO(text.encode()))

    def _info(self, name: str, size: int) -> tarfile.TarInfo:
        info = tarfile.TarInfo(name)
        info.size, info.mode, info.mtime = size, 0o600, self._at_s
        return info


def read(source: IO[bytes], name: str, *, into: Path | None, progress: Progress | None = None) -> dict[str, Any]:
    """Read a backup to its end and check it; gives its manifest.

    `into`: write its files there. Raises StoreError, naming the file, where it is none, was cut short
    or was changed; NewerFormat where a newer queuectl wrote it.
    """
    with _told(name):
        buffered = source if isinstance(source, io.BufferedReader) else io.BufferedReader(source)  # type: ignore[type-var]
        start = buffered.peek(4)[:4]
        if start == _ZSTD:
            raise StoreError(f"it is compressed by zstd; type: zstd -dc {name} | queuectl restore -")
        plain = gzip.GzipFile(fileobj=buffered) if start[:2] == _GZIP else buffered
        with tarfile.open(fileobj=plain, mode="r|") as tar:
            members = iter(tar)
            _check_magic(tar, next(members, None), name)
            return _read_members(tar, members, into, progress)


def _check_magic(tar: tarfile.TarFile, first: tarfile.TarInfo | None, name: str) -> None:
    if first is None or first.name != MAGIC or not first.isfile() or first.size > 20:
        raise StoreError("it is not a backup made by `queuectl backup`")
    content = tar.extractfile(first)
    version = content.read().strip() if content else b""
    if not version.isdigit():
        raise StoreError("it is not a backup made by `queuectl backup`")
    if int(version) > FORMAT:
        raise NewerFormat(f"the format of the backup {name}", int(version), FORMAT)


def _read_members(
    tar: tarfile.TarFile, members: Iterator[tarfile.TarInfo], into: Path | None, progress: Progress | None
) -> dict[str, Any]:
    digest = sha256()
    for member in members:
        content = tar.extractfile(member) if member.isfile() else None
        if content is None or not fullmatch(rf"{_NAMES}|MANIFEST\.json", member.name):
            raise StoreError(f"it holds {member.name[:100]!r}, which no backup does")
        if member.name == MANIFEST:
            return _read_manifest(content, digest.hexdigest())
        digest.update(_sum_line(member.name, _read_file(content, member, into, progress)))
    raise StoreError("it was cut short: its manifest is missing")


def _read_file(content: IO[bytes], member: tarfile.TarInfo, into: Path | None, progress: Progress | None) -> bytes:
    hashing = _Hashing(content, member.size, progress)
    if into is None:
        while hashing.read(_PIECE_BYTES):
            pass
        return hashing.digest()
    target = into / member.name
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with target.open("wb") as file:
        target.chmod(0o600)
        while piece := hashing.read(_PIECE_BYTES):
            file.write(piece)
    return hashing.digest()


def _read_manifest(content: IO[bytes], members: str) -> dict[str, Any]:
    try:
        manifest = json.loads(content.read())
        kept = manifest["members_sha256"]
    except (ValueError, KeyError, TypeError):
        raise StoreError("its manifest cannot be read") from None
    if kept != members:
        raise StoreError("it was changed: its members do not have the digest that its manifest keeps")
    assert isinstance(manifest, dict), "it was asked for a key"
    return manifest


def _sum_line(name: str, digest: bytes) -> bytes:
    return f"{digest.hex()}  {name}\n".encode()


@contextmanager
def _told(name: str) -> Iterator[None]:
    """Tell whatever goes wrong in one line that names the file."""
    try:
        yield
    except NewerFormat:
        raise
    except StoreError as error:
        raise StoreError(f"cannot use {name} as a backup: {error}") from None
    except (EOFError, zlib.error, gzip.BadGzipFile, tarfile.TarError) as error:
        told = str(error) or "it ends too early"
        raise StoreError(f"cannot use {name} as a backup: it was cut short, or is none ({told})") from None


class _Hashing:
    """A source that is read once, and hashed as it goes by."""

    def __init__(self, source: IO[bytes], size: int, progress: Progress | None) -> None:
        self._source = source
        self._left = size
        self._sum = sha256()
        self._progress = progress

    def read(self, size: int) -> bytes:
        """Give up to so many bytes, of those that are to be there."""
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
        """Give the digest of what went by."""
        return self._sum.digest()
