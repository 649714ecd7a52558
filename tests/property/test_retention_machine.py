"""Random lives of a queue whose ended jobs are let go at random times: nothing is lost, and replay stays exact."""

from itertools import islice
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from queuectl import JobNotFound, Recorded
from queuectl.events.codec import decode
from queuectl.events.hash_chain import GENESIS, KEPT_EVERY, kept_by, link
from queuectl.events.types import RETENTION_STREAM, RetentionApplied
from queuectl.projections import counts
from queuectl.projections.views import Views
from queuectl.retention.archived_history import rows
from queuectl.retention.compact import Retention
from queuectl.retention.policy import Limits, Rule
from queuectl.store.event_reader import EventReader
from queuectl.store.store import Store
from queuectl.store.tables import LOG
from tests.depth import tries
from tests.property.test_queue_machine import ENDED, IDS, QueueMachine

ALL_IDS = [f"job{n}" for n in range(8)]
TINY = Limits(step_jobs=2, step_events=5, segment_events=12, segment_bytes=100_000)
TOLD_AGAIN = ("jobs", "ids", "dead", "leases", "workers", "config", "archives", "tags")
"""Views that a log put together again with its archive gives as they are."""


class RetentionMachine(QueueMachine):
    """A queue from which events go to an archive now and then."""

    def __init__(self) -> None:
        super().__init__()
        self.ever: dict[bytes, bytes] = {}

    @rule(
        age=st.sampled_from([0, 0, 2, 30]),
        keep_dead=st.booleans(),
        most=st.none() | st.integers(0, 12),
        tiny=st.booleans(),
    )
    def compact(self, age: int, keep_dead: bool, most: int | None, tiny: bool) -> None:
        """Let go of what is old, or stop in the middle as a killed process would."""
        engine = self.queue._engine
        rule = Rule(self.queue.log.position_at(at_us=self.now() - age * 1_000_000), keep_dead)
        stories = self.stories()
        self.remember()
        steps = Retention(engine, rule, self.place(), limits=TINY if tiny else Limits()).steps()
        for _ in islice(steps, most):
            pass
        steps.close()
        there = {job.id for job in self.queue.jobs()}
        for job_id, job in list(self.jobs.items()):
            may_go = job["state"] in ENDED and not (keep_dead and job["state"] == "dead")
            if job_id not in there:
                assert may_go
                del self.jobs[job_id]
            elif most is None and may_go:
                assert self.queue.job(job_id).version > rule.upto
        assert self.stories() == stories

    @rule(job_id=IDS, seconds=st.sampled_from([0, 12]))
    def live_and_end(self, job_id: str, seconds: int) -> None:
        """Let a job begin and end, so that there is something to let go."""
        if job_id not in self.jobs:
            self.enqueue(job_id, "default", 0, 1, 0)
            self.cancel(job_id)
            self.clock.advance(seconds)

    @invariant()
    def nothing_is_lost(self) -> None:
        """Each event ever is in the log or the archive, byte for byte, and the chain over them is the one told of."""
        self.remember()
        found = self.merged()
        assert found == self.ever
        digest = GENESIS
        digests = [digest := link(digest, value) for _, value in sorted(found.items())]
        with self.queue._store.read() as txn:
            log = EventReader(txn)
            last = log.version(RETENTION_STREAM)
            event = log.at(last).event if last else None
            cut = log.cut()
            assert log.digest() == (digests or [GENESIS])[-1]
        keeping = {position: kept for position, row in enumerate(sorted(found.items()), 1) if (kept := kept_by(*row))}
        assert keeping == {n: digests[n - 2] for n in range(KEPT_EVERY, len(digests) + 1, KEPT_EVERY)}
        assert (event is None) == (cut == 0)
        if isinstance(event, RetentionApplied):
            assert event.chain == digests[cut - 1]

    @invariant()
    def positions_are_gapless_and_times_never_go_back(self) -> None:
        with self.queue._store.read() as txn:
            cut = EventReader(txn).cut()
        events = list(self.queue.events())
        above = [event.position for event in events if event.position > cut]
        assert above == list(range(cut + 1, self.queue.log.head() + 1))
        times = [event.at_us for event in events]
        assert times == sorted(times)

    @invariant()
    def the_whole_log_tells_the_same(self) -> None:
        """Put together again with its archive, the log gives the views that are there."""
        path = self.directory / "whole"
        with Store.open(path, create=True) as whole, whole.write() as txn:
            for table in (*TOLD_AGAIN, "marks", "removed", "ready", "scheduled", "children"):
                txn.clear(table)
            views = Views(txn)
            for key, value in sorted(self.merged().items()):
                views.apply([decode(key, value)])
            views.flush()
            told = {table: list(txn.scan(table)) for table in TOLD_AGAIN} | {"counts": counts.all_queues(txn)}
        with self.queue._store.read() as txn:
            assert told == {table: list(txn.scan(table)) for table in TOLD_AGAIN} | {"counts": counts.all_queues(txn)}

    def place(self) -> Path:
        return self.directory / "archive"

    def remember(self) -> None:
        with self.queue._store.read() as txn:
            self.ever.update(txn.scan(LOG))

    def merged(self) -> dict[bytes, bytes]:
        found = dict(rows(self.queue._store))
        with self.queue._store.read() as txn:
            for key, value in txn.scan(LOG):
                assert found.setdefault(key, value) == value
        return found

    def stories(self) -> dict[str, list[Recorded]]:
        return {job_id: story for job_id in ALL_IDS if (story := self.story(job_id))}

    def story(self, job_id: str) -> list[Recorded]:
        try:
            return self.queue.history(job_id)
        except JobNotFound:
            return []


TestRetentionMachine = RetentionMachine.TestCase
TestRetentionMachine.settings = settings(
    max_examples=tries(20),
    stateful_step_count=40,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
