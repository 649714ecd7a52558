"""Slots: commands side by side, over real processes."""

import os
import resource
import signal
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from queuectl import Job, Result
from queuectl.liveness.lock_file import LockFile
from queuectl.outputs.frames import cut_frame
from queuectl.system.processes import look
from queuectl.system.wakeup import Doorbell
from queuectl.worker.helper_process import unreaped
from queuectl.worker.means import IN_VAIN_S, SHORTAGE_PAUSE_S
from queuectl.worker.outcome import Stop
from queuectl.worker.signals import Signals
from queuectl.worker.slots import Slots, entries_for
from queuectl.worker.waiter import Waiter
from tests.waiting import wait_until
from tests.worker.driven import running_job

LEASE_S = 12.0


@pytest.fixture
def waiter(tmp_path: Path) -> Iterator[Waiter]:
    with Signals() as signals, closing(Doorbell(tmp_path, "w1")) as bell:
        yield Waiter(bell, signals)


@pytest.fixture
def slots(tmp_path: Path, waiter: Waiter) -> Iterator[Slots]:
    with closing(LockFile(tmp_path, "w1", entries=entries_for(3), lease_s=LEASE_S)) as lock:
        made = Slots(
            3,
            waiter,
            lock,
            worker="w1",
            db_path=tmp_path,
            output_path=lambda job: tmp_path / "outputs" / job.id,
            inherited_env=lambda job: {},
            grace_s=1,
            output_limit_bytes=1000,
        )
        with closing(made):
            yield made
            made.abandon_all()


def launched(slots: Slots, waiter: Waiter, job: Job, *, now: float = 0.0) -> list[Result]:
    """Have a job started and see its start through; returns the results that there are."""
    slots.line_up([job], now=now)
    waiter.wait(until=time.monotonic() + 20, now=time.monotonic())
    begun, ended = slots.step([], now=now)
    assert begun == [job]
    return ended


def sleeping(number: int) -> Job:
    """Return a claimed job that would run for long."""
    job = running_job(("sleep", "60"))
    assert job.lease is not None
    return replace(job, number=number, lease=replace(job.lease, token=number + 100))


def test_an_abandoned_run_is_news_once(slots: Slots) -> None:
    """A run whose lease is lost hears only once that it is abandoned."""
    job = sleeping(1)
    slots.line_up([job], now=0.0)
    assert slots.stop(job, Stop.ABANDONED, now=5.0)
    assert not slots.stop(job, Stop.ABANDONED, now=5.0)


def test_a_shortage_gives_jobs_back_and_takes_fewer(slots: Slots, waiter: Waiter) -> None:
    """Without descriptors a job is given back, not failed; no more run than did for a while, then more again."""
    assert launched(slots, waiter, sleeping(1)) == []
    with no_more_descriptors():
        [result] = launched(slots, waiter, sleeping(2), now=1.0)
    assert slots.is_short
    assert (result.kind, result.error) == (
        "released",
        "the worker cannot start more commands now (Too many open files)",
    )
    assert (len(slots), slots.free) == (1, 0)
    assert slots.wake_at() <= 1.0 + SHORTAGE_PAUSE_S
    slots.step([], now=1.0 + SHORTAGE_PAUSE_S)
    assert slots.free == 1
    slots.step([], now=1.0 + 2 * SHORTAGE_PAUSE_S)
    assert slots.free == 2


def test_a_shortage_anywhere_leaves_nothing(slots: Slots, waiter: Waiter) -> None:
    """However many descriptors are left, a command either runs or leaves neither process nor descriptor."""
    for spare in range(9):
        before = descriptors()
        with no_more_descriptors(spare):
            results = launched(slots, waiter, sleeping(spare))
        if results:
            assert [result.kind for result in results] == ["released"]
            assert descriptors() == before
        assert len(slots) == (results == [])
        slots.abandon_all()
        wait_until(lambda: not commands())
        slots.step([], now=10_000.0)


@contextmanager
def no_more_descriptors(spare: int = 0) -> Iterator[None]:
    """Let this process open no more than so many more descriptors."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.dup(0)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + spare, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def descriptors() -> list[str]:
    """Return the open descriptors."""
    return sorted(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names are all there is to it


def commands() -> set[int]:
    """Return the children of this process and of its helpers, dead or alive, but the helpers."""
    there = look()
    parents = {os.getpid()} | unreaped()
    return {each.pid for parent in parents for each in there.children[parent]} - parents


def test_inherited_deafness_to_children_is_mended() -> None:
    """Under a parent that ignored SIGCHLD, how commands end is not lost; a program that ignores it goes on doing so."""
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        with Signals():
            assert signal.getsignal(signal.SIGCHLD) == signal.SIG_DFL
        assert signal.getsignal(signal.SIGCHLD) == signal.SIG_IGN
        with Signals(is_sole=False):
            assert signal.getsignal(signal.SIGCHLD) == signal.SIG_IGN, "a program's own children are its own matter"
    finally:
        signal.signal(signal.SIGCHLD, before)


def printed(slots: Slots, waiter: Waiter, *, number: int = 1) -> Result:
    """Return how a run ended that printed 20,000 bytes, which lie in a file."""
    job = sleeping(number)
    job = replace(job, spec=replace(job.spec, id=f"job{number}", command="head -c 20000 /dev/zero"))
    slots.output_limit_bytes = 100_000
    ended = launched(slots, waiter, job)

    def step() -> list[Result]:
        waiter.wait(until=time.monotonic() + 0.01, now=time.monotonic())
        return ended or slots.step([], now=time.monotonic()).ended

    [result] = wait_until(step)
    assert (result.kind, result.output.frames) == ("completed", None)
    return result


def test_a_file_that_the_disk_lost_is_told_as_cut(slots: Slots, waiter: Waiter, tmp_path: Path) -> None:
    """Where a run's file cannot be flushed its end is recorded all the same, and says how much was printed."""
    result = printed(slots, waiter)
    (tmp_path / "outputs" / "job1").unlink()
    [cut] = slots.finished.flushed([result])
    assert (cut.kind, cut.output.frames, cut.output.stdout) == ("completed", cut_frame(20_000), result.output.stdout)
    assert slots.finished.flushed([cut]) == [cut]


def test_a_file_is_flushed_once(slots: Slots, waiter: Waiter, tmp_path: Path) -> None:
    """While ends wait for room in the queue, the files of those that ended before are not flushed again."""
    first = printed(slots, waiter)
    assert slots.finished.flushed([first]) == [first]
    second = printed(slots, waiter, number=2)
    for number in (1, 2):
        (tmp_path / "outputs" / f"job{number}").unlink()  # which only a flush would notice
    same, cut = slots.finished.flushed([first, second])
    assert (same, cut.output.frames) == (first, cut_frame(20_000))
    slots.finished.recorded([first, second])


def test_a_shortage_for_even_one_command_comes_to_an_end(slots: Slots, waiter: Waiter) -> None:
    """Where not one command can be started, time and again, the slots fail in words rather than try for ever."""
    with no_more_descriptors():
        assert [result.kind for result in launched(slots, waiter, sleeping(1), now=1.0)] == ["released"]
        assert slots.error is None
        slots.step([], now=IN_VAIN_S)
        assert slots.free == 0, "no job is claimed to try it"
        assert slots.error is None
        slots.step([], now=1.0 + IN_VAIN_S)
    assert "Too many open files), and none runs; see what this user has left: ulimit -n" in str(slots.error)


def test_a_shortage_is_forgotten_once_a_command_runs(slots: Slots, waiter: Waiter) -> None:
    """Means that are short for long, and not all the time, end no worker."""
    with no_more_descriptors():
        launched(slots, waiter, sleeping(1), now=1.0)
    slots.step([], now=2.0 + SHORTAGE_PAUSE_S)
    assert launched(slots, waiter, sleeping(2), now=3.0) == []
    slots.abandon_all()
    with no_more_descriptors():
        launched(slots, waiter, sleeping(3), now=2.0 + IN_VAIN_S)
    assert slots.error is None
