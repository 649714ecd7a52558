"""Whose an error is: of the system, which was asked for something, or of code that came between.

A signal's handler may raise an error at any step: TimeoutError, at the end of a time limit, is an OSError, and another
may be a ValueError. Whoever expects one of the system's must not take it for that: it would be swallowed, or told as a
fault of a file. Imports errno and sys alone, since every enqueue and each guardian pays for it.
"""

import errno
import sys
from typing import Final, TypeVar

_Error = TypeVar("_Error", bound=BaseException)

_OF_TIME_LIMITS: Final = (errno.ETIMEDOUT, errno.EINTR, errno.ECANCELED)
"""Numbers that whoever sets a time limit may raise; of files at hand the system has none of them."""

_OURS: Final = __name__.partition(".")[0]
_REFUSALS: Final = f"{_OURS}.errors"
_LIBRARIES: Final = sys.stdlib_module_names | {"lmdb", "msgpack", "msgspec", "zstandard", "platformdirs"}


def own(*kinds: type[_Error]) -> tuple[type[_Error], ...]:
    """Return these kinds of errors, none if the error at hand is another's: it stands after `except`.

    Python asks for the kinds to catch once there is an error.
    """
    error = sys.exception()
    return () if error is None or is_another_s(error) else _meant(error, kinds)


class suppress_own:  # noqa: N801 - as contextlib.suppress, whose place it takes
    """Go on after a `with` block that ended by an error of these kinds, unless it is another's."""

    def __init__(self, *kinds: type[BaseException]) -> None:
        self._kinds = kinds

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: object) -> bool:
        """Return whether to go on."""
        return error is not None and isinstance(error, _meant(error, self._kinds)) and not is_another_s(error)


def _meant(error: BaseException, kinds: tuple[type[_Error], ...]) -> tuple[type[_Error], ...]:
    """Return the kinds that mean an error: of a refusal of ours, which may be a ValueError too, ours alone."""
    if not any(kind.__module__ == _REFUSALS for kind in type(error).__mro__):
        return kinds
    return tuple(kind for kind in kinds if kind.__module__.partition(".")[0] == _OURS)


def is_another_s(error: BaseException) -> bool:
    """Whether code of somebody else's raised an error: a signal's handler, or a method of a value handed in.

    That is told by the place where it was raised. An error with a file's name, or a number that is no time limit's, is
    the system's anyhow: somebody's code may stand in for its calls.
    """
    module = _module_of(error)
    if not isinstance(error, OSError):
        return module != _OURS and module not in _LIBRARIES
    if error.filename is not None or error.errno not in (None, *_OF_TIME_LIMITS):
        return False
    # The system gives each a number, so that one without that leaves a call of ours was never the system's.
    return module not in _LIBRARIES and (module != _OURS or error.errno is None)


def let_out(error: BaseException) -> None:
    """Raise what led to an error, if it is another's: msgspec takes a ValueError in a method of a value for its own."""
    if error.__cause__ is not None and is_another_s(error.__cause__):
        raise error.__cause__


def _module_of(error: BaseException) -> str:
    """Return the outermost name of the module whose code raised an error."""
    step = error.__traceback__
    while step is not None and step.tb_next is not None:
        step = step.tb_next
    name: str = step.tb_frame.f_globals.get("__name__", "") if step is not None else ""
    return name.partition(".")[0]
