"""What a `with` block is in, as contextlib.contextmanager() makes it of a generator, and let go of whatever comes.

A trap closed here: a signal's handler that raises, at a time limit or Ctrl-C, may do so at the first step of any
function in Python, and so before contextlib's own `__exit__` has resumed the generator: what that holds would be held
for as long as the error is kept, which names the frame. Here the block enters by a call in C, and only the end of the
block refers to the generator, no frame of a function in Python does: where ending it is broken off, it is forgotten,
and the interpreter closes it there and then, as it does every generator that is forgotten.
"""

from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager
from functools import partial, wraps
from types import TracebackType
from typing import Any, ParamSpec, TypeVar, cast
from weakref import ref

_Given = ParamSpec("_Given")
_Value = TypeVar("_Value")


class _Scope:
    """A context manager whose two ends are its own attributes: `with` calls what is found there, and nothing before."""

    __slots__ = ("__enter__", "__exit__")

    def __init__(self, steps: Generator[Any, None, None]) -> None:
        self.__enter__ = steps.__next__
        self.__exit__ = partial(_end, ref(steps))
        self.__exit__.steps = steps  # type: ignore[attr-defined]  # a partial object takes attributes


def scope(steps: Callable[_Given, Iterator[_Value]]) -> Callable[_Given, AbstractContextManager[_Value]]:
    """Make a function for `with` of a generator that yields once, as contextmanager() does."""

    @wraps(steps)
    def begin(*args: _Given.args, **kwargs: _Given.kwargs) -> AbstractContextManager[_Value]:
        return cast(AbstractContextManager[_Value], _Scope(steps(*args, **kwargs)))  # type: ignore[arg-type]

    return begin


def _end(
    steps: "ref[Generator[Any, None, None]]",
    kind: type[BaseException] | None,
    error: BaseException | None,
    at: TracebackType | None,
) -> bool:
    """Resume the generator at its end; nothing here may name it."""
    if error is None:
        next(steps(), None)  # type: ignore[arg-type]  # it is there: whoever calls this refers to it
        return False
    try:
        steps().throw(error)  # type: ignore[union-attr]
    except StopIteration as stop:
        return stop is not error  # it swallowed the error
    except BaseException as raised:
        if raised is error or (isinstance(error, StopIteration) and raised.__cause__ is error):
            error.__traceback__ = at
            return False
        raise
    raise AssertionError("the generator yields once")
