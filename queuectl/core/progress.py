"""How long work says how far it is: the callables that it takes, each called again and again."""

from collections.abc import Callable

Progress = Callable[[int, int], None]
"""Called with how much is done, and of how much."""

OpenProgress = Callable[[int, int | None], None]
"""Called with how much is done, and of how much, if that is known."""

PartProgress = Callable[[str, int, int | None], None]
"""Called with which part of the work goes on, how much of that is done, and of how much, if that is known."""
