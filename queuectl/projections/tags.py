"""Which jobs bear a label? `tags`: kind, `key=value`, NUL, number of the job -> nothing.

Labels are the first kind; what else jobs are found by may have a kind of its own. A key has no `=` and a value no
NUL, so the jobs with a key lie together, and in them those with each value.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from ..core.labels import label_text
from ..events.types import JobOptions
from ..store.store import Transaction
from .row_codec import scan

TABLE: Final = "tags"

_LABEL: Final = b"\1"
_NUMBER_BYTES: Final = 8


def keys(options: JobOptions | None, number: bytes) -> set[bytes]:
    """Return the keys of the rows of a job with these options, from its number's."""
    labels: Mapping[str, str] = (options and options.labels) or {}
    return {_start(key, value) + number for key, value in labels.items()}


def numbers(txn: Transaction, key: str, value: str | None = None) -> Iterator[int]:
    """Return the numbers of the jobs with a label, in order, or of those with a key, by value."""
    start = _start(key, value)
    return (int.from_bytes(found[-_NUMBER_BYTES:], "big") for found, _ in scan(txn, TABLE, start, _behind(start)))


def label_keys(txn: Transaction, beginning: str = "") -> Iterator[str]:
    """Yield the keys that some labels have, those that begin so, in order; each costs one look."""
    for label in _each(txn, beginning, whole=False):
        yield label.partition("=")[0]


def labels(txn: Transaction, beginning: str = "") -> Iterator[str]:
    """Yield the labels there are that begin so, as `key=value`, in order; each costs one look."""
    return _each(txn, beginning, whole=True)


def _each(txn: Transaction, beginning: str, *, whole: bool) -> Iterator[str]:
    first = start = _LABEL + beginning.encode(errors="surrogateescape")
    while (found := next(scan(txn, TABLE, start, _behind(first)), None)) is not None:
        label = found[0][1 : -_NUMBER_BYTES - 1].decode()
        yield label
        start = _behind(_start(*label.split("=", 1)) if whole else _start(label.partition("=")[0], None))


def _start(key: str, value: str | None) -> bytes:
    """Return how the rows of a label begin, or those of a key."""
    end = "=" if value is None else "\0"
    return _LABEL + (label_text(key, value) + end).encode(errors="surrogateescape")


def _behind(start: bytes) -> bytes:
    """Return the first key that sorts after all that begin so."""
    return start[:-1] + bytes((start[-1] + 1,))
