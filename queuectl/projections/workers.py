"""Which workers are there? `workers`: id -> what it said of itself at its start, until it stops."""

from msgspec.structs import replace

from ..events.types import WORKER_STREAM, Frozen, Recorded, WorkerStarted, WorkerStopped, WorkerStopping
from ..store.store import Transaction
from .row_codec import pack, read_row, scan, unpacker, write_row

TABLE = "workers"


class WorkerRow(Frozen, array_like=True):
    """A worker that has started and not stopped."""

    id: str
    host: str
    pid: int
    slots: int
    queues: tuple[str, ...] | None
    started_at_us: int
    stopping: bool = False
    stop_now: bool = False
    node: str | None = None


_unpack = unpacker(WorkerRow)


def apply(txn: Transaction, recorded: Recorded) -> None:
    """Add, mark or drop the worker an event is about."""
    worker = str(recorded.stream).removeprefix(WORKER_STREAM)
    event = recorded.event
    if isinstance(event, WorkerStarted):
        row = WorkerRow(worker, event.host, event.pid, event.slots, event.queues, recorded.at_us, node=event.node)
        write_row(txn, TABLE, worker.encode(), pack(row))
    elif isinstance(event, WorkerStopped):
        txn.delete(TABLE, worker.encode())
    elif isinstance(event, WorkerStopping) and (known := get(txn, worker)) is not None:
        write_row(
            txn, TABLE, worker.encode(), pack(replace(known, stopping=True, stop_now=known.stop_now or event.now))
        )


def get(txn: Transaction, worker: str) -> WorkerRow | None:
    """Return one worker."""
    row = read_row(txn, TABLE, worker.encode())
    return None if row is None else _unpack(row)


def present(txn: Transaction) -> list[WorkerRow]:
    """Return every worker that has not stopped."""
    return [_unpack(row) for _, row in scan(txn, TABLE)]
