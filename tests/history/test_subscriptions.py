"""Subscriptions: a durable named place in the log; every event at least once, in order, in bounded batches."""

import threading
from pathlib import Path

import pytest

from queuectl import CheckpointMoved, InvalidInput, JobRequest, Queue, StoreError, Subscription
from queuectl.errors import Conflict
from queuectl.history.subscriptions import EVENTS_AT_ONCE
from queuectl.store import log_rows
from queuectl.store.store import key_of
from tests.clocks import FakeClock
from tests.waiting import wait_until


def fill(queue: Queue, count: int) -> None:
    queue.enqueue_many([JobRequest("true")] * count)


def reading(queue: Queue, name: str = "mailer", **options: object) -> Subscription:
    return queue.subscribe(name, follow=False, **options)  # type: ignore[arg-type]  # what is wrong is tried too


def positions(subscription: Subscription) -> list[int]:
    """Read to the end, acknowledging all."""
    return [each.position for batch in subscription for each in batch]


def test_batches_are_bounded_and_in_order(queue: Queue) -> None:
    """A log comes whole and in order, in batches of 1,000 events at the most."""
    fill(queue, 2 * EVENTS_AT_ONCE + 3)
    batches = list(reading(queue))
    assert [len(batch) for batch in batches] == [EVENTS_AT_ONCE, EVENTS_AT_ONCE, 3]
    assert [each for batch in batches for each in batch] == list(queue.events())


def test_asking_for_the_next_batch_acknowledges_the_one_before(queue: Queue) -> None:
    """What a loop has gone on from does not come again; what it broke off in does."""
    fill(queue, EVENTS_AT_ONCE + 2)
    for batch in reading(queue):
        if batch[0].position > EVENTS_AT_ONCE:
            break
    assert queue.log.subscriptions()[0].position == EVENTS_AT_ONCE
    assert positions(reading(queue)) == [EVENTS_AT_ONCE + 1, EVENTS_AT_ONCE + 2]
    assert positions(reading(queue)) == []


def test_a_part_of_a_batch_can_be_acknowledged(queue: Queue) -> None:
    """ack(position) keeps what is before; what comes after that position comes again."""
    fill(queue, 5)
    first = reading(queue)
    next(first)
    first.ack(2)
    assert (first.position, queue.log.subscriptions()[0].position) == (2, 2)
    assert positions(reading(queue)) == [3, 4, 5]


@pytest.mark.parametrize("position", [-1, 1, 6, "3", True, 2.0])
def test_only_what_was_given_can_be_acknowledged(queue: Queue, position: int) -> None:
    """A position that was not given, or was acknowledged long since, is refused and nothing moves."""
    fill(queue, 5)
    subscription = reading(queue)
    next(subscription)
    subscription.ack(2)
    with pytest.raises(InvalidInput, match="from 2 to 5"):
        subscription.ack(position)
    assert queue.log.subscriptions()[0].position == 2


def test_where_a_new_one_starts(queue: Queue) -> None:
    """A new name starts at the beginning, now, or behind a position; from then on its checkpoint counts."""
    fill(queue, 3)
    assert positions(reading(queue, "a")) == [1, 2, 3]
    assert positions(reading(queue, "b", start="now")) == []
    assert positions(reading(queue, "c", start=2)) == [3]
    fill(queue, 1)
    assert [positions(reading(queue, name, start="beginning")) for name in "abc"] == [[4], [4], [4]]


@pytest.mark.parametrize("start", [-1, 4, "end", None, True, 1.0])
def test_a_wrong_start_is_refused(queue: Queue, start: object) -> None:
    """A start that is none makes no subscription."""
    fill(queue, 3)
    with pytest.raises(InvalidInput, match="'beginning', 'now' or a position from 0 to 3"):
        reading(queue, start=start)
    assert queue.log.subscriptions() == []


@pytest.mark.parametrize("name", ["", "a b", "../x", "-a", "x" * 65, "a\n", 7])
def test_names_are_checked(queue: Queue, name: str) -> None:
    """A name is of letters, digits, dots, dashes and underscores, wherever it is taken."""
    for use in (queue.subscribe, queue.log.remove, lambda each: queue.log.rewind(each, 0)):
        with pytest.raises(InvalidInput, match="subscription: found"):
            use(name)


def test_no_transaction_is_open_between_batches(queue: Queue) -> None:
    """While a batch is handled, the log goes on: a batch that is asked for later has what came meanwhile."""
    fill(queue, 1)
    subscription = reading(queue)
    next(subscription)
    fill(queue, 2)  # the write would be refused inside a read transaction of this thread
    assert positions(subscription) == [2, 3]


def test_a_checkpoint_is_no_event(queue: Queue) -> None:
    """Subscribing, acknowledging, rewinding and removing leave the log as it was."""
    fill(queue, 3)
    positions(reading(queue))
    queue.log.rewind("mailer", 1)
    queue.log.remove("mailer")
    assert queue.log.head() == 3


def test_two_readers_of_a_name_are_told(queue: Queue) -> None:
    """Both get the events; the second to acknowledge is refused with a Conflict, and the first goes on."""
    fill(queue, 2)
    first, second = reading(queue), reading(queue)
    assert next(first) == next(second)
    first.ack()
    with pytest.raises(CheckpointMoved, match="from position 0: it was moved to 2 by another reader") as refused:
        next(second)
    assert isinstance(refused.value, Conflict)
    fill(queue, 1)
    assert positions(first) == [3]


def test_a_rewind_gives_events_again(queue: Queue) -> None:
    """After a rewind the events behind the position come again; who was reading is refused."""
    fill(queue, 3)
    subscription = reading(queue)
    next(subscription)
    subscription.ack()
    queue.log.rewind("mailer", 1)
    fill(queue, 1)
    next(subscription)
    with pytest.raises(CheckpointMoved, match="moved to 1"):
        subscription.ack()
    assert positions(reading(queue)) == [2, 3, 4]


def test_a_rewind_and_back_is_noticed(queue: Queue) -> None:
    """A reader whose checkpoint was moved away and back again is refused: others may have read meanwhile."""
    fill(queue, 3)
    subscription = reading(queue)
    next(subscription)
    subscription.ack()
    queue.log.rewind("mailer", 1)
    positions(reading(queue))
    assert queue.log.subscriptions()[0].position == subscription.position
    fill(queue, 1)
    next(subscription)
    with pytest.raises(CheckpointMoved):
        subscription.ack()


@pytest.mark.parametrize(
    ("position", "says"),
    [
        (4, "from 0 to 3, where 'mailer' is"),
        *((each, "position: found .*; expected a whole number, 0 or more") for each in (-1, "1", True)),
    ],
)
def test_a_rewind_only_goes_back(queue: Queue, position: int, says: str) -> None:
    """A rewind skips nothing: a position behind the checkpoint is refused."""
    fill(queue, 5)
    reading(queue, start=3)
    with pytest.raises(InvalidInput, match=says):
        queue.log.rewind("mailer", position)


def test_what_is_not_there_is_refused(queue: Queue) -> None:
    """A name without a subscription can be neither rewound nor removed; a removed one's reader is told."""
    for verb in (queue.log.remove, lambda name: queue.log.rewind(name, 0)):
        with pytest.raises(InvalidInput, match="one of `queuectl subscriptions`"):
            verb("nobody")
    fill(queue, 1)
    subscription = reading(queue)
    next(subscription)
    queue.log.remove("mailer")
    with pytest.raises(CheckpointMoved, match="it was removed"):
        subscription.ack()
    assert queue.log.subscriptions() == []


def test_the_list_tells_the_lag(queue: Queue, clock: FakeClock) -> None:
    """Each is listed with its position, how many events and how much time it is behind, and when it moved."""
    fill(queue, 2)
    reading(queue, "all", start="now")
    clock.advance(10)
    fill(queue, 1)
    reading(queue, "none")
    clock.advance(5)
    found = {each.name: each for each in queue.log.subscriptions()}
    assert list(found) == ["all", "none"]
    assert (found["all"].position, found["all"].lag, found["all"].lag_s) == (2, 1, 5.0)
    assert (found["none"].position, found["none"].lag, found["none"].lag_s) == (0, 3, 15.0)
    assert found["none"].moved_at_us - found["all"].moved_at_us == 10_000_000


def test_events_that_retention_let_go_are_counted(queue: Queue) -> None:
    """Below the cut, what is left comes in order, and the subscription tells how many events did not."""
    fill(queue, 6)
    cut(queue, gone=[1, 3, 4], upto=4)
    subscription = reading(queue)
    assert queue.log.subscriptions()[0].may_lack
    assert positions(subscription) == [2, 5, 6]
    assert subscription.gone == 3
    assert not queue.log.subscriptions()[0].may_lack


def test_a_gap_above_the_cut_is_damage(queue: Queue) -> None:
    """An event that is missing where retention was not is an error, and is not read over."""
    fill(queue, 4)
    cut(queue, gone=[3], upto=2)
    with pytest.raises(StoreError, match="damaged at position 3"):
        positions(reading(queue))


def cut(queue: Queue, *, gone: list[int], upto: int) -> None:
    """Let events go, as retention does."""
    with queue._store.write() as txn:
        for position in gone:
            txn.delete("log", key_of(position))
        log_rows.set_cut(txn, upto, bytes(32))


def test_following_waits_for_what_comes(queue: Queue) -> None:
    """A subscription that follows waits at the end; close() from another thread or a handler ends the loop."""
    fill(queue, 1)
    subscription = queue.subscribe("mailer")
    seen: list[int] = []

    def read() -> None:
        for batch in subscription:
            seen.extend(each.position for each in batch)

    thread = threading.Thread(target=read)
    thread.start()
    wait_until(lambda: seen == [1])
    fill(queue, 2)
    wait_until(lambda: seen == [1, 2, 3])
    wait_until(lambda: queue.log.subscriptions()[0].position == 3)
    subscription.close()
    thread.join(5)
    assert not thread.is_alive()


def test_a_loop_that_is_closed_while_it_handles_a_batch_has_that_acknowledged(queue: Queue) -> None:
    """close() in the middle of a batch ends the loop behind it, and what was handled does not come again."""
    fill(queue, EVENTS_AT_ONCE + 1)
    subscription = queue.subscribe("mailer")
    for _ in subscription:
        subscription.close()
    assert positions(reading(queue)) == [EVENTS_AT_ONCE + 1]


def test_a_queue_opened_to_be_read_makes_none(tmp_path: Path) -> None:
    """Subscribing writes: through a queue that was opened read-only it is refused."""
    with Queue.open(tmp_path / "q") as queue:
        fill(queue, 1)
    with Queue.open(tmp_path / "q", read_only=True) as queue, pytest.raises(StoreError, match="read-only"):
        queue.subscribe("mailer")
