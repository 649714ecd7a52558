"""How much of chance a test tries: all of it, or a fifth where Hypothesis was told to be quick, as `make test` does."""

from typing import Final

from hypothesis import settings

_WHOLE: Final = 100

settings.register_profile("whole", max_examples=_WHOLE, deadline=None)
settings.register_profile("quick", max_examples=_WHOLE // 5, deadline=None)
settings.load_profile("whole")


def tries(count: int) -> int:
    """Return how many examples a test tries now that tries so many at full depth."""
    return max(1, count * settings.default.max_examples // _WHOLE)
