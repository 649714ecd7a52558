"""For how many commands there are means, found out by taking them for a moment: no job is at stake."""

import os
import threading
from typing import Final

from .posix_spawn import close
from .start_errors import NO_DESCRIPTORS

_FDS_EACH: Final = 4
"""How many descriptors it takes to start a command: two pipes. Of those a worker keeps two, and a file of output."""

_FDS_BESIDE: Final = 2
"""What a worker opens for a moment: a module, another's doorbell."""

_TASKS_EACH: Final = 3
"""What a slot takes of processes and threads, which count alike: its thread, a shell, and what that runs."""

_MOST_TASKS: Final = 64
"""How many are tried at the most: who has so many left is not short of them."""


def room_in_descriptors(most: int) -> int:
    """Return how many more commands there are descriptors for, `most` at the most, some for the worker left aside."""
    held: list[int] = []
    try:
        for _ in range(most * _FDS_EACH + _FDS_BESIDE):
            held.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
    except OSError as error:
        if error.errno not in NO_DESCRIPTORS:
            raise
    finally:
        close(held)
    return max(0, len(held) - _FDS_BESIDE) // _FDS_EACH


def room_in_tasks(most: int) -> int:
    """Return how many slots there are processes and threads for, `most` at the most; one slot has its thread already.

    Call it while no command runs: one that needs a process just then would get none.
    """
    wanted = min(most * _TASKS_EACH - 1, _MOST_TASKS)
    is_over = threading.Event()
    held: list[threading.Thread] = []
    try:
        for _ in range(wanted):
            thread = threading.Thread(target=is_over.wait, name="room", daemon=True)
            thread.start()
            held.append(thread)
    except RuntimeError:
        return (len(held) + 1) // _TASKS_EACH
    finally:
        is_over.set()
        for thread in held:
            thread.join()
    return most
