"""A gate that threads go through: it knows who is inside, and lets one have the place to itself.

Knows nothing of what is inside. A trap closed here: a signal's handler may raise at any call. So nobody is counted, and
to be out again takes no call: whoever went in sets `is_inside` of its own entry to False, in a `finally`. Nobody is
told of that; who waits looks again every few milliseconds.
"""

from collections.abc import Iterator
from contextlib import suppress
from threading import RLock, get_ident
from time import monotonic, sleep
from typing import Any, Final

from ..system.scope import scope

_PAUSE_S: Final = 0.002


def free(lock: Any) -> None:
    """Let go of an RLock, in a forked child, that a thread has which the child lacks.

    A signal's handler may fork while its thread waits for that very lock; back in the wait the child would be there
    for ever. What it gets the lock for refuses it then. A timed wait that looks whether this is a child would cost
    each one that need not wait, and could not be broken off safely by a handler that raises.
    """
    if not lock._is_owned():
        with suppress(RuntimeError):  # nobody has it
            lock._release_save()


class GateEntry:
    """That a thread is inside, or alone there, until `is_inside` is set to False; `reads`: for whoever has the gate."""

    __slots__ = ("is_inside", "reads", "thread")

    def __init__(self) -> None:
        self.thread = get_ident()
        self.is_inside = True
        self.reads = False


class Gate:
    """Threads enter, as often as they like, and leave; one that would be alone waits for all others."""

    def __init__(self) -> None:
        self.lock = RLock()
        """Held for what must not change while somebody enters; a signal's handler may enter in between."""
        self._entries: list[GateEntry] = []
        self._alone: GateEntry | None = None

    def enter(self) -> GateEntry | None:
        """Go in, which waits for one that is alone; whoever gets the entry sets `is_inside` to False to be out.

        None where it would wait for ever: in a signal's handler, whose thread is alone itself or has `lock`.
        """
        entry = GateEntry()
        try:
            while True:
                with self.lock:
                    if self._lets_in(entry):
                        self._entries = [*self.entries(), entry]
                        return entry
                if self.is_held_here:
                    return None
                sleep(_PAUSE_S)
        except BaseException:
            entry.is_inside = False
            raise

    def disown(self) -> None:
        """Let in whoever waits in a forked child: others that were inside, or alone, are threads of its parent."""
        self._alone = None
        free(self.lock)

    def entries(self) -> list[GateEntry]:
        """Return the entries of all that are inside."""
        return [each for each in self._entries if each.is_inside]

    @property
    def is_empty(self) -> bool:
        """Whether nobody is inside, nor alone; look with `lock` held."""
        return not self.entries() and not self.is_reserved

    @property
    def is_reserved(self) -> bool:
        """Whether one is alone, or waits for that."""
        return self._alone is not None and self._alone.is_inside

    @property
    def is_held_here(self) -> bool:
        """Whether this thread is on its way in, or alone: what interrupts it may not wait for another thread."""
        alone = self._alone
        if alone is not None and alone.is_inside and alone.thread == get_ident():
            return True
        return self.is_locked_here

    @property
    def is_locked_here(self) -> bool:
        """Whether this thread has `lock`, which whoever asks has not taken yet: so a handler of signals asks."""
        return self.lock._is_owned()  # type: ignore[attr-defined, no-any-return]

    @scope
    def alone(self, *, timeout_s: float) -> Iterator[bool]:
        """Keep others out meanwhile; yields whether nobody is inside, in time.

        Never while this thread itself is inside, nor where a signal's handler interrupted it while it has `lock`.
        """
        entry = GateEntry()
        try:
            yield not self.is_locked_here and self._gets_alone(entry, monotonic() + timeout_s)
        finally:
            entry.is_inside = False

    def _gets_alone(self, entry: GateEntry, deadline: float) -> bool:
        while True:
            with self.lock:
                if self._alone is None or not self._alone.is_inside:
                    self._alone = entry
                inside = self.entries()
                if self._alone is entry and not inside:
                    return True
                if any(each.thread == entry.thread for each in (*inside, self._alone) if each is not entry):
                    return False
            if monotonic() >= deadline:
                return False
            sleep(_PAUSE_S)

    def _lets_in(self, entry: GateEntry) -> bool:
        return not self.is_reserved or any(each.thread == entry.thread for each in self.entries())
