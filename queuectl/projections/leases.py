"""Who holds what until when? `leases`: worker, expiry, number -> nothing.

The expiry is the claim's, or that of a renewal by event. By worker, since a worker's presence holds all its leases.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Final

from ..core.job import Job
from ..store.store import Row, Transaction, key_of
from .row_codec import scan

TABLE: Final = "leases"

_TAIL: Final = 17
"""NUL, 8 bytes of expiry, 8 of number."""

_LONGEST: Final = 255
"""Bytes of a worker's id in a key; a longer id is its beginning and a digest, and stands whole in the value."""


def row(job: Job, number: bytes) -> Row:
    """Return the row of a job that is processing, from its number's key."""
    lease = job.lease
    assert lease is not None, "a processing job has a lease"
    prefix, whole = _named(lease.worker)
    return prefix + lease.expires_at_us.to_bytes(8, "big") + number, whole


def expired(txn: Transaction, now_us: int, is_held: Callable[[str], bool]) -> list[int]:
    """Return the numbers of the jobs whose lease has run out, without those of workers whose presence holds them."""
    found: list[int] = []
    start = b""
    while (first := next(scan(txn, TABLE, start), None)) is not None:
        prefix, expires_at_us = first[0][: 1 - _TAIL], int.from_bytes(first[0][-16:-8], "big")
        if expires_at_us <= now_us and not is_held(_worker(first)):
            found += [_number(key) for key, _ in scan(txn, TABLE, prefix, prefix + key_of(now_us + 1))]
        start = prefix + b"\xff" * _TAIL  # after every lease of that worker
    return found


def held(txn: Transaction) -> dict[str, list[int]]:
    """Return the numbers of the jobs each worker holds."""
    found: dict[str, list[int]] = {}
    for each in scan(txn, TABLE):
        found.setdefault(_worker(each), []).append(_number(each[0]))
    return found


def held_by(txn: Transaction, worker: str) -> list[int]:
    """Return the numbers of the jobs that one worker holds."""
    prefix, _ = _named(worker)
    return [_number(key) for key, _ in scan(txn, TABLE, prefix, prefix + b"\xff" * _TAIL)]


@lru_cache(maxsize=256)
def _named(worker: str) -> tuple[bytes, bytes]:
    """Return how the keys of a worker's leases begin, and what stands in their values."""
    name = worker.encode()
    if len(name) <= _LONGEST:
        return name + b"\0", b""
    from hashlib import sha256  # only for such an id: it costs a command its start

    digest = sha256(name).hexdigest().encode()
    return name[: _LONGEST - len(digest)] + digest + b"\0", name


def _worker(found: Row) -> str:
    key, whole = found
    return (whole or key[:-_TAIL]).decode()


def _number(key: bytes) -> int:
    return int.from_bytes(key[-8:], "big")
