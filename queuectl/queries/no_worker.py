"""A warning to programs that wait for jobs that nobody runs."""

import warnings
from collections.abc import Callable, Collection, Sequence
from typing import Final

from ..core.results import Unserved

_DEPTH: Final = 6
"""Calls from here to who called `Queue.wait`: this one, until_over, _wait, wait, and the check of its arguments."""


class Warned:
    """Warns once that no worker serves queues in which somebody waits for jobs; not at once: one may be starting."""

    def __init__(self, unserved: Callable[[list[str]], Sequence[Unserved]]) -> None:
        self._unserved = unserved
        self._looks = 0

    def __call__(self, queues: Collection[str]) -> None:
        """Look from the second time on, and warn."""
        self._looks += 1
        if self._looks < 2 or not (found := self._unserved(sorted(queues))):
            return
        self._looks = -(2**63)
        told = ", ".join(each.told for each in found)
        warnings.warn(
            f"waiting for jobs, and no worker serves {told}: run one beside this, or Queue.run_worker() before waiting",
            RuntimeWarning,
            stacklevel=_DEPTH,
        )
