"""Modules that are imported when they are first used, so that a start pays only for what it goes on to do."""

from importlib import import_module
from typing import Any


class Later:
    """A module of this package, in place of it until somebody asks for one of its names."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        """Import it, and give what it calls so."""
        return getattr(import_module(f".{self._name}", __package__), name)
