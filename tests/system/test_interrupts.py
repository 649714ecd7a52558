"""Whose an error is: told by the place where it was raised, and by what the system gives each of its own."""

import errno
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from queuectl.system import interrupts
from queuectl.system.interrupts import is_another_s, own, suppress_own


def raised_in(module: str, source: str) -> BaseException:
    """Return the error that code of a module raises."""
    space = {"__name__": module, "errno": errno, "Path": Path}
    try:
        exec(compile(dedent(source), module, "exec"), space)
    except BaseException as error:
        return error
    raise AssertionError("it raised nothing")


@pytest.mark.parametrize(
    ("module", "source", "is_theirs"),
    [
        ("__main__", "raise TimeoutError", True),
        ("__main__", "raise TimeoutError(errno.ETIMEDOUT, 'mine')", True),
        ("__main__", "raise ValueError", True),
        ("their_package.limits", "raise InterruptedError(errno.EINTR, 'mine')", True),
        ("queuectl.system.files", "open('/nonexistent/file')", False),
        ("queuectl.system.files", "int('x')", False),
        ("their_package.stands_in_for_open", "open('/nonexistent/file')", False),
        ("their_package.stands_in_for_flock", "raise OSError(errno.ENOLCK, 'no locks')", False),
        ("queuectl.system.files", "raise TimeoutError(errno.ETIMEDOUT, 'a network file system said it')", False),
        ("queuectl.system.files", "raise TimeoutError", True),  # from code without frames: the system's have numbers
        ("getpass", "raise OSError('no name')", False),
        ("msgspec", "raise ValueError", False),
    ],
)
def test_whose_an_error_is(module: str, source: str, is_theirs: bool) -> None:
    """Somebody else's code raised it, or the system did, also where somebody's code stands in for the system's."""
    assert is_another_s(raised_in(module, source)) is is_theirs


def test_only_ones_own_are_caught() -> None:
    """`except own(...)` and suppress_own() let another's error go on, and catch the system's."""
    with suppress_own(OSError):
        Path("/nonexistent/file").stat()
    with pytest.raises(TimeoutError), suppress_own(OSError):
        raise TimeoutError
    for act, is_caught in ((Path("/nonexistent/file").stat, True), (_limit, False)):
        assert _is_caught(act) is is_caught


def test_no_error_is_caught_where_there_is_none() -> None:
    """Outside an `except` there are no kinds to catch."""
    assert interrupts.own(OSError) == ()


def _limit() -> None:
    raise TimeoutError


def _is_caught(act: Callable[[], object]) -> bool:
    try:
        try:
            act()
        except own(OSError):
            return True
    except OSError:
        pass
    return False
