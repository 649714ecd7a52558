"""The random lives of tests/property/test_queue_machine.py, lived on two nodes that share a log."""

import shutil
from random import Random
from unittest.mock import patch

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from queuectl import Queue
from queuectl.engine.follower import Follower
from tests.clocks import FakeClock
from tests.depth import tries
from tests.nodes import Killed, check_alike, killed_while_adopting
from tests.property.test_queue_machine import LEASE_S, SECOND, QueueMachine
from tests.streams import MemoryStream

NODES = st.integers(0, 1)


class NodesMachine(QueueMachine):
    """One node acts at a time, and the other lags until it is its turn; the model is of what they share."""

    @initialize(seed=st.none() | st.integers(0, 999), skew_s=st.sampled_from([0, -7, 3600]))
    def make(self, seed: int | None, skew_s: int) -> None:
        self.time = FakeClock()
        self.stream = MemoryStream(None if seed is None else Random(seed), self.time)
        self.acting = 0
        self.clocks = [FakeClock(), FakeClock()]
        self.clocks[1].jump(skew_s)
        super().make()
        self.clock = self.time  # nodes go by that of the stream
        self.nodes = [self.queue, self.open_node(1)]
        self.promoted_by = [0, 0]
        self.present_at: list[dict[str, int]] = [{}, {}]

    def open_queue(self) -> Queue:
        return self.open_node(self.acting)

    def open_node(self, n: int) -> Queue:
        return Queue.open(self.directory / f"node{n}", clock=self.clocks[n], actor="machine", stream=self.stream)

    def teardown(self) -> None:
        """Hold both nodes, and one that joins at the end, against each other."""
        self.clocks.append(FakeClock())
        self.nodes = [*self.nodes, self.open_node(2)]
        for queue in self.nodes:
            queue._engine.writer.catch_up()
        check_alike(self.nodes)
        for queue in self.nodes:
            queue.close()
        shutil.rmtree(self.directory)

    @rule()
    def the_other_acts(self) -> None:
        """It catches up first, as the model does not lag; what it has promoted and who was present there is its own."""
        self.promoted_by[self.acting], self.present_at[self.acting] = self.promoted, self.present
        self.acting = 1 - self.acting
        self.queue = self.nodes[self.acting]
        self.promoted, self.present = self.promoted_by[self.acting], self.present_at[self.acting]
        self.queue._engine.writer.catch_up()

    @rule(worker=st.sampled_from(["w1", "w2"]))
    def hold(self, worker: str) -> None:
        """The other node does not know who is present here: each lease is renewed by an event."""
        super().hold(worker)
        for job_id in self.ids_in("processing"):
            lease = self.jobs[job_id]["lease"]
            if lease["worker"] == worker:
                lease["expires"] = self.present[worker]

    @rule(seconds=st.sampled_from([1, 3, 12]))
    def time_passes(self, seconds: int) -> None:
        for clock in (self.time, *self.clocks):
            clock.advance(seconds)

    @rule(seconds=st.sampled_from([-60, 1, 60]))
    def clock_jumps_ahead(self, seconds: int) -> None:
        """A node's own clock is set, which makes no difference."""
        self.clocks[self.acting].jump(seconds)

    @rule()
    def clock_goes_back(self) -> None:
        """As above."""

    @rule()
    def reopen(self) -> None:
        super().reopen()
        self.nodes[self.acting] = self.queue

    @rule(after=st.integers(0, 5), limit=st.integers(1, 10))
    def the_other_is_killed(self, after: int, limit: int) -> None:
        """A node that follows dies in the middle of a transaction; whoever opens its queue goes on from there."""
        other = 1 - self.acting
        with killed_while_adopting(after):
            self.nodes[other]._engine.writer.follower.catch_up(limit=limit)
        self.nodes[other].close()
        self.nodes[other] = self.open_node(other)

    @rule(count=st.integers(1, 3))
    def crash(self, count: int) -> None:
        """Die once a claim is published: it holds, and the node learns of it when it follows again."""
        now = self.now()
        expected = self.next_to_run(now, None)[:count]
        with patch.object(Follower, "catch_up", side_effect=Killed):
            try:
                with self.queue._engine.unit(actor="doomed") as unit:
                    unit.claim("doomed", count, lease_s=LEASE_S)
            except Killed:
                pass
        self.reopen()
        self.queue._engine.writer.catch_up()
        for job_id in expected:
            job = self.queue.job(job_id)
            assert job.lease is not None
            assert job.lease.worker == "doomed"
            lease = {"token": job.lease.token, "expires": now + LEASE_S * SECOND, "started": False, "cancel": False}
            self.jobs[job_id].update(state="processing", lease=lease | {"worker": "doomed"})
            self.held.append(job)


TestNodesMachine = NodesMachine.TestCase
TestNodesMachine.settings = settings(
    max_examples=tries(40),
    stateful_step_count=40,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
