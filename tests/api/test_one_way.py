"""What says the same thing is given in one way: two are refused, and neither wins silently."""

from collections.abc import Callable
from pathlib import Path

import pytest

from queuectl import Filter, InvalidInput, Queue

TWICE: dict[str, tuple[Callable[[Queue], object], str]] = {
    **{
        f"a Filter and {name}": (
            lambda queue, name=name, value=value: queue.jobs(Filter(match="true"), **{name: value}),
            name,
        )
        for name, value in {"state": "dead", "queue": "mail", "since": 5, "until": 5, "match": "a"}.items()
    },
    **{
        f"a Filter and {name}, in the past": (
            lambda queue, name=name, value=value: queue.as_of(1).jobs(Filter(match="true"), **{name: value}),
            name,
        )
        for name, value in {"state": "dead", "queue": "mail", "since": 5, "until": 5, "match": "a"}.items()
    },
    "a position and a time": (lambda queue: queue.as_of(1, at="now"), "at"),
    "a position and microseconds": (lambda queue: queue.as_of(1, at_us=5), "at_us"),
    "two times": (lambda queue: queue.as_of(at="now", at_us=5), "at_us"),
    "a branch at two moments": (lambda queue: queue.admin.branch("then", 1, at="now"), "at"),
    "a branch at two times": (lambda queue: queue.admin.branch("then", at="now", at_us=5), "at_us"),
    "no moment": (lambda queue: queue.as_of(), "position"),
    "a branch at no moment": (lambda queue: queue.admin.branch("then"), "position"),
    "two timeouts": (lambda queue: queue.wait([], timeout=1, timeout_s=1), "timeout"),
    "an age and all": (lambda queue: queue.clear(older_than_s=5, all=True), "all"),
    "two ages": (lambda queue: queue.clear(older_than=5, older_than_s=5), "older_than"),
    "two ages to compact by": (lambda queue: queue.admin.compact(older_than=5, older_than_s=5), "older_than"),
    "no age to compact by": (lambda queue: queue.admin.compact(), "older_than"),
    "a moment of the log at two times": (lambda queue: queue.log.position_at("now", at_us=5), "at"),
    "a moment of the log at no time": (lambda queue: queue.log.position_at(), "at"),
}


@pytest.mark.parametrize(("act", "field"), TWICE.values(), ids=TWICE)
def test_one_thing_said_in_two_ways_is_refused(
    queue: Queue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, act: Callable[[Queue], object], field: str
) -> None:
    """The argument is named that says again what another says, and nothing is done."""
    monkeypatch.chdir(tmp_path)
    queue.enqueue("true")
    before = queue.log.head()
    with pytest.raises(InvalidInput) as refused:
        act(queue)
    assert refused.value.field == field
    assert queue.log.head() == before
    assert not (tmp_path / "then").exists()


def test_a_moment_that_is_not_named_is_asked_for(queue: Queue) -> None:
    """The refusal says what to give."""
    with pytest.raises(InvalidInput) as refused:
        queue.as_of()
    assert refused.value.message == "position: found none; expected a position, or `at`"


def test_a_state_in_which_nothing_can_be_removed_is_told_in_words(queue: Queue) -> None:
    """What is expected is a state in which a job can be removed, with those there are."""
    with pytest.raises(InvalidInput) as refused:
        queue.clear(state="pending", all=True)
    assert refused.value.expected == "one in which a job can be removed: completed, dead, cancelled"


def test_an_unknown_key_of_an_edit_is_refused_with_all_that_there_are(queue: Queue) -> None:
    """Those that are another name of one are among them."""
    job = queue.enqueue("true")
    with pytest.raises(InvalidInput) as refused:
        queue.edit(job.id, colour="red")
    assert {"run_at", "delay", "timeout", "timeout_s"} <= set(
        refused.value.expected.removeprefix("one of ").split(", ")
    )
