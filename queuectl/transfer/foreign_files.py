"""Reads the jobs of other queues: a `jobs.json` with its `dlq.json`, or tables of a SQLite file. Writes nothing."""

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from .. import hints
from ..errors import StoreError
from ..system.files import other_kind
from ..system.interrupts import own
from ..system.untrusted import Malformed, json_value
from .foreign_rows import ForeignKind, foreign_id, foreign_kind

_WRAPPERS: Final = ("jobs", "dlq", "items", "data")
"""The one key of an object that holds the jobs, where it is no map of them."""


class ForeignRow(NamedTuple):
    """A row, where it stands, and what its job is where it has no state."""

    where: str
    fields: Any
    default: ForeignKind


JOBS_AT_MOST: Final = 50_000_000
"""Values in a file of jobs, which is read whole: as many as fit into memory anyway."""

ReadRows = Callable[[], Iterator[ForeignRow]]
"""Returns the rows, the same each time."""


@contextmanager
def json_rows(jobs: str, dlq: str | None) -> Iterator[ReadRows]:
    """Open a `jobs.json`, and the `dlq.json` that goes with it; raises StoreError."""
    rows = list(_json_file(jobs, ForeignKind.WAITING))
    if dlq is not None:
        rows = _with_dead(rows, list(_json_file(dlq, ForeignKind.DEAD)))
    yield lambda: iter(rows)


@contextmanager
def sqlite_rows(file: str, tables: Sequence[str]) -> Iterator[ReadRows]:
    """Open tables of a SQLite file, read-only and as they are now; none named is `jobs`. Raises StoreError."""
    _check_file(file)
    try:
        uri = f"file:{quote(str(Path(file).absolute()))}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as connection:
            connection.text_factory = lambda text: text.decode(errors="surrogateescape")
            connection.execute("BEGIN")
            chosen = _tables(connection, file, tables)
            yield lambda: (row for table in chosen for row in _table(connection, table))
    except sqlite3.Error as error:
        raise StoreError(f"cannot import {file}: {error}; it is to be a SQLite file that can be read") from None


def _check_file(file: str) -> None:
    try:
        if kind := other_kind(file):
            raise StoreError(f"cannot import {file}: it is {kind}; it is to be a SQLite file that can be read")
        Path(file).open("rb").close()  # SQLite does not say why a file cannot be read
    except FileNotFoundError:
        raise StoreError(f"cannot import {file}: there is no such file") from None
    except own(OSError) as error:
        raise StoreError(f"cannot import {file}: {error.strerror}") from None


def _json_file(name: str, default: ForeignKind) -> Iterator[ForeignRow]:
    try:
        value = json_value(Path(name).read_bytes(), values_at_most=JOBS_AT_MOST)
    except own(OSError) as error:
        raise StoreError(f"cannot import {name}: {error.strerror}") from None
    except Malformed as error:
        raise StoreError(f"cannot import {name}: {error}") from None
    short = Path(name).name
    if isinstance(value, Mapping) and len(value) == 1 and next(iter(value)) in _WRAPPERS:
        inner = next(iter(value.values()))
        value = inner if isinstance(inner, (list, dict)) else value
    if isinstance(value, list):
        yield from (ForeignRow(f"{short}[{index}]", row, default) for index, row in enumerate(value))
    elif isinstance(value, Mapping):
        for key, row in value.items():
            has_id = not isinstance(row, Mapping) or foreign_id(row) is not None
            yield ForeignRow(f"{short}: {key}", row if has_id else {"id": key, **row}, default)
    else:
        raise StoreError(f"cannot import {name}: it holds no list or map of jobs")


def _with_dead(jobs: list[ForeignRow], dead: list[ForeignRow]) -> list[ForeignRow]:
    """Add the dead letters; one that is dead in both is one job, its fields those of both."""
    place = {job_id: index for index, row in enumerate(jobs) if (job_id := _id(row)) is not None}
    rows = list(jobs)
    for row in dead:
        index = place.get(_id(row) or "")
        if index is not None and foreign_kind(rows[index].fields) in (ForeignKind.DEAD, ForeignKind.FAILED):
            both = {**rows[index].fields, **{key: value for key, value in row.fields.items() if value is not None}}
            rows[index] = ForeignRow(f"{rows[index].where}, {row.where}", both, ForeignKind.DEAD)
        else:
            rows.append(row)
    return rows


def _id(row: ForeignRow) -> str | None:
    return foreign_id(row.fields) if isinstance(row.fields, Mapping) else None


def _tables(connection: sqlite3.Connection, file: str, wanted: Sequence[str]) -> list[str]:
    there = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")]
    by_name = {name.lower(): name for name in there}
    chosen = []
    for name in wanted or ("jobs",):
        if name.lower() not in by_name:
            found = ", ".join(there) or "none"
            raise StoreError(f"cannot import {file}: it has no table {name!r}", hint=hints.name_table(found))
        chosen.append(by_name[name.lower()])
    return chosen


def _table(connection: sqlite3.Connection, table: str) -> Iterator[ForeignRow]:
    is_dead = any(word in table.lower() for word in ("dlq", "dead"))
    quoted = table.replace('"', '""')
    rows = connection.execute(f'SELECT * FROM "{quoted}"')
    names = [column[0] for column in rows.description]
    for number, row in enumerate(rows, 1):
        yield ForeignRow(
            f"{table} row {number}",
            dict(zip(names, row, strict=True)),
            ForeignKind.DEAD if is_dead else ForeignKind.WAITING,
        )
