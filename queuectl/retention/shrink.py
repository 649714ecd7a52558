"""Returns space to the disk: a data file without its free pages takes the place of the old one.

LMDB reuses the pages of what was deleted, but never makes its file smaller. Nobody may have the queue
open meanwhile. The old file stays until the new one is whole, checked and on disk.
"""

from pathlib import Path
from shutil import rmtree
from typing import NamedTuple

from ..errors import StoreError
from ..store.data_file import compacted_copy
from ..store.directory import SHRUNK, alone, refuse_half_replaced, refuse_irregular
from ..store.half_made import refuse_no_queue
from ..system.files import flush, make_private, rename
from ..system.interrupts import own
from ..system.queue_files import DATA_FILE


class Shrunk(NamedTuple):
    """What a shrink gave back: the size of the data file before and after."""

    before_bytes: int
    after_bytes: int


def shrink(path: Path, *, check: bool = False) -> Shrunk:
    """Shrink the data file of the queue at `path`, or only `check` that nobody has it open.

    Raises NoQueue, or StoreError where somebody has.
    """
    refuse_irregular(path)
    refuse_no_queue(path)
    with alone(path, "shrink"):
        refuse_half_replaced(path)
        if check:
            size = (path / DATA_FILE).stat().st_size
            return Shrunk(size, size)
        target = path / SHRUNK
        rmtree(target, ignore_errors=True)
        try:
            before = (path / DATA_FILE).stat().st_size
            make_private(target)
            compacted_copy(path, target)
            flush(target / DATA_FILE)
            after = (target / DATA_FILE).stat().st_size
            rename(target / DATA_FILE, path / DATA_FILE)
        except own(OSError) as error:
            raise StoreError(
                f"cannot shrink the queue at {path}: {error.strerror or error}; it was left as it is; "
                "see that the disk has room for a second data file"
            ) from error
        finally:
            rmtree(target, ignore_errors=True)
    return Shrunk(before, after)
