"""The files that this program was loaded from, which may be replaced while a worker runs (pip install --upgrade).

What is imported later would then be of another release than what is there. So a worker loads at its
start what each needs soon, and ends once its files are others'.
"""

from pathlib import Path
from typing import Final

from ..engine import exchange, recovery
from ..history import as_of

LOADED: Final = (as_of, exchange, recovery)
"""What every worker comes to use, and would otherwise be loaded when it does."""

_FILE: Final = Path(__file__).parents[1] / "__init__.py"

Mark = tuple[int, ...]


class Package:
    """The package as it was when this was made."""

    def __init__(self, file: Path = _FILE) -> None:
        self._file = file
        self._mark = self._look()

    def is_replaced(self) -> bool:
        """Whether it is there no more as it was; never so where it is not in files of its own."""
        return self._mark is not None and self._look() != self._mark

    def _look(self) -> Mark | None:
        try:
            found = self._file.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
