"""What most tests begin with: a queue of their own on real LMDB, a clock set by hand, and workers that end in time."""

import gc
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from queuectl import Queue
from tests import depth  # noqa: F401 - its profiles, before one is chosen
from tests.clocks import FakeClock
from tests.workers import LiveWorker, StartWorker

if sys.dont_write_bytecode:
    # The thousands of processes that tests start would each compile what they load: more work than all the rest.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False


_theirs = pytest.StashKey[str]()


def pytest_configure(config: pytest.Config) -> None:
    """Let no test reach the queue of whoever runs it: not by its default place, nor by what is set for them."""
    for name in [name for name in os.environ if name.startswith("QUEUECTL_")]:
        del os.environ[name]
    config.stash[_theirs] = os.environ["XDG_DATA_HOME"] = tempfile.mkdtemp(prefix="queuectl-tests-")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove what tests left in the place of the user's queue."""
    shutil.rmtree(config.stash[_theirs], ignore_errors=True)


@pytest.hookimpl(tryfirst=True)  # before those that are slow are left out
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as slow all cases of a test but as many, spread over all, as it says are enough in a hurry."""
    cases: dict[str, list[pytest.Item]] = {}
    for item in items:
        if item.get_closest_marker("sampled") is not None:
            cases.setdefault(item.nodeid.partition("[")[0], []).append(item)
    for each in cases.values():
        [count] = each[0].get_closest_marker("sampled").args
        for at, item in enumerate(each):
            if at * count // len(each) == (at - 1) * count // len(each):
                item.add_marker("slow")


def pytest_collection_finish() -> None:
    """Spare what was collected the later collections of garbage: it stays, and is most of what there is."""
    gc.freeze()


@pytest.hookimpl(wrapper=True, optionalhook=True)
def pytest_xdist_auto_num_workers() -> Generator[None, int, int]:
    """Let two tests run at a time on each processor: most wait half their time, for disks and other processes."""
    return 2 * (yield)


@pytest.fixture(autouse=True, scope="session")
def _heard_signals() -> None:
    """Let what tests start hear Ctrl-C and a hangup, though these tests run in the background or under nohup.

    A signal that is ignored stays so in every program started, while one with a handler starts out as usual there.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, lambda *_: None)  # these tests themselves outlive their terminal, as was asked


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def queue(tmp_path: Path, clock: FakeClock, request: pytest.FixtureRequest) -> Iterator[Queue]:
    is_real = request.node.get_closest_marker("real_clock") is not None
    with Queue.open(tmp_path / "queue", clock=None if is_real else clock, actor="tester") as opened:
        yield opened


@pytest.fixture
def worked(queue: Queue) -> Path:
    """Return where the queue lies that `start` starts workers on."""
    return queue.path


@pytest.fixture
def options() -> dict[str, Any]:
    """Return the options of workers that `start` starts, unless it is told others."""
    return {}


@pytest.fixture
def start(worked: Path, options: dict[str, Any]) -> Iterator[StartWorker]:
    """Yield what starts a worker in a process of its own; it has ended, with what it ran, when the test has."""
    started: list[LiveWorker] = []

    def start_one(**more: Any) -> LiveWorker:
        started.append(LiveWorker(worked, **{**options, **more}))
        return started[-1]

    yield start_one
    for worker in started:
        worker.kill()


@pytest.fixture
def drain(start: StartWorker) -> StartWorker:
    """Return what runs a worker until nothing is left to do, which must go well."""

    def drain_one(**more: Any) -> LiveWorker:
        worker = start(drain=True, **more)
        assert worker.exit_code() == 0, worker.said()
        return worker

    return drain_one
