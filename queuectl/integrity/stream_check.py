"""The streams of a log: whether the table `streams` has the last event of each, and where not, what is wrong."""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Final

from ..errors import StoreError
from ..events.audit import Problem, Problems, outline_of, weight
from ..events.codec import Outline
from ..events.types import Stream
from ..store.event_reader import NAMED_STREAM, stream_key, stream_of_key
from ..store.store import Store, Transaction, key_of
from ..store.tables import LOG, STREAMS

ROWS_AT_ONCE: Final = 10_000
_MASK: Final = (1 << 64) - 1
_NUMBER_BYTES: Final = 8
_PAGE_BITS: Final = 15
_IN_PAGE: Final = (1 << _PAGE_BITS) - 1


def _readable_stream(key: bytes) -> Stream | None:
    """Return the stream that a key of `streams` names, None where it names none."""
    try:
        return stream_of_key(key) if key[:1] == NAMED_STREAM or len(key) == _NUMBER_BYTES else None
    except UnicodeDecodeError:
        return None


def key_of_stream(stream: Stream) -> bytes | None:
    """Return the key that a stream has in `streams`, None where it can have none."""
    return stream_key(stream) if isinstance(stream, str) or 0 < stream < 1 << 64 else None


def stream_count_and_sum(
    store: Store, head: int, *, on_log_problem: Callable[[Problem], None], on_table_problem: Callable[[Problem], None]
) -> tuple[int, int]:
    """Return the number of streams in the table, and the sum of their last events' weights as of a head of the log.

    Both are compared with what the events themselves add up to (`events/audit.py`). `on_log_problem` is called for
    each problem that may be the log's, `on_table_problem` for each that is the table's alone.
    """
    count = total = 0
    for txn, key, value in _rows(store, STREAMS):
        stream, last = _readable_stream(key), int.from_bytes(value, "big")
        if stream is None:
            on_table_problem(
                Problem(0, f"the table `streams` has a row with the key {key.hex()}, which names no stream")
            )
            continue
        if last > head:
            last = _as_of(txn, stream, last, head, on_log_problem)
        if last:
            count += 1
            total += weight(stream, last)
    return count, total & _MASK


def trace(store: Store, head: int, cut: int, spoilt: set[int]) -> tuple[Problems, Problems]:
    """Find what is wrong with the streams of a log up to a head; slower, and with a bit of memory for each event.

    Returns what is wrong with the events themselves, and with the table `streams` alone, which can be made anew from
    events that are sound. Nothing is said of what only follows from events that are spoilt.
    """
    followed, found, astray = _Bits(), Problems(), Problems()
    found.extend(_back(store, head, cut, spoilt, followed))
    for problems in (
        _ends_not_in_table(store, head, spoilt, followed),
        _wrong_ends_in_table(store, head, spoilt, followed),
    ):
        astray.extend(problems)
    if not found and not astray and not spoilt:
        found.append(Problem(0, "the streams do not add up with the log; verify again"))
    return found, astray


class _Bits:
    """A set of positions, at a bit for each that lies near one that is in it."""

    def __init__(self) -> None:
        self._pages: dict[int, bytearray] = {}

    def __contains__(self, position: int) -> bool:
        page = self._pages.get(position >> _PAGE_BITS)
        return page is not None and bool(page[(position & _IN_PAGE) >> 3] >> (position & 7) & 1)

    def add(self, position: int) -> None:
        page = self._pages.setdefault(position >> _PAGE_BITS, bytearray())
        if not page:
            page.extend(bytes((_IN_PAGE + 1) >> 3))
        page[(position & _IN_PAGE) >> 3] |= 1 << (position & 7)


def _back(store: Store, head: int, cut: int, spoilt: set[int], followed: _Bits) -> Iterator[Problem]:
    """Check that each event names one of its stream before it, which no other does, and note those named."""
    for txn, position, event in _events(store, head):
        prev, stream = event.p, event.stream_at(position)
        if not 0 < prev < position or stream == position or prev in spoilt:
            continue
        if prev in followed:
            yield Problem(position, f"it follows {prev} in its stream, as an event before it does")
        followed.add(prev)
        before = outline_of(prev, txn.get(LOG, key_of(prev)))
        if before is None and not (isinstance(stream, str) and prev <= cut):
            yield Problem(position, f"the event of its stream before it, at {prev}, is missing")
        elif before is not None and before.stream_at(prev) != stream:
            yield Problem(position, f"it names {prev} as the event of its stream before it, which is another stream's")


def _ends_not_in_table(store: Store, head: int, spoilt: set[int], followed: _Bits) -> Iterator[Problem]:
    """Check that each event which none follows is in `streams` as the last."""
    for txn, position, event in _events(store, head):
        if position in followed:
            continue
        stream = event.stream_at(position)
        key = key_of_stream(stream)
        last = int.from_bytes((key and txn.get(STREAMS, key)) or b"", "big")
        told = _as_of(txn, stream, last, head, _ignore) if last > head else last
        is_spoilt = last in spoilt or any(position < each <= last for each in spoilt)
        if told != position and not is_spoilt:
            yield Problem(position, f"it is the last of its stream, and `streams` has {last or 'none'} for that")


def _wrong_ends_in_table(store: Store, head: int, spoilt: set[int], followed: _Bits) -> Iterator[Problem]:
    """Check that what `streams` has is the last of that stream."""
    for txn, stream, last in _ends(store):
        if last > head or last in spoilt:
            continue
        if last in followed:
            yield Problem(last, f"`streams` has it as the last of stream {stream}, and an event follows it")
            continue
        event = outline_of(last, txn.get(LOG, key_of(last)))
        if event is None or event.stream_at(last) != stream:
            yield Problem(last, f"`streams` has it as the last of stream {stream}, which it is not")


def _ignore(problem: Problem) -> None:
    """Report nothing: stream_count_and_sum() has reported it."""


def _events(store: Store, head: int) -> Iterator[tuple[Transaction, int, Outline]]:
    """Yield the sound events up to a head, each with a transaction that is good until the next."""
    for txn, key, value in _rows(store, LOG):
        position = int.from_bytes(key, "big")
        if position > head:
            return
        found = outline_of(position, value)
        if found is not None:
            yield txn, position, found


def _ends(store: Store) -> Iterator[tuple[Transaction, Stream, int]]:
    """Yield what `streams` says, each with a transaction that is good until the next."""
    for txn, key, value in _rows(store, STREAMS):
        stream = _readable_stream(key)
        if stream is not None:
            yield txn, stream, int.from_bytes(value, "big")


def _rows(store: Store, table: str) -> Iterator[tuple[Transaction, bytes, bytes]]:
    """Yield the rows of a table in bounded transactions, each with the one it is of.

    Raises StoreError where keys do not ascend: in a damaged tree the rows might never end.
    """
    before = b""
    while True:
        with store.read() as txn:
            rows = list(islice(txn.scan(table, before + b"\0"), ROWS_AT_ONCE))
            for key, value in rows:
                if key <= before:
                    raise StoreError(f"the rows of {table!r} in {store.path} are out of order, from key {key.hex()} on")
                before = key
                yield txn, key, value
        if not rows:
            return


def _as_of(txn: Transaction, stream: Stream, last: int, head: int, on_problem: Callable[[Problem], None]) -> int:
    """Return the last event of a stream as of a head, 0 where it began later."""
    while last > head:
        event = outline_of(last, txn.get(LOG, key_of(last))) if last < 1 << 64 else None
        if event is None:
            on_problem(
                Problem(
                    last, f"it is missing: `streams` has it as an event of stream {stream}, and the log ends at {head}"
                )
            )
            return 0
        if event.stream_at(last) == last:
            return 0
        last = event.p if event.p < last else 0
    return last
