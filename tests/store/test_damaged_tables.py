"""A damaged table `streams`: whoever follows a row of it is refused, and not told of another job or of none."""

import struct
from collections.abc import Callable
from functools import partial
from itertools import pairwise, product
from pathlib import Path

import lmdb
import pytest

from queuectl import JobNotFound, Queue
from queuectl.errors import CorruptLog, QueuectlError, StoreError
from queuectl.events.append import Append
from queuectl.events.types import Renewed
from queuectl.integrity.verify import verify
from queuectl.retention.policy import STREAMS_AT_ONCE, check_streams
from queuectl.store.event_reader import EventReader
from queuectl.store.event_writer import EventWriter
from queuectl.store.store import Store, key_of
from queuectl.store.tables import STREAMS, fault_of_meta
from tests import damage
from tests.lives import completed

ENDS: dict[str, Callable[[int, int], int]] = {
    "one behind the log": lambda last, other: last | 1 << 30,
    "one of another stream": lambda last, other: other,
    "an earlier one of its own": lambda last, other: last - 1,
}


def set_end(queue: Queue, stream: int, choose: Callable[[int, int], int], other: int = 0) -> None:
    """Have `streams` name another event as the last of a stream."""
    with queue._store.write() as txn:
        log = EventReader(txn)
        txn.put(STREAMS, key_of(stream), key_of(choose(log.version(stream), log.version(other) if other else 0)))


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("removed", [False, True])
def test_nothing_goes_by_a_row_that_names_another_event(queue: Queue, end: str, removed: bool) -> None:
    """Whether its job is there or was removed: it is refused, a dry run too, and neither log nor views change."""
    numbers = [completed(queue, job_id).number for job_id in ("a", "b")]
    if removed:
        for job_id in ("a", "b"):
            queue.remove(job_id)
    set_end(queue, numbers[0], ENDS[end], numbers[1])
    before = (queue.log.head(), list(queue.jobs()))
    for dry_run in (True, False):
        with pytest.raises(CorruptLog, match=rf"`streams` has it as the last event of stream {numbers[0]}|is missing"):
            queue.admin.compact(older_than_s=0, dry_run=dry_run)
    assert (queue.log.head(), list(queue.jobs())) == before


@pytest.mark.parametrize("which", [0, 1, -1])
def test_nothing_goes_where_streams_are_missing(tmp_path: Path, which: int) -> None:
    """A leaf of `streams` emptied, fewer jobs are not archived than have ended: it is refused, and nothing goes."""
    damage.make(tmp_path / "q")
    data = tmp_path / "q" / "data.mdb"
    file = damage.File(data.read_bytes())
    leaf = file.leaves(file.roots()[STREAMS])[which]
    data.write_bytes(file.spoilt((leaf * damage.PAGE + 12, struct.pack("<HH", 16, damage.PAGE))))
    with Queue.open(tmp_path / "q", create=False) as queue:
        before = queue.log.head()
        for dry_run in (True, False):
            with pytest.raises(StoreError, match=r"`streams`|damaged"):
                queue.admin.compact(older_than_s=0, dry_run=dry_run)
        assert queue.log.head() == before


def test_streams_are_counted_beside_those_that_are_added(queue: Queue) -> None:
    """Jobs and workers that come meanwhile are no sign of damage, however often the count has to go on."""
    queue.enqueue_many(["true"] * (STREAMS_AT_ONCE + 5))
    counting = check_streams(queue._store)
    for number, _ in enumerate(counting):
        queue.enqueue("true")
        queue.worker(f"w{number}").started(slots=1, queues=None, host="h", pid=1)
    assert number == 1


ASKED: dict[str, Callable[[Queue], object]] = {
    "history": lambda queue: queue.history("a"),
    "the last life": lambda queue: queue.history("a", lives=1),
    "events": lambda queue: list(queue.events(job="a")),
    "family": lambda queue: queue.family("a"),
    "runs": lambda queue: queue.runs("a"),
}


@pytest.mark.parametrize("asked", ASKED)
def test_a_job_whose_stream_is_missing_is_damage(queue: Queue, asked: str) -> None:
    """A job that the log has begun is not told as one without events."""
    number = completed(queue, "a").number
    with queue._store.write() as txn:
        txn.delete(STREAMS, key_of(number))
    with pytest.raises(CorruptLog, match=f"position {number}: `streams` lacks the stream that begins with it"):
        ASKED[asked](queue)


def joined(queue: Queue) -> None:
    """Append an event to the job a that names the last of b as the one before it."""
    a, b = (queue.job(job_id).number for job_id in ("a", "b"))
    set_end(queue, a, lambda last, other: other, b)
    with queue._store.write() as txn:
        EventWriter(txn).append([Append(a, b, (Renewed(2, 60),))], at_us=1, actor="x")


def cut_off(queue: Queue) -> None:
    """Append an event to the job a that names none before it."""
    a = queue.job("a").number
    with queue._store.write() as txn:
        txn.delete(STREAMS, key_of(a))
        EventWriter(txn).append([Append(a, 0, (Renewed(2, 60),))], at_us=1, actor="x")


@pytest.mark.parametrize(
    ("spoil", "told"),
    [(joined, "as the event of its stream before it, which is of stream"), (cut_off, "nothing leads from it back to")],
)
@pytest.mark.parametrize("asked", ["history", "events", "family"])
def test_a_stream_that_leads_into_another_or_nowhere_is_damage(
    queue: Queue, spoil: Callable[[Queue], None], told: str, asked: str
) -> None:
    """No events of another job are given as its own, nor is it told without its beginning."""
    for job_id in ("a", "b"):
        queue.enqueue("true", id=job_id)
    spoil(queue)
    with pytest.raises(CorruptLog, match=told):
        ASKED[asked](queue)


def test_a_removed_job_that_retention_let_go_is_not_found(queue: Queue) -> None:
    """A row of `removed` that outlived the events it leads to: no such job, and no error of Python's."""
    completed(queue, "a")
    queue.remove("a")
    with queue._store.read() as txn:
        [row] = txn.scan("removed")
    queue.admin.compact(older_than_s=0)
    for segment in (queue.path / "archive").iterdir():
        segment.unlink()
    with queue._store.write() as txn:
        txn.put("removed", *row)
    for lives in (None, 1, 2):
        with pytest.raises(JobNotFound):
            queue.history("a", lives=lives)


def test_a_subscription_that_a_search_misses_is_damage(tmp_path: Path) -> None:
    """Its leaf emptied, in which a walk still comes upon it: it is not told as one that there is not."""
    damage.make(tmp_path / "q")
    data = tmp_path / "q" / "data.mdb"
    file = damage.File(data.read_bytes())
    [leaf] = file.leaves(file.roots()["subscriptions"])
    data.write_bytes(file.spoilt((leaf * damage.PAGE + 12, struct.pack("<HH", 16, damage.PAGE))))
    with Queue.open(tmp_path / "q", create=False) as queue:
        for do in (lambda: queue.log.rewind("reader", 0), lambda: queue.log.remove("reader")):
            with pytest.raises(StoreError, match=r"subscriptions are missing: data\.mdb is damaged"):
                do()


def test_an_archive_is_known_for_its_own_where_meta_says_another_s(tmp_path: Path) -> None:
    """What `meta` has of whose log it is was changed: no archived job is told as one that there never was."""
    damage.make(tmp_path / "q")
    with Store.open(tmp_path / "q", create=False) as store, store.write() as txn:
        txn.put("meta", b"origin", bytes(32))
        txn.delete("meta", b"sum")  # as a release before it had it
    with Queue.open(tmp_path / "q", create=False) as queue:
        asked: tuple[Callable[[], object], ...] = (
            lambda: queue.job("bulk5"),
            lambda: queue.history("last"),
            lambda: queue.runs("last"),
            lambda: queue.admin.export(lambda _: None),
            lambda: queue.admin.compact(older_than_s=0),
        )
        for ask in asked:
            with pytest.raises(StoreError, match="`origin` in its table `meta` is another's; type `queuectl verify`"):
                ask()


def set_meta(path: Path, rows: dict[bytes, bytes] | None) -> dict[bytes, bytes]:
    """Have these rows in `meta` of a queue that nobody has open, and return those that were there."""
    with lmdb.open(str(path), max_dbs=64) as env, env.begin(write=True) as txn:
        meta = env.open_db(b"meta", txn=txn)
        before = dict(txn.cursor(meta))
        if rows is not None:
            txn.drop(meta, delete=False)
            txn.cursor(meta).putmulti(rows.items())
    return before


@pytest.mark.sampled(1)
@pytest.mark.parametrize("has_gaps", [False, True])
def test_a_changed_row_of_meta_is_damage(tmp_path: Path, has_gaps: bool) -> None:
    """A bit of any key, a lost row, one that is not whole: nothing is asked of a store that goes by another `meta`."""
    path = tmp_path / "q"
    damage.make(path) if has_gaps else Queue.open(path).close()
    sound = set_meta(path, None)
    assert fault_of_meta(sound, b"\xff", counted=len(sound)) == ""
    wrong = [{**sound, b"live": b"c"}, {**sound, b"cut": bytes(7)}, {**sound, b"origin": b""}]
    if has_gaps:
        older = {each: sound[each] for each in sound if each != b"sum"}
        assert fault_of_meta(older, b"\xff", counted=len(older)) == ""
        wrong.append({**older, b"cut": bytes([0, 0, 1, *sound[b"cut"][3:]])})
        wrong += [{**sound, key: bytes([*sound[key][:-1], sound[key][-1] ^ 1])} for key in (b"cut", b"origin", b"sum")]
    wrong += [{each: sound[each] for each in sound if each != key} for key in (b"cut", b"origin") if has_gaps]
    for key, at, bit in product(sound, range(6), (0, 7)):
        if at < len(key):
            changed = bytes([*key[:at], key[at] ^ 1 << bit, *key[at + 1 :]])
            wrong.append({changed if each == key else each: value for each, value in sound.items()})
    ways: tuple[Callable[[], object], ...] = (
        lambda: Queue.open(path, create=False),
        lambda: Queue.open(path, create=False, read_only=True),
        lambda: Queue.migrate(path, check=True),
    )
    for rows in wrong:
        set_meta(path, rows)
        for way in ways:
            with pytest.raises(QueuectlError, match=r"table `meta` .*queuectl verify|another program"):
                way()
    for rows in wrong[:5]:
        set_meta(path, rows)
        assert any(each.is_damage for each in verify(path).problems)


@pytest.mark.sampled(1)
@pytest.mark.parametrize("hidden", range(1, 7))
def test_rows_of_meta_that_its_page_hides_are_damage(tmp_path: Path, hidden: int) -> None:
    """The page's head says that it ends before its last rows: LMDB's count tells what it lacks."""
    path = tmp_path / "q"
    damage.make(path)
    data = path / "data.mdb"
    file = damage.File(data.read_bytes())
    [leaf] = file.leaves(file.roots()["meta"])
    ends = struct.unpack_from("<H", file.page(leaf), 12)[0]
    data.write_bytes(file.spoilt((leaf * damage.PAGE + 12, struct.pack("<H", ends - 2 * hidden))))
    ways: tuple[Callable[[], object], ...] = (
        lambda: Queue.open(path, create=False),
        lambda: Queue.open(path, create=False, read_only=True),
        lambda: Queue.migrate(path, check=True),
    )
    for way in ways:
        with pytest.raises(
            StoreError, match=r"table `meta` (has \d of 6 rows|is not what was written); type `queuectl verify`"
        ):
            way()
    assert any(each.is_damage for each in verify(path).problems)


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    ("key", "value"),
    [
        *product((b"format", b"views", b"tables"), (b"3x", b"\xff\xff", b"-1", b"9" * 5000)),
        *((b"format", b"0"), (b"tables", b"0")),
    ],
)
def test_a_number_in_meta_that_is_none_is_damage(tmp_path: Path, key: bytes, value: bytes) -> None:
    """No verb ends in an error of Python's at it, and none takes the queue for another program's."""
    path = tmp_path / "q"
    Queue.open(path).close()
    set_meta(path, {**set_meta(path, None), key: value})
    ways: tuple[Callable[[], object], ...] = (
        lambda: Queue.open(path, create=False),
        lambda: Queue.open(path, create=False, read_only=True),
        lambda: Queue.migrate(path, check=True),
        lambda: Queue.migrate(path),
    )
    for way in ways:
        with pytest.raises(StoreError, match=r"`meta`.*type `queuectl verify`"):
            way()
    assert any(each.is_damage for each in verify(path).problems)


@pytest.mark.sampled(5)
@pytest.mark.parametrize("table", ["dead.a", "ids.a", "jobs.b", "streams", "subscriptions", "presence"])
@pytest.mark.parametrize("read_only", [False, True])
def test_a_table_that_is_gone_is_not_made_anew(tmp_path: Path, table: str, read_only: bool) -> None:
    """Its name is not found where it was: an empty one in its place would tell that there is nothing."""
    path = tmp_path / "q"
    damage.make(path)
    with lmdb.open(str(path), max_dbs=64) as env, env.begin(write=True) as txn:
        txn.drop(env.open_db(table.encode(), txn=txn))
    for way in (partial(Queue.open, path, create=False, read_only=read_only), partial(Queue.migrate, path, check=True)):
        with pytest.raises(StoreError, match="a table that it had is not there; type `queuectl verify`"):
            way()


@pytest.mark.parametrize("which", [0, 1, -1])
def test_a_leaf_of_the_log_lost_among_gaps_is_damage(tmp_path: Path, which: int) -> None:
    """Up to the cut no position is missed: the number of events tells, from wherever the log is read."""
    damage.make(tmp_path / "q")
    data = tmp_path / "q" / "data.mdb"
    file = damage.File(data.read_bytes())
    cut = int.from_bytes(set_meta(tmp_path / "q", None)[b"cut"], "big")
    firsts = {int.from_bytes(next(file.nodes(leaf))[0], "big"): leaf for leaf in file.leaves(file.roots()["log"])}
    lost = sorted(position for position in firsts if position <= cut)[:-1][which]
    leaf = firsts[lost]
    data.write_bytes(file.spoilt((leaf * damage.PAGE + 12, struct.pack("<HH", 16, damage.PAGE))))
    asked: tuple[Callable[[Queue], object], ...] = (
        lambda queue: list(queue.events()),
        lambda queue: list(queue.events(after=lost - 1)),
        lambda queue: next(queue.events(after=lost)),
        lambda queue: list(queue.events(last=500, until=lost + 20)),
        lambda queue: queue.admin.export(lambda _: None),
        lambda queue: list(queue.as_of(cut + 50).jobs()),
    )
    for ask in asked:
        with (
            Queue.open(tmp_path / "q", create=False) as queue,
            pytest.raises(StoreError, match=r"it may be lost: not all|mdb_cursor_get: MDB_\w+: .*queuectl verify"),
        ):
            ask(queue)


@pytest.mark.parametrize("table", ["ids.a", "jobs.a"])
def test_no_job_is_told_not_to_be_there_where_a_view_lacks_rows(tmp_path: Path, table: str) -> None:
    """A leaf of ids, or of jobs, stands in another's place too: each row is as it was written, and some are gone."""
    damage.make(tmp_path / "q")
    data = tmp_path / "q" / "data.mdb"
    file = damage.File(data.read_bytes())
    leaves = file.leaves(file.roots()[table])
    with Queue.open(tmp_path / "q") as queue:
        known = {job.number: job.id for job in queue.jobs()}
    for lost, other in pairwise(leaves):
        key = next(file.nodes(lost))[0]
        job_id = known[int.from_bytes(key, "big")] if table == "jobs.a" else key.decode()
        data.write_bytes(file.spoilt((lost * damage.PAGE + 8, file.page(other)[8:])))
        asked: tuple[Callable[[Queue], object], ...] = (
            lambda queue, job_id=job_id: queue.job(job_id),
            lambda queue, job_id=job_id: queue.wait([job_id], timeout_s=0),
            lambda queue, job_id=job_id: queue.cancel(job_id),
            lambda queue, job_id=job_id: queue.remove([job_id]),
        )
        for ask in asked:
            with Queue.open(tmp_path / "q", create=False) as queue, pytest.raises(StoreError, match="queuectl replay"):
                ask(queue)


@pytest.mark.parametrize("numbers", [False, True])
def test_a_log_whose_end_is_not_where_it_belongs_is_damage(tmp_path: Path, numbers: bool) -> None:
    """The last leaf swapped with one of before: to open it again would not help, so what is said is to verify it."""
    damage.make(tmp_path / "q")
    data = tmp_path / "q" / "data.mdb"
    file = damage.File(data.read_bytes())
    log = file.leaves(file.roots()["log"])
    told = []
    for other in log[:-1]:
        data.write_bytes(file.swapped(log[-1], other, numbers=numbers))
        with pytest.raises(StoreError) as refusal, Queue.open(tmp_path / "q", create=False) as queue:
            queue.status()
        told.append(str(refusal.value))
    assert all("queuectl verify" in each and "copied over" not in each for each in told)
    assert any("which is not where it belongs" in each for each in told)


def test_a_past_is_not_told_from_a_log_that_lost_events_behind_its_gaps(tmp_path: Path) -> None:
    """Events of old that retention kept make up in number for none that is missing behind the cut."""
    damage.make(tmp_path / "q")
    data = tmp_path / "q" / "data.mdb"
    file = damage.File(data.read_bytes())
    *_, leaf, last = file.leaves(file.roots()["log"])
    data.write_bytes(file.spoilt((leaf * damage.PAGE + 12, struct.pack("<HH", 16, damage.PAGE))))
    lost, until = (int.from_bytes(next(file.nodes(each))[0], "big") for each in (leaf, last))
    for snapshot in (tmp_path / "q" / "snapshots").glob("*.snapshot"):
        snapshot.unlink()  # on a slow machine a lease ends as the queue is made, and the lost events are behind one
    with (
        Queue.open(tmp_path / "q", create=False) as queue,
        pytest.raises(CorruptLog, match=rf"position ({lost}|{lost + 1}): it is missing"),
    ):
        list(queue.as_of(until).jobs())
