"""What was the environment of a digest? `environments`: digest -> the entries that jobs took along."""

from ..core.inherited_env import Entries
from ..errors import CorruptLog, EnvironmentMissing
from ..events.types import ENVIRONMENT_STREAM, EnvironmentKept, Recorded
from ..store.store import Transaction
from ..system.interrupts import own
from .row_codec import pack, read_row, unpacker, write_row

TABLE = "environments"

_unpack = unpacker(dict[str, str | None])


def apply(txn: Transaction, recorded: Recorded, event: EnvironmentKept) -> None:
    """Keep an environment's entries; raises as digest_in()."""
    write_row(txn, TABLE, digest_in(recorded), pack(dict(event.entries)))


def digest_in(recorded: Recorded) -> bytes:
    """Return the digest that an environment's stream is named after; raises CorruptLog where it is none."""
    word = str(recorded.stream).removeprefix(ENVIRONMENT_STREAM)
    try:
        return bytes.fromhex(word)
    except own(ValueError):
        raise CorruptLog(recorded.position, f"its stream is named after {word[:60]!r}, which is no digest") from None


def find(txn: Transaction, digest: bytes) -> Entries | None:
    """Return the entries of a digest, None where none are kept."""
    row = read_row(txn, TABLE, digest)
    return None if row is None else _unpack(row)


def entries(txn: Transaction, digest: bytes) -> Entries:
    """Return the entries of a digest that a job refers to; raises EnvironmentMissing."""
    found = find(txn, digest)
    if found is None:
        raise EnvironmentMissing(digest.hex())
    return found
