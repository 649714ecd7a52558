"""The checksums of rows of views: what is changed in one is told by whoever reads it, and a replay mends it."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from queuectl import Queue
from queuectl.errors import StoreError
from queuectl.projections.row_codec import opened, scan, scan_back, sealed
from queuectl.store.store import Store
from tests import damage

READS: dict[str, Callable[[Queue], object]] = {
    "status": lambda queue: (queue.status().jobs, queue.status().queues),
    "jobs": lambda queue: [each.id for each in queue.jobs()],
    "pending": lambda queue: [each.id for each in queue.jobs(state="pending")],
    "processing": lambda queue: [each.id for each in queue.jobs(state="processing")],
    "completed": lambda queue: [each.id for each in queue.jobs(state="completed")],
    "dead": lambda queue: [each.id for each in queue.dlq.jobs()],
    "cancelled": lambda queue: [each.id for each in queue.jobs(state="cancelled")],
    "ids": lambda queue: [queue.job(each.id).id for each in queue.jobs()],
    "next": lambda queue: [each.id for each in queue.jobs(order="-priority", limit=5)],
    "config": lambda queue: queue.admin.config(),
    "workers": lambda queue: [info.id for info in queue.workers()],
    "backlog": lambda queue: queue.backlog(),
    "lives": lambda queue: len(queue.history("bulk0")),
    "family": lambda queue: queue.family("unwanted").root.id,
}


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a queue with rows in nearly every view."""
    path = tmp_path_factory.mktemp("rows") / "q"
    damage.make(path)
    with Queue.open(path, actor="tester") as queue:
        queue.worker("w9").started(slots=1, host="here", pid=1)
        queue.worker("w9").claim(2)
    return path


def answers(path: Path) -> Iterator[tuple[str, object]]:
    """Yield what each read answers, or the error that it raises."""
    with Queue.open(path, create=False, actor="tester") as queue:
        for name, read in READS.items():
            try:
                yield name, read(queue)
            except StoreError as error:
                yield name, error


def test_a_sum_belongs_to_its_table_key_and_value() -> None:
    """What was written is read again under its own key in its own table, and nowhere else."""
    for value in (b"", b"x", bytes(300)):
        stored = sealed("ready", b"key", value)
        assert opened("ready", b"key", stored) == value
        for table, key, other in (("dead", b"key", stored), ("ready", b"kez", stored), ("ready", b"key", stored[1:])):
            with pytest.raises(StoreError, match=r"damaged.*queuectl replay"):
                opened(table, key, other)


@pytest.mark.sampled(1)
@pytest.mark.parametrize("part", ["key", "value"])
@pytest.mark.parametrize("table", ["jobs", "ids", "ready", "scheduled", "leases", "dead", "ended", "marks", "workers"])
def test_a_flipped_bit_in_a_view_is_told_and_mended(tmp_path: Path, sound: Path, table: str, part: str) -> None:
    """Whichever row of a view it is in: no read answers otherwise without an error, some refuse, and a replay mends."""
    right = dict(answers(sound))
    content = (sound / "data.mdb").read_bytes()
    file = damage.File(content)
    live = "a" if file.flags(file.roots()[f"{table}.a"]) else "b"
    places = [place for leaf in file.leaves(file.roots()[f"{table}.{live}"]) for place in file.places(leaf)]
    for number in sorted({0, len(places) // 2, len(places) - 1}):
        key, value = places[number]
        place = key if part == "key" else value
        at = place[len(place) // 2]
        path = tmp_path / str(number)
        shutil.copytree(sound, path)
        (path / "data.mdb").write_bytes(file.spoilt((at, bytes([content[at] ^ 4]))))
        found = dict(answers(path))
        refused = [name for name, answer in found.items() if isinstance(answer, StoreError)]
        assert {name: found[name] for name in found if name not in refused and found[name] != right[name]} == {}
        assert refused
        assert all("damaged" in str(found[name]) and "queuectl replay" in str(found[name]) for name in refused)
        with Queue.open(path, create=False, actor="tester") as queue:
            assert queue.admin.replay(check=True).differences
            queue.admin.replay()
        assert dict(answers(path)) == right


@pytest.mark.parametrize("table", ["jobs", "ready", "ids"])
def test_a_page_in_another_s_place_is_found_at_its_first_row(tmp_path: Path, table: str) -> None:
    """Its rows are sound and in order, but a search for the first one leads elsewhere: whoever reads a few is told."""
    damage.make(tmp_path / "q")
    data = tmp_path / "q" / "data.mdb"
    file = damage.File(data.read_bytes())
    first, *others = file.leaves(file.roots()[f"{table}.a"])
    data.write_bytes(file.swapped(first, others[-1], numbers=True))
    with Store.open(tmp_path / "q", create=False) as store, store.read() as txn:
        for rows in (scan(txn, table), scan_back(txn, table)):
            with pytest.raises(StoreError, match="queuectl replay"):
                next(rows)
