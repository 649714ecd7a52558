"""Ends jobs that wait and of which no attempt may start any more: those whose time is over."""

from ..core.job import Job
from ..projections import timers
from .engine import Engine


def expire_jobs(engine: Engine, *, actor: str | None = None) -> list[Job]:
    """End the jobs whose time is over, and return them; where there are none, nothing waits for the store's lock."""
    ended: list[Job] = []
    while _is_any_over(engine):
        with engine.unit(actor=actor) as unit:
            expired = unit.expire()
        ended += expired
        if not expired:  # another was quicker
            break
    return ended


def _is_any_over(engine: Engine) -> bool:
    with engine.store.read() as txn:
        return timers.is_any_over(txn, engine.now_us_in(txn))
