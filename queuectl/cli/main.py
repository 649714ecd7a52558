"""The command line: its console entry point. The group of verbs is app.py's.

Imports next to nothing at its top: Ctrl-C during an import must end it as Ctrl-C at any other time does.
"""

import gc
import sys
from os import environ

from . import code_of_interrupt

OBJECTS_A_COLLECTION = 100_000
"""Imports make objects by the ten thousand and no garbage; Python's own 700 would look through them in vain."""


def main() -> None:
    """Run the command line on this process's arguments and exit."""
    try:
        _run()
    except KeyboardInterrupt as error:  # it came outside of any verb
        _end(code_of_interrupt(error))
    except SystemExit as end:
        _end(end.code)


def _end(code: object) -> None:
    """End this process at once: to free every object first takes Python longer than most verbs take to work."""
    from os import _exit

    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            _exit(120)  # as Python itself has it
    _exit(code if isinstance(code, int) else 0)


def _run() -> None:
    gc.set_threshold(OBJECTS_A_COLLECTION)
    _open_streams()
    if asked := environ.get("_QUEUECTL_COMPLETE"):
        from .input.completion_shells import answer

        answer(asked)
    from .app import queuectl
    from .crash import catch_crashes

    catch_crashes()

    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a character gets its escape, not a traceback.
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    queuectl(prog_name="queuectl")


def _open_streams() -> None:
    """Open the null device for each stream that the caller closed, lest the store's file gets its number."""
    from os import devnull

    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(devnull, "r" if name == "stdin" else "w"))  # noqa: PTH123, SIM115
