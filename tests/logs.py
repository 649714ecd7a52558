"""A log with something of everything in it, and ways to damage it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any
from zlib import crc32

import msgpack

from queuectl import JobRequest, Queue
from queuectl.core.results import Captured
from queuectl.events.types import Output
from queuectl.outputs.frames import cut_frame, encode_frame
from queuectl.outputs.storage import file_of
from queuectl.store.store import Row, Store, key_of

SMALL = encode_frame(b"o", b"hello\n") + encode_frame(b"e", b"oh\n")
LARGE = encode_frame(b"o", b"x" * 20_000)


def fill(path: Path) -> None:
    """Make a queue whose log has jobs in bulk, runs, retries, outputs, a reused id, settings and a worker."""
    with Queue.open(path, actor="tester") as queue:
        queue.admin.config_set("max_retries", 0)
        queue.worker("w").started(host="here", pid=1, slots=2)
        queue.enqueue_many([JobRequest("true", f"bulk{n}") for n in range(40)])
        first, second, third, *rest = queue.worker("w").claim(20)
        queue.worker("w").complete(
            queue.worker("w").start(first), output=Captured(SMALL, _told(b"hello\n"), _told(b"oh\n"))
        )
        file = queue.worker("w").output_path(second)
        file.parent.mkdir(mode=0o700, parents=True)
        file.write_bytes(LARGE)
        queue.worker("w").fail(
            queue.worker("w").start(second), "exit code 1", output=Captured(None, _told(b"x" * 20_000))
        )
        cut = encode_frame(b"o", b"abc") + cut_frame(90) + encode_frame(b"o", b"xyz")
        queue.worker("w").complete(queue.worker("w").start(third), output=Captured(cut, Output(96, bytes(32))))
        queue.worker("w").complete_many(rest[:15])
        queue.retry(second.id)
        queue.clear(all=True)
        queue.enqueue("true", id=first.id)
        queue.cancel(first.id)
        queue.worker("w").stopped("done")
        job = queue.enqueue("true", id="last", priority=9)
        queue.worker("w2").complete(
            queue.worker("w2").start(*queue.worker("w2").claim(1)),
            output=Captured(SMALL, _told(b"hello\n"), _told(b"oh\n")),
        )
        assert queue.job(job.id).state == "completed"


def _told(content: bytes) -> Output:
    return Output(len(content), sha256(content).digest())


def rows_of(path: Path) -> list[Row]:
    """Return the stored events."""
    with Store.open(path, create=False, read_only=True) as store, store.read() as txn:
        return list(txn.scan("log"))


@contextmanager
def tampering(path: Path) -> Iterator[Any]:
    """Yield a write transaction to do harm with."""
    with Store.open(path, create=False) as store, store.write() as txn:
        yield txn


def replace(path: Path, rows: list[Row]) -> None:
    """Put rows in place of the log's."""
    with tampering(path) as txn:
        txn.clear("log")
        txn.put_many("log", rows)


def sealed(position: int, envelope: dict[str, Any]) -> bytes:
    """Return an event's stored bytes with a checksum that matches."""
    payload = msgpack.packb(envelope)
    return crc32(payload, crc32(key_of(position))).to_bytes(4, "big") + payload


def rewritten(rows: list[Row], position: int, **changes: Any) -> list[Row]:
    """Return a log with one event changed and a checksum that matches, as somebody would who covers his tracks."""
    envelope = msgpack.unpackb(rows[position - 1][1][4:]) | changes
    return [*rows[: position - 1], (key_of(position), sealed(position, envelope)), *rows[position:]]


def rechained(rows: list[Row], *, keeps: Callable[[int], bool] | None = None) -> list[Row]:
    """Return a log whose kept digests are all made to fit; `keeps` says which positions keep one, if not the same."""
    digest, found = bytes(32), []
    for position, (key, value) in enumerate(rows, 1):
        envelope = msgpack.unpackb(value[4:])
        kept = envelope.pop("h", None)
        is_to_keep = kept is not None if keeps is None else keeps(position)
        value = sealed(position, envelope | ({"h": digest} if is_to_keep else {}))
        digest = sha256(digest + value).digest()
        found.append((key, value))
    return found


__all__ = ["LARGE", "SMALL", "file_of", "fill", "rechained", "replace", "rewritten", "rows_of", "sealed", "tampering"]
