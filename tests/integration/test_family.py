"""Jobs that enqueue jobs, run by a real worker: each names the run that it came from, for good."""

import os
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from queuectl import JobNotFound, Kin, Queue
from queuectl.events.types import Enqueued, EnvironmentKept
from tests.workers import LiveWorker

QUEUECTL = f"{shlex.quote(sys.executable)} -m queuectl"

Tree = tuple[str | None, list["Tree"]]


def enqueueing(job_id: str, command: str, *options: str) -> str:
    """Return a command that enqueues another."""
    return f"{QUEUECTL} enqueue {shlex.join([*options, job_id, command])}"


@pytest.fixture
def family(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Queue]:
    """Yield a queue in which a worker has run `root`, which enqueued `mid`, which failed once and enqueued leaves."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))
    second = tmp_path / "second"
    mid = (
        f"if [ -e {second} ]; then {enqueueing('leaf2', 'exit 7', '--max-retries', '0')}; "
        f"else touch {second}; {enqueueing('leaf1', 'true')}; exit 1; fi"
    )
    with Queue.open(tmp_path / "queue") as queue:
        queue.admin.config_set("backoff_base", 0)
        queue.enqueue(enqueueing("mid", mid), id="root")
        queue.enqueue("true", id="other")
        worker = LiveWorker(queue.path, drain=True, slots=2)
        try:
            assert worker.exit_code() == 0, worker.said()
        finally:
            worker.kill()
        yield queue


def names(kin: Kin) -> Tree:
    """Return a family as bare names."""
    return kin.id, [names(child) for child in kin.children]


WHOLE: Tree = ("root", [("mid", [("leaf1", []), ("leaf2", [])])])


@pytest.mark.slow
def test_the_whole_family(family: Queue) -> None:
    """Descendants hang under the job whose run enqueued them, with that run's attempt, and how each ended."""
    found = family.family("root")
    assert (names(found.root), found.above, found.root.left_out) == (WHOLE, None, 0)
    (mid,) = found.root.children
    leaf1, leaf2 = mid.children
    assert [each.attempt for each in (found.root, mid, leaf1, leaf2)] == [None, 1, 1, 2]
    assert [str(each.state) for each in (mid, leaf1, leaf2)] == ["completed", "completed", "dead"]
    assert (leaf1.return_code, leaf2.return_code) == (0, 7)
    assert leaf2.duration_ms is not None
    assert names(family.family("other").root) == ("other", [])


@pytest.mark.slow
def test_from_below(family: Queue) -> None:
    """A leaf's family is the line from the first ancestor down to it; the others of each are counted."""
    found = family.family("leaf2")
    assert names(found.root) == ("root", [("mid", [("leaf2", [])])])
    (mid,) = found.root.children
    assert (found.root.left_out, mid.left_out, mid.children[0].number) == (0, 1, found.number)


def test_each_event_names_its_cause(family: Queue) -> None:
    """The event that a job's command caused tells that job and its attempt; what workers and people did has none."""
    (born,) = family.events(job="leaf2", types=["enqueued"])
    cause = family.log.cause_of(born.position)
    assert cause is not None
    assert (cause.job_id, cause.attempt, cause.token) == ("mid", 2, born.cause)
    enqueued = [each for each in family.events() if isinstance(each.event, (Enqueued, EnvironmentKept)) and each.cause]
    others = [each for each in family.events() if each not in enqueued]
    assert {each.cause for each in others} == {0}
    assert sum(isinstance(each.event, Enqueued) for each in enqueued) == 3


def test_every_event_has_an_actor(family: Queue) -> None:
    """What a person or a command did has user@host, what a worker did its id."""
    worker = next(family.events(types=["worker_started"])).actor
    for each in family.events():
        is_users = isinstance(each.event, (Enqueued, EnvironmentKept)) or each.stream == "config"
        assert ("@" in each.actor) == is_users
        assert is_users or each.actor == worker


def test_removed_jobs_keep_their_place(family: Queue) -> None:
    """A job that left the views is still there, with how it stood, also where its id was given again."""
    family.clear(all=True)
    family.dlq.purge(all=True)
    family.enqueue("false", id="mid")
    found = family.family("leaf1")
    assert names(found.root) == ("root", [("mid", [("leaf1", [])])])
    assert found.root.children[0].is_removed
    assert str(found.root.children[0].state) == "completed"
    assert (names(family.family("mid").root), family.family("mid").root.is_removed) == (("mid", []), False)


def test_limits_are_said(family: Queue) -> None:
    """What depth and limit leave out is counted, below and above."""
    shallow = family.family("root", depth=1)
    assert (names(shallow.root), shallow.root.children[0].left_out) == (("root", [("mid", [])]), 2)
    few = family.family("root", limit=3)
    assert (names(few.root), few.root.children[0].left_out) == (("root", [("mid", [("leaf1", [])])]), 1)
    cut_off = family.family("leaf1", depth=1)
    assert names(cut_off.root) == ("mid", [("leaf1", [])])
    assert cut_off.above is not None
    assert (cut_off.above.job_id, cut_off.above.attempt) == ("root", 1)


def test_who_never_was_has_no_family(family: Queue) -> None:
    """An id that never was is refused."""
    with pytest.raises(JobNotFound):
        family.family("nobody")
