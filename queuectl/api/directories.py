"""A queue's directory, while nobody has it open here: restored, imported into, brought up to date, made smaller."""

from __future__ import annotations  # evaluated, those of so many methods cost a command its start

import os
from typing import TYPE_CHECKING

from ..display import shown_with_kind
from ..errors import InvalidInput
from .base import Opened, queue_directory
from .parts import import_log, restore, shrink, swap, upgrade

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import IO

    from ..projections.upgrade import Migrated
    from ..retention.shrink import Shrunk
    from ..transfer.export_log import Exported
    from ..transfer.restore import Restored


class Directories(Opened):
    """What is done with a directory, by name: `Queue.restore(file, path)`."""

    @classmethod
    def restore(
        cls,
        file: str | os.PathLike[str],
        path: str | os.PathLike[str] | None = None,
        *,
        force: bool = False,
        progress: Callable[[str, int, int | None], None] | None = None,
    ) -> Restored:
        """Restore the backup in a `file` (`-`: from stdin) as the queue in a directory.

        One that is there is replaced only with `force`, and kept aside. Raises StoreError.
        """
        return restore.restore(queue_directory(path), os.fspath(file), force=force, progress=progress)

    @classmethod
    def finish_restore(cls, path: str | os.PathLike[str] | None = None) -> bool:
        """End a restore or an import that was interrupted while it moved in; returns whether there was one.

        Raises StoreError where there is no queue, and one was killed before it moved in.
        """
        return swap.finish(queue_directory(path))

    @classmethod
    def import_export(
        cls,
        source: IO[bytes],
        path: str | os.PathLike[str] | None = None,
        *,
        name: str = "the export",
        progress: Callable[[str, int, int | None], None] | None = None,
    ) -> Exported:
        """Import the export in `source` into the queue in a directory, which must be empty or new, all or nothing.

        `name` is what errors call it. Raises InvalidInput, StoreError.
        """
        if not isinstance(name, str):
            raise InvalidInput("name", shown_with_kind(name), "a text")
        return import_log.import_export(queue_directory(path), source, name, progress=progress)

    @classmethod
    def migrate(
        cls,
        path: str | os.PathLike[str] | None = None,
        *,
        check: bool = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> Migrated:
        """Bring the store in a directory up to this release; `check`: only tell what that takes.

        To open it does the same. `progress` is called with the events done, and all. Raises NoQueue,
        NotAQueue, NewerFormat or StoreError.
        """
        directory = queue_directory(path)
        return upgrade.needed(directory) if check else upgrade.migrate(directory, progress=progress)

    @staticmethod
    def shrink(path: str | os.PathLike[str] | None = None, *, check: bool = False) -> Shrunk:
        """Return free pages to the disk; nobody may have the queue open, not even the caller.

        `check`: only look whether that could be done now. Raises NoQueue or StoreError.
        """
        return shrink.shrink(queue_directory(path), check=check)
