"""Jobs from a file or a pipe, a line each: read, checked line by line, and handed over in one go."""

from array import array
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from json import JSONDecodeError, JSONDecoder
from typing import IO, TYPE_CHECKING, Any

from ...core.job_mapping import request_from_mapping
from ...core.job_request import JobRequest
from ...core.times import moment_of
from ...errors import InvalidInput, InvalidLine
from ..output.format import plural
from ..output.progress import progress
from ..output.table import note
from .job_options import from_here, with_defaults
from .param_types import now_us

if TYPE_CHECKING:
    from ...core.results import Bulk
    from ...queue import Queue

_EXAMPLE = '{"command": "echo hi"}'
_KINDS = {list: "a list", str: "a text", bool: "true or false", type(None): "null"}

LINE_BYTES = 1 << 20
"""The longest line read: room for the longest command, escaped, and the largest environment."""


class Jobs:
    """The requests in a file, one a line that is not blank; remembers which line each came from."""

    def __init__(self, stream: IO[bytes], defaults: Mapping[str, Any], *, as_lines: bool) -> None:
        self._stream = stream
        self._defaults = defaults
        self._as_lines = as_lines
        self._now_us = now_us()
        self._now = moment_of(self._now_us)
        self._lines = array("L")
        self.passed = 0
        """How many are to wait for a time that has passed."""
        self.queues: Counter[str] = Counter()
        """How many jobs were read for each queue."""

    def line_of(self, request: int) -> int:
        """Return the line that a request came from; both count from 1."""
        return self._lines[request - 1]

    @property
    def count(self) -> int:
        """Return how many were read."""
        return len(self._lines)

    def left(self, done: int) -> str:
        """Return what there is to say where so many of all are enqueued, or left out as there already, and no more."""
        if not done:
            return f"none of {plural(self.count, 'job')} is enqueued; type it again"
        told = f"{done:,} of {plural(self.count, 'job')} are enqueued and stay"
        if done >= self.count:
            return told
        return f"{told}; give it the rest, from line {self.line_of(done + 1):,} on"

    def __iter__(self) -> Iterator[JobRequest]:
        """Read the requests. Raises InvalidLine."""
        number = 0
        while raw := self._stream.readline(LINE_BYTES + 1):
            number += 1
            if not raw.strip():
                continue
            self._lines.append(number)
            try:
                job = with_defaults(self._read(raw, number), self._defaults)
                request = from_here(request_from_mapping(job, now_us=self._now_us))
            except InvalidInput as error:
                raise InvalidLine(number, error) from None
            self.passed += isinstance(request.run_at, datetime) and request.run_at < self._now
            self.queues[request.queue] += 1
            yield request

    def _read(self, raw: bytes, number: int) -> dict[str, Any]:
        if len(raw) > LINE_BYTES:
            raise InvalidInput("length", f"more than {LINE_BYTES:,} bytes", "less; put a long command into a script")
        try:
            errors = "surrogateescape" if self._as_lines else "strict"  # a name may be any bytes, JSON may not
            text = raw.decode("utf-8-sig" if number == 1 else "utf-8", errors).rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise InvalidInput("encoding", f"byte {raw[error.start]:#04x} at {error.start + 1}", "UTF-8 text") from None
        return {"command": text} if self._as_lines else read_object(text)


class NotAJob(InvalidInput):
    """A text is no JSON object of which each key stands there once."""

    def __init__(self, found: str) -> None:
        super().__init__("JSON", found, _EXAMPLE)
        self.args = (f"JSON: {found}; write an object, for example {_EXAMPLE}",)


def read_object(text: str) -> dict[str, Any]:
    """Read a JSON object. Raises InvalidInput with the place where it breaks, or the key that is there twice."""
    try:
        value = _DECODER.decode(text)
    except JSONDecodeError as error:
        place = f"column {error.colno}" if error.lineno == 1 else f"line {error.lineno}, column {error.colno}"
        raise NotAJob(f"{error.msg} at {place}") from None
    except RecursionError:
        raise NotAJob("nested too deeply") from None
    except NotAJob:
        raise
    except ValueError:  # the only other one: Python has a bound for the digits that it turns into a number
        raise NotAJob("a number of too many digits") from None
    if not isinstance(value, dict):
        raise NotAJob(f"found {_KINDS.get(type(value), 'a number')}")
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build an object; of a key that is there twice, JSON would silently take the last."""
    built = dict(pairs)
    if len(built) < len(pairs):
        twice = next(key for index, (key, _) in enumerate(pairs) if key in dict(pairs[:index]))
        raise NotAJob(f"the key {twice!r} is there more than once")
    return built


_DECODER = JSONDecoder(object_pairs_hook=_once)


def enqueue_file(queue: "Queue", jobs: Jobs, *, skip_existing: bool, reason: str | None) -> "Bulk":
    """Enqueue every job of a file, with a progress bar on a terminal.

    Raises InvalidLine with the line in the file; says on Ctrl-C how many are in.
    """
    try:
        requests = list(jobs)
    except KeyboardInterrupt:
        note(f"Interrupted: {plural(jobs.count, 'job')} read, and none is enqueued; type it again")
        raise
    with progress("Enqueueing", len(requests), left=jobs.left) as shown:
        try:
            return queue.enqueue_many(requests, skip_existing=skip_existing, progress=shown.done, reason=reason)
        except InvalidLine as error:
            raise InvalidLine(jobs.line_of(error.line), error.error, enqueued=error.enqueued) from None
