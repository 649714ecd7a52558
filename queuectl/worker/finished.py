"""Runs that are over and whose ends are not recorded yet: what they printed to files is on disk before that is."""

from collections.abc import Iterable

from ..core.results import Result
from .attempt import Attempt, lease_token
from .spill_file import not_on_disk


class Finished:
    """The runs that are over, until their ends are recorded or refused."""

    def __init__(self) -> None:
        self._attempts: dict[int, Attempt] = {}  # by their tokens
        self._on_disk: set[int] = set()  # those whose files were flushed

    def add(self, attempt: Attempt) -> None:
        """Keep a run that is over."""
        self._attempts[lease_token(attempt.job)] = attempt

    def flushed(self, results: list[Result]) -> list[Result]:
        """Have on disk what runs printed to files; returns the results, without the files that it does not take.

        Asked again, while the queue's disk is full, it flushes what ended since.
        """
        new = [(token, attempt.file) for token, attempt in self._attempts.items() if token not in self._on_disk]
        files = {token: file for token, file in new if file is not None}
        lost = not_on_disk(files.values()) if files else {}
        self._on_disk |= files.keys()
        if not lost:
            return results
        why = {token: lost[file] for token, file in files.items() if file in lost}
        return [
            self._attempts[token].without_file(result, why[token])
            if (token := lease_token(result.job)) in why
            else result
            for result in results
        ]

    def recorded(self, results: Iterable[Result]) -> None:
        """Clean up after runs whose end is recorded, and let go of those whose end was refused."""
        for result in results:
            if (attempt := self._attempts.pop(lease_token(result.job), None)) is not None:
                attempt.recorded()
        self._attempts.clear()
        self._on_disk.clear()
