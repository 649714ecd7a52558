"""How the command line ends: error class -> exit code, one line on stderr, never a traceback.

The only place that turns an error into words on the terminal.
"""

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

import click

from ..errors import QueuectlError, WaitTimeout
from .text import escape

REFUSED = 1
INTERRUPTED = 130
EXIT_CODES: Mapping[type[QueuectlError], int] = {QueuectlError: REFUSED, WaitTimeout: 124}
"""The code of each class; one that is not here has its nearest base's."""

T = TypeVar("T")
R = TypeVar("R")


def tell(error: QueuectlError) -> None:
    """Print an error in one line."""
    click.echo(f"Error: {escape(str(error))}", err=True)


def exit_code(error: QueuectlError) -> int:
    """Give the code to exit with after an error."""
    return next(EXIT_CODES[kind] for kind in type(error).__mro__ if kind in EXIT_CODES)


@contextmanager
def guarded() -> Iterator[None]:
    """Run a verb so that each expected end has its code: an error, Ctrl-C, a closed pipe."""
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except QueuectlError as error:
        tell(error)
        raise click.exceptions.Exit(exit_code(error)) from error
    except KeyboardInterrupt:
        raise click.exceptions.Exit(INTERRUPTED) from None
    except BrokenPipeError:
        _discard_stdout()
        raise click.exceptions.Exit(0) from None


def _discard_stdout() -> None:
    # What is still buffered would raise again when the interpreter flushes at its end.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def each(items: Iterable[T], action: Callable[[T], R]) -> tuple[list[R], int]:
    """Do `action` on each item; a refusal is told and the rest is done all the same.

    Gives the results, and the exit code: the last refusal's, or 0.
    """
    results: list[R] = []
    code = 0
    for item in items:
        try:
            results.append(action(item))
        except QueuectlError as error:
            tell(error)
            code = exit_code(error)
    return results, code
