"""Interrupts an act at each place where the interpreter would run a signal's handler, one place after the other.

Those are the beginning of a function in Python (a generator that goes on, too), and the return of one in C. What a
profiler is told there is what a handler would see: an error that it raises leaves from that place.
"""

import sys
from collections.abc import Callable, Iterator
from typing import Any


class BrokenOff(Exception):
    """What a handler raises, unless something else is said."""


class Swallowed(Exception):
    """What is yielded where an error went nowhere: nobody heard of it."""


def broken_off(
    act: Callable[[], object], raised: Callable[[], BaseException] = BrokenOff, *, step: int = 1
) -> Iterator[BaseException | None]:
    """Yield the error that came of an act broken off at its first place, at its second, and so on to its last.

    At every so many by `step`, for a long act.
    None where it came to nothing, in what is called as an object is forgotten; Swallowed where it should not have.
    Whoever keeps the errors keeps the frames that they went through.
    """

    def handle() -> None:
        raise raised()

    yield from _at_each_place(act, handle, step)


def interrupted(act: Callable[[], object], handle: Callable[[], object], *, step: int = 1) -> Iterator[None]:
    """Yield after an act during which a handler ran at its first place, at its second, and so on to its last.

    At every so many by `step`, for a long act.
    """
    for error in _at_each_place(act, handle, step):
        if error is not None:
            raise error
        yield


def _at_each_place(
    act: Callable[[], object], handle: Callable[[], object], step: int
) -> Iterator[BaseException | None]:
    place, is_reached = 0, True
    while is_reached:
        error, is_reached = _at_place(act, place, handle)
        if is_reached:
            yield error
        place += step


def _at_place(act: Callable[[], object], place: int, handle: Callable[[], object]) -> tuple[BaseException | None, bool]:
    """Return what came of an act interrupted at a place, and whether it has so many."""
    passed = -2  # the act's own beginning is its caller's affair
    struck = ""  # the module in which the handler raised
    is_unraisable = False

    def profile(frame: Any, event: str, called: object) -> None:
        nonlocal passed, struck
        del called  # it may name a transaction, and the error this frame
        if event in ("call", "c_return"):
            passed += 1
            if passed == place:
                sys.setprofile(None)
                try:
                    handle()
                except BaseException:
                    struck = str(frame.f_globals["__name__"])
                    raise

    def hear(told: "sys.UnraisableHookArgs") -> None:  # who tells of it would be broken off as well
        nonlocal is_unraisable
        del told
        is_unraisable = True

    hook, sys.unraisablehook = sys.unraisablehook, hear
    sys.setprofile(profile)
    try:
        act()
    except BaseException as error:
        return error, True
    finally:
        sys.setprofile(None)
        sys.unraisablehook = hook
    is_swallowed = struck and not struck.startswith("lmdb.") and not is_unraisable  # the engine's binding is not ours
    return Swallowed() if is_swallowed else None, passed >= place
