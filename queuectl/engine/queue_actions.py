"""What a whole queue is told: that its jobs are not to start for now, and that they may again."""

from ..core.request import check_queue
from ..core.times import LATEST_US, log_time_us
from ..events.types import QUEUE_STREAM, Event, Paused, Resumed
from ..projections import queues
from .engine import Engine
from .unit_of_work import Unit


def pause(engine: Engine, queue: str, *, until_us: int | None, reason: str | None) -> bool:
    """Let no job of a queue start until a time of the machine's clock, None: until it is resumed.

    Returns whether that is news. Raises InvalidInput for a name that no queue can have.
    """
    name = check_queue(queue)
    with engine.unit(reason=reason, rings=True) as unit:
        until_log_us = None if until_us is None else _by_the_log(until_us, unit.now_us, engine.clock.now_us())

        def decide() -> tuple[Event, ...]:
            row = _paused(unit, name)
            return () if row is not None and row.until_us == until_log_us else (Paused(until_log_us),)

        return unit.append_named(QUEUE_STREAM + name, decide)


def resume(engine: Engine, queue: str, *, reason: str | None) -> bool:
    """Let the jobs of a queue start again; returns whether that is news, raises InvalidInput."""
    name = check_queue(queue)
    with engine.unit(reason=reason, rings=True) as unit:
        return unit.append_named(QUEUE_STREAM + name, lambda: () if _paused(unit, name) is None else (Resumed(),))


def _by_the_log(wall_us: int, log_now_us: int, wall_now_us: int) -> int:
    return min(log_time_us(wall_us, log_now_us=log_now_us, wall_now_us=wall_now_us), LATEST_US)


def _paused(unit: Unit, name: str) -> queues.QueueRow | None:
    row = queues.get(unit.txn, name)
    return row if row is not None and row.is_paused(unit.now_us) else None
