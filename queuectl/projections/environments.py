"""What was the environment of a digest? `environments`: digest -> the entries that jobs took along."""

from collections.abc import Mapping

from ..errors import StoreError
from ..events.types import ENVIRONMENT_STREAM, EnvironmentKept, Recorded
from ..store import Transaction
from .rows import pack, unpack

TABLE = "environments"


def apply(txn: Transaction, recorded: Recorded, event: EnvironmentKept) -> None:
    """Keep an environment's entries, under the digest that its stream is named after."""
    digest = bytes.fromhex(str(recorded.stream).removeprefix(ENVIRONMENT_STREAM))
    txn.put(TABLE, digest, pack(dict(event.entries)))


def is_kept(txn: Transaction, digest: bytes) -> bool:
    """Return whether there are entries of a digest."""
    return txn.get(TABLE, digest) is not None


def entries(txn: Transaction, digest: bytes) -> Mapping[str, str | None]:
    """Return the entries of a digest that a job refers to; raises StoreError where they are not there."""
    row = txn.get(TABLE, digest)
    if row is None:
        raise StoreError(f"a view is damaged (no environment {digest.hex()}); the log is not: type `queuectl replay`")
    found: Mapping[str, str | None] = unpack(row)
    return found
