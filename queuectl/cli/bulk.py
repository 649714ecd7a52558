"""Jobs from a file or a pipe, a line each: read, checked line by line, and handed over in one go."""

from array import array
from collections.abc import Iterator, Mapping
from typing import IO, TYPE_CHECKING, Any

from ..errors import InvalidInput, InvalidLine
from ..intake import JobRequest, request_from_mapping
from .asking import with_defaults
from .progress import progress

if TYPE_CHECKING:
    from ..answers import Bulk
    from ..queue import Queue

LINE_BYTES = 1 << 20
"""The longest line read: room for the longest command, escaped, and the largest environment."""


class Jobs:
    """The requests in a file, one a line that is not blank; remembers which line each came from."""

    def __init__(self, stream: IO[bytes], defaults: Mapping[str, Any], *, as_lines: bool) -> None:
        self._stream = stream
        self._defaults = defaults
        self._as_lines = as_lines
        self._lines = array("L")

    def line_of(self, request: int) -> int:
        """Give the line that a request came from; both count from 1."""
        return self._lines[request - 1]

    def __iter__(self) -> Iterator[JobRequest]:
        """Read the requests. Raises InvalidLine."""
        number = 0
        while raw := self._stream.readline(LINE_BYTES + 1):
            number += 1
            if not raw.strip():
                continue
            self._lines.append(number)
            try:
                yield request_from_mapping(with_defaults(self._read(raw, number), self._defaults))
            except InvalidInput as error:
                raise InvalidLine(number, error) from None

    def _read(self, raw: bytes, number: int) -> dict[str, Any]:
        if len(raw) > LINE_BYTES:
            raise InvalidInput("line", f"more than {LINE_BYTES:,} bytes", "less; put a long command into a script")
        try:
            text = raw.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise InvalidInput("line", f"byte {raw[error.start]:#04x} at {error.start + 1}", "UTF-8 text") from None
        return {"command": text} if self._as_lines else read_object(text)


def read_object(text: str) -> dict[str, Any]:
    """Read a JSON object. Raises InvalidInput with the place where it breaks."""
    from json import JSONDecodeError, loads

    try:
        value = loads(text)
    except JSONDecodeError as error:
        place = f"column {error.colno}" if error.lineno == 1 else f"line {error.lineno}, column {error.colno}"
        raise InvalidInput("JSON", f"{error.msg} at {place}", 'an object such as {"command": "echo hi"}') from None
    except (ValueError, RecursionError) as error:
        raise InvalidInput("JSON", str(error), 'an object such as {"command": "echo hi"}') from None
    if not isinstance(value, dict):
        raise InvalidInput("JSON", type(value).__name__, 'an object such as {"command": "echo hi"}')
    return value


def enqueue_all(queue: "Queue", jobs: Jobs, *, skip_existing: bool, reason: str | None) -> "Bulk":
    """Enqueue every job of a file, with a progress bar on a terminal.

    Raises InvalidLine with the line in the file; says on Ctrl-C how many are in.
    """
    requests = list(jobs)
    with progress("Enqueueing", len(requests)) as shown:
        try:
            return queue.enqueue_many(requests, skip_existing=skip_existing, progress=shown.done, reason=reason)
        except InvalidLine as error:
            raise InvalidLine(jobs.line_of(error.line), error.cause, enqueued=error.enqueued) from None
        except InvalidInput as error:  # how the queue refuses a request that is the only one
            raise InvalidLine(jobs.line_of(1), error) from None
        except KeyboardInterrupt:
            shown.interrupted("enqueued")
            raise
