"""What is done from time to time with jobs that wait: those whose time is over are ended, and others' ends told."""

from ..core.job import Job
from ..projections import edges, timers
from .ends import tell_ends
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


def tell_all(engine: Engine, *, actor: str | None = None) -> None:
    """Tell all children whose parents have ended; where there are none, nothing waits for the store's lock."""
    while tell_some(engine, actor=actor):
        pass


def tell_some(engine: Engine, *, actor: str | None = None) -> bool:
    """Tell some children whose parents have ended, a transaction's worth; returns whether there may be more."""
    if not _is_any_due(engine):
        return False
    with engine.unit(actor=actor, rings=True) as unit:
        return bool(tell_ends(unit))  # if nobody was, another was quicker


def _is_any_due(engine: Engine) -> bool:
    with engine.store.read() as txn:
        return edges.is_any_due(txn)
