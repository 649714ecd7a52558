"""What others did to the queue that a worker heeds: new jobs, cancelled and edited ones, the wish that it stops."""

from typing import Final

from ..core.job import Job
from ..core.results import Result
from ..queue import Queue
from .exchanger import Exchanger
from .outcome import Stop
from .shutdown import Shutdown, Urgency
from .slots import Slots

LOOK_EVERY_S: Final = 0.05
"""How soon after one look at the queue a ring may cause the next: rings can come by the thousand."""


class QueueWatch:
    """Looks at the queue every `poll_s`, and soon where the doorbell rings; one read for all jobs of the worker."""

    def __init__(
        self, queue: Queue, worker: str, *, poll_s: float, slots: Slots, exchanger: Exchanger, shutdown: Shutdown
    ) -> None:
        self._queue = queue
        self._leases = queue.worker(worker)
        self._poll_s = poll_s
        self._slots = slots
        self._exchanger = exchanger
        self._shutdown = shutdown
        self._seen_head = -1
        self._looked_at = self._look_at = 0.0

    def wake_at(self) -> float:
        """Return the moment of the next look."""
        return self._look_at

    def rung(self) -> None:
        """Look soon, since somebody rang; there may be jobs."""
        self._exchanger.is_hungry = True
        self._look_at = min(self._look_at, self._looked_at + LOOK_EVERY_S)

    def step(self, now: float) -> None:
        """Look, if it is time to, and heed what happened since the last look."""
        if now < self._look_at:
            return
        self._looked_at, self._look_at = now, now + self._poll_s
        head = self._queue.log.head()
        if head == self._seen_head:
            return
        self._seen_head = head
        self._exchanger.is_hungry = True
        self._slots.output_limit_bytes = self._queue.admin.settings().output_limit_bytes
        self._withdraw_paused()
        held = self._slots.jobs()
        for job, found in zip(held, self._leases.refresh(held), strict=True):
            self._heed(job, found, now)
        if asked := self._leases.stop_requested():
            self._shutdown.stop(Urgency.GIVE_BACK if asked == "now" else Urgency.FINISH, now, is_recorded=True)

    def _withdraw_paused(self) -> None:
        """Give back what waits for a slot of queues that are paused."""
        if self._slots.lined_up and (paused := {each.name for each in self._queue.queues.paused()}):
            for job in self._slots.jobs():
                if job.spec.queue in paused:
                    self._give_back(job)

    def _heed_pause(self, job: Job, found: Job, now: float) -> None:
        """Have a run stand still whose job is paused, or end it where the worker is to stop, and let it go on after."""
        if not found.is_paused:
            self._exchanger.thaw(job, now)
        elif not self._give_back(job):
            if self._shutdown:
                self._slots.stop(job, Stop.FROZEN, now=now)
            else:
                self._exchanger.freeze(job, now)

    def _give_back(self, job: Job) -> bool:
        """Give back a job that waits for a slot, since it or its queue is paused; returns whether it did wait."""
        if not self._slots.withdraw(job):
            return False
        self._exchanger.collector.unrecorded += [Result(job, "released", error="it was paused before it started")]
        return True

    def _heed(self, job: Job, found: Job | None, now: float) -> None:
        """Heed what others did to a job of ours; one that waits for a slot is given up where it was cancelled."""
        lease = None if found is None else found.lease
        is_ours = lease is not None and job.lease is not None and lease.token == job.lease.token
        is_cancelled = lease is not None and lease.cancel_requested
        if is_ours and not is_cancelled:
            assert found is not None, "it has a lease"
            if found.spec != job.spec:
                self._slots.edited(found)
            self._heed_pause(job, found, now)
            return
        if self._slots.withdraw(job):
            self._exchanger.collector.unrecorded += [Result(job, "cancelled")] if is_ours else []
        elif is_ours:
            self._slots.stop(job, Stop.CANCELLED, now=now)
        else:
            self._exchanger.abandon(job, now)
