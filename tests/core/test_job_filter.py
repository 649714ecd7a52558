"""Filters and orders from what a caller hands in."""

from datetime import UTC, datetime

import pytest

from queuectl import JobState, Queue
from queuectl.core.job_filter import Filter, SortOrder, filter_of, order_of
from queuectl.errors import InvalidInput


def test_states_are_given_singly_or_together() -> None:
    """One state or several, by name or not, are the same filter; None is any, an empty list none."""
    both = frozenset({JobState.DEAD, JobState.FAILED})
    assert filter_of(state=["dead", JobState.FAILED]).states == both
    assert filter_of(state="dead").states == {JobState.DEAD}
    assert filter_of() == filter_of(match="") == Filter() != filter_of(state=[])


def test_times_are_datetimes_or_numbers() -> None:
    """A datetime and its seconds since the epoch are the same bound."""
    assert filter_of(since=datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)).since_us == 1_000_000
    assert filter_of(until=5).until_us == 5_000_000


@pytest.mark.parametrize(
    "wrong", [{"state": "lost"}, {"state": ["dead", "lost"]}, {"queue": "a b"}, {"match": "x" * 2000}]
)
def test_what_can_be_no_state_queue_or_text_is_refused(wrong: dict[str, str]) -> None:
    """A state, queue or text that can be none is refused."""
    with pytest.raises(InvalidInput):
        filter_of(**wrong)


def test_a_dash_before_the_key_turns_the_order_round() -> None:
    """A dash before the key turns it round; an unknown key is refused with those there are."""
    assert (order_of("id"), order_of("-took"), order_of(None)) == (
        SortOrder("id"),
        SortOrder("took", reverse=True),
        None,
    )
    with pytest.raises(InvalidInput, match="one of enqueued, updated, due"):
        order_of("--id")


def test_an_edited_job_is_found_as_it_is_now(queue: Queue) -> None:
    """Queue, text and place in the dead letter queue are those behind the edit; its history is whole."""
    for job_id in "ab":
        queue.enqueue("flase", id=job_id, max_retries=0)
        queue.worker("w").fail(queue.worker("w").claim()[0], "no")
    assert [job.id for job in queue.dlq.jobs()] == ["b", "a"]
    queue.edit("a", command="true", queue="mail")
    assert [job.id for job in queue.dlq.jobs()] == ["a", "b"]
    assert [job.id for job in queue.jobs(state="dead", after="a")] == ["b"]
    assert [job.id for job in queue.jobs(match="TRUE")] == [job.id for job in queue.jobs(queue="mail")] == ["a"]
    assert queue.status().queues["mail"][JobState.DEAD] == 1
    queue.edit("a", again=True, delay_s=60)
    assert [job.id for job in queue.jobs(state="dead", after="a")] == ["b"]
    assert queue.worker("w").claim() == []
    assert queue.admin.replay(check=True).differences == []
