"""A handler of signals may raise, at a time limit or Ctrl-C, wherever a thread writes: nobody is kept out by that."""

import errno
import fcntl
import gc
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from queuectl import Queue
from queuectl.store.directory import alone, lock
from queuectl.store.store import Store
from queuectl.system.scope import scope
from tests.breaking_off import BrokenOff, broken_off
from tests.depth import apart

pytestmark = pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
"""Where a handler kept a file from being closed it closes with its object, which Python warns of."""


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    """Have such objects go here, and not in a later test, which would fail of the warning."""
    yield
    gc.collect()


ACTS: dict[str, Callable[[Queue], object]] = {
    "enqueue": lambda queue: queue.enqueue("true"),
    "claim and complete": lambda queue: queue.worker("w").complete_many(queue.worker("w").claim(1)),
    "configure": lambda queue: queue.admin.config_set("max_retries", 1),
    "read": lambda queue: queue.jobs(limit=2),
    "replay": lambda queue: queue.admin.replay(check=True),
    "open": lambda queue: Queue.open(queue._store.path).close(),
}


RAISED_IN: list[Callable[[], BaseException]] = [TimeoutError, lambda: TimeoutError(errno.ETIMEDOUT, "mine"), ValueError]

STEPS = {"replay": 11}
"""Of an act of thousands of places, every so many."""


def what_is_left(queue: Queue) -> list[str]:
    """Return what of an act that is over keeps others out."""
    shared = queue._store._shared
    with (queue._store.path / "data.mdb").open("rb") as data:
        try:
            fcntl.flock(data, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return ["other processes cannot write"]
    found = {
        "its turn": shared.turn._is_owned(),  # type: ignore[attr-defined]
        "a write": shared.is_written,
        "its entry": not shared.gate.is_empty,
        "a lock of the gate": shared.gate.is_held_here,
        "a reader": shared._is_sharing,
        "a slot": shared.opened.slots_of_this_pid() > 0,
        "no collection": not gc.isenabled(),
    }
    return [what for what, is_so in found.items() if is_so]


@pytest.mark.parametrize("what", ACTS)
def test_an_act_that_is_broken_off_anywhere_leaves_nothing_behind(tmp_path: Path, what: str) -> None:
    """Wherever a handler raises, and though its error is kept, nobody is kept from reading and writing meanwhile."""
    kept = []
    with Queue.open(tmp_path / "q") as queue:
        queue.enqueue_many(["true"] * 20)
        for _ in range(2):
            ACTS[what](queue)  # what is loaded at the first call is loaded
        for error in broken_off(lambda: ACTS[what](queue), step=apart(STEPS[what]) if what in STEPS else 1):
            assert error is None or type(error) is BrokenOff
            assert what_is_left(queue) == []
            kept.append(error)
        assert len(kept) > 50
        other = threading.Thread(target=queue.enqueue, args=("true",), daemon=True)
        other.start()
        other.join(10)
        assert not other.is_alive()
        assert queue.admin.replay(check=True).differences == []


def test_a_lock_is_let_go_of_wherever_its_block_is_broken_off(tmp_path: Path) -> None:
    """Others have the file at once, though the error is kept."""
    kept = []

    def act() -> None:
        with lock(tmp_path / "x.lock", wait=True):
            pass

    for error in broken_off(act):
        kept.append(error)
        with lock(tmp_path / "x.lock", wait=False) as is_ours:
            assert is_ours
    assert len(kept) > 20


def test_a_scope_is_left_wherever_its_end_is_broken_off() -> None:
    """What it holds it holds no longer than its block, though the error is kept."""
    mutex, kept = threading.RLock(), []

    @scope
    def holding() -> Iterator[None]:
        with mutex:
            yield

    def act() -> None:
        with holding():
            len("")

    for error in broken_off(act):
        kept.append(error)
        assert not mutex._is_owned()  # type: ignore[attr-defined]
    assert len(kept) > 5


CUT_SHORT = """
import signal, sys, threading
from pathlib import Path
from queuectl import Queue
from queuectl.store.store import Store
def handle(*_):
    raise TimeoutError
signal.signal(signal.SIGALRM, handle)
with Queue.open(sys.argv[1]) as queue:
    queue.enqueue("true", id="before")
    print("opened", flush=True)
    sys.stdin.readline()
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    kept = None
    try:
        queue.enqueue("true", id="given-up")
    except TimeoutError as error:
        kept = error
        print("given up", flush=True)
        sys.stdin.readline()
        queue.enqueue("true", id="instead")
    queue.enqueue("true", id="afterwards")
    print(*sorted(job.id for job in queue.jobs()))
"""


def test_who_gave_up_waiting_for_another_process_may_write_at_once(tmp_path: Path) -> None:
    """A time limit while another process writes leaves no trace: not in the `except` block, nor where it is kept."""
    words = [sys.executable, "-c", CUT_SHORT, str(tmp_path / "q")]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "opened\n"
        with Store.open(tmp_path / "q", create=False) as store, store.write():
            process.stdin.write("\n")
            process.stdin.flush()
            assert process.stdout.readline() == "given up\n"
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "afterwards before instead\n"


HANDLED = """
import faulthandler, random, signal, sys, threading, time
from queuectl import Queue, StoreError
faulthandler.dump_traceback_later(30, exit=True)
told, stop = [], False
def enqueue(queue):
    told.append(queue.enqueue("true").id)
def handle(*_):
    try:
        enqueue(random.choice(both))
    except StoreError:
        pass
def work(queue):
    while not stop:
        enqueue(queue)
        queue.jobs(limit=1)
random.seed(1)
with Queue.open(sys.argv[1]) as queue, Queue.open(sys.argv[1]) as again:
    both = queue, again
    worker = queue.worker("w")
    acts = [lambda: enqueue(queue), lambda: queue.jobs(limit=1), lambda: worker.complete_many(worker.claim(1))]
    for act in acts:
        act()
    signal.signal(signal.SIGALRM, handle)
    threads = [threading.Thread(target=work, args=(each,)) for each in both * 2]
    for each in threads:
        each.start()
    for count in range(150):
        signal.setitimer(signal.ITIMER_REAL, random.uniform(0.00001, 0.001))
        acts[count % 3]()
    signal.setitimer(signal.ITIMER_REAL, 0)
    stop = True
    for each in threads:
        each.join()
    print(sorted(told) == sorted(job.id for job in queue.jobs(limit=None)))
"""


def test_a_handler_that_enqueues_never_waits_for_whom_it_keeps_waiting(tmp_path: Path) -> None:
    """Beside threads that write, by the same Queue or another, it writes or is refused, and what it is told is so."""
    words = [sys.executable, "-c", HANDLED, str(tmp_path / "q")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.returncode) == ("True\n", 0), done.stderr


RAISED = """
import random, signal, sys, threading
from queuectl import Queue
error = {"TimeoutError": TimeoutError, "KeyboardInterrupt": KeyboardInterrupt}[sys.argv[2]]
def handle(*_):
    raise error
random.seed(1)
with Queue.open(sys.argv[1]) as queue:
    queue.worker("w").complete_many(queue.worker("w").claim(1))
    acts = [lambda: queue.enqueue("true"), lambda: queue.worker("w").complete_many(queue.worker("w").claim(3)),
            lambda: queue.admin.config_set("max_retries", 1)]
    for act in acts:
        act()  # what is loaded at the first call is loaded
    signal.signal(signal.SIGALRM, handle)
    raised = count = 0
    while raised < 600:
        count += 1
        try:
            signal.setitimer(signal.ITIMER_REAL, random.uniform(0.00001, 0.0006))
            acts[count % 3]()
        except error:
            raised += 1
        while True:
            try:
                signal.setitimer(signal.ITIMER_REAL, 0)
                break
            except error:
                raised += 1
        if count % 100 == 0:
            other = threading.Thread(target=queue.enqueue, args=("echo other",), daemon=True)
            other.start()
            other.join(10)
            assert not other.is_alive(), "another thread cannot write any more"
    assert queue.admin.replay(check=True).differences == []
print("done", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("error", ["TimeoutError", "KeyboardInterrupt"])
def test_nobody_is_kept_out_where_a_handler_raised(tmp_path: Path, error: str) -> None:
    """After hundreds of writes that were broken off, other threads and another process write at once."""
    words = [sys.executable, "-c", RAISED, str(tmp_path / "q"), error]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"done\n"
            write = "import sys, queuectl\nwith queuectl.Queue.open(sys.argv[1]) as queue: queue.enqueue('true')"
            subprocess.run([sys.executable, "-c", write, str(tmp_path / "q")], timeout=30, check=True)
        finally:
            process.kill()
            assert process.stderr is not None
            told = process.stderr.read().decode()
    assert told == ""


GROWN = """
import random, signal, subprocess, sys, time
from pathlib import Path
from queuectl.store import memory_map
from queuectl.store.store import Store

GROWER = '''
import sys
from pathlib import Path
from queuectl.store.store import Store
with Store.open(Path(sys.argv[1]), create=False) as store, store.write() as txn:
    txn.put("jobs", b"large", b"x" * (16 << 20))
'''
def handle(*_):
    raise TimeoutError
def write():
    with store.write() as txn:
        txn.put("jobs", b"small", b"1")
def read():
    with store.read() as txn:
        txn.get("jobs", b"small")
def typical_s(act):
    took = []
    for _ in range(20):
        begun = time.perf_counter()
        act()
        took.append(time.perf_counter() - begun)
    return sorted(took)[10]

memory_map.MAP_SIZE = 8 << 20
random.seed(1)
with Store.open(Path(sys.argv[1]), create=True) as store:
    acts = [(act, typical_s(act)) for act in (write, read, read)]
    signal.signal(signal.SIGALRM, handle)
    raised = count = 0
    while raised < 1500:
        count += 1
        act, seconds = acts[count % 3]
        try:
            signal.setitimer(signal.ITIMER_REAL, random.uniform(0.00001, 1.2 * seconds))
            act()
        except TimeoutError:
            raised += 1
        while True:
            try:
                signal.setitimer(signal.ITIMER_REAL, 0)
                break
            except TimeoutError:
                raised += 1
    subprocess.run([sys.executable, "-c", GROWER, sys.argv[1]], check=True)
    read()
    write()
"""


def test_the_map_can_grow_where_a_handler_raised(tmp_path: Path) -> None:
    """After over a thousand reads and writes that were broken off, what another process enlarged is mapped anew."""
    words = [sys.executable, "-c", GROWN, str(tmp_path / "q")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")


LIMITED = """
import errno, signal, sys
from queuectl import Queue
error = {"plain": TimeoutError("mine"), "numbered": OSError(errno.ETIMEDOUT, "mine")}[sys.argv[2]]
def handle(*_):
    raise error
signal.signal(signal.SIGALRM, handle)
signal.setitimer(signal.ITIMER_REAL, 0.3)
try:
    Queue.open(sys.argv[1])
except OSError as found:
    print(found is error)
"""


@pytest.mark.parametrize("kind", ["plain", "numbered"])
def test_a_time_limit_ends_the_wait_for_whoever_replaces_a_queue(tmp_path: Path, kind: str) -> None:
    """What a handler raises is not taken for a place that may not be written to, where a queue is opened unlocked."""
    Queue.open(tmp_path / "q").close()
    with alone(tmp_path / "q", "replace"):
        words = [sys.executable, "-c", LIMITED, str(tmp_path / "q"), kind]
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("True\n", "")


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # files that are forgotten are closed by that
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of files that are forgotten
@pytest.mark.parametrize("raised", RAISED_IN, ids=["plain", "numbered", "value"])
def test_what_a_handler_raises_while_a_queue_is_opened_comes_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, raised: Callable[[], BaseException]
) -> None:
    """Wherever it strikes, it is neither swallowed nor told as a fault of the queue's, and the next opening works."""
    monkeypatch.delenv("USER", raising=False)
    monkeypatch.delenv("LOGNAME", raising=False)
    path = tmp_path / "q"
    Queue.open(path).close()
    for found in broken_off(lambda: Queue.open(path).close(), raised, step=apart()):
        assert found is None or type(found) is type(raised())
    with Queue.open(path) as queue:
        queue.enqueue("true")
        assert what_is_left(queue) == []


@pytest.mark.parametrize("what", ["enqueue", "claim and complete", "configure", "read"])
@pytest.mark.parametrize("raised", RAISED_IN, ids=["plain", "numbered", "value"])
def test_what_a_handler_raises_in_an_act_comes_out(
    tmp_path: Path, what: str, raised: Callable[[], BaseException]
) -> None:
    """Wherever it strikes, it is neither swallowed nor told as another error."""
    with Queue.open(tmp_path / "q") as queue:
        queue.enqueue_many(["true"] * 200)
        ACTS[what](queue)
        for found in broken_off(lambda: ACTS[what](queue), raised, step=apart()):
            assert found is None or type(found) is type(raised())


def test_a_reader_of_the_log_that_is_broken_off_reads_on(tmp_path: Path) -> None:
    """Its own acknowledgement, on disk when the handler raised, is not taken for another reader's."""
    with Queue.open(tmp_path / "q") as queue:
        queue.enqueue_many(["true"] * 1_000)
        reader = queue.subscribe("reader", start="beginning")
        next(reader)
        for error in broken_off(lambda: reader.ack(reader.position + 1)):
            assert error is None or type(error) is BrokenOff
        assert reader.position > 1


def test_a_batch_that_a_reader_was_not_given_comes_again(tmp_path: Path) -> None:
    """Wherever the reading of a batch is broken off, each event comes at least once."""
    got = []
    with Queue.open(tmp_path / "q") as queue:
        queue.enqueue("true")
        reader = queue.subscribe("reader", start="beginning", follow=False)
        for _ in broken_off(lambda: got.extend(reader.__next__())):  # of next() itself, in C, the return is a place
            if got and got[-1].position == queue.log.head():
                queue.enqueue("true")
        got.extend(each for batch in reader for each in batch)
        assert {each.position for each in got} == set(range(1, queue.log.head() + 1))
