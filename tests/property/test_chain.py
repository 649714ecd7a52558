"""The same events in the same order are the same rows of the log, however batched and wherever they came in."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from queuectl.events.append import Append
from queuectl.events.audit import Audit, Problem
from queuectl.events.codec import StoredEvent, decode_all, encode, payloads_of, with_checksum, with_digest
from queuectl.events.hash_chain import GENESIS, KEPT_EVERY, Chain, encode_chained, kept_by, link, link_all
from queuectl.events.types import NEW_STREAM, Enqueued, JobSpec, Recorded, Stream
from queuectl.store import event_writer, log_rows
from queuectl.store.event_reader import EventReader, stream_key
from queuectl.store.event_writer import EventWriter
from queuectl.store.store import Row, Store, key_of
from tests.logs import rechained
from tests.property.strategies import brief, events, texts

Item = TypeVar("Item")
NAMED = ("config", "worker:1", "w\u00f6rker:\U0001f44b")
sizes = st.lists(st.integers(1, 20) | st.integers(1, 3), min_size=1, max_size=8)
"""Of portions, one after the other and again from the first."""

mishaps = st.lists(st.sampled_from(["none", "none", "aborted", "reopened"]), min_size=1, max_size=8)
"""What happens after a portion: nothing, a transaction that fails once it has appended, or an end of the process."""


@st.composite
def appends(draw: st.DrawFn) -> list[Append]:
    """Draw what is put to a log, one after the other, each with the right version."""
    pool, reason = draw(st.lists(events, min_size=1, max_size=6)), draw(st.none() | texts)
    versions: dict[Stream, int] = {}
    position, found = 0, []
    for _ in range(draw(st.integers(1, 50))):
        stream = draw(st.sampled_from([NEW_STREAM, *NAMED, *versions]))
        several = draw(st.lists(st.sampled_from(pool), min_size=1, max_size=3))
        found.append(Append(stream, versions.get(stream, 0), tuple(several), reason))
        number = position + 1 if stream == NEW_STREAM else stream
        position += len(several)
        versions[number] = position
    return found


def parted(items: Sequence[Item], portions: Sequence[int]) -> Iterator[list[Item]]:
    """Yield items in portions of these sizes."""
    left, size = iter(items), cycle(portions)
    while portion := list(islice(left, next(size))):
        yield portion


@contextmanager
def empty() -> Iterator[Path]:
    """Yield where a store is made, and thrown away."""
    with TemporaryDirectory() as directory:
        Store.open(Path(directory) / "q", create=True).close()
        yield Path(directory) / "q"


def append(store: Store, batch: Sequence[Append], *, then: Callable[[], object] = lambda: None) -> None:
    with store.write() as txn:
        EventWriter(txn).append(batch, at_us=7, actor="tester")
        then()


def fail() -> None:
    raise ZeroDivisionError


def written(path: Path, batches: Iterator[list[Append]], happening: Sequence[str] = ("none",)) -> list[Row]:
    """Append batches, with mishaps between them; returns the rows."""
    store = Store.open(path, create=False)
    for batch, mishap in zip(batches, cycle(happening), strict=False):
        if mishap == "aborted":
            with suppress(ZeroDivisionError):
                append(store, batch, then=fail)
        elif mishap == "reopened":
            store.close()
            store = Store.open(path, create=False)
        append(store, batch)
    with store, store.read() as txn:
        return list(txn.scan("log"))


def adopt(store: Store, portion: Sequence[Recorded]) -> None:
    """Bring in events as a follower of another log would: they are decided, and have their places."""
    with store.write() as txn:
        rows = encode_chained(portion, EventReader(txn).digest)
        log_rows.add(txn, rows, {stream_key(each.stream): key_of(each.position) for each in portion})


@brief
@given(wanted=appends(), portions=sizes, happening=mishaps)
def test_rows_do_not_depend_on_batches(wanted: list[Append], portions: list[int], happening: list[str]) -> None:
    """Nor on transactions that failed between them, nor on who had the store open."""
    with empty() as one, empty() as other:
        assert written(one, parted(wanted, portions), happening) == written(other, parted(wanted, [len(wanted)]))


@brief
@given(wanted=appends(), further=appends(), one=sizes, other=sizes)
def test_two_followers_have_the_same_rows(
    wanted: list[Append], further: list[Append], one: list[int], other: list[int]
) -> None:
    """In whatever portions each adopts the events, and whatever is appended after that."""
    further = [each for each in further if each.stream == NEW_STREAM]
    with empty() as path:
        original = written(path, parted(wanted, [len(wanted)]))
        expected = written(path, parted(further, one))
    for portions in (one, other):
        with empty() as path:
            with Store.open(path, create=False) as store:
                for portion in parted(decode_all(original), portions):
                    adopt(store, portion)
                with store.read() as txn:
                    assert list(txn.scan("log")) == original
            assert written(path, parted(further, portions)) == expected


@brief
@given(data=st.data(), wanted=appends(), portions=sizes)
def test_a_log_of_two_releases_is_one_chain(data: st.DataObject, wanted: list[Append], portions: list[int]) -> None:
    """Where the first events keep the digest by batch or not at all, it is known at every position, and kept after."""
    old = data.draw(st.integers(0, len(wanted)))
    ends = data.draw(st.sets(st.integers(1, 60)))
    with empty() as path, Store.open(path, create=False) as store:
        append(store, wanted[:old])
        with store.write() as txn:
            earlier = rechained(list(txn.scan("log")), keeps=ends.__contains__)
            txn.put_many("log", earlier)
        rows = written(path, parted(wanted[old:], portions))
        digests = [GENESIS]
        for _, value in rows:
            digests.append(link(digests[-1], value))
        with store.read() as txn:
            log = EventReader(txn)
            assert [log.digest(position) for position in range(len(rows) + 1)] == digests
    assert rows[: len(earlier)] == earlier
    later = range(len(earlier) + 1, len(rows) + 1)
    kept = {position: found for position, row in enumerate(rows, 1) if (found := kept_by(*row)) and position in later}
    assert kept == {position: digests[position - 1] for position in later if position % KEPT_EVERY == 0}
    check_chain(rows)


def check_chain(rows: list[Row]) -> None:
    """See that whoever follows the chain finds nothing wrong with it."""
    chain = Chain()
    assert [wrong for key, value in rows if (wrong := chain.add(key, value))] == []
    found: list[Problem] = []
    there = dict(rows)
    audit = Audit(found.append)
    audit.feed(rows, lambda position: there.get(key_of(position)))
    assert [each for each in found if "chain" in each.what] == []
    assert audit.digest == link_all(GENESIS, (value for _, value in rows))


def by_batch(batch: Sequence[Recorded], before: Callable[[], bytes]) -> list[StoredEvent]:
    """Encode as an earlier release did: the last event of a batch keeps the digest."""
    *others, last = batch
    rows = [(key_of(each.position), encode(each, key_of(each.position))) for each in others]
    digest = link_all(before(), (value for _, value in rows))
    key = key_of(last.position)
    return [*rows, (key, with_checksum(key, with_digest(payloads_of([last])[0], digest)))]


def test_a_digest_by_batch_would_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows compared above are others then."""
    wanted = [Append(NEW_STREAM, 0, (Enqueued(JobSpec("job1", "true")),))] * 20
    found = []
    for encoding in (encode_chained, by_batch):
        monkeypatch.setattr(event_writer, "encode_chained", encoding)
        with empty() as one, empty() as other:
            found.append(written(one, parted(wanted, [3, 5])) == written(other, parted(wanted, [20])))
    assert found == [True, False]
