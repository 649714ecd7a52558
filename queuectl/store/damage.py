"""Whether an error comes of stored rows that cannot be what was written, rather than of whoever asked.

A damaged row is met anywhere between the engine and what a row means: a key that is no text, a number too
large to be a key, a tuple of the wrong length. So the place is looked at, and not each of them guarded.
"""

import struct
from pathlib import Path
from typing import Final

from .. import hints
from ..errors import StoreError
from ..system.interrupts import is_another_s

DAMAGE_ERRORS: Final = (ValueError, TypeError, LookupError, ArithmeticError, AttributeError, SystemError, struct.error)
"""What Python, msgpack and the engine's binding raise over bytes that cannot be."""

_READERS: Final = (
    "store.transaction",
    "store.event_reader",
    "store.event_writer",
    "store.log_rows",
    "projections",
    "outputs.storage",
    "queries.presence",
    "history.subscriptions",
    "system.packing",
)
_LIVE_SET: Final = "Store._transaction"
"""What reads in the table `meta` which set of views is live."""

_SHOWN: Final = 80


def of_rows(error: BaseException, path: Path) -> StoreError | None:
    """Return the error to raise in the place of one met while rows of a store were read or written, None of others."""
    if not isinstance(error, DAMAGE_ERRORS) or not _passed_through_rows(error) or is_another_s(error):
        return None
    found = " ".join(f"{type(error).__name__}: {error}".split())[:_SHOWN]
    return StoreError(f"cannot read the queue at {path}: a view is damaged ({found})", hint=hints.VERIFY_AND_REPLAY)


def _passed_through_rows(error: BaseException) -> bool:
    step = error.__traceback__
    while step is not None:
        code, module = step.tb_frame.f_code, step.tb_frame.f_globals.get("__name__", "")
        name = module.partition(".")[2]
        if name.startswith(_READERS) or (name == "store.store" and code.co_qualname == _LIVE_SET):
            return True
        step = step.tb_next
    return False
