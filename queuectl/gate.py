"""A gate that threads go through: it knows who is inside, and lets one have the place to itself.

Knows nothing of what is inside. A trap closed here: a signal's handler may raise just as a thread leaves. Who is inside
is known by what its frame refers to, and not counted: it is out at the latest when nothing refers to that any more.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Condition, RLock, get_ident
from time import monotonic
from typing import Final
from weakref import ref

_LOOK_EVERY_S: Final = 0.05
"""How soon who waits notices that another is out, or alone no more, by being forgotten: nobody is told of that."""

_MANY: Final = 1_000
"""How many are inside at the most before those that were forgotten are looked for."""


class Visit:
    """What a thread refers to as long as it is inside, or alone there."""

    __slots__ = ("__weakref__", "reads", "thread")

    def __init__(self) -> None:
        self.thread = get_ident()
        self.reads = False
        """For whoever has the gate: whether it reads."""


class Gate:
    """Threads enter, as often as they like, and leave; one that would be alone waits for all others."""

    def __init__(self) -> None:
        self.lock = RLock()
        """Held for what must not change while somebody enters or leaves; a signal's handler may enter in between."""
        self._changed = Condition(self.lock)
        self._inside: set[ref[Visit]] = set()
        self._alone: ref[Visit] | None = None

    def enter(self) -> Visit:
        """Go in, which waits for one that is alone, and return what leave() wants; call it with `lock` held."""
        visit = Visit()
        if self._alone is not None:
            self._wait_for(lambda: self._lets_in(visit.thread))
        self._inside.add(ref(visit))
        if len(self._inside) > _MANY:
            self.visits()
        return visit

    def leave(self, visit: Visit) -> None:
        """Go out; call it with `lock` held. To go out twice is harmless."""
        self._inside.discard(ref(visit))
        if self._alone is not None:
            self._changed.notify_all()

    def visits(self) -> list[Visit]:
        """Return the visits of all that are inside; call it with `lock` held."""
        found = []
        for each in list(self._inside):
            if (visit := each()) is None:
                self._inside.discard(each)
            else:
                found.append(visit)
        return found

    @property
    def has_others(self) -> bool:
        """Whether more than one is inside, as far as can be told without a look at each."""
        return len(self._inside) > 1

    @property
    def is_empty(self) -> bool:
        """Whether nobody is inside, nor alone; look with `lock` held."""
        return (not self._inside or not self.visits()) and self._who_is_alone() is None

    def wait_for(self, found: Callable[[], bool], timeout_s: float) -> None:
        """Wait until something is found, which is looked for with `lock` held, after tell()."""
        with self.lock:
            self._changed.wait_for(found, timeout_s)

    def tell(self) -> None:
        """Have all that wait look again."""
        with self.lock:
            self._changed.notify_all()

    @contextmanager
    def alone(self, *, timeout_s: float) -> Iterator[bool]:
        """Keep others out meanwhile; yields whether nobody is inside, in time: never while this thread itself is."""
        visit = Visit()
        deadline = monotonic() + timeout_s
        try:  # around the waiting too, which an interrupt may end
            with self.lock:
                is_free = self._wait_for(lambda: self._who_is_alone() is None, timeout_s)
                is_free = is_free and not self._has(visit.thread)
                if is_free:
                    self._alone = ref(visit)
                    is_free = self._wait_for(lambda: not self.visits(), deadline - monotonic())
            yield is_free
        finally:
            with self.lock:
                if self._who_is_alone() is visit:
                    self._alone = None
                    self._changed.notify_all()

    def _who_is_alone(self) -> Visit | None:
        return None if self._alone is None else self._alone()

    def _lets_in(self, thread: int) -> bool:
        alone = self._who_is_alone()
        return alone is None or alone.thread == thread or self._has(thread)

    def _has(self, thread: int) -> bool:
        return any(visit.thread == thread for visit in self.visits())

    def _wait_for(self, found: Callable[[], bool], timeout_s: float = float("inf")) -> bool:
        deadline = monotonic() + timeout_s
        while not found():
            left_s = deadline - monotonic()
            if left_s <= 0:
                return False
            self._changed.wait(min(left_s, _LOOK_EVERY_S))
        return True
