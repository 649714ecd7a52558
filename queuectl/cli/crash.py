"""One line, and an exit code, where the LMDB engine meets a damaged page and would end the process by a signal.

LMDB trusts the pages that it maps. A check of all of them at each opening would cost a verb more than its work;
most damage the engine notices by itself. For the rest the signals that a bad page can raise are caught here.
"""

import os
import signal
from contextlib import suppress
from typing import Any, Final

CODE: Final = 1
_SIGNALS: Final = (signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT)
_LINES: Final = {
    int(number): (
        f"Error: ended by {number.name}, as the engine is where data.mdb is damaged, or its disk full or failing; "
        "a change under way was not kept; type `queuectl verify` to see what is wrong\n"
    ).encode()
    for number in _SIGNALS
}

_kept: list[Any] = []  # what C calls must not be freed


def catch_crashes() -> None:
    """End this process with a line and a code where those signals would end it; for a process that is queuectl's own.

    Python's own handlers do not serve: they only take note, and the instruction that failed is tried again for ever.
    What is called here may: a bad page is met inside the engine, which holds none of Python's locks then.
    """
    with suppress(ImportError, OSError, MemoryError, AttributeError):  # a system that lets no C call Python
        import ctypes

        kind = ctypes.CFUNCTYPE(None, ctypes.c_int)
        handler, libc = kind(_end), ctypes.CDLL(None)
        libc.signal.argtypes, libc.signal.restype = (ctypes.c_int, kind), ctypes.c_void_p
        _kept.append(handler)
        for number in _SIGNALS:
            libc.signal(number, handler)


def _end(number: int) -> None:
    try:
        os.write(2, _LINES[number])
    finally:
        os._exit(CODE)
