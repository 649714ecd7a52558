"""What a worker has to say, gathered until it is printed; knows nothing of where."""

from collections.abc import Callable, Sequence
from contextlib import suppress

from ..job import JobState
from .report import Told


class Lines:
    """Lines for people, in their order."""

    def __init__(self, report: Callable[[Sequence[Told]], None]) -> None:
        self._report = report
        self._lines: list[Told] = []

    def say(self, line: str, state: JobState | None = None) -> None:
        """Take a line in."""
        self._lines.append(Told(line, state))

    def flush(self) -> None:
        """Print what there is, all at once."""
        if self._lines:
            lines, self._lines = self._lines, []
            with suppress(Exception):  # whoever read this may be gone (`| head`): no reason to leave the jobs
                self._report(lines)
