"""A store, a clock and who acts: what units of work are opened with."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from ..core.request import check_text
from ..projections import edges
from ..projections.views import Views
from ..store.event_reader import EventReader
from ..store.store import Store, Transaction
from ..system import wakeup
from ..system.clock import Clock
from ..system.lazy import Later
from ..system.scope import scope
from .log_clock import now_us
from .writer import EmbeddedWriter, Writer

if TYPE_CHECKING:
    from . import ends, unit_of_work
    from .unit_of_work import Unit
else:
    unit_of_work = Later("engine.unit_of_work")  # who only reads opens none
    ends = Later("engine.ends")  # only where a job has ended that others wait for


class Engine:
    """A store, a clock, who acts, and an environment whose settings count: opens units of work."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        actor: str,
        cause: int = 0,
        environ: Mapping[str, str] | None = None,
        writer: Writer | None = None,
    ) -> None:
        self.store = store
        self.environ = environ or {}
        self.clock = clock
        self.actor = actor
        self.cause = cause
        self.writer = writer or EmbeddedWriter(store, clock)

    @scope
    def unit(self, *, actor: str | None = None, reason: str | None = None, rings: bool = False) -> Iterator["Unit"]:
        """Open a unit of work; at its end everything is on disk, or nothing is; of a shared log, what it appended.

        `rings`: idle workers are woken after it. Raises InvalidInput for an actor or a reason that
        the log cannot keep.
        """
        if reason is not None:
            check_text("reason", reason)
        if actor is not None:
            check_text("actor", actor)
        with self.writer.session() as session:
            cause = self.cause if actor in (None, self.actor) else 0
            unit = unit_of_work.Unit(session, self.clock, actor or self.actor, reason, cause, self.environ)
            yield unit
            unit.views.flush()
            if is_any_due := edges.is_any_due(unit.txn):
                ends.tell_ends(unit)
        if rings or is_any_due:
            wakeup.ring(self.store.path)

    def now_us(self) -> int:
        """Return the time that an event appended now would have: never before what was promoted or recorded."""
        with self.store.read() as txn:
            return self.now_us_in(txn)

    def now_us_in(self, txn: Transaction) -> int:
        """Return now_us() as a transaction has it."""
        return now_us(txn, self.clock, max(EventReader(txn).last_at_us, Views(txn).promoted_us))
