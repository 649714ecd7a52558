"""Waiting for something that another thread or process does, without a sleep of guessed length."""

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")


def wait_until(look: Callable[[], Found], *, timeout_s: float = 20.0) -> Found:
    """Look again and again until there is something, and give it; fail when it takes too long."""
    deadline = time.monotonic() + timeout_s
    while not (found := look()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)
    return found
