"""Reads files that are not trusted, in a process with little memory: `python -m tests.hostile KIND DIRECTORY FILE...`.

Prints a line of JSON a file: what became of it, `refused` with the message, or `read`. Anything else that a
reader lets through, and memory beyond the limit, is told by its class.
"""

import json
import os
import resource
import shutil
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

from queuectl import Queue
from queuectl.errors import QueuectlError
from queuectl.events.codec import decode
from queuectl.history import snapshot_files
from queuectl.integrity import checkpoint
from queuectl.liveness import lock_file
from queuectl.retention import archive
from queuectl.system.queue_files import SNAPSHOTS
from queuectl.transfer import swap

MEMORY_BYTES: Final = 400 << 20
"""Beside what LMDB maps and what the interpreter has already."""


def _import(file: Path, place: Path) -> None:
    with file.open("rb") as source:
        Queue.import_export(source, place / "new")
    with Queue.open(place / "new", create=False, read_only=True) as queue:
        for job in queue.jobs():
            queue.history(job.id)


def _restore(file: Path, place: Path) -> None:
    Queue.restore(str(file), place / "new")


def _segment(file: Path, place: Path) -> None:
    directory = place / "archive"
    directory.mkdir()
    shutil.copyfile(file, directory / "000001-1-9.seg")
    for key, value in archive.rows([directory]):
        decode(key, value)
    for segment in archive.segments([directory]):
        for entry in segment.entries():
            archive.archived_events([directory], None, entry.id)
        for piece in segment.pieces():
            assert len(piece.frames) < MEMORY_BYTES


def _checkpoint(file: Path, place: Path) -> None:
    checkpoint.read(file)


def _journal(file: Path, place: Path) -> None:
    staged = place / "new" / "restoring"
    staged.mkdir(parents=True)
    shutil.copyfile(file, staged / "journal.json")
    (place / "evil").touch()
    swap.finish(place / "new")


def _lock(file: Path, place: Path) -> None:
    with file.open("rb") as opened:
        found = lock_file.read(opened.fileno(), "w")
    assert found is None or len(found.runs) < 100_000


def _snapshot(file: Path, place: Path) -> None:
    directory = place / SNAPSHOTS
    directory.mkdir()
    shutil.copyfile(file, directory / "000000000000005.snapshot")
    if found := snapshot_files.read(place, 5):
        snapshot_files.unpack_into(found, place)
        assert sum(path.stat().st_size for path in place.glob("*.mdb")) < MEMORY_BYTES


READERS: Final[dict[str, Callable[[Path, Path], None]]] = {
    "export": _import,
    "backup": _restore,
    "segment": _segment,
    "checkpoint": _checkpoint,
    "journal": _journal,
    "lock": _lock,
    "snapshot": _snapshot,
}


def main(kind: str, directory: str, *files: str) -> None:
    """Read each file in turn."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    limit = used + MEMORY_BYTES + (130 << 30 if kind in ("export", "backup") else 0)  # two maps, which are no memory
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))
    for name in files:
        place = Path(directory) / Path(name).name
        place.mkdir()
        try:
            READERS[kind](Path(name), place)
            told = {"is": "read"}
        except QueuectlError as error:
            told = {"is": "refused", "told": str(error), "left": sorted(each.name for each in place.iterdir())}
        except Exception as error:  # whatever it is, it should not have come here
            told = {"is": type(error).__name__, "told": str(error)}
        print(json.dumps(told), flush=True)
        shutil.rmtree(place)


if __name__ == "__main__":
    with closing(sys.stdout):
        main(*sys.argv[1:])
