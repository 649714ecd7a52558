"""Reads an export back: the same events under the same positions, byte for byte, and views made anew from them.

The queue is put together beside the empty one and moves in when it is whole, so that an import that
fails or is interrupted leaves what was there. Holds a batch in memory, never the log.
"""

import os
import time
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

from .. import hints
from ..core.event_check import check_event
from ..core.progress import PartProgress
from ..display import named, shown
from ..errors import CorruptLog, NewerFormat, StoreError, WriteFailed
from ..events.codec import decode
from ..events.hash_chain import GENESIS, Chain, link
from ..events.types import Enqueued, Recorded
from ..integrity.log_check import faults_of_log
from ..outputs import storage
from ..projections.rebuild import bring_up_to_date, rebuild
from ..projections.views import Views
from ..store import log_rows
from ..store.event_reader import EventReader, stream_key
from ..store.store import Row, Store, Transaction, key_of
from ..store.tables import LOG, STREAMS
from ..system.files import is_directory, make_private, open_private
from ..system.interrupts import own
from ..system.queue_files import DATA_FILE, LMDB_LOCK_FILE
from ..system.untrusted import json_object, whole_number
from .export_log import NAMES_KEPT, SCHEMA, Exported, job_id_at
from .readable_form import difference
from .swap import install, is_there, staging

EVENTS_AT_ONCE: Final = 10_000
BYTES_AT_ONCE: Final = 8 << 20
DIGEST_BYTES: Final = 32
LATE_US: Final = 86_400_000_000
"""How far ahead of this machine's clock an export may be: a queue can have gone on while a clock was put right."""

LINE_BYTES: Final = 64 << 20
"""The longest line read: an output of 10 MiB kept in one row, in base64, has room."""


def import_export(path: Path, source: IO[bytes], name: str, *, progress: PartProgress | None = None) -> Exported:
    """Import an export into the queue at a path, which must be empty, or not there; all or nothing.

    Raises StoreError, naming the line, where it is none, was cut short, or does not have the digest
    it says; NewerFormat where a newer queuectl wrote it.
    """
    before = _state_of_empty(path)
    with staging(path, "import into") as staged:
        if before != _stat(path):
            raise _not_empty(path)
        lines = _Lines(source, name)
        with lines.errors_with_line(), Store.open(staged, create=True) as store:
            done = _Import(store, lines, progress).run()
        aside = install(path)
    if aside is not None:
        _drop_empty(aside)
    return done


def _state_of_empty(path: Path) -> tuple[int, int] | None:
    if not is_there(path):
        return None
    with Store.open(path, create=False, read_only=True) as store, store.read() as txn:
        if txn.last(LOG) is not None:
            raise _not_empty(path)
    return _stat(path)


def _stat(path: Path) -> tuple[int, int] | None:
    try:
        found = (path / DATA_FILE).stat()
    except FileNotFoundError:
        return None
    return found.st_size, found.st_mtime_ns  # LMDB writes by write(2), so each commit shows


def _not_empty(path: Path) -> StoreError:
    return StoreError(
        f"cannot import into the queue at {path}: it holds events already, and an import is a whole queue",
        hint=hints.NEW_DIRECTORY,
    )


def _drop_empty(aside: Path) -> None:
    """Take away the empty queue whose place was taken."""
    for name in (DATA_FILE, LMDB_LOCK_FILE):
        (aside / name).unlink(missing_ok=True)
    for directory in (aside, aside.parent):
        if is_directory(directory) and not any(directory.iterdir()):
            directory.rmdir()


class _Lines:
    """The lines of an export, each a JSON object, and where it is read."""

    def __init__(self, source: IO[bytes], name: str) -> None:
        self._source = source
        self._name = named(name)
        self.number = 0

    def __iter__(self) -> Iterator[dict[str, Any]]:
        while raw := self._source.readline(LINE_BYTES + 1):
            self.number += 1
            if not raw.strip():
                continue
            if len(raw) > LINE_BYTES:
                raise ValueError(f"it is longer than {LINE_BYTES:,} bytes")
            yield json_object(raw)

    def _where(self) -> str:
        return f"cannot import {self._name}: " + (f"line {self.number}" if self.number else "the file is empty")

    @contextmanager
    def errors_with_line(self) -> Iterator[None]:
        """Raise whatever goes wrong as one line, with the line it went wrong in."""
        try:
            yield
        except WriteFailed as error:  # to a queue half made, whose directory nobody named
            told = f"cannot import {self._name}: {error.found}; nothing was imported"
            raise StoreError(told, hint=error.hint) from error
        except KeyError as error:
            raise StoreError(f"{self._where()} lacks {error}; nothing was imported") from None
        except CorruptLog as error:
            told = f"the event at position {error.position} is damaged: {error.found}"
            raise StoreError(f"{self._where()}: {told}; nothing was imported") from None
        except own(ValueError, TypeError, OverflowError) as error:
            raise StoreError(f"{self._where()}: {error}; nothing was imported") from None


class _Import:
    """One import, into a store made for it."""

    def __init__(self, store: Store, lines: _Lines, progress: PartProgress | None) -> None:
        self._store = store
        self._lines = lines
        self._progress = progress
        self._rows: list[Row] = []
        self._streams: dict[bytes, bytes] = {}
        self._names: dict[int, str] = {}
        self._kept: list[Row] = []
        self._gaps: list[int] = []  # the last position of each
        self._size = 0
        self._position = self._events = self._outputs = 0
        self._chain = Chain()

    def run(self) -> Exported:
        """Read all lines, make the views, and see that it is what was exported."""
        lines = iter(self._lines)
        header = next(lines, None)
        self._head = self._check_header(header)
        for line in lines:
            if "raw" in line:
                self._add_event(line)
            elif "output" in line:
                if (header or {}).get("outputs") is False:
                    raise ValueError("it is an output, and the first line says that there are none")
                self._add_output(line)
            elif "end" in line:
                self._flush()
                self._check_end(line)
                return self._finish(header or {}, line)
            else:
                raise ValueError("it is neither an event, an output nor the end")
        raise ValueError("the end is missing after it: the export was cut short")

    def _check_header(self, header: dict[str, Any] | None) -> int:
        if header is None or "queuectl_export" not in header:
            raise ValueError(hints.NO_EXPORT)
        schema = whole_number(header["queuectl_export"], "queuectl_export", least=1)
        if schema > SCHEMA:
            raise NewerFormat("the schema of the export", schema, SCHEMA)
        whole_number(header.get("promoted_us", 0), "promoted_us")
        return whole_number(header["head"], "head")

    def _add_event(self, line: dict[str, Any]) -> None:
        position = line["position"]
        if type(position) is not int or not self._position < position <= self._head:
            raise ValueError(f"position {shown(position)} does not belong after {self._position}")
        key, value = key_of(position), b64decode(line["raw"], validate=True)
        recorded = decode(key, value)
        check_event(recorded, self._kept_at)
        if differs := difference(line, recorded, self._id_of(recorded)):
            raise ValueError(differs)
        if wrong := self._chain.add(key, value):
            raise ValueError(wrong)
        if position != self._position + 1:
            self._gaps.append(position - 1)
        self._position = position
        self._events += 1
        self._rows.append((key, value))
        self._streams[stream_key(recorded.stream)] = key
        self._grow(len(value))

    def _kept_at(self, stream: str) -> int:
        key = stream_key(stream)
        found = self._streams.get(key)
        if found is None:
            with self._store.read() as txn:
                found = txn.get(STREAMS, key)
        return int.from_bytes(found or b"", "big")

    def _id_of(self, recorded: Recorded) -> str | None:
        """Return the id of an event's job, by the events before it; None if it is no job's, or of one not there."""
        number, names = recorded.stream, self._names
        if not isinstance(number, int):
            return None
        if isinstance(recorded.event, Enqueued):
            names[number] = recorded.event.spec.id
        elif number not in names:
            with self._store.read() as txn:
                found = job_id_at(txn, number)
            if found is None:
                return None
            names[number] = found
        return names[number]

    def _add_output(self, line: dict[str, Any]) -> None:
        number, token = (whole_number(each, "output", most=self._head) for each in line["output"])
        frames = b64decode(line["frames"], validate=True)
        self._outputs += not line.get("at")
        if "at" not in line:
            self._kept.append((key_of(number) + key_of(token), frames))
            self._grow(len(frames))
            return
        path = storage.file_of(self._store.path, number, token)
        make_private(path.parent)
        with os.fdopen(open_private(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), "ab") as file:
            if file.tell() != line["at"]:
                raise ValueError(f"it goes on at {line['at']}, and the output before it ends at {file.tell()}")
            file.write(frames)

    def _grow(self, size: int) -> None:
        self._size += size
        if len(self._rows) + len(self._kept) >= EVENTS_AT_ONCE or self._size >= BYTES_AT_ONCE:
            self._flush()

    def _flush(self) -> None:
        with self._store.write() as txn:
            log_rows.add(txn, self._rows, self._streams)
            txn.put_many(storage.TABLE, sorted(self._kept))
        self._rows, self._streams, self._kept, self._size = [], {}, [], 0
        if len(self._names) > NAMES_KEPT:  # what is forgotten is in the store by now
            self._names.clear()
        if self._progress:
            self._progress("Importing", self._position, self._head)

    def _check_end(self, end: dict[str, Any]) -> None:
        for what, found in (("events", self._events), ("head", self._position)):
            if end[what] != found:
                told = f"it says {what} {shown(end[what])}, and there were {found}"
                raise ValueError(f"{told}: the export is incomplete")
        if end["outputs"] != self._outputs:
            raise ValueError(f"it says {shown(end['outputs'])} outputs, and there were {self._outputs}")
        if whole_number(end["cut"], "cut", most=self._head) and len(bytes.fromhex(end["origin"])) != DIGEST_BYTES:
            raise ValueError("its origin is no digest")
        if self._gaps and self._gaps[-1] > end["cut"]:
            raise ValueError(f"the event at position {self._gaps[-1]} is missing")

    def _finish(self, header: dict[str, Any], end: dict[str, Any]) -> Exported:
        with self._store.write() as txn:
            log = EventReader(txn)
            if end["cut"]:
                self._set_cut(txn, end["cut"], bytes.fromhex(end["origin"]))
            digest = log.digest().hex()
            # A rebuild promotes as far as the live views are: that gives the rows of the queue exported.
            soon_us = max(log.last_at_us, time.time_ns() // 1000) + LATE_US
            promoted_us = whole_number(header.get("promoted_us", 0), "promoted_us", most=soon_us)
            Views(txn).promote_to(promoted_us)
        if not digest == end["digest"] == header["digest"]:
            raise ValueError(f"the digest is {digest[:16]}..., and should be {str(end['digest'])[:16]}...")
        if self._events:
            rebuild(self._store, swap=True, progress=self._rebuilding)
        else:
            bring_up_to_date(self._store)
        self._check_log()
        return Exported(self._events, self._outputs, self._position, digest)

    def _set_cut(self, txn: Transaction, cut: int, origin: bytes) -> None:
        first = txn.get(LOG, key_of(1))
        if first is not None and link(GENESIS, first) != origin:
            raise ValueError("its origin is not the digest of the first event")
        log_rows.set_cut(txn, cut, origin)

    def _check_log(self) -> None:
        """Hold the log against itself, and what runs printed against the log, for which there must be views."""
        if problems := faults_of_log(self._store, with_outputs=bool(self._outputs)):
            raise ValueError(problems[0])

    def _rebuilding(self, done: int, total: int) -> None:
        if self._progress:
            self._progress("Making the views", done, total)
