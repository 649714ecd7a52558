"""What becomes of the pipes of runs that are over while something in the background may still print."""

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from functools import partial
from pathlib import Path
from threading import Thread

import pytest

from queuectl import Queue
from queuectl.liveness.drainer import Drainer
from queuectl.worker.drainer_process import DrainerHandle
from queuectl.worker.posix_spawn import pipe
from tests.processes import is_alive, pid_in
from tests.waiting import wait_until
from tests.workers import LiveWorker

MUCH = bytes(200_000)
"""More than a pipe holds."""


@pytest.fixture
def drain() -> Iterator[DrainerHandle]:
    with closing(DrainerHandle()) as made:
        yield made


def drainer_of(writing: int) -> int | None:
    """Return the process that has the other end of a pipe, unless it is this one."""
    return next(iter(drainers_of(writing)), None)


def drainers_of(writing: int) -> set[int]:
    """Return all other processes that have the other end of a pipe."""
    name = Path(f"/proc/self/fd/{writing}").readlink()
    found = set()
    for place in Path("/proc").glob("[0-9]*/fd/*"):
        with suppress(OSError):
            if place.readlink() == name:
                found.add(int(place.parts[2]))
    return found - {os.getpid()}


def test_a_pipe_is_read_on_after_its_worker_is_gone(drain: DrainerHandle) -> None:
    """However much is printed, and though nobody hands in pipes any more, no print fails or waits for ever."""
    reading, writing = pipe()
    drain.take([reading])
    os.write(writing, MUCH)
    drain.close()
    os.write(writing, MUCH)
    os.close(writing)


def test_a_drainer_ends_with_its_last_writer(drain: DrainerHandle) -> None:
    """One process for all pipes, without a descriptor of the worker's, which is gone once nobody can print."""
    pipes = [pipe() for _ in range(3)]
    for reading, _ in pipes:
        drain.take([reading])
    [pid] = {wait_until(partial(drainer_of, writing)) for _, writing in pipes}
    opened = [str(place.readlink()) for place in Path(f"/proc/{pid}/fd").iterdir()]
    assert len([each for each in opened if each.startswith("pipe:")]) == len(pipes)
    drain.close()
    for _, writing in pipes:
        assert is_alive(pid)
        os.close(writing)
    wait_until(lambda: not is_alive(pid))


def test_a_drainer_that_was_killed_is_replaced(drain: DrainerHandle) -> None:
    """Whoever kills it ends the prints of its own pipes, not those that come later."""
    reading, writing = pipe()
    drain.take([reading])
    first = wait_until(lambda: drainer_of(writing))
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: not is_alive(first))
    os.close(writing)
    reading, writing = pipe()
    drain.take([reading])
    os.write(writing, MUCH)
    os.close(writing)


def test_a_drainer_that_is_behind_is_not_taken_for_dead(drain: DrainerHandle) -> None:
    """While it has not come to take what was sent, pipes are held, and it gets them too once it goes on."""
    reading, writing = pipe()
    drain.take([os.dup(reading)])
    pid = wait_until(lambda: drainer_of(writing))
    wait_until(lambda: drainers_of(writing) == {pid})  # what started it is gone
    os.kill(pid, signal.SIGSTOP)
    try:
        for _ in range(600):
            drain.take([os.dup(reading), os.dup(reading)])
            if drain._held:
                break
        assert drain._held, "its socket was never full"
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_until(lambda: drain.tidy() or not drain._held)
    os.close(reading)
    assert drainers_of(writing) == {pid}
    os.write(writing, MUCH)
    os.close(writing)


def test_a_drainer_has_no_more_pipes_than_fit() -> None:
    """What goes beyond is closed, and costs those that are there nothing."""
    ours, theirs = socket.socketpair()
    drainer = Thread(target=Drainer(theirs, most=1).run)
    drainer.start()
    kept, refused = pipe(), pipe()
    for reading, _ in (kept, refused):
        socket.send_fds(ours, [b"!"], [reading])
        os.close(reading)
    ours.close()
    wait_until(lambda: _is_broken(refused[1]))
    os.write(kept[1], MUCH)
    for _, writing in (kept, refused):
        os.close(writing)
    drainer.join(20)
    theirs.close()
    assert not drainer.is_alive()


def _is_broken(writing: int) -> bool:
    try:
        return os.write(writing, b"!") < 0
    except BrokenPipeError:
        return True


@pytest.mark.parametrize("is_killed", [False, True])
def test_a_background_process_prints_on_after_its_run_and_its_worker(tmp_path: Path, is_killed: bool) -> None:
    """What a completed run leaves in the background outlives its next prints, as its worker ends and after that."""
    steps = tmp_path / "steps"
    child = f"while :; do echo out; echo err >&2; echo >> {steps}; sleep 0.02; done"
    with Queue.open(tmp_path / "q", create=True) as queue, ExitStack() as stack:
        queue.enqueue(f"({child}) & echo $! > {tmp_path}/pid; echo done", id="web")
        worker = LiveWorker(tmp_path / "q")
        stack.callback(worker.kill)
        wait_until(lambda: queue.job("web").state == "completed")
        pid = pid_in(tmp_path / "pid")
        stack.callback(os.kill, pid, signal.SIGKILL)
        wait_until(lambda: "what it left in the background goes on" in worker.said())
        worker.signal(signal.SIGKILL if is_killed else signal.SIGTERM)
        worker.exit_code()
        printed = steps.stat().st_size
        wait_until(lambda: steps.stat().st_size > printed + 5)
