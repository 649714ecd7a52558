"""An open queue: what all of its uses stand on."""

from __future__ import annotations  # evaluated, those of so many methods cost a command its start

from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from ..core.argument_kinds import check_methods
from ..engine.group_commit import GroupCommit
from ..engine.unit_of_work import Engine
from ..system import host
from ..system.directory_owner import check_trusted

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping
    from types import TracebackType

    from ..retention import archived_history
    from ..store.store import Store
    from ..system.clock import Clock


_OURS: Final = __name__.partition(".")[0] + "."


class Opened:
    """A queue that was opened, until it is closed; what its methods are given is held against their signatures."""

    def __init_subclass__(cls) -> None:
        if cls.__module__.startswith(_OURS):  # what a program derives has its own signatures
            check_methods(cls)

    def __init__(
        self, store: Store, clock: Clock, actor: str, cause: int = 0, environ: Mapping[str, str] | None = None
    ) -> None:
        self.path = store.path
        self.actor = actor
        self._store = store
        self._clock = clock
        self._engine = Engine(store, clock, actor, cause, environ)
        self._commits = GroupCommit(self._engine)
        self._printed: archived_history.Printed | None = None

    def close(self) -> None:
        """Close the store; doing so twice is harmless."""
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def directory_of(path: str | os.PathLike[str] | None) -> Path:
    """Return the directory of a queue: as named, or else where this user's lies; raises Untrusted."""
    directory = host.absolute(path if path is not None else host.default_path())
    check_trusted(directory)
    return directory
