"""Reads on, for a worker, what the background processes of completed runs print, and drops it.

A run is over when its command exits, though what it left in the background may have its pipes open:
a web server, say. Once nobody had them open to read, its next print would end it (SIGPIPE). The
worker sends those pipes here, and this process has them until their last writer is gone, however
the worker ends. Runs as `python -I -S -c ... DIRECTORY`, see `worker.drainer_process`, with a socket to the worker as
its stdin. Imports nothing of ours, and holds nothing of the queue.
"""

import os
import resource
import select
import socket
import sys
import time
from contextlib import suppress
from typing import Final

MOST_PIPES: Final = 1024
"""How many pipes one drainer has open at the most; what goes beyond is closed."""

PIPES_A_MESSAGE: Final = 253
"""How many pipes may come with one byte: Linux passes no more."""

PAUSE_S: Final = 0.01
"""How long what comes is left to gather between two looks: who prints without end is slowed down, not followed."""

_READ_BYTES: Final = 1 << 20
_SPARE_FDS: Final = 16


def main() -> None:
    """Go on in the background, as nobody's child, until the worker and all writers are gone."""
    if os.fork():
        os._exit(0)
    os.chdir("/")
    most = _make_room()
    os.closerange(sys.stderr.fileno() + 1, most)  # whatever else was inherited
    Drainer(socket.socket(fileno=sys.stdin.fileno()), most=most).run()


def _make_room() -> int:
    """Raise the limit of descriptors as far as may be; returns how many pipes fit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_PIPES + _SPARE_FDS
    with suppress(OSError, ValueError):
        if soft < wanted:
            soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return min(MOST_PIPES, soft - _SPARE_FDS)


class Drainer:
    """The pipes that are read on, and the worker that sends more."""

    def __init__(self, worker: socket.socket, *, most: int) -> None:
        worker.setblocking(False)
        self._worker = worker
        self._most = most
        self._pipes: set[int] = set()
        self._poll = select.poll()
        self._poll.register(worker, select.POLLIN)
        self._has_worker = True

    def run(self) -> None:
        """Read until nobody is left who could print, or send a pipe."""
        while self._has_worker or self._pipes:
            ready = [fd for fd, _ in self._poll.poll()]
            printed = self._pipes.intersection(ready)
            if len(printed) < len(ready):
                self._receive()
            for fd in printed:
                self._drop_what_came(fd)
            if printed:
                time.sleep(PAUSE_S)

    def _receive(self) -> None:
        """Take in all that the worker has sent by now: what lies in the socket keeps it from sending more."""
        with suppress(BlockingIOError):
            while self._has_worker:
                message, fds, _, _ = socket.recv_fds(self._worker, 1, PIPES_A_MESSAGE)
                if not message:
                    self._poll.unregister(self._worker)
                    self._has_worker = False
                for fd in fds:
                    self._take_on(fd)

    def _take_on(self, fd: int) -> None:
        if len(self._pipes) >= self._most:
            os.close(fd)
        else:
            self._pipes.add(fd)
            self._poll.register(fd, select.POLLIN)

    def _drop_what_came(self, fd: int) -> None:
        with suppress(BlockingIOError):
            if not os.read(fd, _READ_BYTES):
                self._poll.unregister(fd)
                self._pipes.discard(fd)
                os.close(fd)
