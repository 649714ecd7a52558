"""The parts of `queuectl verify`, as messages: run in a process of its own, since the engine can end on a damaged file.

The log and the views have processes of their own beside the one that looks at the file. The one part that writes, the
replay check, is begun once the file is known to be sound; where the log turns out not to be, what it found is dropped.
"""

import time
from collections.abc import Generator, Iterable, Iterator, Mapping
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any

from ..errors import StoreError
from ..events.audit import Problem
from ..store.data_file import faults
from ..store.directory import is_used
from ..store.store import Store, key_of
from ..store.tables import LOG
from ..system import subprocess_task
from ..system.queue_files import DATA_FILE
from ..system.shortage import hindrance
from ..system.subprocess_task import Message
from . import log_check, views_check
from .findings import of_error, problem, seconds_since


def messages(path: str, *, log_only: bool = False, against: Mapping[str, str] | None = None) -> Iterator[Message]:
    """Check a queue, part by part. `against` has digests (hex) that the log's chain ought to have at some positions.

    Messages are of these kinds, by their key `is`: `progress`, `problem`, `more` (problems, of which only the number
    is told), `note`, `part` (one is done), `ended` (its process came to an untimely end), and `head`.
    File, log and views are looked at beside each other, the views once the file is known to be sound.
    """
    if log_only:
        yield from of_log(path, log_only=True, against=against)
        return
    log = _Beside("log", {"path": path, "against": against})
    is_sound = yield from _heard(_file(Path(path)))
    views = _Beside("views", {"path": path}) if is_sound else None
    is_sound = (yield from _heard(log)) and is_sound
    if views is None or not is_sound:
        why = "what they are made from is damaged, or could not be looked at"
        yield {"is": "note", "what": f"the views were not compared: {why}"}
    else:
        yield from views


def of_log(path: str, *, log_only: bool = False, against: Mapping[str, str] | None = None) -> Iterator[Message]:
    """Check the log of a queue, and what its runs printed, as messages() does."""
    watched = {int(position): bytes.fromhex(digest) for position, digest in (against or {}).items()}
    return log_check.messages(Path(path), watched, log_only=log_only)


def of_views(path: str) -> Iterator[Message]:
    """Compare the views of a queue with its log, as messages() does."""
    return views_check.messages(Path(path))


def _heard(part: Iterable[Message]) -> Generator[Message, None, bool]:
    """Yield the messages of a part, and return whether it is sound."""
    is_sound = True
    for message in part:
        is_sound = is_sound and message["is"] not in ("problem", "ended")
        yield message
    return is_sound


class _Beside:
    """A part that is looked at in a process of its own meanwhile; returns its messages in order."""

    def __init__(self, task: str, options: Mapping[str, Any]) -> None:
        self._task = task
        self._options = options
        self._told: SimpleQueue[Message | None] = SimpleQueue()
        Thread(target=self._run, daemon=True).start()

    def __iter__(self) -> Iterator[Message]:
        return iter(self._told.get, None)

    def _run(self) -> None:
        try:
            ending = subprocess_task.run(self._task, self._options, self._told.put)
        except Exception as error:  # whatever it is, who waits for the messages must hear of their end
            ending = subprocess_task.Ending(str(error) or repr(error), False, hindrance(error))
        if ending:
            self._told.put({"is": "ended", "part": self._task, **ending._asdict()})
        self._told.put(None)


def positions_read(path: str, after: int) -> Iterator[Message]:
    """Yield the positions after one, each once the engine has read it, to find where it ends."""
    with Store.open_suspect(Path(path)) as store, store.read() as txn:
        for key, _ in txn.scan(LOG, key_of(after + 1)):
            yield {"is": "position", "position": int.from_bytes(key[:8], "big")}


def _file(path: Path) -> Iterator[Message]:
    begun = time.monotonic()
    yield {"is": "progress", "part": "file", "done": 0, "total": None}
    try:
        found = faults(path)
        if found and is_used(path):  # a writer may have used pages again while they were read: hold what there is
            with Store.open_suspect(path) as store, store.read():
                found = faults(path)
    except StoreError as error:
        yield problem("file", of_error(error))
        return
    yield from (problem("file", Problem(0, f"data.mdb: {each}")) for each in found)
    yield {"is": "part", "part": "file", "bytes": (path / DATA_FILE).stat().st_size, "seconds": seconds_since(begun)}
