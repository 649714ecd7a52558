"""Tells jobs that waited for others how these have ended."""

from typing import Final

from ..core.commands import TellEnd
from ..core.job import Job
from ..projections import edges
from .unit_of_work import Unit

TOLD_AT_ONCE: Final = 1_000
"""Jobs that are told in a transaction: more would keep other processes waiting."""


def tell_ends(unit: Unit) -> list[Job]:
    """Tell jobs that waited for others how these have ended, some at once, and so on down; returns them."""
    told: list[Job] = []
    while len(told) < TOLD_AT_ONCE:
        unit.views.flush()
        due = edges.due(unit.txn, TOLD_AT_ONCE - len(told))
        some, _ = unit.execute_each([(child, TellEnd(parent.number, parent.state)) for child, parent in due])
        if not some:
            break
        told += some
    return told
