"""The stream in memory for nodes in processes of their own: `python -m tests.stream_server SOCKET` serves it.

A request is a list (its kind, then what the method takes) in msgpack after its length, and so is the answer.
"""

import os
import socket
import struct
import sys
from collections.abc import Sequence
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingMixIn, UnixStreamServer
from threading import Lock
from typing import IO, Any, Final

import msgpack

from queuectl.events.event_stream import EventStream, Message, NoAnswer, Outrun, Published
from tests.streams import MemoryStream

_LENGTH: Final = struct.Struct(">I")
_KINDS: Final = (Published, Outrun)


def _send(file: IO[bytes], value: Any) -> None:
    payload = msgpack.packb(value)
    file.write(_LENGTH.pack(len(payload)) + payload)
    file.flush()


def _receive(file: IO[bytes]) -> Any:
    """Return what comes next; raises EOFError where the other side has gone, in the middle of it or before."""
    [length] = _LENGTH.unpack(_read(file, _LENGTH.size))
    return msgpack.unpackb(_read(file, length))


def _read(file: IO[bytes], length: int) -> bytes:
    found = file.read(length)
    if len(found) < length:
        raise EOFError
    return found


class StreamClient:
    """An EventStream on the other side of a socket; a child that was forked from here makes a connection of its own."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = os.fspath(path)
        self._lock = Lock()
        self._file: IO[bytes] | None = None
        self._pid = 0

    def publish(self, batch: Sequence[Message], *, whole: bool) -> list[Published | Outrun]:
        return [_KINDS[kind](sequence) for kind, sequence in self._ask("publish", whole, batch)]

    def read(self, after: int, limit: int) -> list[tuple[int, bytes]]:
        return [(sequence, payload) for sequence, payload in self._ask("read", after, limit)]

    def last(self) -> int:
        return int(self._ask("last"))

    def now_us(self) -> int:
        """Return the server's time."""
        return int(self._ask("now_us"))

    def _ask(self, *request: Any) -> Any:
        with self._lock:
            try:
                if self._file is None or self._pid != os.getpid():
                    self._file, self._pid = self._connected(), os.getpid()
                _send(self._file, request)
                return _receive(self._file)
            except (OSError, EOFError) as error:
                self._file = None
                raise NoAnswer(f"the server of the stream has gone: {error}") from error

    def _connected(self) -> IO[bytes]:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(self._path)
            return connection.makefile("rwb")


class _Handler(StreamRequestHandler):
    server: "_Server"

    def handle(self) -> None:
        """Answer one client until it has gone, however it went: what it sent last may be there all the same."""
        try:
            while True:
                kind, *arguments = _receive(self.rfile)
                _send(self.wfile, self.server.answer(kind, *arguments))
        except (OSError, EOFError):
            return


class _Server(ThreadingMixIn, UnixStreamServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, path: str, stream: EventStream) -> None:
        super().__init__(path, _Handler)
        self._stream = stream

    def answer(self, kind: str, *arguments: Any) -> Any:
        if kind == "publish":
            whole, batch = arguments
            told = self._stream.publish([Message(*each) for each in batch], whole=whole)
            return [(_KINDS.index(type(each)), *each) for each in told]
        answers = {"read": self._stream.read, "last": self._stream.last, "now_us": self._stream.now_us}
        return answers[kind](*arguments)


def main(path: Path) -> None:
    """Serve an empty stream until this process is killed."""
    unheard = path.with_suffix(".new")
    with _Server(str(unheard), MemoryStream()) as server:
        unheard.rename(path)  # whoever finds it there is answered
        server.serve_forever()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
