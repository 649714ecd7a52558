"""One store, used in one process by many threads, by forked children, and by handles that may only read."""

import gc
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from pathlib import Path
from signal import SIGKILL, alarm, pause
from subprocess import run
from threading import Event, Thread
from time import monotonic, sleep
from types import ModuleType

import pytest

from queuectl import Queue
from queuectl.errors import ForkedStore, StoreError
from queuectl.store import environment
from queuectl.store.data_file import peek
from queuectl.store.directory import lock
from queuectl.store.store import Store
from queuectl.system.lazy import Later
from tests.depth import tries

ROUNDS = 40


@contextmanager
def threads(*works: Callable[[], object]) -> Iterator[None]:
    """Run works in a thread each, each again and again until the end of the block; what one raises is raised here."""
    ending, failures = Event(), list[BaseException]()

    def repeat(work: Callable[[], object]) -> None:
        try:
            while not ending.is_set():
                work()
        except BaseException as error:  # told below
            failures.append(error)

    started = [Thread(target=repeat, args=(work,), daemon=True) for work in works]
    for each in started:
        each.start()
    try:
        yield
    finally:
        ending.set()
        for each in started:
            each.join(30)
    assert not [each for each in started if each.is_alive()]
    assert not failures


def exit_code_of(child: int) -> int:
    """Wait for the end of a child, a time at the most."""
    deadline = monotonic() + 30
    while not (ended := os.waitpid(child, os.WNOHANG))[0]:
        if monotonic() > deadline:
            os.kill(child, SIGKILL)
        sleep(0.005)
    return os.waitstatus_to_exitcode(ended[1])


def open_and_use(path: Path, *, read_only: bool = False) -> None:
    """Open a store, read or write it, and close it."""
    with Store.open(path, create=True, read_only=read_only) as store:
        if read_only:
            with store.read() as txn:
                assert txn.live == "a"
        else:
            with store.write() as txn:
                txn.put("ids", b"a", b"1")


# Threads


def test_threads_open_use_and_close_a_new_store_together(tmp_path: Path) -> None:
    """Whichever thread makes, shares or closes it, none is refused, and nothing is left open."""
    path = tmp_path / "q"
    with threads(*[lambda: open_and_use(path)] * 4, *[lambda: open_and_use(path, read_only=True)] * 4):
        for _ in range(tries(ROUNDS)):
            open_and_use(path)
    assert not [each for each in environment.OPEN_ENVIRONMENTS if each.path == path]


def test_a_store_closed_beside_its_users_refuses_and_harms_none(tmp_path: Path) -> None:
    """A transaction that is open when another thread closes the store goes on to its end; the next one is refused."""
    store = Store.open(tmp_path, create=True)
    with store.write() as txn:
        Thread(target=store.close).start()
        while store._is_open:
            sleep(0.001)
        txn.put("ids", b"a", b"1")
    with pytest.raises(StoreError, match="open it again"), store.read():
        pass
    with Store.open(tmp_path, create=False) as again, again.read() as read:
        assert read.get("ids", b"a") == b"1"


def test_many_threads_may_close_one_store(tmp_path: Path) -> None:
    """Closing is counted once for each store, however often and from wherever it is closed."""
    with Store.open(tmp_path, create=True) as other:
        for _ in range(ROUNDS):
            store = Store.open(tmp_path, create=False)
            closers = [Thread(target=store.close) for _ in range(4)]
            for each in closers:
                each.start()
            for each in closers:
                each.join()
        open_and_use(tmp_path)
        with other.read() as txn:
            assert txn.get("ids", b"a") == b"1"


def test_a_thread_that_writes_may_open_another_store(tmp_path: Path) -> None:
    """Opening one store waits for no writer of another, and no thread for the other's opening."""
    with Store.open(tmp_path / "a", create=True) as store, threads(lambda: open_and_use(tmp_path / "b")):
        for _ in range(ROUNDS):
            with store.write() as txn:
                txn.put("ids", b"a", b"1")
                open_and_use(tmp_path / "b")


def test_a_write_inside_a_write_of_the_same_thread_is_refused(tmp_path: Path) -> None:
    """It could never begin; the outer one goes on."""
    with Store.open(tmp_path, create=True) as store:
        with store.write() as txn:
            with pytest.raises(StoreError, match="this thread is writing"), store.write():
                pass
            txn.put("ids", b"a", b"1")
        with store.read() as read:
            assert read.get("ids", b"a") == b"1"


HANDLED = """
import signal, sys
from pathlib import Path
from queuectl.errors import StoreError
from queuectl.store.store import Store
path, calls = Path(sys.argv[1]), []
def work():
    with store.read() as txn:
        txn.get("ids", b"a")
    with store.write() as txn:
        txn.put("ids", b"a", b"1")
    Store.open(path, create=False).close()
def handle(*_):
    calls.append(1)
    try:
        work()
    except StoreError as error:
        assert "this thread is" in str(error)
    signal.setitimer(signal.ITIMER_REAL, 0.002)
with Store.open(path, create=True) as store:
    signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, 0.002)
    while len(calls) < 100:
        work()
    signal.setitimer(signal.ITIMER_REAL, 0)
    print(store._shared.gate.is_empty, store._shared.users)
"""


def test_a_signal_handler_uses_the_store_or_is_refused(tmp_path: Path) -> None:
    """Wherever the thread is interrupted, a handler that reads, writes and opens ends, and leaves all in order."""
    done = run([sys.executable, "-c", HANDLED, str(tmp_path)], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "True 1\n"), done.stderr


# Handles that may only read


@pytest.mark.parametrize("first", ["read_only", "writable"])
def test_a_handle_that_may_only_read_lies_beside_one_that_writes(tmp_path: Path, first: str) -> None:
    """Whichever comes first, neither is refused: the one writes, the other sees that and is refused each change."""
    Queue.open(tmp_path).close()
    with ExitStack() as opened:
        order = [first == "read_only", first != "read_only"]
        handles = {each: opened.enter_context(Queue.open(tmp_path, read_only=each)) for each in order}
        handles[False].enqueue("true", id="a")
        assert handles[True].job("a").id == "a"
        with pytest.raises(StoreError, match="read-only"):
            handles[True].enqueue("true", id="b")
        handles[False].close()
        with pytest.raises(StoreError, match="read-only"):
            handles[True].enqueue("true", id="b")
        assert handles[True].job("a").id == "a"


def test_opening_to_write_waits_for_reads_of_other_threads(tmp_path: Path) -> None:
    """Readers of this process go on while a store open to be read is opened to be written."""
    Store.open(tmp_path, create=True).close()
    with Store.open(tmp_path, create=False, read_only=True) as store:

        def read() -> None:
            with store.read() as txn:
                assert txn.get("meta", b"format") == b"1"

        with threads(read, read):
            for _ in range(ROUNDS):
                open_and_use(tmp_path)


def test_opening_to_write_inside_a_read_of_the_same_thread_is_refused(tmp_path: Path) -> None:
    """It would have to wait for itself; the read goes on."""
    Store.open(tmp_path, create=True).close()
    with Store.open(tmp_path, create=False, read_only=True) as store, store.read() as txn:
        with pytest.raises(StoreError, match="reads it just now"):
            Store.open(tmp_path, create=False)
        assert txn.get("meta", b"format") == b"1"


# Forks


@pytest.mark.parametrize("ending", [os._exit, sys.exit])
def test_a_child_forked_beside_busy_threads_goes_on(tmp_path: Path, ending: Callable[[int], object]) -> None:
    """Whatever the parent's threads are at, its child opens the store, uses it and ends, and the parent goes on."""
    path = tmp_path / "q"
    code = (
        f"import sys; sys.path.insert(0, {str(Path.cwd())!r}); from tests.store.test_sharing import fork_on; fork_on()"
    )
    words = [str(path), ending.__name__, str(forks := tries(15))]
    done = run([sys.executable, "-c", code, *words], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, f"{{0: {forks}}}\n"), done.stderr


def fork_on() -> None:
    """Fork so many times beside threads that read and write, and print how the children ended."""
    path, ending, forks = Path(sys.argv[1]), {"_exit": os._exit, "exit": sys.exit}[sys.argv[2]], int(sys.argv[3])
    codes: dict[int, int] = {}
    with Store.open(path, create=True) as store:

        def read() -> None:
            with store.read() as txn:
                sum(1 for _ in txn.scan("ids"))

        def write() -> None:
            with store.write() as txn:
                txn.put("ids", b"parent", b"1")

        with threads(read, read, write, write, lambda: open_and_use(path)):
            for number in range(forks):
                if not (child := os.fork()):
                    with Store.open(path, create=False) as own, own.write() as txn:
                        txn.put("ids", b"%d" % number, b"1")
                    ending(0)
                code = exit_code_of(child)
                codes[code] = codes.get(code, 0) + 1
        with store.read() as txn:
            assert txn.count("ids") == forks + 2
    print(codes)


@pytest.mark.parametrize(
    "way", [lambda path: Store.open(path, create=False).close(), lambda path: peek(path, 1)], ids=["open", "peek"]
)
def test_a_child_forked_in_an_opening_opens_its_own(tmp_path: Path, way: Callable[[Path], object]) -> None:
    """What a thread that the child lacks was opening is nothing to the child, also where nothing else is open."""
    Store.open(tmp_path, create=True).close()
    codes = set()
    with threads(lambda: way(tmp_path)):
        for _ in range(tries(40)):
            if not (child := os.fork()):
                code = 1
                with suppress(StoreError), Store.open(tmp_path, create=False) as own, own.write() as txn:
                    txn.put("ids", b"child", b"1")
                    code = 0
                os._exit(code)
            codes.add(exit_code_of(child))
    assert codes == {0}


def test_a_lock_ends_with_whoever_has_it_and_not_with_a_child(tmp_path: Path) -> None:
    """A child that was forked meanwhile, by whichever thread, keeps nobody out of what its parent is through with."""
    with lock(tmp_path / "some.lock", wait=True):
        if not (child := os.fork()):
            pause()
    try:
        with lock(tmp_path / "some.lock", wait=False) as is_ours:
            assert is_ours
    finally:
        os.kill(child, SIGKILL)
        os.waitpid(child, 0)


def test_a_child_leaves_its_parent_the_lock_it_comes_out_of(tmp_path: Path) -> None:
    """A child that returns into the block that its parent has a lock in closes its copy, and no more."""
    path = tmp_path / "some.lock"
    with lock(path, wait=True):
        if child := os.fork():
            exit_code_of(child)
            with lock(path, wait=False) as is_ours:
                assert not is_ours
    if not child:
        os._exit(0)


def test_a_child_forked_beside_an_import_can_import_that_too() -> None:
    """A thread that is loading a module of the package as another forks keeps the child from nothing.

    The module takes a moment, and the fork falls into that: what a child would wait for is a thread that it lacks.
    """
    path = str(Path.cwd())
    code = f"import sys; sys.path.insert(0, {path!r}); from tests.store.test_sharing import fork_in_import as go; go()"
    done = run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "0\n"), done.stderr


class Slow:
    """Holds up the loading of a module until the fork, or for a moment where that waits for its end."""

    def __init__(self) -> None:
        self.begun, self.forked = Event(), Event()

    def find_spec(self, name: str, path: Sequence[str] | None, _: object = None) -> ModuleSpec | None:
        """Find the module as others do, to be loaded a bit later."""
        spec = PathFinder.find_spec(name, path) if name == "queuectl.outputs.frame_check" else None
        if spec and spec.loader:
            load = spec.loader.exec_module

            def slowly(module: ModuleType) -> None:
                self.begun.set()
                self.forked.wait(0.5)
                load(module)

            spec.loader.exec_module = slowly  # type: ignore[method-assign]
        return spec


def fork_in_import() -> None:
    """Fork while another thread imports, and print how the child ended that asks for the same module."""
    assert "queuectl.outputs.frame_check" not in sys.modules
    slow, module = Slow(), Later("outputs.frame_check")
    sys.meta_path.insert(0, slow)
    other = Thread(target=lambda: module.measure)
    other.start()
    assert slow.begun.wait(10)
    if not (child := os.fork()):
        alarm(10)
        os._exit(0 if module.measure else 1)
    slow.forked.set()
    print(exit_code_of(child))
    other.join()


def test_a_child_forked_beside_a_write_collects_garbage(tmp_path: Path) -> None:
    """The collector, off while a thread writes that the child lacks, is on there, and on again in the parent."""
    is_writing, is_forked = Event(), Event()
    with Store.open(tmp_path, create=True) as store:

        def write() -> None:
            with store.write():
                is_writing.set()
                is_forked.wait(20)

        other = Thread(target=write)
        other.start()
        assert is_writing.wait(20)
        assert not gc.isenabled()
        if not (child := os.fork()):
            os._exit(0 if gc.isenabled() else 1)
        is_forked.set()
        other.join(20)
        assert exit_code_of(child) == 0
        assert gc.isenabled()


def test_a_child_forked_inside_a_transaction_touches_nothing_of_it(tmp_path: Path) -> None:
    """The child is refused, and ends neither its parent's snapshot nor its changes."""
    with Store.open(tmp_path, create=True) as store:
        child = None
        try:
            with store.read() as before, store.write() as txn:
                txn.put("ids", b"a", b"1")
                if child := os.fork():
                    assert exit_code_of(child) == 0
                    [slot] = store._shared.opened.env.readers().splitlines()[1:]
                    assert slot.split()[-1] != "-"
                    assert before.get("ids", b"a") is None
        except ForkedStore:
            os._exit(0 if child == 0 else 2)
        if not child:
            os._exit(1)
        with store.read() as after:
            assert after.get("ids", b"a") == b"1"


# Threads that are not the system's

GREENLETS = """
from gevent import monkey
monkey.patch_all()
import sys
import gevent
from pathlib import Path
from queuectl import Queue
place = Path(sys.argv[1])
with Queue.open(place / "q") as queue:
    def work(name):
        for number in range(10):
            queue.enqueue("true", id=f"{name}-{number}")
            gevent.sleep(0)
            with Queue.open(place / "q", read_only=True) as reader:
                reader.job(f"{name}-{number}")
    works = [gevent.spawn(work, name) for name in "abc"]
    queue.admin.backup(str(place / "backup.tar"))
    gevent.joinall(works, raise_error=True)
    print(queue.log.head())
"""


@pytest.mark.skipif(find_spec("gevent") is None, reason="gevent is not installed")
def test_a_program_under_gevent_works_and_backs_up(tmp_path: Path) -> None:
    """With threads, locks and processes of gevent's, greenlets share a queue, and a backup beside them ends."""
    done = run([sys.executable, "-c", GREENLETS, str(tmp_path)], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "30\n"), done.stderr
