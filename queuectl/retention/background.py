"""Retention as configured, in the pauses of a worker: a little at a time.

A pass is due when a tenth of `retention_s` has gone by since the last one, so that segments do not
come in crumbs, or when many events have piled up.
"""

import time
from collections.abc import Generator
from typing import TYPE_CHECKING, Final

from ..core.settings import Settings
from ..engine.engine import Engine
from ..errors import CompactBusy
from ..events.types import RETENTION_STREAM
from ..projections import config
from ..queries.jobs import position_at
from ..store.event_reader import EventReader
from ..system.lazy import Later
from .policy import Compacted, Limits, Rule

if TYPE_CHECKING:
    from . import compact
else:
    compact = Later("retention.compact")  # it loads what most workers never need

LOOK_EVERY_S: Final = 5.0
"""How often it is looked whether a pass is due."""

STEP_S: Final = 0.005
"""How long, about, it works on a pass at a time: the worker has its slots to look after."""

STEP_EVERY_S: Final = 0.15
"""How long it leaves the worker to its slots between two steps."""

STEP_EVERY_BEHIND_S: Final = 0.03
"""The same where MANY_EVENTS are due."""

LONGEST_PAUSE_S: Final = 86_400.0
MANY_EVENTS: Final = 50_000

BACKGROUND_LIMITS: Final = Limits(step_jobs=150, step_events=600, segment_events=20_000, segment_bytes=8 << 20)


class BackgroundCompactor:
    """Compacts step by step between a worker's ticks."""

    def __init__(self, engine: Engine, actor: str) -> None:
        self._engine = engine
        self._actor = actor
        self._steps: Generator[Compacted, None, None] | None = None
        self._rule = Rule(0, keep_dead=False)
        self._finished_rule = Rule(0, keep_dead=False)
        self._begun_us = 0
        self._pause_s = STEP_EVERY_S

    def step(self) -> float:
        """Do a little where there is something to do; returns the seconds until more is due. Raises StoreError."""
        until = time.monotonic() + STEP_S
        if self._steps is None:
            self._begin()
        if self._steps is None:
            return LOOK_EVERY_S
        try:
            next(self._steps)
            while time.monotonic() < until:
                next(self._steps)
        except StopIteration:
            self._steps, self._finished_rule = None, self._rule
            return LOOK_EVERY_S
        except CompactBusy:
            self._steps = None
            return LOOK_EVERY_S
        except BaseException:
            self._steps = None
            raise
        return self._pause_s

    def close(self) -> None:
        """Stop where it is; interrupting is safe."""
        if self._steps is not None:
            self._steps.close()
            self._steps = None

    def _begin(self) -> None:
        now_us = self._engine.now_us()
        with self._engine.store.read() as txn:
            settings = Settings.of(config.values(txn))
            if not settings.retention_s:
                return
            upto = position_at(txn, now_us - int(settings.retention_s * 1_000_000))
            log = EventReader(txn)
            last = log.version(RETENTION_STREAM)
            last_us = max(self._begun_us, log.at(last).at_us if last else 0)
            behind = upto - max(log.cut(), self._finished_rule.upto)
        pause_us = min(settings.retention_s / 10, LONGEST_PAUSE_S) * 1_000_000
        if behind <= 0 or (now_us - last_us < pause_us and behind < MANY_EVENTS):
            return
        keep_dead = bool(settings.retention_keep_dead)
        finished = self._finished_rule
        self._rule = Rule(upto, keep_dead, finished.upto if finished.keep_dead == keep_dead else 0)
        self._begun_us = now_us
        self._pause_s = STEP_EVERY_S if behind < MANY_EVENTS else STEP_EVERY_BEHIND_S
        self._steps = compact.Retention(
            self._engine, self._rule, None, limits=BACKGROUND_LIMITS, actor=self._actor
        ).steps()
