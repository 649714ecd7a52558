"""Limits set and removed, each by an event of its own stream; and whether what jobs ask to use is there."""

from collections.abc import Collection, Sequence
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Final

from .. import hints
from ..core.limits import MUTEX, Limit, Use, cap_of, check_limit, check_name, lane_of, parse
from ..display import shown
from ..errors import InvalidInput, Unusable
from ..events.types import LIMIT_STREAM, Event, JobOptions, LimitRemoved, LimitSet
from ..projections import lanes, limits
from ..store.store import Transaction
from ..system.lazy import Later
from .engine import Engine

if TYPE_CHECKING:
    from ..queries import rates
else:
    rates = Later("queries.rates")  # an enqueue has no use for them

MOST_CLASSES: Final = 1_000
"""Pairs of a queue and plain limits with which jobs may wait: a claim looks at the first job of each."""


def set_limit(engine: Engine, name: str, wanted: Limit, *, kept: Sequence[str], reason: str | None) -> bool:
    """Set a limit; what is `kept`, by fields of Limit, stays as it was set. Returns whether that is news.

    Raises InvalidInput for a name that no limit can have, and for a limit that would limit nothing.
    """
    check_name(name)
    with engine.unit(reason=reason, rings=True) as unit:

        def decide() -> tuple[Event, ...]:
            row = limits.get(unit.txn, name)
            old = Limit() if row is None else row.limit
            fields = {each: getattr(old if each in kept else wanted, each) for each in Limit.__struct_fields__}
            limit = Limit(**fields)
            check_limit(name, limit)
            return () if row is not None and row.limit == limit else (LimitSet(**fields),)

        is_news = unit.append_named(LIMIT_STREAM + name, decide)
        if is_news:
            unit.local(partial(rates.forget, name=name))
        return is_news


def remove_limit(engine: Engine, name: str, *, force: bool, reason: str | None) -> None:
    """Remove a limit; raises InvalidInput for one that is not set, or is in use and not to be removed by `force`."""
    check_name(name)
    with engine.unit(reason=reason, rings=True) as unit:

        def decide() -> tuple[Event, ...]:
            if limits.get(unit.txn, name) is None:
                return ()
            if not force and (by := _users(unit.txn, name)):
                raise Unusable("limit", f"{shown(name)}, used by {by}", "one that no job uses", then=hints.FORCE_LIMIT)
            return (LimitRemoved(),)

        if not unit.append_named(LIMIT_STREAM + name, decide):
            raise not_set(name, limits.caps(unit.txn))
        unit.local(partial(rates.forget, name=name))


class UseCheck:
    """Whether jobs can be given what they ask to use, as a transaction has it."""

    def __init__(self, txn: Transaction) -> None:
        self._txn = txn
        self._caps = limits.caps(txn)
        self._new: set[bytes] = set()

    def check(self, options: JobOptions | None) -> None:
        """Refuse what could never be used, since it is not set or has too few units; raises InvalidInput."""
        for use in (options and options.use) or ():
            _check_use(parse(use), self._caps)

    def check_new(self, queue: str, options: JobOptions | None) -> None:
        """Refuse what a new job of a queue could never use, or one class of jobs too many; raises InvalidInput."""
        if options is None or not options.use:
            return
        self.check(options)
        digest = lane_of(queue, options.use).class_digest
        if digest in self._new or lanes.has_class(self._txn, digest):
            return
        room = MOST_CLASSES - len(self._new)
        if sum(1 for _ in islice(lanes.classes(self._txn, lanes.LANES), room)) == room:
            expected = (
                f"a queue and limits that jobs wait with: there are {MOST_CLASSES:,} such already, and a claim looks"
            )
            expected += " at each; the values of one limit, NAME:VALUE, may be as many as you like"
            raise InvalidInput("use", f"{shown(', '.join(options.use))} in queue {shown(queue)}", expected)
        self._new.add(digest)


def _check_use(use: Use, caps: dict[str, Limit]) -> None:
    if use.limit == MUTEX:
        return
    limit = caps.get(use.name) or caps.get(use.limit)
    if limit is None:
        raise Unusable("use", shown(use.text), _one_of(caps), then=hints.set_limit(use.limit))
    if use.value is not None and limit.running is None:
        raise InvalidInput("use", shown(use.text), f"a limit of how many run; {use.limit} is of how many start alone")
    if (cap := cap_of(use.name, caps)) and use.units > cap:
        raise InvalidInput("use", shown(use.text), f"at most the {cap:,} that limit {use.limit} has")


def _users(txn: Transaction, name: str) -> str:
    """Return who uses a limit: jobs that run, or that wait; "" for nobody."""
    if any(each == name or each.startswith(f"{name}:") for each, _ in lanes.each_used(txn, name)):
        return "jobs that run"
    names = (lanes.names_of(packed) for _, packed in lanes.classes(txn, lanes.LANES))
    waits = any(name in (each.of.keyed, each.value, *(plain for plain, _ in each.of.plain)) for each in names)
    return "jobs that wait" if waits else ""


def not_set(name: str, known: Collection[str]) -> Unusable:
    """Return the error that there is no limit of a name; `known` are those that are set."""
    return Unusable("limit", shown(name), _one_of(known), then=hints.LIMIT_LIST if known else hints.SET_LIMIT)


def _one_of(known: Collection[str]) -> str:
    some = ", ".join(sorted(known)[:10]) + (" ..." if len(known) > 10 else "")
    return f"a limit that is set: {some}" if known else "a limit that is set, and none is"
