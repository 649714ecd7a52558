"""What runs next of the jobs that use limits? Three tables, so that a claim costs the same with 10,000 values.

`lanes`: the digest of a class, that of a value, rank (as in `ready`) -> which these are. All that wait, lane by lane.
`active`: the digest of a class, rank, that of a value -> the same. Of each lane that has room the first job.
`used`: the name of a limit, or of a value of one -> how many units running jobs use of it: none of it can leak.

A lane has room where fewer units of its value are used than its limit says. What its class uses beside, and whether its
limit is 0, is looked at by whoever claims: so setting a limit costs what runs, and not what waits.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final

from ..core.job import Job, JobState
from ..core.limits import DIGEST_BYTES, LaneNames, Limit, cap_of, digest_of, lane_of, used_by
from ..store.store import Row, Transaction, key_of
from . import limits, ready
from .row_codec import read_row, scan, unpacker, write_many

LANES: Final = "lanes"
ACTIVE: Final = "active"
USED: Final = "used"

LaneKey = bytes
"""The digests of a class and of a value."""

First = tuple[bytes, bytes]
"""The rank of a lane's first job, and what the lane is."""

_LANE: Final = 2 * DIGEST_BYTES
KEY_BYTES: Final = _LANE + ready.RANK_BYTES
_AFTER_ALL: Final = b"\xff" * (_LANE + ready.RANK_BYTES)

names_of = unpacker(LaneNames)
"""Return what a lane is, from a row's value."""


def row(job: Job, number: bytes) -> Row:
    """Return the row of a job that may run once there is room, from its number's key."""
    lane = lane_of(job.spec.queue, job.use)
    return lane.class_digest + lane.value_digest + ready.rank(job.spec, number), lane.packed


def lanes_of(keys: Iterable[bytes]) -> set[LaneKey]:
    """Return the lanes that keys of jobs lie in."""
    return {key[:_LANE] for key in keys}


def change(txn: Transaction, keys: Collection[bytes], rows: Collection[Row], uses: Mapping[str, int]) -> None:
    """Take rows of jobs out of their lanes, put others in, add to what is used, and have those active that may be."""
    if not (keys or rows or uses):
        return
    before, now = _turnover(txn, keys, rows)
    txn.delete_many(LANES, sorted(keys))
    write_many(txn, LANES, sorted(rows))
    turned = lanes_with(txn, add(txn, uses))
    stays = {lane for lane, first in before.items() if now.get(lane) == first}
    txn.delete_many(ACTIVE, sorted(_active_key(lane, rank) for lane, (rank, _) in before.items() if lane not in stays))
    _, coming = _by_room(txn, {lane: first for lane, first in now.items() if lane not in stays})
    write_many(txn, ACTIVE, coming)
    activate(txn, turned)


def _turnover(
    txn: Transaction, keys: Collection[bytes], rows: Collection[Row]
) -> tuple[dict[LaneKey, First], dict[LaneKey, First]]:
    """Return the first job of each lane that rows leave or come into, before that and after it."""
    before, now, leaving = dict[LaneKey, First](), dict[LaneKey, First](), frozenset(keys)
    for lane in lanes_of([*keys, *(key for key, _ in rows)]):
        there = scan(txn, LANES, lane, lane + _AFTER_ALL)
        if (first := next(there, None)) is not None:
            before[lane] = first[0][_LANE:], first[1]
            while first is not None and first[0] in leaving:
                first = next(there, None)
        if first is not None:
            now[lane] = first[0][_LANE:], first[1]
    for key, packed in rows:
        lane, rank = key[:_LANE], key[_LANE:]
        if lane not in now or rank < now[lane][0]:
            now[lane] = rank, packed
    return before, now


def active_keys(txn: Transaction, lanes: Iterable[LaneKey]) -> list[bytes]:
    """Return the keys that lanes have in `active`, or would have if they had room."""
    return [_active_key(lane, first) for lane, (first, _) in firsts(txn, lanes).items()]


def activate(txn: Transaction, lanes: Iterable[LaneKey]) -> None:
    """Have the first job of each lane active that has room, and of no other."""
    going, coming = active_changes(txn, lanes)
    txn.delete_many(ACTIVE, going)
    write_many(txn, ACTIVE, coming)


def active_changes(txn: Transaction, lanes: Iterable[LaneKey]) -> tuple[list[bytes], list[Row]]:
    """Return the keys that lanes are not to have in `active`, and the rows that they are to have, by what is used."""
    return _by_room(txn, firsts(txn, lanes))


def _by_room(txn: Transaction, of_lanes: Mapping[LaneKey, First]) -> tuple[list[bytes], list[Row]]:
    caps = limits.caps(txn) if of_lanes else {}
    going, coming = list[bytes](), list[Row]()
    for lane, (rank, packed) in of_lanes.items():
        value = names_of(packed).value
        if value is None or _has_room(used(txn, value), cap_of(value, caps)):
            coming.append((_active_key(lane, rank), packed))
        else:
            going.append(_active_key(lane, rank))
    return sorted(going), sorted(coming)


def firsts(txn: Transaction, lanes: Iterable[LaneKey]) -> dict[LaneKey, First]:
    """Return the first job of each of some lanes that have any."""
    found = {lane: next(scan(txn, LANES, lane, lane + _AFTER_ALL), None) for lane in lanes}
    return {lane: (first[0][_LANE:], first[1]) for lane, first in found.items() if first is not None}


def used(txn: Transaction, name: str) -> int:
    """Return how many units of a limit, or of a value of one, running jobs use."""
    row = read_row(txn, USED, name.encode())
    return 0 if row is None else int.from_bytes(row, "big")


def each_used(txn: Transaction, start: str) -> Iterator[tuple[str, int]]:
    """Yield the names that begin so and are in use, and how many units."""
    prefix = start.encode()
    for name, row in scan(txn, USED, prefix, prefix + b"\xff"):
        yield name.decode(), int.from_bytes(row, "big")


def add(txn: Transaction, uses: Mapping[str, int]) -> list[str]:
    """Add to what is used; returns the names that have room now and had none, or the other way round."""
    caps, turned = limits.caps(txn) if uses else {}, list[str]()
    going, coming = list[bytes](), list[Row]()
    for name in sorted(name for name in uses if uses[name]):
        before = used(txn, name)
        now, cap = before + uses[name], cap_of(name, caps)
        if now:
            coming.append((name.encode(), key_of(now)))
        else:
            going.append(name.encode())
        if _has_room(before, cap) != _has_room(now, cap):
            turned.append(name)
    txn.delete_many(USED, going)
    write_many(txn, USED, coming)
    return turned


def recap(txn: Transaction, name: str, before: Mapping[str, Limit]) -> None:
    """Have those lanes active that may be by what limits say now: those alone can turn whose values are in use."""
    now = limits.caps(txn)
    values = each_used(txn, name if ":" in name else f"{name}:")
    turned = [
        each for each, units in values if _has_room(units, cap_of(each, before)) != _has_room(units, cap_of(each, now))
    ]
    activate(txn, lanes_with(txn, turned))


def lanes_with(txn: Transaction, values: Collection[str]) -> set[LaneKey]:
    """Return the lanes of some values, in every class; of the names of limits there are none."""
    digests = [digest_of(value) for value in values if ":" in value]
    return {of + each for of, _ in classes(txn, LANES) for each in digests} if digests else set()


def every(txn: Transaction) -> Iterator[LaneKey]:
    """Yield every lane that has a job."""
    start = b""
    while (found := next(scan(txn, LANES, start), None)) is not None:
        yield found[0][:_LANE]
        start = found[0][:_LANE] + _AFTER_ALL


def classes(txn: Transaction, table: str) -> Iterator[tuple[bytes, bytes]]:
    """Yield the digest of each class that has a row in a table, and the value of its first."""
    start = b""
    while (found := next(scan(txn, table, start), None)) is not None:
        yield found[0][:DIGEST_BYTES], found[1]
        start = found[0][:DIGEST_BYTES] + _AFTER_ALL


def has_class(txn: Transaction, class_digest: bytes) -> bool:
    """Whether jobs of a class wait for room."""
    return next(scan(txn, LANES, class_digest, class_digest + _AFTER_ALL), None) is not None


def active(txn: Transaction, class_digest: bytes) -> Iterator[tuple[bytes, LaneKey, bytes]]:
    """Yield the rank of each active job of a class, in order, its lane, and what that is."""
    for key, packed in scan(txn, ACTIVE, class_digest, class_digest + _AFTER_ALL):
        yield key[DIGEST_BYTES:-DIGEST_BYTES], class_digest + key[-DIGEST_BYTES:], packed


def after(txn: Transaction, lane: LaneKey, rank: bytes) -> bytes | None:
    """Return the rank of the job that comes after one in a lane, None where none does."""
    found = next(scan(txn, LANES, lane + rank + b"\0", lane + _AFTER_ALL), None)
    return None if found is None else found[0][_LANE:]


def numbers(txn: Transaction, behind: bytes = b"") -> Iterator[int]:
    """Return the numbers of all jobs that wait for room, lane by lane, after the one with this key."""
    return (int.from_bytes(key[-8:], "big") for key, _ in scan(txn, LANES, behind + b"\0" if behind else b""))


def each(txn: Transaction) -> Iterator[LaneNames]:
    """Return what each job waits in that waits for room."""
    return (names_of(packed) for _, packed in scan(txn, LANES))


def uses_of(moved: Mapping[int, Job | None], before: Mapping[int, Job | None]) -> Counter[str]:
    """Return how what is used changes when jobs become what they are after."""
    found: Counter[str] = Counter()
    for number, job in moved.items():
        was = before.get(number)
        if job is not None and job.options is not None and job.state is JobState.PROCESSING:
            for name, units in used_by(job.use):
                found[name] += units
        if was is not None and was.options is not None and was.state is JobState.PROCESSING:
            for name, units in used_by(was.use):
                found[name] -= units
    return found


def _has_room(units: int, cap: int | None) -> bool:
    """Whether more may be used; a limit of 0, which whoever claims looks at, counts as one of 1."""
    return cap is None or units < max(cap, 1)


def _active_key(lane: LaneKey, rank: bytes) -> bytes:
    return lane[:DIGEST_BYTES] + rank + lane[DIGEST_BYTES:]
