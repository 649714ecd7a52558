"""Writes a queue as JSON lines, for people, other programs and `queuectl import`; docs/backup.md has the format.

Each event comes in readable form and as its stored bytes, so that nothing is lost on the way. Reads
in short transactions; holds a batch in memory, never the log.
"""

import json
import os
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from ..core.progress import OpenProgress
from ..core.times import time_json
from ..errors import CorruptLog, StoreError
from ..events.codec import decode
from ..events.types import Enqueued, Recorded
from ..outputs import storage as outputs
from ..projections import marks
from ..queries.json_form import event_json
from ..retention.archived_history import origin_of
from ..store.event_reader import EventReader
from ..store.store import Row, Store, Transaction, key_of
from ..store.tables import LOG
from ..version import __version__

SCHEMA: Final = 1
"""The version of the lines; raised whenever an older queuectl could not import them."""

EVENTS_AT_ONCE: Final = 2_000
EXPORT_PIECE_BYTES: Final = 1 << 20
NAMES_KEPT: Final = 100_000
"""Ids of jobs held in memory, so that events can name them."""

Write = Callable[[bytes], object]


class Exported(NamedTuple):
    """What went out, or came in: events, outputs, the last position and the chain's digest there."""

    events: int
    outputs: int
    head: int
    digest: str


def export(
    store: Store, write: Write, *, now_us: int, with_outputs: bool, progress: OpenProgress | None = None
) -> Exported:
    """Write all lines, up to the head as it is at the beginning.

    Raises CorruptLog where an event is damaged, StoreError where retention cut the log meanwhile.
    """
    with store.read() as txn:
        log = EventReader(txn)
        head, digest, promoted_us = log.head(), log.digest().hex(), marks.get(txn, marks.PROMOTED)
    _line(
        write,
        {
            "queuectl_export": SCHEMA,
            "queuectl": __version__,
            "time": time_json(now_us),
            "head": head,
            "digest": digest,
            "promoted_us": promoted_us,
            "outputs": with_outputs,
        },
    )
    events = 0
    for events, line in enumerate(_events(store, head), 1):
        _line(write, line)
        if progress and events % 1000 == 0:
            progress(line["position"], head)
    count = 0
    for line in _outputs(store, head) if with_outputs else ():
        count += "at" not in line or line["at"] == 0
        _line(write, line)
    with store.read() as txn:
        log = EventReader(txn)
        cut, origin = log.cut(), origin_of(txn, store.path).hex() if log.cut() else None
    end = {
        "end": True,
        "events": events,
        "outputs": count,
        "head": head,
        "cut": cut,
        "origin": origin,
        "digest": digest,
    }
    _line(write, end)
    return Exported(events, count, head, digest)


def _line(write: Write, value: dict[str, Any]) -> None:
    write(json.dumps(value, separators=(",", ":")).encode() + b"\n")


def _events(store: Store, head: int) -> Iterator[dict[str, Any]]:
    after = 0
    names: dict[int, str | None] = {}
    while after < head:
        with store.read() as txn:
            batch = _batch(txn, after, head, names)
        if not batch:
            break
        for (_, value), recorded in batch:
            stream = recorded.stream
            told = event_json(recorded, names.get(stream) if isinstance(stream, int) else None)
            del told["caused_by"]  # `cause` says it, without a look-up an event
            yield told | {"raw": b64encode(value).decode()}
        after = batch[-1][1].position
        if len(names) > NAMES_KEPT:
            names.clear()
    if after != head:
        with store.read() as txn:
            if EventReader(txn).cut() < head:
                raise CorruptLog(head, "it is missing")
        raise StoreError(
            f"cannot export the queue at {store.path}: retention took the event at position {head} meanwhile; "
            "export again"
        )


def _batch(txn: Transaction, after: int, head: int, names: dict[int, str | None]) -> list[tuple[Row, Recorded]]:
    rows = txn.scan(LOG, key_of(after + 1), key_of(head + 1))
    # The log sees to gaps and decodes; the rows have the bytes.
    batch = list(zip(rows, EventReader(txn).read(after, EVENTS_AT_ONCE, until=head), strict=False))
    for _, recorded in batch:
        stream = recorded.stream
        if isinstance(stream, int) and stream not in names:
            names[stream] = job_id_at(txn, stream)
    return batch


def job_id_at(txn: Transaction, number: int) -> str | None:
    """Return the id of the job of a number, by its event in the log; None if that is not there."""
    value = txn.get(LOG, key_of(number))
    event = None if value is None else decode(key_of(number), value).event
    return event.spec.id if isinstance(event, Enqueued) else None


def _outputs(store: Store, head: int) -> Iterator[dict[str, Any]]:
    # Files first: a run that ends meanwhile takes its output from its file to the table.
    for number, token, path in _files(store.path, head):
        yield from _pieces(number, token, path)
    yield from _kept(store, head)


def _kept(store: Store, head: int) -> Iterator[dict[str, Any]]:
    start = b""
    while True:
        batch: list[Row] = []
        size = 0
        with store.read() as txn:
            for key, frames in txn.scan(outputs.TABLE, start):
                batch.append((key, frames))
                size += len(frames)
                if size > EXPORT_PIECE_BYTES or len(batch) >= EVENTS_AT_ONCE:
                    break
        if not batch:
            return
        for key, frames in batch:
            number, token = int.from_bytes(key[:8], "big"), int.from_bytes(key[8:], "big")
            if token <= head:
                yield {"output": [number, token], "frames": b64encode(frames).decode()}
        start = batch[-1][0] + b"\0"


def _files(db: Path, head: int) -> Iterator[tuple[int, int, Path]]:
    for place, directories, files in os.walk(db / outputs.TABLE):
        directories.sort()
        for name in sorted(files):
            number, _, token = name.partition("-")
            if number.isdigit() and token.isdigit() and int(token) <= head:
                yield int(number), int(token), Path(place) / name


def _pieces(number: int, token: int, path: Path) -> Iterator[dict[str, Any]]:
    try:
        file = path.open("rb")
    except FileNotFoundError:  # it went meanwhile, with its job
        return
    with file:
        at = 0
        while (piece := file.read(EXPORT_PIECE_BYTES)) or not at:
            yield {"output": [number, token], "at": at, "frames": b64encode(piece).decode()}
            at += len(piece)
            if not piece:
                return
