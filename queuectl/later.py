"""Modules that are imported when they are first used, so that a start pays only for what it goes on to do.

A trap closed here: a child forked while another thread imports a module would wait for ever for that thread, which it
does not have, as soon as it wants that module too. So a fork waits until no import from here is under way.
"""

import os
from importlib import import_module
from threading import RLock
from typing import Any

_importing = RLock()


class Later:
    """A module of this package, in place of it until somebody asks for one of its names."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        """Import it, and return what it calls so, which is then found here."""
        with _importing:
            found = getattr(import_module(f".{self._name}", __package__), name)
        setattr(self, name, found)
        return found


def _before_fork() -> None:
    _importing.acquire()


def _in_parent() -> None:
    _importing.release()


def _in_child() -> None:
    global _importing
    _importing = RLock()  # others may have waited for the one that there was


os.register_at_fork(before=_before_fork, after_in_parent=_in_parent, after_in_child=_in_child)
