"""What a store holds, row by row, to be held against what another one holds."""

from pathlib import Path

from queuectl.store.event_reader import EventReader
from queuectl.store.store import VIEW_TABLES, Row, Store

Rows = dict[str, list[Row]]


def rows_of(path: Path, *tables: str) -> Rows:
    """Return the rows of some tables, or of the log, its streams, what runs printed and every view."""
    names = tables or ("log", "streams", "outputs", *VIEW_TABLES)
    with Store.open(path, create=False, read_only=True) as store, store.read() as txn:
        return {name: list(txn.scan(name)) for name in names}


def digest_of(path: Path) -> bytes:
    """Return the chain's digest at the head."""
    with Store.open(path, create=False, read_only=True) as store, store.read() as txn:
        return EventReader(txn).digest()


def files_of(directory: Path) -> dict[str, bytes]:
    """Return the files below a directory."""
    return {
        str(path.relative_to(directory)): path.read_bytes() for path in sorted(directory.rglob("*")) if path.is_file()
    }
