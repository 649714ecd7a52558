"""What runs printed: content beside the log, which refers to it by digest; replay neither makes nor loses it.

Small output lies in a table, large output, and that of a run still going on, in a file.
"""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from ..store.store import Transaction, key_of
from ..system.interrupts import suppress_own
from ..system.queue_files import OUTPUTS

TABLE = "outputs"


def file_of(directory: Path, number: int, token: int) -> Path:
    """Return where a run's output lies when it is large, or while it runs."""
    return directory / OUTPUTS / f"{number // 1000:06d}" / f"{number}-{token}"


def keep(txn: Transaction, number: int, token: int, frames: bytes) -> None:
    """Keep what a run printed."""
    txn.put(TABLE, key_of(number) + key_of(token), frames)


def stored_frames(txn: Transaction, number: int, token: int) -> bytes | None:
    """Return what a run printed, as frames, where it lies in the table."""
    return txn.get(TABLE, key_of(number) + key_of(token))


def piece_of_file(directory: Path, number: int, token: int, start: int, limit: int) -> bytes | None:
    """Return a piece of a run's file, None where it has none."""
    try:
        with file_of(directory, number, token).open("rb", buffering=0) as file:
            file.seek(start)
            return file.read(limit)
    except FileNotFoundError:
        return None


def forget(txn: Transaction, numbers: Iterable[int]) -> None:
    """Drop what the runs of jobs printed from the table."""
    for number in numbers:
        keys = [key for key, _ in txn.scan(TABLE, key_of(number), key_of(number + 1))]
        txn.delete_many(TABLE, keys)


def all_kept(txn: Transaction, number: int) -> list[tuple[int, bytes]]:
    """Return what a job's runs printed, as token and frames, where it lies in the table."""
    return [
        (int.from_bytes(key[8:], "big"), found) for key, found in txn.scan(TABLE, key_of(number), key_of(number + 1))
    ]


def files(directory: Path, numbers: Iterable[int]) -> list[tuple[int, int, Path]]:
    """Return the files of jobs' runs: number, token and path, in order."""
    wanted = set(numbers)
    found: list[tuple[int, int, Path]] = []
    for place in {file_of(directory, number, 0).parent for number in wanted}:
        with suppress(FileNotFoundError, NotADirectoryError):
            for path in place.iterdir():
                number, _, token = path.name.partition("-")
                if number.isdecimal() and token.isdecimal() and int(number) in wanted:
                    found.append((int(number), int(token), path))
    return sorted(found)


def remove_files(directory: Path, numbers: Iterable[int]) -> None:
    """Drop the files of jobs' runs; call it once their removal is on disk."""
    for _, _, path in files(directory, numbers):
        with suppress_own(OSError):
            path.unlink()
