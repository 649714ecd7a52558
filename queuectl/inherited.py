"""What `queuectl verify` knows of the environments that jobs take along: each is what its digest says, and there.

Reads envelopes, which may hold anything. Holds a bounded number of digests.
"""

from typing import Any, Final

from .errors import InvalidInput
from .events.types import ENVIRONMENT_STREAM
from .inheriting import digest_of
from .store import Transaction

OF_ENVIRONMENTS: Final = frozenset({"enqueued", "environment_kept"})
"""Types of the events that fault() is to see."""

_HELD: Final = 10_000


class Inherited:
    """The digests whose environment was found; the same are taken along again and again."""

    def __init__(self) -> None:
        self._found: set[str] = set()

    def fault(self, txn: Transaction, position: int, envelope: dict[str, Any]) -> str:
        """Return what is wrong with what an event keeps or takes along, nothing where it is sound."""
        data = envelope.get("d")
        if envelope["y"] == "environment_kept":
            is_sound = _digest(data) == str(envelope.get("s", "")).removeprefix(ENVIRONMENT_STREAM)
            return "" if is_sound else "its entries are not those whose digest its stream is named after"
        digest = data.get("inh") if isinstance(data, dict) else None
        word = digest.hex() if isinstance(digest, bytes) else ""
        if digest is None or word in self._found:
            return ""
        kept = txn.get("streams", b"\xff" + f"{ENVIRONMENT_STREAM}{word}".encode())
        if kept is None or int.from_bytes(kept, "big") >= position:
            return f"it takes along environment {word}, which is not kept before it: the job cannot run"
        if len(self._found) >= _HELD:
            self._found.clear()
        self._found.add(word)
        return ""


def _digest(data: Any) -> str:
    try:
        return digest_of(data["env"]).hex()
    except (InvalidInput, KeyError, TypeError, AttributeError, ValueError):
        return ""
