"""The event log as a protocol, and what each must do, whatever keeps it: one suite, to be run over each of them.

A test module for a log subclasses EventLogContract and gives it a fixture `log`: an empty one.
"""

from collections.abc import Iterator, Sequence
from itertools import count
from typing import Protocol

import pytest
from msgspec.structs import replace

from queuectl.errors import Conflict
from queuectl.events.append import OF_ITS_CLAIM, Append
from queuectl.events.types import (
    CONFIG_STREAM,
    NEW_STREAM,
    Cancelled,
    Claimed,
    ConfigChanged,
    Enqueued,
    Event,
    JobSpec,
    Recorded,
    Removed,
    Renewed,
    Started,
    Stream,
)
from tests.decider_spec import typed

JOB, OTHER = (Enqueued(JobSpec(job_id, "true")) for job_id in ("job1", "job2"))
CLAIMED = Claimed("w1", 30)
RENEWED = Renewed(2, 60)
CANCELLED = Cancelled()
REMOVED = Removed("cancelled")
SET = ConfigChanged("max_retries", None, 5)


class EventLog(Protocol):
    """An append-only sequence of events, its times never going back.

    Positions are gapless from 1 when they are given; those of jobs that retention let go are empty afterwards.
    """

    def head(self) -> int:
        """Return the position of the last event, 0 when there is none."""

    def append(self, batch: Sequence[Append], *, at_us: int, actor: str, cause: int = 0) -> list[Recorded]:
        """Append a batch, all or nothing, and give the events as recorded.

        The time recorded is `at_us`, or the last event's where that is later. Raises Conflict when
        a stream's last event, with what the batch itself appends before, is not the expected one.
        """

    def read(self, after: int = 0, limit: int | None = None, *, until: int | None = None) -> Iterator[Recorded]:
        """Return the events after the position `after`, in order, `limit` at the most, up to and with `until`."""

    def read_stream(self, stream: Stream, *, after: int = 0) -> list[Recorded]:
        """Return the events of one stream, in order, with those of earlier jobs of the same id before it.

        Only those after position `after`.
        """

    def version(self, stream: Stream) -> int:
        """Return the position of a stream's last event, 0 when it has none."""


_numbers = count()


def new(*events: Event, expected: int = 0) -> Append:
    """Begin a job: of an id that no other has, unless the events say which."""
    return Append(NEW_STREAM, expected, events or (Enqueued(JobSpec(f"new{next(_numbers)}", "true")),))


def append(log: EventLog, *batch: Append, at_us: int = 1000) -> list[Recorded]:
    """Append a batch as `tester`."""
    return log.append(batch, at_us=at_us, actor="tester")


def events_of(recorded: list[Recorded]) -> list[tuple[type[Event], Event]]:
    """Return the bare events, with their types."""
    return typed(each.event for each in recorded)


class EventLogContract:
    """The promises of the EventLog protocol."""

    @pytest.fixture
    def log(self) -> EventLog:
        """Return an empty log."""
        raise NotImplementedError

    def test_an_empty_log_has_nothing(self, log: EventLog) -> None:
        """A new log's head and versions are 0, and there is nothing to read."""
        assert (log.head(), log.version(1), log.version(CONFIG_STREAM)) == (0, 0, 0)
        assert list(log.read()) == log.read_stream(1) == log.read_stream(CONFIG_STREAM) == []

    def test_positions_are_gapless_from_one(self, log: EventLog) -> None:
        """Events get positions 1, 2, 3 ... across batches and streams."""
        append(log, new(), new(JOB, CLAIMED))
        append(log, Append(1, 1, (CLAIMED,)), Append(CONFIG_STREAM, 0, (SET,)))
        assert [each.position for each in log.read()] == [1, 2, 3, 4, 5]
        assert log.head() == 5

    def test_append_gives_what_is_read_later(self, log: EventLog) -> None:
        """The events as recorded are those that a reader gets, in order."""
        recorded = append(log, new(JOB, CLAIMED), new(OTHER)) + append(log, Append(3, 3, (CLAIMED,)))
        assert list(log.read()) == recorded
        assert events_of(recorded) == typed([JOB, CLAIMED, OTHER, CLAIMED])

    def test_read_begins_behind_a_position_and_stops_at_the_limit(self, log: EventLog) -> None:
        """`after` itself is left out, and no more than `limit` events come."""
        append(log, *[new() for _ in range(5)])
        assert [each.position for each in log.read(2)] == [3, 4, 5]
        assert [each.position for each in log.read(2, 2)] == [3, 4]
        assert list(log.read(5)) == list(log.read(0, 0)) == []

    def test_time_never_goes_back(self, log: EventLog) -> None:
        """A clock that was set back does not show: the last event's time is kept until it is passed."""
        for at_us in (1000, 500, 1000, 1001):
            append(log, new(), at_us=at_us)
        assert [each.at_us for each in log.read()] == [1000, 1000, 1000, 1001]

    def test_a_new_stream_is_named_by_its_first_position(self, log: EventLog) -> None:
        """A job's number is the position of its first event, and its later events carry it."""
        append(log, new(), new(JOB, CLAIMED))
        assert [(each.stream, each.prev) for each in log.read()] == [(1, 0), (2, 0), (2, 2)]
        assert (log.version(1), log.version(2)) == (1, 3)

    def test_events_of_a_stream_are_chained(self, log: EventLog) -> None:
        """Each event names its stream's event before it, whatever lies between."""
        append(log, new())
        append(log, new())
        append(log, Append(1, 1, (CLAIMED, RENEWED)))
        assert [each.prev for each in log.read()] == [0, 0, 1, 3]
        assert log.version(1) == 4

    def test_what_is_appended_with_its_claim_gets_the_claims_token(self, log: EventLog) -> None:
        """A start appended together with its claim carries the claim's position, which nobody knew before."""
        append(log, new(), new())
        start = Started(OF_ITS_CLAIM, 1, "host", 7)
        recorded = append(log, Append(1, 1, (CLAIMED, start)), Append(2, 2, (CLAIMED, start)))
        assert [each.event.token for each in recorded if isinstance(each.event, Started)] == [3, 5]
        assert list(log.read(2)) == recorded

    def test_an_event_without_its_claim_keeps_its_token(self, log: EventLog) -> None:
        """Only in the append of a claim is a token filled in."""
        append(log, new(JOB, CLAIMED))
        append(log, Append(1, 2, (RENEWED, Started(OF_ITS_CLAIM, 1, "host", 7))))
        assert [each.event.token for each in log.read(2) if isinstance(each.event, Renewed | Started)] == [2, 0]

    @pytest.mark.parametrize("expected", [0, 1, 3, 99])
    def test_a_lost_race_is_a_conflict(self, log: EventLog, expected: int) -> None:
        """An append behind anything but the stream's last event is refused, and the error tells both."""
        append(log, new(JOB, CLAIMED), new())
        with pytest.raises(Conflict) as caught:
            append(log, Append(1, expected, (RENEWED,)))
        assert (caught.value.stream, caught.value.expected, caught.value.actual) == (1, expected, 2)

    def test_a_stream_that_is_not_there_has_version_zero(self, log: EventLog) -> None:
        """Expecting events of a stream that has none is a conflict."""
        with pytest.raises(Conflict) as caught:
            append(log, Append(CONFIG_STREAM, 7, (SET,)))
        assert (caught.value.stream, caught.value.expected, caught.value.actual) == (CONFIG_STREAM, 7, 0)

    def test_a_batch_is_all_or_nothing(self, log: EventLog) -> None:
        """One conflict in a batch, wherever it stands, and none of it is appended."""
        append(log, new(), new())
        for batch in ([Append(1, 1, (CLAIMED,)), Append(2, 1, (CLAIMED,))], [new(), Append(2, 0, (CLAIMED,))]):
            with pytest.raises(Conflict):
                append(log, *batch, at_us=9999)
        assert (log.head(), log.version(1), log.version(2)) == (2, 1, 2)
        recorded = append(log, Append(1, 1, (CLAIMED,)))[0]
        assert (recorded.position, recorded.at_us) == (3, 1000)

    def test_a_batch_goes_to_many_streams(self, log: EventLog) -> None:
        """One batch carries several events for each of several streams, in the order given."""
        append(log, new(), new(JOB))
        append(log, Append(2, 2, (CLAIMED, RENEWED)), Append(1, 1, (CLAIMED, RENEWED)), new())
        assert [each.stream for each in log.read(2)] == [2, 2, 1, 1, 7]
        assert events_of(log.read_stream(2)) == typed([JOB, CLAIMED, RENEWED])

    def test_a_stream_is_read_in_its_order(self, log: EventLog) -> None:
        """Reading a stream gives its events, oldest first, and no other's."""
        append(log, new())
        append(log, new())
        append(log, Append(1, 1, (CLAIMED,)))
        append(log, Append(2, 2, (CLAIMED,)))
        append(log, Append(1, 3, (RENEWED,)))
        assert [each.position for each in log.read_stream(1)] == [1, 3, 5]
        assert [each.position for each in log.read_stream(2)] == [2, 4]

    def test_a_job_is_linked_to_the_earlier_one_of_its_id(self, log: EventLog) -> None:
        """A new stream that expects an earlier one's end keeps it as its past; the earlier one stays as it was."""
        append(log, new(JOB, CANCELLED, REMOVED))
        append(log, new())
        [recorded] = append(log, new(JOB, expected=3))
        assert (recorded.stream, recorded.prev) == (5, 3)
        assert [each.position for each in log.read_stream(5)] == [1, 2, 3, 5]
        assert [each.position for each in log.read_stream(1)] == [1, 2, 3]
        assert log.version(1) == 3

    def test_named_streams_are_apart(self, log: EventLog) -> None:
        """Each named stream has a version of its own, and mixes with no job's number."""
        append(log, Append("config", 0, (SET,)), Append("worker:1", 0, (SET,)), new())
        append(log, Append("config", 1, (SET,)))
        versions = {stream: log.version(stream) for stream in ("config", "worker:1", "worker:2", 1, 3)}
        assert versions == {"config": 4, "worker:1": 2, "worker:2": 0, 1: 0, 3: 3}
        assert [each.position for each in log.read_stream("config")] == [1, 4]

    def test_who_and_why_are_kept(self, log: EventLog) -> None:
        """Each event keeps its actor, and the reason given for its stream in that batch."""
        log.append([replace(new(), reason="nightly"), new()], at_us=1, actor="ann@host")
        log.append([Append(1, 1, (CLAIMED, RENEWED), "by hand")], at_us=2, actor="bob@host")
        who_and_why = [(each.actor, each.reason) for each in log.read()]
        assert who_and_why == [("ann@host", "nightly"), ("ann@host", None)] + [("bob@host", "by hand")] * 2

    def test_appending_nothing_changes_nothing(self, log: EventLog) -> None:
        """An empty batch, or a stream without events in one, moves neither head nor versions."""
        append(log, new())
        assert append(log) == []
        append(log, new(), Append(1, 1, ()))
        assert (log.head(), log.version(1)) == (2, 1)
        assert [each.position for each in log.read_stream(1)] == [1]
