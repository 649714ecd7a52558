"""Random lives on nodes that share a stream, held against each other, against a late joiner and a replay of each."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from queuectl import InvalidInput, JobNotFound, WrongState
from queuectl.core.job_filter import filter_of
from queuectl.engine import streamed_writer, writer
from queuectl.engine.streamed_writer import StreamedSession
from queuectl.errors import Conflict, CorruptLog, IllegalTransition, StoreError
from queuectl.events import hash_chain
from queuectl.events.append import Append
from queuectl.events.event_stream import Message, Outrun, Published, from_payload, to_payload
from queuectl.events.types import Recorded
from queuectl.projections.views import Views
from queuectl.store.event_writer import EventWriter
from tests.depth import tries
from tests.property.node_lives import STEPS, Nodes, some_nodes
from tests.streams import MemoryStream

SKEWS_S = (0.0, 0.3, -7.0, 3600.0)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("skew_s", SKEWS_S)
@pytest.mark.parametrize("seed", range(tries(5)))
def test_nodes_agree(seed: int, skew_s: float) -> None:
    """Whatever happens on nodes that share a stream, all come to have the same log and the same jobs."""
    with some_nodes(seed, 2 + seed % 2, skew_s=skew_s) as nodes:
        for _ in range(STEPS):
            nodes.step()
        nodes.check()


@pytest.mark.sampled(2)
@pytest.mark.parametrize("seed", range(tries(10)))
def test_nodes_that_act_at_once_agree(seed: int) -> None:
    """A thread a node: what one decides comes too late in the middle of what another does."""
    with some_nodes(seed, 3) as nodes:
        verbs = [verb for verb in nodes.verbs if verb not in (Nodes.be_killed, Nodes.act_on_all)]

        def live_on(n: int) -> None:
            for _ in range(STEPS // 3):
                nodes.step_on(n, nodes.random.choice(verbs))

        with ThreadPoolExecutor(3) as threads:
            list(threads.map(live_on, range(3)))
        assert nodes.stream.outrun
        nodes.check()


def _set_without_comparing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MemoryStream, "_is_late", lambda self, message: False)


def _take_an_id_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MemoryStream, "_seen", lambda self, message: False)


def _compare_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streamed_writer, "subject_of", lambda stream, job_id: f"job.{stream}")


def _take_times_as_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    class Unclamped(EventWriter):
        def append(self, *args: Any, **options: Any) -> list[Recorded]:
            self.last_at_us = 0
            return super().append(*args, **options)

    monkeypatch.setattr(writer.event_writer, "EventWriter", Unclamped)


def _link_as_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """A node that has not seen an id removed sends no link to its earlier life."""
    monkeypatch.setattr(Views, "removed", lambda self, job_id: None)


def _send_each_event_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    publish = MemoryStream._taken

    def taken(self: MemoryStream, batch: Sequence[Message], *, whole: bool) -> list[Published | Outrun]:
        told = publish(self, batch, whole=whole)
        for message, answer in zip(batch, told, strict=True):
            if isinstance(answer, Published) and len(each := from_payload(message.payload)) > 1:
                self._messages[answer.sequence - 1 :] = [alone(one) for one in each]
        return told

    monkeypatch.setattr(MemoryStream, "_taken", taken)


def alone(one: Recorded) -> bytes:
    """Return a message with one event."""
    told: dict[str, Any] = {"at_us": one.at_us, "actor": one.actor, "cause": one.cause}
    return to_payload([Append(one.stream, 0, (one.event,), one.reason)], **told)


def _let_go_unguarded(monkeypatch: pytest.MonkeyPatch) -> None:
    append = StreamedSession.append
    monkeypatch.setattr(
        StreamedSession,
        "append",
        lambda self, batch, **options: append(self, [each for each in batch if each.events], **options),
    )


def _keep_the_digest_by_transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    every = hash_chain.KEPT_EVERY

    class ByTransaction(EventWriter):
        is_first = True

        def append(self, *args: Any, **options: Any) -> list[Recorded]:
            monkeypatch.setattr(hash_chain, "KEPT_EVERY", 1 if self.is_first else every)
            self.is_first = False
            return super().append(*args, **options)

    monkeypatch.setattr(writer.event_writer, "EventWriter", ByTransaction)


MUTANTS = [
    _let_go_unguarded,
    _set_without_comparing,
    _take_an_id_twice,
    _compare_by_number,
    _take_times_as_sent,
    _link_as_sent,
    _send_each_event_alone,
    _keep_the_digest_by_transaction,
]


@pytest.mark.slow
@pytest.mark.parametrize("mutate", MUTANTS)
def test_a_broken_door_is_found(mutate: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """What holds nodes against each other finds each way in which the door could be wrong."""
    mutate(monkeypatch)
    with pytest.raises((AssertionError, Conflict, IllegalTransition, CorruptLog, StoreError)):
        live(20)


def live(times: int) -> None:
    """Let nodes live so many times, and check each; before that what comes about seldom."""
    test_nobody_adds_to_a_job_that_another_node_has_let_go()
    for seed in range(times):
        with some_nodes(seed, skew_s=-7.0) as nodes:
            for _ in range(STEPS):
                nodes.step()
            nodes.check()


def test_nobody_adds_to_a_job_that_another_node_has_let_go() -> None:
    """A node that is behind finds the job gone, and the log goes on everywhere."""
    with some_nodes(0) as nodes:
        here, there = nodes.queues
        nodes.stream.be_quiet()
        here.enqueue("true", id="a")
        here.cancel("a")
        there._engine.writer.catch_up()
        nodes.pass_time(60)
        assert here.admin.compact(older_than_s=1).jobs == 1
        assert there.job("a").state == "cancelled"
        with pytest.raises(JobNotFound):
            there.retry("a")
        assert there.enqueue("true", id="a").number == 4
        nodes.check()


@pytest.mark.parametrize("go", ["remove", "clear", "replace"])
def test_a_node_that_is_behind_takes_no_parent_away(go: str) -> None:
    """It does not know yet that a job waits for this one."""
    with some_nodes(0) as nodes:
        here, there = nodes.queues
        nodes.stream.be_quiet()
        here.enqueue("true", id="p")
        here.cancel("p")
        there._engine.writer.catch_up()
        here.enqueue("true", id="c", after="p")
        if go == "clear":
            assert there.clear(all=True, state="cancelled") == 0
        else:
            with pytest.raises(WrongState, match="wait"):
                there.remove("p") if go == "remove" else there.enqueue("true", id="p", replace=True)
        assert here.job("p").state == "cancelled"
        nodes.check()


def test_a_node_that_is_behind_lets_no_job_wait_for_one_that_is_gone() -> None:
    """It does not know yet that the parent was removed."""
    with some_nodes(0) as nodes:
        here, there = nodes.queues
        nodes.stream.be_quiet()
        here.enqueue("true", id="p")
        there._engine.writer.catch_up()
        here.cancel("p")
        here.remove("p")
        with pytest.raises(InvalidInput, match="after: found 'p'"):
            there.enqueue("true", id="c", after="p")
        nodes.check()


def test_more_jobs_leave_than_a_stream_takes_as_a_whole() -> None:
    """A pass of retention over thousands of jobs is told in steps that a stream takes as a whole."""
    with some_nodes(0) as nodes:
        here, there = nodes.queues
        nodes.stream.be_quiet()
        here.enqueue_many(["true"] * 2_500)
        there._engine.writer.catch_up()
        there.ui.act_on_all(there.ui.choose("cancel", filter_of(state="pending")))
        nodes.pass_time(60)
        assert here.admin.compact(older_than_s=1).jobs == 2_500
        nodes.check()
