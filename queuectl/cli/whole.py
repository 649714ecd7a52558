"""A file that is written whole or not at all: under a name of its own beside it, then renamed."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from .. import files
from ..errors import StoreError


@contextmanager
def whole_file(name: str, *, force: bool) -> Iterator[IO[bytes]]:
    """Give a file to write to, which gets its name once all is on disk; raises StoreError where one is there."""
    target = Path(name)
    if target.exists() and (not force or target.is_dir()):
        hint = "name a file in it" if target.is_dir() else "--force replaces it"
        raise StoreError(f"cannot write {name}: it is there already; {hint}")
    files.sweep_scratch(target.parent)
    try:
        with files.whole_file(target, files.scratch_path(target.parent)) as sink:
            yield sink
    except OSError as error:
        raise StoreError(f"cannot write {name}: {error.strerror}; nothing of it was kept") from None
