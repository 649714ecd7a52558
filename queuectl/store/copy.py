"""A copy of a data file while it is in use, poured through a pipe by a process of its own.

LMDB's copy is one read transaction from beginning to end, in a thread that waits for whoever reads: in this
process it would block programs whose threads are not the system's, and keep out another process with its pid.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Final

import lmdb

from .. import hints
from ..errors import QueuectlError, StoreError
from ..system.interrupts import own
from .directory import file_at
from .environment import Environment

COPY_BYTES: Final = 1 << 20
"""The largest piece of a copy."""

_START: Final = "import sys; sys.path.insert(0, sys.argv.pop(1)); from queuectl.store.copy import main; main()"


def pieces(path: Path, file: tuple[int, int] | None) -> Generator[bytes, None, None]:
    """Yield the data file in a directory, which must be this `file`, as it is now, compacted, piece by piece.

    Raises StoreError where it cannot be read.
    """
    words = [sys.executable, "-P", "-c", _START, str(Path(__file__).parents[2]), str(path), repr(file)]
    try:
        child = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    except own(OSError) as error:
        raise StoreError(f"cannot start a process to copy the queue at {path}: {error.strerror}; try again") from error
    assert child.stdout is not None and child.stderr is not None, "they were asked for"  # noqa: PT018
    with child:
        try:
            while piece := child.stdout.read(COPY_BYTES):
                yield piece
        except BaseException:
            child.kill()
            raise
        complaint = child.stderr.read().decode(errors="replace").strip()
    if child.returncode:
        found = complaint.splitlines()[-1] if complaint else f"the process that copied it ended ({child.returncode})"
        raise StoreError(f"cannot copy the queue at {path}: {found}", hint=hints.VERIFY_TELLS_DAMAGE)


def main() -> None:
    """Pour the copy into stdout, in the process that was started for it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears Ctrl-C too, and ends this process
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # LMDB's copying thread waits for this where nobody reads on
    path = Path(sys.argv[1])
    try:
        if repr(file_at(path)) != sys.argv[2]:
            raise StoreError("another queue has taken its place")
        shared = Environment(path, read_only=True)
        with shared.opened.reading() as env:
            env.copyfd(1, compact=True)
    except (QueuectlError, lmdb.Error) as error:
        os.write(2, f"{error}\n".encode(errors="replace"))
        os._exit(1)
    os._exit(0)
