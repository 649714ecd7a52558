"""How much a test tries of chance, and of many places: all, or a fifth where it is to be quick, as in `make test`.

Quick is what Hypothesis was told to be.
"""

from typing import Final

from hypothesis import settings

_WHOLE: Final = 100

settings.register_profile("whole", max_examples=_WHOLE, deadline=None)
settings.register_profile("quick", max_examples=_WHOLE // 5, deadline=None)
settings.load_profile("whole")


def tries(count: int) -> int:
    """Return how many examples a test tries now that tries so many at full depth."""
    return max(1, count * settings.default.max_examples // _WHOLE)


def apart(step: int = 1) -> int:
    """Return how far apart the places are that a test tries now that are so far apart at full depth."""
    return step * _WHOLE // settings.default.max_examples
