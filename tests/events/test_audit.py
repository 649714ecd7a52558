"""The audit of a log's rows: whatever is done to them is told, with where."""

from pathlib import Path

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from queuectl import Queue
from queuectl.events.audit import Audit, Problem
from queuectl.events.hash_chain import KEPT_EVERY
from queuectl.store.event_reader import EventReader
from queuectl.store.store import Row, Store, key_of
from tests.logs import fill, rechained, rewritten, rows_of
from tests.property.strategies import brief, thorough


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("audit") / "q"
    fill(path)
    with Queue.open(path, create=False) as queue:
        while queue.log.head() % KEPT_EVERY:
            queue.enqueue("true")
    return path


@pytest.fixture(scope="module")
def rows(path: Path) -> list[Row]:
    return rows_of(path)


def audited(rows: list[Row], *, pieces: int = 10_000, cut: int = 0, watched: dict[int, bytes] | None = None) -> Audit:
    """Audit a log, fed in pieces; what was found is in its `problems`."""
    problems: list[Problem] = []
    there = dict(rows)
    audit = Audit(problems.append, cut=cut, watched=watched)
    for first in range(0, len(rows), pieces):
        audit.feed(rows[first : first + pieces], lambda position: there.get(key_of(position)))
    audit.finish()
    audit.problems = problems  # type: ignore[attr-defined]
    return audit


def problems(rows: list[Row], **options: int) -> list[Problem]:
    """Return what an audit finds."""
    found: list[Problem] = audited(rows, **options).problems  # type: ignore[attr-defined, arg-type]
    return found


def names(found: list[Problem], position: int) -> bool:
    """Return whether a position is named, alone or as one of a few."""
    return any(each.position <= position <= max(each.position, each.until) for each in found)


@pytest.mark.parametrize("pieces", [1, 7, 10_000])
def test_a_sound_log(path: Path, rows: list[Row], pieces: int) -> None:
    """Nothing is found, the digest is the log's own, however the rows are fed."""
    audit = audited(rows, pieces=pieces)
    with Store.open(path, create=False, read_only=True) as store, store.read() as txn:
        assert audit.digest == EventReader(txn).digest()
    assert (audit.problems, audit.events) == ([], len(rows))  # type: ignore[attr-defined]


@thorough
@given(data=st.data())
def test_any_flipped_bit_is_named(rows: list[Row], data: st.DataObject) -> None:
    """A single bit changed anywhere in a stored event is the one problem found, with the event's position."""
    position = data.draw(st.integers(1, len(rows)))
    key, value = rows[position - 1]
    at, bit = data.draw(st.integers(0, len(value) - 1)), data.draw(st.integers(0, 7))
    spoilt = value[:at] + bytes([value[at] ^ 1 << bit]) + value[at + 1 :]
    found = problems([*rows[: position - 1], (key, spoilt), *rows[position:]])
    assert [each.position for each in found] == [position]


@brief
@given(data=st.data())
def test_any_bytes_in_place_of_an_event_are_named(rows: list[Row], data: st.DataObject) -> None:
    """Whatever stands where an event stood is told, never a crash, a checksum that matches among it."""
    position = data.draw(st.integers(1, len(rows) - 1))
    value = data.draw(st.binary(max_size=60))
    assert names(problems([*rows[: position - 1], (key_of(position), value), *rows[position:]]), position)


@brief
@given(data=st.data())
def test_a_rewritten_event_is_named(rows: list[Row], data: st.DataObject) -> None:
    """An event changed with a checksum that matches breaks the chain where the digest is kept next, or is no event."""
    position = data.draw(st.integers(1, len(rows) - 1))
    field = data.draw(st.sampled_from("tyvadsprch"))
    value = data.draw(
        st.none() | st.integers(-5, 2**64 - 1) | st.text(max_size=9) | st.floats() | st.binary(max_size=40)
    )
    changed = rewritten(rows, position, **{field: value})
    if changed != rows:
        assert names(problems(changed), position)


@brief
@given(data=st.data())
def test_a_dropped_event_is_named(rows: list[Row], data: st.DataObject) -> None:
    """A gap is told with the positions that are missing."""
    position = data.draw(st.integers(1, len(rows) - 1))
    until = data.draw(st.integers(position, min(len(rows) - 1, position + 20)))
    found = problems(rows[: position - 1] + rows[until:])
    assert [(each.position, each.until) for each in found] == [(position, until)]


@brief
@given(data=st.data())
def test_a_swapped_pair_is_named(rows: list[Row], data: st.DataObject) -> None:
    """Two events that changed places are both told."""
    one = data.draw(st.integers(1, len(rows) - 1))
    other = data.draw(st.integers(one + 1, len(rows)))
    swapped = list(rows)
    swapped[one - 1], swapped[other - 1] = (key_of(one), rows[other - 1][1]), (key_of(other), rows[one - 1][1])
    found = problems(swapped)
    assert names(found, one)
    assert names(found, other)


def test_a_gap_up_to_the_cut_is_none(rows: list[Row]) -> None:
    """What retention let go is not missed, and the chain goes on from the next digest kept."""
    left = [row for number, row in enumerate(rows, 1) if number not in (3, 4, 9)]
    assert problems(left, cut=9) == []
    assert [each.position for each in problems(left, cut=8)] == [9]


@brief
@given(data=st.data())
def test_a_rechained_log_is_found_by_a_checkpoint(rows: list[Row], data: st.DataObject) -> None:
    """One that was rewritten throughout shows nothing by itself, and not the digest that a checkpoint kept."""
    changed = data.draw(st.integers(1, len(rows)))
    seen = data.draw(st.integers(changed, len(rows)))
    digest = audited(rows[:seen]).digest
    assert digest is not None
    forged = rechained(rewritten(rows, changed, a="somebody else"))
    assert problems(forged) == []
    found = audited(forged, watched={seen: digest}).problems  # type: ignore[attr-defined]
    assert [(each.position, each.until) for each in found] == [(1, seen)]
    assert audited(rows, watched={seen: digest}).proven == seen


@brief
@given(data=st.data())
def test_two_checkpoints_narrow_it_down(rows: list[Row], data: st.DataObject) -> None:
    """What was changed lies behind the last checkpoint that still agrees."""
    changed = data.draw(st.integers(2, len(rows)))
    good = data.draw(st.integers(1, changed - 1))
    watched = {n: digest for n in (good, len(rows)) if (digest := audited(rows[:n]).digest)}
    forged = rechained(rewritten(rows, changed, a="somebody else"))
    found = audited(forged, watched=watched).problems  # type: ignore[attr-defined]
    assert [(each.position, each.until) for each in found] == [(good + 1, len(rows))]


def test_a_shortened_log_is_found_by_a_checkpoint(rows: list[Row]) -> None:
    """A log that ends before a checkpoint says so, with the first position that is missing."""
    found = audited(rows[:-3], watched={len(rows): bytes(32)}).problems  # type: ignore[attr-defined]
    assert [(each.position, each.until) for each in found] == [(len(rows) - 2, len(rows))]


@pytest.mark.parametrize(
    "changes",
    [
        {"a": msgpack.ExtType(5, b"\xff\xfe")},
        {"a": 7},
        {"d": {"unheard": "of"}},
        {"d": []},
        {"r": 5},
        {"c": "x"},
    ],
)
def test_what_cannot_be_decoded_is_a_problem(rows: list[Row], changes: dict[str, object]) -> None:
    """An event with a checksum that matches, which no verb can read, is a problem of the log, with its position."""
    assert Problem(2, "its bytes are no event") in problems(rewritten(rows, 2, **changes))
