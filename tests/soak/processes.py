"""Looking at processes by /proc: who a worker's guardian is, who stands still, who is left over. Linux only."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple


class Process(NamedTuple):
    """A process that is no zombie."""

    pid: int
    parent: int
    words: str


def processes() -> Iterator[Process]:
    """Yield all processes that are alive."""
    for directory in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # gone meanwhile
            state, parent, *_ = (directory / "stat").read_text().rpartition(")")[2].split()
            if state not in "ZX":
                words = (directory / "cmdline").read_bytes().rstrip(b"\0").replace(b"\0", b" ")
                yield Process(int(directory.name), int(parent), words.decode(errors="replace"))


def guardian_of(worker: int) -> int | None:
    """Return the process id of a worker's guardian."""
    return next(
        (each.pid for each in processes() if each.parent == worker and "queuectl.liveness.guardian" in each.words), None
    )


def all_of(db_path: Path) -> list[Process]:
    """Return the processes that belong to a queue, by their environment or their command line."""
    mark = f"QUEUECTL_DB={db_path}".encode()
    return [each for each in processes() if str(db_path) in each.words or mark in _environment(each.pid)]


def stands_still(pid: int) -> bool:
    """Return whether every thread of a process is stopped."""
    try:
        stats = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/stat")]
    except OSError:
        return False
    return bool(stats) and all(stat.rpartition(")")[2].split()[0] == "T" for stat in stats)


def _environment(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []
