"""Threads that enqueue at once share commits; each returns once its own job is on disk, or learns why it is not."""

import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from queuectl import DuplicateJob, InvalidInput, Job, Queue
from queuectl.core.inherited_env import Inheritance
from queuectl.core.job_request import JobRequest
from queuectl.engine.enqueue import specify_all
from queuectl.engine.unit_of_work import Unit
from queuectl.engine.writer import WORKS_AT_ONCE
from queuectl.errors import ForkedStore
from queuectl.projections import ids
from queuectl.system.clock import SystemClock
from tests.waiting import wait_until

THREADS = 8


@pytest.fixture
def shared(tmp_path: Path) -> Any:
    with Queue.open(tmp_path / "q") as queue:
        yield queue


def commits(queue: Queue) -> int:
    """Return how many transactions were written."""
    return int(queue._store._shared.opened.env.info()["last_txnid"])


def held_up(queue: Queue, begin: Callable[[], list[Future[Job]]]) -> list[Future[Job]]:
    """Let threads begin to enqueue while the turn is another's, and let them go on once all of them wait."""
    with queue._store.turn():
        futures = begin()
        wait_until(lambda: len(queue.ui._commits._waiting) == len(futures))
    for future in futures:
        future.exception()
    return futures


def test_what_waits_goes_in_one_commit(shared: Queue) -> None:
    """Jobs of threads that wait together are in one transaction, each with an id and events of its own."""
    with ThreadPoolExecutor(THREADS) as pool:
        before = commits(shared)
        held_up(shared, lambda: [pool.submit(shared.enqueue, f"echo {n}") for n in range(THREADS)])
    assert commits(shared) == before + 1
    assert sorted(job.spec.command for job in shared.jobs()) == [f"echo {n}" for n in range(THREADS)]
    assert len({event.at_us for event in shared.events()}) == 1
    assert shared.admin.replay(check=True).differences == []


def test_who_fails_fails_alone(shared: Queue) -> None:
    """A request that is refused leaves no trace, and those that waited with it are enqueued."""
    with ThreadPoolExecutor(THREADS) as pool:
        requests: list[dict[str, Any]] = [{"id": "a"}, {"id": "a"}, {"id": "b"}, {"cwd": "here"}, {"id": "c"}]
        futures = held_up(shared, lambda: [pool.submit(shared.enqueue, "true", **each) for each in requests])
    errors = Counter(type(future.exception()) for future in futures)
    assert errors == {type(None): 3, DuplicateJob: 1, InvalidInput: 1}
    assert {job.id for job in shared.jobs()} == {"a", "b", "c"}


def test_a_piece_of_work_finds_what_those_before_it_did(shared: Queue) -> None:
    """In one transaction each sees the jobs of the others that went first, as if these were on disk already."""
    done: list[str] = []

    def add(name: str, unit: Unit) -> None:
        assert [each for each in done if ids.find(unit.txn, each) is None] == []
        taken = Inheritance({}, "none")
        requests, settings, clock = [JobRequest("true", id=name)], unit.settings(), SystemClock()
        unit.enqueue(specify_all(requests, clock=clock, settings=settings, now_us=unit.now_us, inheritance=taken))
        done.append(name)

    before = commits(shared)
    with ThreadPoolExecutor(3) as pool:
        futures: list[Future[Any]] = []
        with shared._store.turn():
            futures.extend(pool.submit(shared.ui._commits.run, partial(add, name), reason=None) for name in "abc")
            wait_until(lambda: len(shared.ui._commits._waiting) == 3)
    assert [future.exception() for future in futures] == [None] * 3
    assert (commits(shared), len(shared.jobs())) == (before + 1, 3)


def test_reasons_are_not_mixed(shared: Queue) -> None:
    """Each job's event has the reason that was given for it."""
    with ThreadPoolExecutor(THREADS) as pool:
        held_up(
            shared,
            lambda: [pool.submit(shared.enqueue, "true", id=f"j{n}", reason=f"reason {n % 3}") for n in range(THREADS)],
        )
    for n in range(THREADS):
        assert [event.reason for event in shared.history(f"j{n}")] == [f"reason {n % 3}"]


def test_nothing_is_lost_or_doubled_among_many(shared: Queue) -> None:
    """Thousands of jobs of many threads are there once each, and their number is what the threads were told."""
    with ThreadPoolExecutor(THREADS) as pool:
        told = list(pool.map(lambda n: shared.enqueue("true", id=f"j{n}").id, range(1_000)))
    assert sorted(told) == sorted(job.id for job in shared.jobs(limit=None))
    assert shared.admin.replay(check=True).differences == []


def test_an_interrupted_wait_is_withdrawn(shared: Queue) -> None:
    """Who is interrupted while another has the turn has enqueued nothing, and the others go on."""
    turn = shared.ui._commits
    main = threading.get_ident()
    is_held = threading.Event()

    def hold() -> None:
        with shared._store.turn():
            is_held.set()
            wait_until(lambda: len(turn._waiting) == 1)
            signal.pthread_kill(main, signal.SIGINT)
            wait_until(lambda: not turn._waiting[0].is_wanted)

    thread = threading.Thread(target=hold)
    thread.start()
    is_held.wait()
    with pytest.raises(KeyboardInterrupt):
        shared.enqueue("true", id="mine")
    thread.join()
    shared.enqueue("true", id="other")
    assert [job.id for job in shared.jobs()] == ["other"]


def test_the_main_thread_does_nobody_else_s_work(shared: Queue) -> None:
    """What a signal's handler raises in it leaves the others' jobs alone, which are there once each."""
    turn, main = shared.ui._commits, threading.get_ident()
    by: list[bool] = []

    def note(unit: Unit) -> None:
        by.append(threading.get_ident() == main)

    def interrupt(unit: Unit) -> None:
        signal.raise_signal(signal.SIGINT)

    with ThreadPoolExecutor(3) as pool:
        with shared._store.turn():
            futures = [pool.submit(turn.run, note, reason=None) for _ in range(3)]
            wait_until(lambda: len(turn._waiting) == 3)
            turn.run(note, reason=None)
            with pytest.raises(KeyboardInterrupt):
                turn.run(interrupt, reason=None)
        assert [future.result() for future in futures] == [None] * 3
    assert by == [True, False, False, False]


@pytest.mark.parametrize("error", [ValueError, OSError, KeyError])
def test_an_error_of_any_kind_is_told_to_the_one_whose_it_is(shared: Queue, error: type[Exception]) -> None:
    """Work that raises what is none of the queue's errors harms only who asked for it, whichever thread did it."""

    def work(unit: Unit) -> None:
        raise error("mine")

    with ThreadPoolExecutor(3) as pool:
        futures: list[Future[Any]] = []
        with shared._store.turn():
            for place, act in enumerate((shared.enqueue, work, shared.enqueue)):
                futures.append(
                    pool.submit(shared.ui._commits.run, work, reason=None) if act is work else pool.submit(act, "true")
                )
                wait_until(lambda place=place: len(shared.ui._commits._waiting) == place + 1)
    assert [type(future.exception()) for future in futures] == [type(None), error, type(None)]
    assert len(shared.jobs()) == 2


def test_a_forked_child_is_refused_and_does_not_hang(shared: Queue) -> None:
    """A child forked while another thread had the turn is told to open the queue itself."""
    has_it, is_forked = threading.Event(), threading.Event()

    def have_the_turn() -> None:
        with shared._store.turn():
            has_it.set()
            is_forked.wait(20)

    thread = threading.Thread(target=have_the_turn)
    thread.start()
    has_it.wait(20)
    child = os.fork()
    if child == 0:
        signal.alarm(10)
        try:
            shared.enqueue("true")
        except ForkedStore:
            os._exit(7)
        os._exit(1)
    is_forked.set()
    thread.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


@pytest.mark.parametrize("lock", ["turn", "gate", "alone"])
def test_a_handler_forks_while_its_thread_waits(tmp_path: Path, lock: str) -> None:
    """A child that a signal's handler forks, and that is back in a wait for another thread's turn, is refused there."""
    code = f"import sys; sys.path.insert(0, {{!r}}); from {__name__} import fork_in_wait; fork_in_wait({{!r}})"
    words = [sys.executable, "-c", code.format(str(Path.cwd()), lock), str(tmp_path / "q")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout) == (0, "7\n1\n"), done.stderr


def fork_in_wait(lock: str) -> None:
    """Wait in the main thread for what another thread has, fork meanwhile in a handler, and tell how each fared."""
    queue = Queue.open(sys.argv[1])
    shared = queue._store._shared
    held: Any = {"turn": shared.turn, "gate": shared.gate.lock, "alone": shared.gate.alone(timeout_s=5)}[lock]
    has_it, is_forked = threading.Event(), threading.Event()
    children: list[int] = []

    def have_it() -> None:
        with held:
            has_it.set()
            is_forked.wait(20)

    def interrupt() -> None:
        main = Path(f"/proc/self/task/{threading.main_thread().native_id}/syscall")
        wait_until(lambda: lock != "turn" or queue.ui._commits._waiting)
        wait_until(lambda: main.read_text().split()[0] != "running")
        os.kill(os.getpid(), signal.SIGUSR1)

    def fork(*_: object) -> None:
        if child := os.fork():
            children.append(child)
            is_forked.set()
        else:
            signal.alarm(10)  # instead of for ever

    signal.signal(signal.SIGUSR1, fork)
    threading.Thread(target=have_it).start()
    has_it.wait(20)
    threading.Thread(target=interrupt).start()
    try:
        queue.enqueue("true")
    except ForkedStore:
        os._exit(7)
    if not children:
        os._exit(1)
    print(os.waitstatus_to_exitcode(os.waitpid(children[0], 0)[1]))
    print(len(queue.jobs()), flush=True)
    os._exit(0)


def test_a_transaction_is_bounded(shared: Queue) -> None:
    """However many wait, one transaction takes no more than so many, and the next one the rest."""
    before = commits(shared)
    with ThreadPoolExecutor(WORKS_AT_ONCE + 20) as pool:
        held_up(shared, lambda: [pool.submit(shared.enqueue, "true") for _ in range(WORKS_AT_ONCE + 20)])
    assert commits(shared) == before + 2
    assert sorted(Counter(event.at_us for event in shared.events()).values()) == [20, WORKS_AT_ONCE]


HANDLED = """
import signal, sys
from queuectl import Queue, StoreError
told, refused = [], []
def enqueue():
    try:
        told.append(queue.enqueue("true").id)
    except StoreError as error:
        assert "this thread is" in str(error), error
        refused.append(error)
def handle(*_):
    enqueue()
    signal.setitimer(signal.ITIMER_REAL, 0.002)
with Queue.open(sys.argv[1]) as queue:
    enqueue()  # what is loaded at the first call is loaded
    signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, 0.002)
    while len(told) < 300:
        enqueue()
    signal.setitimer(signal.ITIMER_REAL, 0)
    there = [job.id for job in queue.jobs(limit=None)]
print(sorted(there) == sorted(told))
"""


def test_a_signal_handler_enqueues_or_is_refused(tmp_path: Path) -> None:
    """Wherever a thread that enqueues is interrupted, a handler that enqueues ends, and what it was told is so."""
    words = [sys.executable, "-c", HANDLED, str(tmp_path / "q")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.returncode) == ("True\n", 0), done.stderr
