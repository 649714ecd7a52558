"""The files of a queue as they were opened: the tables in them, and whether a transaction is of them still.

That another file was put in the place of the open one is noticed by the end of the log as this process saw it last.
A trap closed here: reading a page of a file cut short would end the process.
"""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import lmdb

from .. import hints
from ..errors import NoQueue, StoreError
from .data_file import check_length, damaged_file
from .lmdb_file import LmdbFile
from .tables import CUT, LOG, META, Sets, TablesMissing, create_tables, open_tables, tables_there

Counted = dict[str, bytes | None]
"""For each table whose rows were found to be all there: below which key, None for all."""


Seen = tuple[bytes, bytes]
"""The key of the last row of `log` that this process knew of, and the checksum which that row begins with."""

_CHECKSUM_BYTES: Final = 4
_OVERWRITTEN: Final = "another file was copied over its data.mdb"


class OpenedFiles:
    """What is opened, and opened anew, of a directory; `passing` and `is_suspect` as in Environment."""

    def __init__(self, path: Path, *, passing: bool, is_suspect: bool) -> None:
        self.path = path
        self._directory = str(path)  # joining Paths would take longer than a read
        self._passing, self._is_suspect = passing, is_suspect
        self.freed_readers = 0
        self._seen: Seen | None = None
        self._is_sharing = False
        """Whether others with this pid are kept from opening the store, since somebody reads it here."""

    def _start(self, *, read_only: bool, map_bytes: int = 0) -> None:
        opened = LmdbFile(self.path, read_only=read_only, passing=self._passing, map_bytes=map_bytes)
        try:
            opened.open()
            sets = self._tables_of(opened, read_only=read_only)
            freed = opened.freed_readers + opened.env.reader_check()
            opened.note_size()
            if self._seen is None and self.is_shared:
                with suppress(lmdb.Error), opened.reading():  # of damage, whoever reads tells
                    self._seen = _read_last_seen(opened, sets)
        except BaseException as error:
            opened.close()
            if isinstance(error, lmdb.Error) and not self._is_suspect:
                raise damaged_file(self.path, error) from error
            raise
        self.freed_readers += freed
        self.sets, self.opened, self.is_read_only = sets, opened, read_only
        self._is_sharing = False

    def _tables_of(self, opened: LmdbFile, *, read_only: bool) -> Sets:
        if self._is_suspect:
            with opened.reading() as env:
                if env.stat()["entries"] == 0:
                    raise TablesMissing
                return tables_there(env, self.path)
        check_length(self.path, opened.env)
        if opened.env.stat()["entries"]:
            return open_tables(opened, self.path, read_only=read_only)
        if read_only:
            raise TablesMissing
        return create_tables(opened, self.path)

    @property
    def is_shared(self) -> bool:
        """Whether all who open these files in this process are to share it."""
        return not (self._passing or self._is_suspect)

    def _gone(self) -> str:
        return "" if self._passing else self.opened.changed(self._directory)

    def begin(self, *, write: bool) -> lmdb.Transaction:
        """Return a transaction, once it is of the file that was opened; call it while inside.

        Raises NoQueue where something else was copied over it, StoreError where its log is damaged, or lmdb.Error.
        """
        opened, seen = self.opened, self._seen  # what was seen before it began is in it
        last_id = opened.last_id()
        txn = opened.env.begin(write=write)
        try:
            if opened.is_overwritten(txn, last_id, write=write):
                raise NoQueue(str(self.path), gone=_OVERWRITTEN)
            if seen is not None and not _has(txn, self.sets["a"], seen):
                raise _lost(self.path, txn, self.sets["a"])
        except BaseException as error:
            try:
                txn.abort()
            finally:
                del txn
                forget_frames(error)
            raise
        return txn

    def last_seen(self, txn: lmdb.Transaction) -> Seen | None:
        """Return what to look for in the transactions after this one, for note(); None in an empty log."""
        return _last_seen(txn, self.sets["a"])

    def note(self, seen: Seen | None) -> None:
        """Have the transactions from now on be refused if they lack what was seen in the last."""
        self._seen = seen

    def check_to_commit(self, txn: lmdb.Transaction) -> None:
        """Raise NoQueue where what is about to be committed would not be found, or would be put into another file."""
        self.check_there()
        if self.opened.is_overwritten(txn, 0, write=True):
            raise NoQueue(str(self.path), gone=_OVERWRITTEN)

    def check_there(self) -> None:
        """Raise NoQueue where the path no longer leads to what is open."""
        if gone := self._gone():
            raise NoQueue(str(self.path), gone=gone)


def forget_frames(error: BaseException) -> None:
    """Have the calls that an error went through, from the caller of this on, name nothing any more.

    An error that is kept keeps them, and with a transaction that is over its reader slot.
    """
    step = error.__traceback__ and error.__traceback__.tb_next
    while step is not None:
        with suppress(RuntimeError):  # it goes on
            step.tb_frame.clear()
        step = step.tb_next


def _last_seen(txn: lmdb.Transaction, tables: Mapping[str, Any]) -> Seen | None:
    """Return what to look for in the transactions after this one; None in an empty log."""
    cursor = txn.cursor(db=tables[LOG])
    return (bytes(cursor.key()), bytes(cursor.value()[:_CHECKSUM_BYTES])) if cursor.last() else None


def _read_last_seen(opened: LmdbFile, sets: Sets) -> Seen | None:
    """Return the same by a transaction that is forgotten with this call: until then its reader slot is taken."""
    with opened.env.begin() as txn:
        return _last_seen(txn, sets["a"])


def _has(txn: lmdb.Transaction, tables: Mapping[str, Any], seen: Seen) -> bool:
    """Whether the log has what was seen of it, or retention let go of that."""
    key, checksum = seen
    row = txn.get(key, db=tables[LOG])
    if row is not None:
        return bytes(row[:_CHECKSUM_BYTES]) == checksum
    last = txn.cursor(db=tables[LOG])  # which retention never lets go
    return last.last() and key <= bytes(txn.get(CUT, db=tables[META]) or b"") < bytes(last.key())


def _lost(path: Path, txn: lmdb.Transaction, tables: Mapping[str, Any]) -> StoreError:
    """Return the error where the log lacks what was seen of it: it is another file's, or in no order any more."""
    last = _last_seen(txn, tables)
    if last is None or _has(txn, tables, last):
        return NoQueue(str(path), gone=_OVERWRITTEN)
    position = int.from_bytes(last[0], "big")
    return StoreError(
        f"the queue at {path} is damaged: its log ends with position {position}, which is not where it belongs",
        hint=hints.VERIFY_THEN_RESTORE,
    )
