"""Waiting for something that another thread or process does, without a sleep of guessed length.

A wait ends as soon as what it waits for is there, so that its limit costs nothing: `PATIENCE_S` wherever
the limit is not what the test is about. Longer is for what takes that long on a busy machine.
"""

import time
from collections.abc import Callable
from typing import Final, TypeVar

Found = TypeVar("Found")

PATIENCE_S: Final = 20.0
"""How long a test waits for what is to happen at once."""


def wait_until(look: Callable[[], Found], *, timeout_s: float = PATIENCE_S) -> Found:
    """Look again and again until there is something, and return it; fail if it takes too long."""
    deadline = time.monotonic() + timeout_s
    while not (found := look()):
        assert time.monotonic() < deadline, f"it did not happen in {timeout_s:g} s"
        time.sleep(0.01)
    return found
