"""Damaged stores: no verb ends by a signal or a traceback, nor tells something else without a word."""

import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import lmdb
import pytest

from queuectl import Queue
from queuectl.errors import CorruptLog, StoreError, WriteFailed
from queuectl.store.store import Store, key_of
from queuectl.system.packing import pack
from queuectl.system.wakeup import Doorbell
from tests import damage
from tests.cli.test_every_verb import PLAIN
from tests.damage_sweep import LEFT_OUT, VERBS

CRASHING = """
import ctypes, os, signal, sys, threading
from queuectl.cli.crash import catch_crashes
catch_crashes()
def crash():
    if sys.argv[1] == "read":
        ctypes.string_at(8)
    signal.raise_signal(getattr(signal, sys.argv[1]))
if sys.argv[2] == "thread":
    thread = threading.Thread(target=crash)
    thread.start()
    thread.join()
else:
    crash()
"""

SWAPPING = """
import itertools, json, random, resource, sys
from pathlib import Path
from queuectl.retention import archived_history
from queuectl.integrity import log_check
from queuectl.integrity import archive_check
from queuectl.integrity import verify_task
from tests import damage
for module in (log_check, archived_history, archive_check):
    module.ROWS_AT_ONCE = 20
path = Path(sys.argv[1])
data = path / "data.mdb"
file = damage.File(data.read_bytes())
log = file.leaves(file.roots()["log"])
pairs = {*[*itertools.pairwise(log)][::2], (log[0], log[-1])}
pairs |= {*random.Random(1).sample([*itertools.combinations(log, 2)], 9)}
def verified():
    told = list(verify_task.messages(str(path), log_only=True))
    return sum(each["is"] == "problem" for each in told), len(told)
assert verified()[0] == 0
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
found = []
for one, other in sorted(pairs):
    data.write_bytes(file.swapped(one, other, numbers=True))
    found.append(verified())
print(json.dumps([*found, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before]))
"""

SHRINKING = """
import sys
from queuectl import Queue, StoreError
try:
    Queue.shrink(sys.argv[1])
except StoreError as error:
    print(error)
"""


@pytest.mark.parametrize("how", ["read", "SIGBUS", "SIGABRT"])
@pytest.mark.parametrize("where", ["main", "thread"])
def test_a_signal_of_the_engine_ends_a_verb_in_a_line(how: str, where: str) -> None:
    """A page that cannot be read ends the process with exit code 1 and one line that says what to type."""
    done = subprocess.run([sys.executable, "-c", CRASHING, how, where], capture_output=True, text=True, timeout=20)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: ended by SIG")
    assert done.stderr.count("\n") == 1
    assert "queuectl verify" in done.stderr


def test_what_a_worker_starts_does_not_inherit_it(tmp_path: Path) -> None:
    """A command that crashes by itself ends by its signal, as anywhere."""
    words = [sys.executable, "-m", "queuectl", "--db", str(tmp_path / "q")]
    subprocess.run([*words, "enqueue", "a", "kill -SEGV $$", "--max-retries", "0"], check=True, capture_output=True)
    subprocess.run([*words, "worker", "start", "--drain"], check=True, capture_output=True, timeout=30)
    with Queue.open(tmp_path / "q", create=False) as queue:
        assert "SIGSEGV" in str(queue.job("a").last)


def test_verbs_on_damaged_stores(tmp_path: Path) -> None:
    """A variant of each kind of damage, two verbs on each; `python -m tests.damage_sweep` tries hundreds, and all."""
    words = [sys.executable, "-m", "tests.damage_sweep", "--variants", "0", "--verbs", "2", "--only", "reading"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_verb_is_left_out_of_the_sweep_by_chance() -> None:
    """Each verb there is is tried on damaged stores, or named with why it is not."""
    lines = [line for lines in VERBS.values() for line in lines.split("|")]
    tried = {verb for verb in PLAIN if any(f"{line} ".startswith(f"{verb} ") for line in lines)}
    assert set(PLAIN) - tried == set(LEFT_OUT)


def test_leaves_of_the_log_swapped_beside_an_archive(tmp_path: Path) -> None:
    """Whichever two leaves stand in each other's place, verify ends, tells of it, and takes hardly more memory.

    Of the problems beyond the first thousand it says only how many they are. Some 20 pairs: seconds, as each is a whole
    verify in small portions.
    """
    damage.make(tmp_path / "q")
    words = [sys.executable, "-c", SWAPPING, str(tmp_path / "q")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    *found, grown_kib = json.loads(done.stdout)
    assert len(found) >= 15
    assert all(problems > 0 and told < 2_000 for problems, told in found)
    assert grown_kib < 32 << 10


def test_a_zeroed_root_is_told_by_every_way_in(tmp_path: Path) -> None:
    """The table of tables gone, a queue is refused by all that opens one, with what to type."""
    damage.make(tmp_path / "q")
    data = tmp_path / "q" / "data.mdb"
    file = damage.File(data.read_bytes())
    data.write_bytes(file.spoilt((file.main_root() * damage.PAGE, bytes(damage.PAGE))))
    ways: list[Callable[[], object]] = [
        lambda: Queue.open(tmp_path / "q", create=False),
        lambda: Queue.open(tmp_path / "q", create=False, read_only=True),
        lambda: Queue.shrink(tmp_path / "q"),
        lambda: Queue.migrate(tmp_path / "q"),
    ]
    for way in ways:
        with pytest.raises(StoreError, match="queuectl verify"):
            way()


def test_a_circle_among_pages_is_not_followed(tmp_path: Path) -> None:
    """A leaf that leads back to the root above it, shrinking refuses the file and leaves it, and no signal ends it."""
    damage.make(tmp_path / "q")
    data = tmp_path / "q" / "data.mdb"
    file = damage.File(data.read_bytes())
    root = file.roots()["log"]
    assert file.flags(root) & damage.BRANCH
    leaf = file.leaves(root)[1]
    spoilt = file.spoilt((leaf * damage.PAGE + 8, file.page(root)[8:]))
    data.write_bytes(spoilt)
    words = [sys.executable, "-c", SHRINKING, str(tmp_path / "q")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=30)
    assert (done.returncode, data.read_bytes() == spoilt) == (0, True), done.stderr
    assert "data.mdb is damaged" in done.stdout
    assert "queuectl verify" in done.stdout


def test_a_log_that_lost_its_end_is_refused(tmp_path: Path) -> None:
    """The last leaf of the log replaced by one of before, it is not taken for a shorter log."""
    damage.make(tmp_path / "q")
    data = tmp_path / "q" / "data.mdb"
    file = damage.File(data.read_bytes())
    *_, early, last = file.leaves(file.roots()["log"])
    data.write_bytes(file.spoilt((last * damage.PAGE + 8, file.page(early)[8:])))
    with pytest.raises(StoreError, match=r"its log ends at position .* damaged; type `queuectl verify`"):
        Queue.open(tmp_path / "q", create=False)


def test_a_log_read_in_another_order_is_refused(tmp_path: Path) -> None:
    """Two leaves in each other's place, events are not given in that order, nor cut off there without a word."""
    damage.make(tmp_path / "q")
    data = tmp_path / "q" / "data.mdb"
    file = damage.File(data.read_bytes())
    log = file.leaves(file.roots()["log"])
    data.write_bytes(file.swapped(log[-3], log[-6], numbers=True))
    with Queue.open(tmp_path / "q", create=False) as queue, pytest.raises(CorruptLog, match=r"missing|in its place"):
        list(queue.events())


def test_views_are_not_made_from_a_log_that_lost_events_among_gaps(tmp_path: Path) -> None:
    """A leaf emptied where retention left gaps, so that no position is missed, no replay puts fewer jobs in place."""
    damage.make(tmp_path / "q")
    data = tmp_path / "q" / "data.mdb"
    file = damage.File(data.read_bytes())
    leaf = file.leaves(file.roots()["log"])[1]
    data.write_bytes(
        file.spoilt((leaf * damage.PAGE + 12, (16).to_bytes(2, "little") + damage.PAGE.to_bytes(2, "little")))
    )
    with Queue.open(tmp_path / "q", create=False) as queue:
        before = queue.status().jobs
        with pytest.raises(
            StoreError,
            match=r"damaged at position \d+: it is missing|cannot replay.* events, and .* were found.*queuectl verify",
        ):
            queue.admin.replay()
        assert queue.status().jobs == before


ROWS: dict[str, tuple[str, bytes, bytes]] = {
    "a key that is no text": ("config", b"queue\x80", pack(1)),
    "a value of another view": ("archives", b"archive", pack(list(range(13)))),
    "a number too large": ("dead", key_of(1), b"\xff" * 9),
    "a name that is no text": ("subscriptions", b"\x80", bytes(24)),
    "counts of too few states": ("marks", b"queue default", pack([1])),
    "an empty message": ("marks", b"queue default", b""),
}
ACTS: list[tuple[str, Callable[[Queue], object]]] = [
    ("a key that is no text", lambda queue: queue.enqueue("true")),
    ("a key that is no text", lambda queue: queue.admin.config()),
    ("a value of another view", lambda queue: queue.history("no-such-job")),
    ("a number too large", lambda queue: list(queue.jobs(state="dead"))),
    ("a number too large", lambda queue: queue.dlq.retry()),
    ("a name that is no text", lambda queue: queue.log.subscriptions()),
    ("counts of too few states", lambda queue: queue.status()),
    ("counts of too few states", lambda queue: queue.enqueue("true")),
    ("an empty message", lambda queue: queue.status()),
]


@pytest.mark.sampled(3)
@pytest.mark.parametrize(("row", "act"), ACTS)
def test_a_damaged_row_is_told_as_such(tmp_path: Path, row: str, act: Callable[[Queue], object]) -> None:
    """A row that cannot be what was written is no error of Python's: it is named as damage, with what to type."""
    damage.make(tmp_path / "q")
    table, key, value = ROWS[row]
    with Store.open(tmp_path / "q", create=False) as store, store.write() as txn:
        txn.put(table, key, value)
    with Queue.open(tmp_path / "q", create=False) as queue:
        head = queue.log.head()
        with pytest.raises(StoreError, match=r"damaged.*queuectl replay"):
            act(queue)
        assert queue.log.head() == head


def test_an_error_of_the_caller_is_no_damage(tmp_path: Path) -> None:
    """What goes wrong in a transaction without any row being at fault is raised as it is."""
    with Store.passing(tmp_path) as store:
        with pytest.raises(TypeError, match="mine"), store.read():
            raise TypeError("mine")
        with pytest.raises(ValueError, match="mine"), store.write():
            raise ValueError("mine")


LIMITED = """
import random, signal, sys
from queuectl import Queue

class Limit({base}):
    pass

armed = False
def handle(*_):
    global raised
    if armed:
        raised += 1
        raise Limit("mine")
raised = caught = 0
random.seed(1)
with Queue.open(sys.argv[1]) as queue, Queue.open(sys.argv[1]) as other:
    acts = [queue.status, lambda: queue.job("stays0003"), lambda: list(queue.jobs(limit=50)),
            lambda: list(queue.events(limit=50)), lambda: queue.enqueue("true")]
    if Limit.__base__ is Exception:  # which nobody catches who means something else
        acts += [lambda: queue.history("many0098"), lambda: Queue.open(sys.argv[1]).close()]
    for act in acts:
        act()  # what is loaded at the first call is loaded
    signal.signal(signal.SIGALRM, handle)
    for count in range(1200):
        try:
            armed = True
            signal.setitimer(signal.ITIMER_REAL, random.uniform(0.00001, 0.0004))
            acts[count % len(acts)]()
            armed = False
        except Limit:
            armed = False
            caught += 1
print(raised, caught)
"""


@pytest.mark.sampled(1)
@pytest.mark.parametrize("base", ["Exception", "LookupError", "TimeoutError"])
def test_what_a_handler_raises_is_neither_damage_nor_lost(tmp_path: Path, base: str) -> None:
    """A time limit that strikes while rows are read, or a worker's bell is rung, arrives as it is, each one of them."""
    damage.make(tmp_path / "q")
    with closing(Doorbell(tmp_path / "q", "w1")):
        words = [sys.executable, "-c", LIMITED.format(base=base), str(tmp_path / "q")]
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == ""
    raised, caught = done.stdout.split()
    assert raised == caught
    assert int(caught) > 100


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (lmdb.CorruptedError, "MDB_CORRUPTED"),
        (lmdb.PageNotFoundError, "MDB_PAGE_NOTFOUND"),
        (lmdb.CursorFullError, "MDB_CURSOR_FULL"),
        (lmdb.PageFullError, "MDB_PAGE_FULL"),
    ],
)
def test_what_a_write_meets_in_a_damaged_page_is_told_as_damage(
    tmp_path: Path, error: type[lmdb.Error], name: str
) -> None:
    """The advice is to verify, not to look for free space; so it is where a tree leads in a circle."""
    Queue.open(tmp_path / "q").close()
    with (
        Store.open(tmp_path / "q", create=False) as store,
        pytest.raises(WriteFailed, match=rf"{name}.*type `queuectl verify`, which says what is damaged"),
        store.write(),
    ):
        raise error(f"mdb_cursor_put: {name}: as LMDB says it")
