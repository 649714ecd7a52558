"""A job is found by its id, by the beginning of it where that is enough, and nearly found by a slip."""

import operator
import string
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from queuectl import AmbiguousJob, JobNotFound, JobRequest, JobState, Queue


@pytest.fixture
def named(queue: Queue) -> Queue:
    """Return a queue with jobs of many names."""
    names = ["job1", "job2", "job10", "job11", "job12", "nightly-backup", "night", "Zoë 9"]
    queue.enqueue_many([JobRequest("true", id=name) for name in names])
    return queue


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("job1", "job1"), ("night", "night"), ("nightl", "nightly-backup"), ("Zoë", "Zoë 9"), ("nightly-backup",) * 2],
)
def test_an_id_or_its_beginning(named: Queue, typed: str, meant: str) -> None:
    """An exact id always wins; a beginning of three characters or more stands for the only id that has it."""
    assert named.ui.match_id(typed) == meant


@pytest.mark.parametrize(
    ("typed", "near"),
    [
        ("jbo12", "job12"),
        ("job1x2", "job12"),
        ("NIGHT", "night"),
        ("nigthly-backup", "nightly-backup"),
        ("nightly-bckups", "nightly-backup"),
        ("xyz", None),
        ("", None),
        ("Zo", None),
        ("\ud800", None),
        ("x" * 999, None),
    ],
)
def test_what_comes_near(named: Queue, typed: str, near: str | None) -> None:
    """A slip is refused and answered with the ids that come near; two characters stand for none."""
    with pytest.raises(JobNotFound) as caught:
        named.ui.match_id(typed)
    assert caught.value.near[:1] == ((near,) if near else ())


@pytest.mark.sampled(2)
@pytest.mark.parametrize("words", [["show"], ["logs"], ["cancel"], ["history"], ["list", "--after"]])
def test_a_word_longer_than_any_id(tmp_path: Path, words: list[str]) -> None:
    """No look is made for what resembles it, as those grow with its length: it is refused, and told in part."""
    with Queue.open(tmp_path / "q") as queue:
        queue.enqueue_many([JobRequest("true", id="A" * n) for n in range(1, 120)])
    command = [sys.executable, "-m", "queuectl", "--db", str(tmp_path / "q"), *words, "A" * 100_000]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert done.returncode == 1
    assert "(100,002 characters)" in done.stderr
    assert len(done.stderr) < 400


def test_a_number_is_one_word(queue: Queue) -> None:
    """What lacks but digits of a number is not its beginning: nobody who types job1 means job12."""
    queue.enqueue("true", id="job12")
    with pytest.raises(JobNotFound) as caught:
        queue.ui.match_id("job1")
    assert caught.value.near == ("job12",)
    assert queue.ui.match_id("job") == "job12"


def test_several_begin_so(named: Queue) -> None:
    """A beginning that several ids have is refused with a few of them."""
    with pytest.raises(AmbiguousJob) as caught:
        named.ui.match_id("job")
    assert caught.value.job_ids == ("job1", "job10", "job11", "job12", "job2")
    named.enqueue("true", id="job3")
    with pytest.raises(AmbiguousJob, match=r"job2 \.\.\.;"):
        named.ui.match_id("job")


def test_a_removed_job_s_id_stands_for_no_other(queue: Queue) -> None:
    """A removed job's id stands for no other; its beginning stands for it where its history is asked for."""
    queue.enqueue("true", id="night")
    queue.cancel("night")
    queue.clear(all=True, state=JobState.CANCELLED)
    queue.enqueue("true", id="nightly")
    with pytest.raises(JobNotFound, match="was removed"):
        queue.ui.match_id("night")
    assert queue.ui.match_id("night", or_removed=True) == "night"
    assert queue.ui.match_id("nigh", or_removed=True) == "nightly"
    queue.cancel("nightly")
    queue.clear(all=True, state=JobState.CANCELLED)
    with pytest.raises(AmbiguousJob):
        queue.ui.match_id("nig", or_removed=True)


def test_the_other_methods_take_ids_as_they_are(named: Queue) -> None:
    """Programs name jobs exactly."""
    with pytest.raises(JobNotFound):
        named.cancel("nightl")


def test_each_single_slip_is_found(queue: Queue) -> None:
    """Among thousands of ids alike, any one character changed still brings one that differs in no other."""
    queue.enqueue_many([JobRequest("true", id=f"report-{n:05d}-daily") for n in range(3000)])

    @given(st.integers(0, 2999), st.integers(0, 17), st.sampled_from(string.ascii_lowercase))
    def slips(number: int, at: int, sign: str) -> None:
        job_id = f"report-{number:05d}-daily"
        typed = job_id[:at] + sign + job_id[at + 1 :]
        if typed == job_id:
            return
        with pytest.raises(JobNotFound) as caught:
            queue.ui.match_id(typed)
        assert any(sum(map(operator.ne, typed, each)) == 1 for each in caught.value.near)

    slips()
