"""Modules that are imported when they are first used, so that a start pays only for what it goes on to do.

Traps closed here: a child forked while another thread imports a module would wait for ever for that thread, which it
does not have, as soon as it wants that module too. So a fork waits until no import from here is under way. And a
signal's handler that interrupts an import would find half a module, or end that import by its own: it is refused.
"""

import os
import sys
from importlib import import_module
from threading import RLock
from typing import Any

from ..errors import StoreError

_importing = RLock()


class Later:
    """A module of this package, in place of it until somebody asks for one of its names."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        """Import it, and return what it calls so, which is then found here; raises StoreError in such a handler."""
        full, is_interrupted = f"queuectl.{self._name}", is_loading_here()
        with _importing:
            if is_interrupted and full not in sys.modules:
                raise _halfway()
            module = import_module(full)
            if getattr(module.__spec__, "_initializing", False):  # as the import system marks it, for itself
                raise _halfway()
        found = getattr(module, name)
        setattr(self, name, found)
        return found


def is_loading_here() -> bool:
    """Whether this thread is importing a module from here, as a signal's handler asks that may have interrupted it."""
    return _importing._is_owned()  # type: ignore[attr-defined, no-any-return]


def _halfway() -> StoreError:
    return StoreError(
        "cannot use the queue while this thread is loading a part of the program for it; do so afterwards"
    )


def _before_fork() -> None:
    _importing.acquire()


def _in_parent() -> None:
    _importing.release()


def _in_child() -> None:
    global _importing
    _importing.release()
    if not is_loading_here():  # else a handler forked, and its thread goes on with that
        _importing = RLock()  # others may have waited for the one that there was


os.register_at_fork(before=_before_fork, after_in_parent=_in_parent, after_in_child=_in_child)
