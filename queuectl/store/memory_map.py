"""How much of a queue's file LMDB maps: as much address space as there is, and never less than the file has pages."""

import os
import re
from pathlib import Path
from typing import Final

import lmdb

from ..errors import StoreError
from ..system.queue_files import DATA_FILE

MAP_SIZE: Final = 64 << 30
"""Address space, not disk: LMDB maps the file read-only and grows it as it is written."""

MAP_VARIABLE: Final = "QUEUECTL_MAP_SIZE"
"""In the environment: how much address space to take at the most."""

SMALLEST_MAP: Final = 256 << 20

GROW_SHARE: Final = 0.9
"""The share of a map beyond which the next one is larger."""

MAX_READERS: Final = 1024
MAX_TABLES: Final = 96

_UNITS: Final = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def open_mapped(path: Path, wanted: int, *, read_only: bool, passing: bool) -> lmdb.Environment:
    """Open an environment with as large a map as the address space has room for, and `wanted` bytes if it can be.

    Raises StoreError where there is no room for what the file has, or as lmdb.open() does.
    """
    size, needed = _map_bytes(path)
    size = max(size, wanted)
    while True:
        try:
            return _open_sized(path, size, read_only=read_only, passing=passing)
        except lmdb.MemoryError as error:
            if size == needed:
                raise StoreError(
                    f"cannot open the queue at {path}: no address space for a map of {needed >> 20:,} MiB; "
                    "raise the limit (`ulimit -v`)"
                ) from error
            size = max(size // 2, needed)


def _open_sized(path: Path, size: int, *, read_only: bool, passing: bool) -> lmdb.Environment:
    return lmdb.open(
        os.fsencode(path),
        map_size=size,
        max_dbs=MAX_TABLES,
        max_readers=MAX_READERS,
        max_spare_txns=0,  # one kept for later would hold a reader slot, which a forked child frees
        mode=0o600,
        create=False,
        readonly=read_only,
        sync=not passing,
        lock=not passing,
        lib_version=0,  # the format must not depend on an environment variable
    )


def is_small(map_bytes: int) -> bool:
    """Return whether a map is smaller than where there is address space enough."""
    return map_bytes < MAP_SIZE


def _map_bytes(path: Path) -> tuple[int, int]:
    """Return how large the map should be, and how large it must be."""
    try:
        used = (path / DATA_FILE).stat().st_size
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        used = 0
    limit = map_limit()
    # What fills most of the map gets twice as much: whoever has written that much will write more.
    size = limit if used < GROW_SHARE * limit else 2 * used
    return size, min(size, max(SMALLEST_MAP, used + used // 4))


def map_limit() -> int:
    """Return the address space to take at the most, unless the file needs more; raises StoreError."""
    said = os.environ.get(MAP_VARIABLE, "")
    if not said:
        return MAP_SIZE
    found = re.fullmatch(r"(\d{1,15})([KMGT]?)", said.strip().upper())
    if found is None or not (size := int(found[1]) * _UNITS[found[2]]):
        raise StoreError(f"{MAP_VARIABLE}: found {said[:40]!r}; expected a size such as 4G or 512M")
    return min(max(size, SMALLEST_MAP), 1 << 46)
