"""What every EventStream must do, however its messages travel: one suite, to be run over each of them.

A test module for a stream subclasses EventStreamContract and gives it a fixture `stream`: an empty one. Any answer may
be lost, and any read may lag: the suite publishes again, and reads on, as a node does.
"""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from itertools import count

import pytest

from queuectl.events.event_stream import EventStream, Message, NoAnswer, Outrun, Published
from tests.waiting import wait_until

_numbers = count()


def message(subject: str = "job.a", expected: int = 0, payload: bytes = b"events") -> Message:
    """Return a message with an id that no other has."""
    return Message(subject, expected, f"id{next(_numbers)}", payload)


def publish(stream: EventStream, *batch: Message, whole: bool = False) -> list[tuple[type, int]]:
    """Publish a batch, and again where no answer comes; returns of each answer which it is, and its number."""
    while True:
        with suppress(NoAnswer):
            return [(type(answer), *answer) for answer in stream.publish(batch, whole=whole)]


def taken(*sequences: int) -> list[tuple[type, int]]:
    """Return the answers to messages that are there."""
    return [(Published, sequence) for sequence in sequences]


def late(actual: int) -> list[tuple[type, int]]:
    """Return the answer to a message that came too late."""
    return [(Outrun, actual)]


def everything(stream: EventStream, *, limit: int = 3) -> list[tuple[int, bytes]]:
    """Return all messages, read a few at a time."""
    found: list[tuple[int, bytes]] = []
    while len(found) < stream.last():
        found += wait_until(lambda after=len(found): stream.read(after, limit))
    return found


def payloads(stream: EventStream) -> list[bytes]:
    """Return what all messages have, in order."""
    return [payload for _, payload in everything(stream)]


class EventStreamContract:
    """The promises of the EventStream protocol."""

    @pytest.fixture
    def stream(self) -> EventStream:
        """Return an empty stream."""
        raise NotImplementedError

    def test_an_empty_stream_has_nothing(self, stream: EventStream) -> None:
        """Nothing is there to read, and no message is the last."""
        assert (stream.last(), list(stream.read(0, 10))) == (0, [])

    def test_messages_are_numbered_from_one(self, stream: EventStream) -> None:
        """Each message has the next sequence, over batches and subjects, and its answer says which."""
        told = publish(stream, message("job.a"), message("job.b")) + publish(stream, message("job.c"))
        assert told == taken(1, 2, 3)
        assert [sequence for sequence, _ in everything(stream)] == [1, 2, 3]

    def test_a_payload_comes_back_as_it_was(self, stream: EventStream) -> None:
        """Whatever its bytes: none, all there are, and many."""
        sent = [b"", bytes(range(256)), b"x" * 300_000]
        publish(stream, *[message(f"job.{n}", payload=payload) for n, payload in enumerate(sent)])
        assert payloads(stream) == sent

    def test_a_subject_goes_on_from_its_last_message(self, stream: EventStream) -> None:
        """What expects the last message of its subject is taken, whatever other subjects have got meanwhile."""
        assert publish(stream, message("job.a"), message("job.b")) == taken(1, 2)
        assert publish(stream, message("job.a", expected=1), message("named.b")) == taken(3, 4)
        assert publish(stream, message("job.a", expected=3)) == taken(5)

    @pytest.mark.parametrize("expected", [0, 1, 2, 4, 99])
    def test_what_comes_too_late_is_not_taken(self, stream: EventStream, expected: int) -> None:
        """What expects anything else is outrun: the answer has its subject's last message, and nothing is there."""
        publish(stream, message("job.a"), message("job.b"))
        publish(stream, message("job.a", expected=1))
        assert publish(stream, message("job.a", expected, b"late")) == late(3)
        assert payloads(stream) == [b"events"] * 3

    def test_a_subject_that_has_no_message_expects_none(self, stream: EventStream) -> None:
        """One that expects a message where there is none comes too late."""
        assert publish(stream, message("job.a", expected=7)) == late(0)
        assert stream.last() == 0

    def test_each_of_a_batch_is_taken_by_itself(self, stream: EventStream) -> None:
        """Unless it is published as a whole, one that is late is left out of a batch, and the others are taken."""
        publish(stream, message("job.a"))
        batch = message("job.b", payload=b"b"), message("job.a", payload=b"late"), message("job.c", payload=b"c")
        assert publish(stream, *batch) == taken(2) + late(1) + taken(3)
        assert payloads(stream) == [b"events", b"b", b"c"]

    def test_a_whole_is_taken_or_is_not(self, stream: EventStream) -> None:
        """One message that is late, wherever it stands, and none of a whole is there; subjects stay as they were."""
        publish(stream, message("job.a"))
        for place in range(3):
            batch = [message(f"job.{n}") for n in range(2)]
            batch.insert(place, message("job.a"))
            told = publish(stream, *batch, whole=True)
            assert told == [answer for each in batch for answer in late(1 if each.subject == "job.a" else 0)]
        assert stream.last() == 1
        batch = [message("job.0"), message("job.a", expected=1), message("job.1")]
        assert publish(stream, *batch, whole=True) == taken(2, 3, 4)

    @pytest.mark.parametrize("whole", [False, True])
    def test_a_message_is_there_once(self, stream: EventStream, whole: bool) -> None:
        """Published again under its id it has the answer of the first time, also once its subject has moved on."""
        batch = [message("job.a", payload=b"a"), message("job.b", payload=b"b")]
        first = publish(stream, *batch, whole=whole)
        publish(stream, message("job.a", expected=1, payload=b"more"))
        assert [publish(stream, *batch, whole=whole) for _ in range(3)] == [first] * 3
        assert payloads(stream) == [b"a", b"b", b"more"]

    def test_what_was_refused_may_come_in_time(self, stream: EventStream) -> None:
        """An id that was refused is not used up: decided again, it is taken."""
        early = message("job.a", expected=1)
        assert publish(stream, early) == late(0)
        publish(stream, message("job.a"))
        assert publish(stream, early) == taken(2)

    def test_a_read_goes_on_from_where_another_ended(self, stream: EventStream) -> None:
        """Reading in steps of any size gives each message once, in order; beyond the end there is nothing."""
        for n in range(7):
            publish(stream, message(f"job.{n}", payload=b"%d" % n))
        whole = [(n + 1, b"%d" % n) for n in range(7)]
        assert [everything(stream, limit=limit) for limit in (1, 3, 100)] == [whole] * 3
        assert list(stream.read(7, 10)) == []

    def test_a_read_is_never_longer_than_asked(self, stream: EventStream) -> None:
        """It may be shorter, while messages are under way."""
        publish(stream, *[message(f"job.{n}") for n in range(5)])
        assert all(len(stream.read(after, 2)) <= 2 for after in range(5))

    def test_what_was_answered_counts(self, stream: EventStream) -> None:
        """Whoever asks for the last message after an answer is told of that one: what was decided without is stale."""
        for n in range(20):
            assert publish(stream, message(f"job.{n}")) == taken(stream.last())

    def test_one_of_many_wins(self, stream: EventStream) -> None:
        """Of those that go on from the same message at once, one is taken, and all others learn which."""
        for expected in range(10):
            with ThreadPoolExecutor(4) as threads:
                batches = [message("job.a", expected, b"%d" % n) for n in range(8)]
                told = list(threads.map(partial(publish, stream), batches))
            assert sorted(map(told.count, (taken(expected + 1), late(expected + 1)))) == [1, 7]
            assert payloads(stream)[-1] == b"%d" % told.index(taken(expected + 1))
