"""Work in a process of its own: on a file that may be damaged, where the LMDB engine can end the process that reads it.

Or, as the folding of a replay does, to use a second processor.

A task is a generator of messages, plain dictionaries. It runs in a child, which prints each message
as msgpack; the parent hears them, and how the child ended. Knows no task's insides.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Mapping
from importlib import import_module
from pathlib import Path
from threading import Thread
from typing import IO, Any, Final

from .errors import QueuectlError
from .packing import pack, unpack, unpacked

Message = dict[str, Any]

TASKS: Final[Mapping[str, tuple[str, str]]] = {
    "verify": ("verifying", "messages"),
    "log": ("verifying", "of_log"),
    "views": ("verifying", "of_views"),
    "locate": ("verifying", "positions"),
    "doctor": ("doctor", "messages"),
    "sound": ("soundness", "messages"),
    "fold": ("projections.walking", "messages"),
}
"""Name of a task -> its module, and the function that begins it."""

_START: Final = "import sys; sys.path.insert(0, sys.argv.pop(1)); from queuectl.apart import main; main()"


def run(task: str, options: Mapping[str, Any], heard: Callable[[Message], None]) -> str:
    """Run a task in a child and hear its messages; gives "" or how the child came to an untimely end.

    Raises QueuectlError where there can be no child.
    """
    messages = stream(task, options)
    while True:
        try:
            heard(next(messages))
        except StopIteration as end:
            return str(end.value)


def stream(task: str, options: Mapping[str, Any]) -> Generator[Message, None, str]:
    """Yield the messages of a task that runs in a child, as they come; returns and raises as run() does.

    The child ends at the latest when this is closed.
    """
    words = [sys.executable, "-P", "-c", _START, str(Path(__file__).parents[1]), task, pack(options).hex()]
    with _in_memory() as complaints:
        try:
            child = subprocess.Popen(words, bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=complaints)
        except OSError as error:
            raise QueuectlError(f"cannot start a process to look at the queue: {error.strerror}; try again") from error
        with child:
            try:
                assert child.stdout is not None, "it was asked for"
                yield from unpacked(child.stdout)
            except BaseException:
                child.kill()
                raise
        if child.returncode == 0:
            return ""
        complaints.seek(0)
        return _ending(child.returncode, complaints.read().decode(errors="replace"))


def _in_memory() -> IO[bytes]:
    """Return a file for what a child complains of; where the system has it, one that needs no disk to be written to."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("complaints"), "w+b")
    from tempfile import TemporaryFile

    return TemporaryFile()


def main() -> None:
    """Run the task that this process was started for."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears Ctrl-C too, and ends this process
    Thread(target=_end_with_parent, daemon=True).start()
    module, function = TASKS[sys.argv[1]]
    begin = getattr(import_module(f".{module}", __package__), function)
    for message in begin(**unpack(bytes.fromhex(sys.argv[2]))):
        sys.stdout.buffer.write(pack(message))
        sys.stdout.buffer.flush()
    os._exit(0)  # at once: as soon as it lets go of its output, the parent lets go of its input


def _end_with_parent() -> None:
    os.read(0, 1)  # the parent writes nothing there: this is its end
    os._exit(1)


def _ending(code: int, complaints: str) -> str:
    lines = [line.strip() for line in complaints.splitlines() if line.strip()]
    last = f" ({lines[-1]})" if lines else ""
    if code < 0:
        return f"the LMDB engine ended the process that read it with {signal.Signals(-code).name}{last}"
    return f"the process that looked at it failed{last}"
