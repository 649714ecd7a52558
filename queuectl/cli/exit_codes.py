"""How the command line ends: error class -> exit code, one line on stderr, never a traceback.

The only place that turns an error into words on the terminal.
"""

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TextIO, TypeVar

import click

from ..errors import InvalidInput, QueuectlError, Unusable, WaitTimeout
from . import code_of_interrupt
from .output.format import escape

REFUSED = 1
USAGE = 2
EXIT_CODES: Mapping[type[QueuectlError], int] = {
    QueuectlError: REFUSED,
    InvalidInput: USAGE,
    Unusable: REFUSED,
    WaitTimeout: 124,
}
"""The code of each class; one that is not here has its nearest base's."""

SHOWN_CHARS = 500
"""The longest message about a command line; most of a longer one is what was typed."""

_GLOBAL = ("--db", "--trust-directory", "--version")
"""Options that only count before the verb."""

T = TypeVar("T")
R = TypeVar("R")


class CannotPrint(Exception):
    """Stdout takes no more, because it is full or broken; a reader that left is a BrokenPipeError instead."""

    def __init__(self, cause: OSError) -> None:
        super().__init__(f"could not print the answer ({cause.strerror or cause}); what was asked was carried out")


def say(text: str | bytes, *, newline: bool = True, color: bool | None = None) -> None:
    """Print to stdout, what is no bytes made fit for a terminal. Raises CannotPrint or BrokenPipeError."""
    try:
        click.echo(_fit(text, sys.stdout), nl=newline, color=color)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise CannotPrint(error) from None


def hint(text: str | bytes, *, newline: bool = True) -> None:
    """Print to stderr, where that can be written: a message nobody can be given must not undo what was done."""
    try:
        click.echo(_fit(text, sys.stderr), nl=newline, err=True)
    except OSError:
        discard(sys.stderr)


def _fit(text: str | bytes, stream: TextIO | None) -> str | bytes:
    if isinstance(text, bytes) or stream is None or not stream.isatty():
        return text
    from .output.sanitize import tame  # for terminals alone

    return tame(text)


def check_reader() -> None:
    """Raise BrokenPipeError where nobody reads stdout any more: who only waits would not hear of it by a write."""
    import select

    try:
        descriptor = sys.stdout.fileno()
    except (OSError, ValueError):
        return  # a stream of the program's own
    poll = select.poll()
    poll.register(descriptor, 0)  # a reader that left is told unasked
    if any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0)):
        raise BrokenPipeError


def discard(stream: TextIO) -> None:
    """Send what a stream still holds, and all to come, nowhere: the interpreter flushes once more at its end."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, stream.fileno())
    os.close(null)


def tell(error: Exception) -> None:
    """Print an error in one line."""
    hint(f"Error: {escape(error.at_a_prompt if isinstance(error, QueuectlError) else str(error))}")


def exit_code(error: QueuectlError) -> int:
    """Return the code to exit with after an error."""
    return next(EXIT_CODES[kind] for kind in type(error).__mro__ if kind in EXIT_CODES)


@contextmanager
def guarded() -> Iterator[None]:
    """Run a verb so that each expected end has its code: an error, Ctrl-C, a closed pipe, a full disk."""
    try:
        with _flushed():
            yield
    except QueuectlError as error:
        tell(error)
        raise click.exceptions.Exit(exit_code(error)) from error
    except click.ClickException as error:
        hint(f"Error: {escape(_in_one_line(error))}")
        raise click.exceptions.Exit(REFUSED if _is_of_file(error) else error.exit_code) from None
    except KeyboardInterrupt as error:
        raise click.exceptions.Exit(code_of_interrupt(error)) from None
    except BrokenPipeError:
        discard(sys.stdout)
        raise click.exceptions.Exit(0) from None
    except CannotPrint as error:
        discard(sys.stdout)
        tell(error)
        raise click.exceptions.Exit(REFUSED) from None
    except OSError as error:
        discard(sys.stdout)
        where = f": {error.filename}" if error.filename else ""
        hint(f"Error: {escape(f'{error.strerror or error}{where}')}")
        raise click.exceptions.Exit(REFUSED) from None


@contextmanager
def _flushed() -> Iterator[None]:
    try:
        yield
    finally:
        try:
            sys.stdout.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise CannotPrint(error) from None


def _is_of_file(error: click.ClickException) -> bool:
    """Whether a usage error is that a named file cannot be opened."""
    return isinstance(error, click.BadParameter) and isinstance(error.__context__, OSError)


def _in_one_line(error: click.ClickException) -> str:
    told = _shortened(" ".join(error.format_message().split()).rstrip("."))
    if _is_of_file(error):  # no usage: the words were right
        return f"cannot open {_shortened(error.message)}; see that it is there and can be read"
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "queuectl"
    if isinstance(error, click.NoSuchOption) and error.option_name in _GLOBAL and " " in path:
        verb = path.removeprefix("queuectl ")
        value = " PATH" if error.option_name == "--db" else ""
        return f"{error.option_name} goes before the verb; type: queuectl {error.option_name}{value} {verb}"
    return told if told.endswith("?") else f"{told}; try: {path} --help"


def _shortened(told: str) -> str:
    """Return a message without the middle of what was typed, where that is long."""
    return told if len(told) <= SHOWN_CHARS else f"{told[: SHOWN_CHARS // 2]} ... {told[-SHOWN_CHARS // 2 :]}"


def do_each(items: Iterable[T], action: Callable[[T], R]) -> tuple[list[R], int]:
    """Do `action` on each item, once; a refusal is told and the rest is done all the same.

    Gives the results, and the exit code: the last refusal's, or 0.
    """
    results: list[R] = []
    code = 0
    for item in dict.fromkeys(items):
        try:
            results.append(action(item))
        except QueuectlError as error:
            tell(error)
            code = exit_code(error)
    return results, code
