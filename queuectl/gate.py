"""A gate that threads go through: it counts who is inside, and lets one have the place to itself.

Knows nothing of what is inside.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Condition, RLock, get_ident
from time import monotonic


class Gate:
    """Threads enter, as often as they like, and leave; one that would be alone waits for all others."""

    def __init__(self) -> None:
        self.lock = RLock()
        """Held for what must not change while somebody enters or leaves; a signal's handler may enter in between."""
        self._changed = Condition(self.lock)
        self._inside: dict[int, int] = {}
        self._alone: int | None = None

    def enter(self) -> int:
        """Go in, which waits for one that is alone, and return the thread's id; call it with `lock` held."""
        who = get_ident()
        inside = self._inside
        if self._alone is not None:
            self._changed.wait_for(lambda: self._alone in (None, who) or who in inside)
        inside[who] = inside.get(who, 0) + 1
        return who

    def leave(self, who: int) -> None:
        """Go out as the thread that went in; call it with `lock` held."""
        inside = self._inside
        if (left := inside[who] - 1) > 0:
            inside[who] = left
        else:
            del inside[who]
        if self._alone is not None:
            self._changed.notify_all()

    @property
    def is_empty(self) -> bool:
        """Whether nobody is inside, nor alone."""
        return not self._inside and self._alone is None

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
        who, is_mine = get_ident(), False
        deadline = monotonic() + timeout_s
        try:  # around the waiting too, which an interrupt may end
            with self.lock:
                is_free = self._changed.wait_for(lambda: self._alone is None, timeout_s) and who not in self._inside
                if is_free:
                    is_mine, self._alone = True, who
                    is_free = self._changed.wait_for(lambda: not self._inside, max(0.0, deadline - monotonic()))
            yield is_free
        finally:
            with self.lock:
                if is_mine and self._alone == who:
                    self._alone = None
                    self._changed.notify_all()
