"""Work in a process of its own: on a file that may be damaged, where the LMDB engine can end the process that reads it.

Or, as the folding of a replay does, to use a second processor.

A task is a generator of messages, plain dictionaries. It runs in a child, which sends each message as msgpack
through a socket that is its standard input, where nothing writes that prints: True once it is about to look, then
the messages, and True again when it is through; or, where it cannot go on for a reason that is no fault of the
queue's, the number of that. Whatever else is heard, and an end without it, is an untimely one; `Ending` says whether
the queue can be to blame. Knows no task's insides.
"""

import gc
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, suppress
from importlib import import_module
from pathlib import Path
from threading import Lock, Thread
from typing import IO, Any, Final, NamedTuple

from ..errors import QueuectlError
from . import lock_wait
from .interrupts import own
from .packing import pack, unpack, unpacked
from .shortage import advice, hindrance, is_hindrance, words

Message = dict[str, Any]

TASKS: Final[Mapping[str, tuple[str, str]]] = {
    "verify": ("integrity.verify_task", "messages"),
    "log": ("integrity.verify_task", "of_log"),
    "views": ("integrity.verify_task", "of_views"),
    "locate": ("integrity.verify_task", "positions_read"),
    "doctor": ("integrity.doctor", "messages"),
    "sound": ("integrity.data_file_check", "messages"),
    "fold": ("projections.stream_walk", "messages"),
}
"""Name of a task -> its module, and the function that begins it."""

_START: Final = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); from queuectl.system.subprocess_task import main; main()"
)
_OF_ENGINE: Final = frozenset({signal.SIGBUS, signal.SIGSEGV, signal.SIGABRT, signal.SIGFPE, signal.SIGILL})
_LAST_WORDS: Final = (
    "MemoryError",
    "libgcc_s",  # the C library wants to load it to end a thread, and aborts where no file can be opened
)
"""What the interpreter and the C library print, in no other language, where they end a process short of something."""

_sending: Final = Lock()
"""Held for a message: who waits for a lock is told of that from a thread of its own."""

_MOST: Final = 2**63 - 1
"""The largest number that a message carries; a damaged file can have any."""


class Ending(NamedTuple):
    """How a child came to an untimely end, and whether what it looked at is to blame: False where it could not look.

    `hindrance`: the number of what kept it from that, where it came to say it; else 0.
    """

    how: str
    is_damage: bool
    hindrance: int = 0

    def __str__(self) -> str:
        return self.how


def run(task: str, options: Mapping[str, Any], heard: Callable[[Message], None]) -> Ending | None:
    """Run a task in a child and hear its messages; returns None or how the child came to an untimely end.

    Raises QueuectlError where there can be no child.
    """
    messages = stream(task, options)
    while True:
        try:
            heard(next(messages))
        except StopIteration as end:
            ending: Ending | None = end.value
            return ending


def stream(task: str, options: Mapping[str, Any]) -> Generator[Message, None, Ending | None]:
    """Start a task in a child, and return its messages as they come; ends and raises as run() does.

    The child ends at the latest when what is returned is closed.
    """
    messages = _stream(task, options)
    next(messages)  # so that the child is at work before it is asked for
    return messages


def _stream(task: str, options: Mapping[str, Any]) -> Generator[Message, None, Ending | None]:
    child, messages, complaints = _begun(task, options)
    with complaints:
        with child, messages:
            try:
                yield {}
                is_begun, last = yield from _listen(messages)
            except BaseException:
                child.kill()
                raise
            if last is not None:
                child.kill()  # it is through, or may go on to say anything
        if is_begun and last is True:
            return None
        if is_begun and is_hindrance(last):
            return Ending(f"the process that looked at it failed ({words(last)})", False, last)
        if last is not None:
            return Ending("the process that looked at it said something else", False)
        complaints.seek(0)
        return _ending(child.returncode, complaints.read().decode(errors="replace"), is_begun=is_begun)


def _begun(task: str, options: Mapping[str, Any]) -> tuple["subprocess.Popen[bytes]", Any, IO[bytes]]:
    """Start the child of a task; returns it, where its messages come from, and a file of what it complains of."""
    refusal = "cannot start a process to look at the queue"
    if not sys.executable:
        raise QueuectlError(f"{refusal}: this program does not say where its Python is; set sys.executable")
    words = [sys.executable, "-P", "-c", _START, str(Path(__file__).parents[2]), task, pack(options).hex()]
    try:
        with ExitStack() as opened:
            complaints = opened.enter_context(_in_memory())
            ours, its = socket.socketpair()
            with ours, its:
                os.set_blocking(its.fileno(), True)  # under gevent it is not, and the child would find nothing
                messages = opened.enter_context(ours.makefile("rb", buffering=0))
                child = subprocess.Popen(
                    words, bufsize=0, stdin=its.fileno(), stdout=subprocess.DEVNULL, stderr=complaints
                )
            opened.pop_all()
    except own(OSError) as error:
        way = advice(error.errno or 0, "try again")
        raise QueuectlError(f"{refusal}: {error.strerror}: {sys.executable}; {way}") from error
    return child, messages, complaints


def _listen(messages: IO[bytes]) -> Generator[Message, None, tuple[bool, Any]]:
    """Yield messages; returns whether the child came to begin, and what else it said: True at its end, or nothing."""
    is_begun = False
    words = unpacked(messages)
    while True:
        try:
            word = next(words, None)
        except own(ValueError):
            return is_begun, False
        except ConnectionError:
            return is_begun, None
        if isinstance(word, dict) and is_begun:
            if word.get("is") == "waiting":
                lock_wait.relay(word["what"])
            else:
                yield word
        elif word is True and not is_begun:
            is_begun = True
        else:
            return is_begun, word


def _in_memory() -> IO[bytes]:
    """Return a file for what a child complains of; where the system has it, one that needs no disk to be written to."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("complaints"), "w+b")
    from tempfile import TemporaryFile

    return TemporaryFile()


def main() -> None:
    """Run the task that this process was started for."""
    gc.disable()  # tasks make no cycles, and looking for them would take a third of the time
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears Ctrl-C too, and ends this process
    Thread(target=_end_with_parent, daemon=True).start()
    module, function = TASKS[sys.argv[1]]
    begin = getattr(import_module(f"queuectl.{module}"), function)
    _send(pack(True))
    lock_wait.listen(lambda told: _send(pack({"is": "waiting", "what": told})))
    try:
        for message in begin(**unpack(bytes.fromhex(sys.argv[2]))):
            _send(_packed(message))
    except Exception as error:
        if number := hindrance(error):
            _send(pack(number))
            os._exit(1)
        raise
    _send(pack(True))
    os._exit(0)  # at once: as soon as it lets go of its socket, the parent lets go of its own


def _send(data: bytes) -> None:
    rest = memoryview(data)
    with _sending:
        while rest:
            rest = rest[os.write(0, rest) :]


def _packed(message: Message) -> bytes:
    try:
        return pack(message)
    except OverflowError:
        return pack(_bounded(message))


def _bounded(value: Any) -> Any:
    """Return a message with its numbers such as msgpack has."""
    if isinstance(value, dict):
        return {key: _bounded(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_bounded(each) for each in value]
    return max(-_MOST, min(value, _MOST)) if type(value) is int else value


def _end_with_parent() -> None:
    with suppress(ConnectionError):
        os.read(0, 1)  # the parent writes nothing there: this is its end
    os._exit(1)


def _ending(code: int, complaints: str, *, is_begun: bool) -> Ending:
    lines = [line.strip() for line in complaints.splitlines() if line.strip()]
    last = f" ({lines[-1]})" if lines else ""
    if not is_begun:
        return Ending(f"the process started for that, {sys.executable}, did not begin{last}", False)
    if code == 0:
        return Ending("the process that looked at it ended before it was through", False)
    is_lacking = any(each in line for line in lines for each in _LAST_WORDS)
    if code >= 0:
        return Ending(f"the process that looked at it failed{last}", not is_lacking)
    number = -code
    name = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
    if number in _OF_ENGINE and not is_lacking:
        return Ending(f"the LMDB engine ended the process that read it with {name}{last}", True)
    return Ending(f"the process that looked at it was ended by {name}{last}", False)
