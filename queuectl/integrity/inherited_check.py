"""What `queuectl verify` knows of the environments that jobs take along: each is what its digest says, and there.

Holds a bounded number of digests.
"""

from collections.abc import Mapping
from typing import Final

from ..core.inherited_env import digest_of
from ..errors import InvalidInput
from ..events.types import ENVIRONMENT_STREAM, Edited, EnvironmentKept, JobSpec, Stream
from ..store.event_reader import stream_key
from ..store.store import Transaction
from ..store.tables import STREAMS
from ..system.interrupts import own

_HELD: Final = 10_000


class Inherited:
    """The digests whose environment was found; the same are taken along again and again."""

    def __init__(self) -> None:
        self._found: set[str] = set()

    def fault(self, txn: Transaction, position: int, stream: Stream, said: EnvironmentKept | JobSpec | Edited) -> str:
        """Return what is wrong with what an event keeps or takes along, nothing where it is sound."""
        if isinstance(said, EnvironmentKept):
            is_sound = _digest(said.entries) == str(stream).removeprefix(ENVIRONMENT_STREAM)
            return "" if is_sound else "its entries are not those whose digest its stream is named after"
        word = (said.inherited or b"").hex()
        if said.inherited is None or word in self._found:
            return ""
        kept = txn.get(STREAMS, stream_key(ENVIRONMENT_STREAM + word))
        if kept is None or int.from_bytes(kept, "big") >= position:
            return f"it takes along environment {word}, which is not kept before it: the job cannot run"
        if len(self._found) >= _HELD:
            self._found.clear()
        self._found.add(word)
        return ""


def _digest(entries: Mapping[str, str | None]) -> str:
    try:
        return digest_of(entries).hex()
    except own(InvalidInput, ValueError):  # too many, or a text that no system has
        return ""
