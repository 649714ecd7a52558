"""What is longer than the screen goes through a pager, where people look on: $PAGER, or less where there is one.

What fits is printed as ever; into a pipe, on a dumb terminal, and with PAGER=cat everything is.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedWriter, RawIOBase, TextIOWrapper
from shutil import get_terminal_size, which
from typing import TYPE_CHECKING, TextIO

from .table import on_terminal

if TYPE_CHECKING:
    from subprocess import Popen

    from _typeshed import ReadableBuffer


@contextmanager
def paged() -> Iterator[None]:
    """Print what is printed meanwhile by way of a pager once it is longer than the screen; returns when that ends."""
    command = _command() if on_terminal() else None
    if command is None:
        yield
        return
    real = sys.stdout
    real.flush()
    paging = _Paging(real, command)
    sys.stdout = TextIOWrapper(BufferedWriter(paging), encoding="utf-8", errors="backslashreplace")
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        if not paging.was_left:
            raise
    finally:
        with suppress(BrokenPipeError):
            sys.stdout.flush()
        sys.stdout = real
        paging.end()


def _command() -> str | None:
    command = os.environ.get("PAGER", "less").strip()
    if os.environ.get("TERM") == "dumb" or command in ("", "cat") or which(command.split()[0]) is None:
        return None
    return command


class _Paging(RawIOBase):
    """Holds what is printed until it fills the screen, and then hands all of it to a pager."""

    def __init__(self, real: TextIO, command: str) -> None:
        self.was_left = False
        """Whether the pager was ended before it had read all."""
        self._real = real
        self._command = command
        self._held = b""
        self._pager: Popen[bytes] | None = None

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._real.fileno()

    def write(self, data: "ReadableBuffer", /) -> int:
        """Take a piece; raises BrokenPipeError once where the pager was ended."""
        piece = bytes(data)
        if self.was_left:
            return len(piece)
        if self._pager is None:
            self._held += piece
            if _fits(self._held):
                return len(piece)
            self._pager = self._started()
        self._pass_on(self._held or piece)
        self._held = b""
        return len(piece)

    def end(self) -> None:
        """Print what fitted the screen, or wait until whoever reads in the pager has left it."""
        if self._pager is None:
            self._real.buffer.write(self._held)
            self._real.flush()
            return
        assert self._pager.stdin is not None
        with suppress(BrokenPipeError):
            self._pager.stdin.close()
        while self._pager.returncode is None:
            with suppress(KeyboardInterrupt):  # the pager hears it too, and goes on
                self._pager.wait()

    def _started(self) -> "Popen[bytes]":
        from subprocess import PIPE, Popen  # slow to import, for what only a long output needs

        return Popen(self._command, shell=True, stdin=PIPE, env={"LESS": "FRX", **os.environ})

    def _pass_on(self, piece: bytes) -> None:
        assert self._pager is not None
        assert self._pager.stdin is not None
        try:
            self._pager.stdin.write(piece)
            self._pager.stdin.flush()
        except BrokenPipeError:
            self.was_left = True
            raise


def _fits(text: bytes) -> bool:
    columns, rows = get_terminal_size()
    lines = text.split(b"\n")
    return len(lines) < rows and sum(max(1, -(-len(line) // columns)) for line in lines) < rows
