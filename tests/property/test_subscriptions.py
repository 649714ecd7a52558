"""Whatever acknowledges, crashes, rewinds and appends come between: every event is delivered, in order."""

import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from queuectl import JobRequest, Queue, Subscription
from tests.clocks import FakeClock
from tests.depth import tries


class SubscriptionMachine(RuleBasedStateMachine):
    """A subscriber that dies again and again, beside a log that grows."""

    @initialize()
    def make(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="queuectl-subscriber-"))
        self.queue = Queue.open(self.directory / "q", clock=FakeClock(), actor="machine")
        self.reader: Subscription | None = None
        self.lives: list[list[int]] = []
        self.kept = 0

    def teardown(self) -> None:
        self.queue.close()
        shutil.rmtree(self.directory)

    @rule(count=st.integers(1, 3) | st.just(1_200))
    def append(self, count: int) -> None:
        self.queue.enqueue_many([JobRequest("true")] * count)

    @rule()
    def read(self) -> None:
        """Ask for the next batch, which acknowledges the one before; a new life begins behind the checkpoint."""
        if self.reader is None:
            self.reader = self.queue.subscribe("one", follow=False)
            assert self.reader.position == self.kept
            self.lives.append([])
        life = self.lives[-1]
        batch = next(self.reader, None)
        self.kept = life[-1] if life else self.kept
        if batch is None:
            assert self.kept == self.queue.log.head()
            return
        assert batch[0].position == self.kept + 1
        life.extend(each.position for each in batch)

    @rule(share=st.floats(0, 1))
    def acknowledge(self, share: float) -> None:
        life = self.lives[-1] if self.lives else []
        if self.reader is not None and life:
            self.kept += int((life[-1] - self.kept) * share)
            self.reader.ack(self.kept)

    @rule()
    def crash(self) -> None:
        """Die: nothing of the reader is left but its checkpoint."""
        self.reader = None

    @rule(share=st.floats(0, 1))
    def rewind(self, share: float) -> None:
        if self.queue.log.subscriptions():
            self.reader, self.kept = None, int(self.kept * share)
            self.queue.log.rewind("one", self.kept)

    @invariant()
    def every_event_was_delivered_in_order(self) -> None:
        """Each life reads on without a gap, and all up to the checkpoint came at least once."""
        for life in self.lives:
            assert life == list(range(life[0], life[-1] + 1)) if life else True
        seen = {position for life in self.lives for position in life}
        assert seen >= set(range(1, self.kept + 1))
        assert [each.position for each in self.queue.log.subscriptions()] in ([], [self.kept])


TestSubscriptions = SubscriptionMachine.TestCase
TestSubscriptions.settings = settings(
    max_examples=tries(25), stateful_step_count=25, suppress_health_check=list(HealthCheck)
)
