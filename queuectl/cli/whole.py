"""A file that is written whole or not at all: under a name of its own beside it, then renamed."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from .. import hints
from ..errors import StoreError
from ..system import files


@contextmanager
def write_whole(name: str, *, directory: Path, force: bool) -> Iterator[IO[bytes]]:
    """Yield a file to write to, which gets its name once all is on disk; raises StoreError if one is there.

    In the `directory` of the queue that it comes from it is that directory's owner's.
    """
    target = Path(name)
    if kind := files.obstacle(target):
        raise StoreError(f"cannot write {name}: it is {kind}", hint=hints.in_place_of(kind))
    try:
        if target.exists() and not force:
            raise StoreError(f"cannot write {name}: it is there already", hint=hints.FORCE)
        files.sweep_scratch(target.parent)
        draft, is_named = files.scratch_path(target.parent), not files.is_below(target, directory)
        with files.whole_file(target, draft, is_named=is_named) as sink:
            yield sink
    except OSError as error:
        raise StoreError(f"cannot write {name}: {error.strerror}; nothing of it was kept") from None
