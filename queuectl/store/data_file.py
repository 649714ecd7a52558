"""A queue's data file seen from outside: whether it is sound, what it holds, a copy without free pages.

For those who do not keep it open; whoever works with it has an `environment`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import lmdb

from .. import hints
from ..errors import NoQueue, StoreError
from ..events.types import Frozen
from ..system.files import exists
from ..system.interrupts import own
from ..system.queue_files import DATA_FILE
from ..system.shortage import hindrance
from .directory import advice_on, check_new, hold_files, refuse_irregular
from .half_made import holds_nothing, refuse_lost
from .lmdb_file import opened_file
from .tables import LOG, check_format, checked_meta, refuse_lost_tables, table_names


def faults(path: Path) -> list[str]:
    """Return what is wrong with the structure of data.mdb, found in Python, without the engine.

    It reads all of the file; where a process writes to it meanwhile, what it gives may be wrong. Raises StoreError
    where the file cannot be read by this process.
    """
    from lmdb.verify import VerifyError, verify

    try:
        return [str(each) for each in verify(str(path))]  # type: ignore[no-untyped-call]
    except own(VerifyError, OSError, ValueError) as error:
        if isinstance(error, OSError) and hindrance(error):
            advice = advice_on(error, "check its owner and permissions")
            raise StoreError(f"cannot read data.mdb in {path}: {error.strerror}", hint=advice) from error
        return [str(error)]


def damaged_file(path: Path, error: lmdb.Error) -> StoreError:
    """Return the error for a file in which LMDB met what cannot be."""
    found, advice = str(error).rstrip("."), advice_on(error, hints.VERIFY_THEN_RESTORE)
    return StoreError(f"cannot open the queue at {path}: {found}", hint=advice)


@contextmanager
def as_store_error(path: Path) -> Iterator[None]:
    """Raise what LMDB says of a file meanwhile as StoreError."""
    try:
        yield
    except lmdb.Error as error:
        raise damaged_file(path, error) from error


def check_length(path: Path, env: lmdb.Environment) -> None:
    """Refuse a file that was cut short: reading a page that is not there would end the process.

    A sound file may lack pages at its end that no tree reaches, so a short one is walked, in Python.
    """
    pages = int(env.info()["last_pgno"]) + 1
    if (path / DATA_FILE).stat().st_size >= pages * int(env.stat()["psize"]):
        return
    if found := faults(path):
        raise StoreError(
            f"cannot open the queue at {path}: data.mdb was cut short ({found[0]}); restore a backup of the directory"
        )


class Peeked(Frozen):
    """What an environment holds: rows of `meta`, the last rows of `log`, last first, and the tables it lacks."""

    meta: dict[bytes, bytes]
    latest: list[tuple[bytes, bytes]]
    missing: list[str]


def peek(path: Path, latest: int) -> Peeked:
    """Look into an environment without writing anything, for the `latest` rows of its log among others.

    Raises NoQueue, NotAQueue, NewerFormat or StoreError.
    """
    refuse_irregular(path)
    if not exists(path / DATA_FILE):
        check_new(path)
        refuse_lost(path)
        raise NoQueue(str(path))
    if holds_nothing(path):
        refuse_lost(path)
        raise NoQueue(str(path))
    held = hold_files(path, create=False)
    try:
        with as_store_error(path), opened_file(path) as opened, opened.reading() as env:
            check_length(path, env)
            check_format(env, path, None)
            with env.begin() as txn:
                there = set(txn.cursor().iternext(values=False))
            rows, _ = checked_meta(env, path, None)
            log = env.open_db(LOG.encode(), create=False)
            with env.begin() as txn:
                found: Any = list(islice(txn.cursor(log).iterprev(), latest))
        missing = [name for name in table_names() if name.encode() not in there]
        refuse_lost_tables(rows.get(b"tables", b""), len(missing), path)
        return Peeked(rows, found, missing)
    finally:
        if held is not None:
            held.let_go()


def compacted_copy(path: Path, target: Path) -> None:
    """Copy an environment that nobody has open into a directory, without its free pages, and check the copy.

    Raises NotAQueue or StoreError.
    """
    # Where pages form a circle, LMDB's compacting walk calls itself until the stack ends, and the process with it.
    if found := faults(path):
        raise StoreError(
            f"cannot copy the queue at {path}: data.mdb is damaged ({found[0]})", hint=hints.VERIFY_THEN_RESTORE
        )
    with as_store_error(path), opened_file(path) as opened, opened.reading() as env:
        check_format(env, path, None)
        try:
            opened.copy_into(target)
        except lmdb.Error as error:
            raise StoreError(f"cannot copy the queue at {path}: {error}; check the disk and its free space") from error
        rows = _count_rows(env)
    if found := faults(target):
        raise StoreError(f"cannot copy the queue at {path}: the copy is not sound ({found[0]}); check the disk")
    with opened_file(target) as opened, opened.reading() as env:
        if _count_rows(env) != rows:
            raise StoreError(f"cannot copy the queue at {path}: the copy lacks rows", hint=hints.RUN_VERIFY)


def _count_rows(env: lmdb.Environment) -> dict[bytes, int]:
    with env.begin() as txn:
        names = [bytes(name) for name in txn.cursor().iternext(values=False)]
    tables = {name: env.open_db(name, create=False) for name in names}
    with env.begin() as txn:
        return {name: int(txn.stat(table)["entries"]) for name, table in tables.items()}
