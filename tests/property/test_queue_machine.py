"""Random lives of a queue, held against a plain dict model after every step."""

import shutil
import tempfile
from datetime import timedelta
from math import inf
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from queuectl import DuplicateJob, InvalidLine, JobNotFound, JobRequest, JobState, Queue, StaleLease, WrongState
from queuectl.core.job import Job
from queuectl.core.job_filter import filter_of
from queuectl.engine.engine import Engine
from queuectl.projections import dead, ended, leases, ready, row_codec, scheduled, tags
from tests.clocks import FakeClock
from tests.depth import tries
from tests.lives import holder

IDS = st.sampled_from([f"job{n}" for n in range(8)])
QUEUES = st.sampled_from(["default", "other"])
LABELS = st.sampled_from([None, {"team": "a"}, {"team": "b", "urgent": ""}])
ASKED = st.sampled_from([None, "team=a", "team", "urgent="])
SECOND = 1_000_000
LEASE_S = 10
ENDED = ("completed", "dead", "cancelled")

Model = dict[str, Any]


class Crash(Exception):
    """Stands for the death of the process in the middle of a transaction."""


class QueueMachine(RuleBasedStateMachine):
    """A Queue on real LMDB beside a dict of what each job should be."""

    @initialize()
    def make(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="queuectl-machine-"))
        self.clock = FakeClock()
        self.queue = self.open_queue()
        self.jobs: dict[str, Model] = {}
        self.held: list[Job] = []  # every lease ever given, the stale ones too
        self.present: dict[str, int] = {}
        self.paused_queues: dict[str, int | None] = {}  # until when; None: until they are resumed
        self.base = 2
        self.promoted = 0

    def open_queue(self) -> Queue:
        return Queue.open(self.directory / "q", clock=self.clock, actor="machine")

    def teardown(self) -> None:
        self.queue.close()
        shutil.rmtree(self.directory)

    # What users do

    @rule(
        job_id=IDS,
        queue=QUEUES,
        priority=st.integers(-2, 2),
        retries=st.integers(0, 2),
        delay=st.integers(0, 5),
        paused=st.booleans(),
        labels=LABELS,
    )
    def enqueue(
        self,
        job_id: str,
        queue: str,
        priority: int,
        retries: int,
        delay: int,
        paused: bool = False,
        labels: dict[str, str] | None = None,
    ) -> None:
        options: dict[str, Any] = {"queue": queue, "priority": priority, "max_retries": retries, "labels": labels}
        if job_id in self.jobs:
            with pytest.raises(DuplicateJob):
                self.queue.enqueue("true", id=job_id, **options)
            return
        due = self.due_in(delay)
        job = self.queue.enqueue("true", id=job_id, delay_s=delay, paused=paused, **options)
        self.jobs[job_id] = self.born(job, due=due, **options) | {"paused": paused}

    @rule(
        job_id=IDS,
        retries=st.integers(0, 2),
        expires=st.none() | st.integers(0, 8),
        lasts=st.none() | st.integers(1, 12),
        cancels=st.booleans(),
    )
    def enqueue_with_rules(
        self, job_id: str, retries: int, expires: int | None, lasts: int | None, cancels: bool
    ) -> None:
        """Enqueue a job of whose runs 2 is a good end, 3 a final one and 4 a snooze, with a time that it has."""
        if job_id in self.jobs:
            return
        due, expired = self.due_in(0), None if expires is None else self.due_in(expires)
        then = None if expires is None else "cancel" if cancels else "dead"
        times: dict[str, Any] = {"expire_in": expires, "if_expired": then, "max_time": lasts}
        rules: dict[str, Any] = {"ok_on": 2, "dead_on": 3, "snooze_on": 4, "snooze": 2, "max_snoozes": 1}
        options = {"queue": "default", "priority": 0, "max_retries": retries}
        job = self.queue.enqueue("true", id=job_id, **options, **rules, **times)
        self.jobs[job_id] = self.born(job, due=0, **options) | {
            **{"ruled": True, "expires": expired, "cancels": cancels, "lasts": lasts, "since": job.created_at_us},
        }
        assert due <= job.created_at_us

    @rule(ids=st.lists(IDS, min_size=1, max_size=4), skip=st.booleans())
    def enqueue_many(self, ids: list[str], skip: bool) -> None:
        fresh = [job_id for job_id in dict.fromkeys(ids) if job_id not in self.jobs]
        requests = [JobRequest("true", id=job_id, max_retries=1) for job_id in ids]
        if len(fresh) < len(ids) and not skip:
            with pytest.raises(InvalidLine, match="nothing was enqueued"):
                self.queue.enqueue_many(requests)
            return
        assert self.queue.enqueue_many(requests, skip_existing=skip).ids == fresh
        for job_id in fresh:
            options = {"queue": "default", "priority": 0, "max_retries": 1}
            self.jobs[job_id] = self.born(self.queue.job(job_id), due=0, **options)

    @rule(ids=st.lists(IDS, min_size=1, max_size=4, unique=True))
    def replace(self, ids: list[str]) -> None:
        """Use ids again: of ended jobs, or of none that is unfinished, and then all or none of them."""
        requests = [JobRequest("true", id=job_id, max_retries=1, replace=True) for job_id in ids]
        if any(job_id in self.jobs and self.jobs[job_id]["state"] not in ENDED for job_id in ids):
            with pytest.raises(InvalidLine, match=r"cannot replace .* \(nothing was enqueued"):
                self.queue.enqueue_many(requests)
            return
        assert self.queue.enqueue_many(requests).ids == ids
        for job_id in ids:
            options = {"queue": "default", "priority": 0, "max_retries": 1}
            self.jobs[job_id] = self.born(self.queue.job(job_id), due=0, **options)

    @rule(job_id=IDS)
    def cancel(self, job_id: str) -> None:
        job = self.jobs.get(job_id)
        if job is None or job["state"] in ENDED:
            with pytest.raises((JobNotFound, WrongState)):
                self.queue.cancel(job_id)
            return
        self.queue.cancel(job_id)
        if job["lease"]:
            job["lease"]["cancel"] = True
        else:
            job["state"] = "cancelled"

    @rule(job_id=IDS)
    def pause(self, job_id: str) -> None:
        job = self.jobs.get(job_id)
        if job is None or job["state"] in ENDED:
            with pytest.raises((JobNotFound, WrongState)):
                self.queue.pause(job_id)
            return
        assert self.queue.pause(job_id).is_paused
        job["paused"] = True

    @rule(job_id=IDS)
    def resume(self, job_id: str) -> None:
        """Also of one that has ended: a pause stays over its retry."""
        if job_id not in self.jobs:
            with pytest.raises(JobNotFound):
                self.queue.resume(job_id)
            return
        assert not self.queue.resume(job_id).is_paused
        self.jobs[job_id]["paused"] = False

    @rule()
    def resume_chosen(self) -> None:
        """Resume all that are paused and have not ended."""
        paused = [job_id for job_id in self.ids_in("pending", "processing", "failed") if self.jobs[job_id]["paused"]]
        acted = self.queue.ui.act_on_all(self.queue.ui.choose("resume", filter_of()))
        assert sorted(acted.ids) == sorted(paused)
        for job_id in paused:
            self.jobs[job_id]["paused"] = False

    @rule(queue=QUEUES, seconds=st.none() | st.sampled_from([2, 30]))
    def pause_queue(self, queue: str, seconds: int | None) -> None:
        until = None if seconds is None else self.due_in(seconds)
        self.queue.queues.pause(queue, until=None if seconds is None else timedelta(seconds=seconds))
        self.paused_queues[queue] = until

    @rule(queue=QUEUES)
    def resume_queue(self, queue: str) -> None:
        assert self.queue.queues.resume(queue) == self.is_paused_queue(queue, self.now())
        self.paused_queues.pop(queue, None)

    @rule(job_id=IDS)
    def retry(self, job_id: str) -> None:
        job = self.jobs.get(job_id)
        if job is None or job["state"] in ("pending", "processing"):
            with pytest.raises((JobNotFound, WrongState)):
                self.queue.retry(job_id)
            return
        now = self.now()
        self.queue.retry(job_id)
        self.requeued(job, now)

    @rule(
        job_id=IDS,
        queue=st.none() | QUEUES,
        priority=st.none() | st.integers(-2, 2),
        retries=st.none() | st.integers(0, 2),
        delay=st.none() | st.integers(0, 5),
        again=st.booleans(),
    )
    def edit(
        self,
        job_id: str,
        queue: str | None,
        priority: int | None,
        retries: int | None,
        delay: int | None,
        again: bool,
    ) -> None:
        """Change a job: what fits its state is done, all of it or nothing."""
        asked = {"queue": queue, "priority": priority, "max_retries": retries}
        changes = {key: value for key, value in asked.items() if value is not None}
        wanted = changes if delay is None else changes | {"delay_s": delay}
        job = self.jobs.get(job_id)
        is_running = job is not None and job["state"] == "processing"  # nothing asked of it is nothing to refuse
        refused = job is None or (is_running and (again or wanted)) or (again and job["state"] == "pending")
        if refused or (delay is not None and not again and job["state"] in ENDED):
            with pytest.raises((JobNotFound, WrongState)):
                self.queue.edit(job_id, again=again, **wanted)
            return
        now, due = self.now(), self.due_in(delay or 0)
        self.queue.edit(job_id, again=again, **wanted)
        if again:
            self.requeued(job, now)
        job.update(changes if delay is None else changes | {"due": due})

    @rule(job_id=IDS, labels=LABELS)
    def label(self, job_id: str, labels: dict[str, str] | None) -> None:
        """Change a job's labels, whatever its state."""
        if job_id not in self.jobs:
            with pytest.raises(JobNotFound):
                self.queue.edit(job_id, labels=labels)
            return
        self.queue.edit(job_id, labels=labels)
        self.jobs[job_id]["labels"] = labels or {}

    @rule(states=st.none() | st.sets(st.sampled_from([*ENDED, "failed"])), queue=st.none() | QUEUES, label=ASKED)
    def retry_chosen(self, states: set[str] | None, queue: str | None, label: str | None) -> None:
        """Retry all jobs that a filter means: those a look at each finds. No state is none, and None is any."""
        now = self.now()
        chosen = self.queue.ui.choose("retry", filter_of(state=states, queue=queue, labels=label))
        meant = [
            job_id
            for job_id in self.ids_in(*((*ENDED, "failed") if states is None else states))
            if queue in (None, self.jobs[job_id]["queue"]) and self.bears(job_id, label)
        ]
        acted = self.queue.ui.act_on_all(chosen)
        assert (sorted(acted.ids), acted.left) == (sorted(meant), 0)
        for job_id in meant:
            self.requeued(self.jobs[job_id], now)

    @rule()
    def retry_all_dead(self) -> None:
        lying, now = self.ids_in("dead"), self.now()
        assert set(self.queue.dlq.retry()) == set(lying)
        for job_id in lying:
            self.requeued(self.jobs[job_id], now)

    @rule(job_id=IDS)
    def purge(self, job_id: str) -> None:
        if job_id not in self.ids_in("dead"):
            with pytest.raises((JobNotFound, WrongState)):
                self.queue.dlq.purge([job_id])
            return
        self.queue.dlq.purge([job_id])
        del self.jobs[job_id]

    @rule(state=st.sampled_from(ENDED))
    def clear(self, state: str) -> None:
        gone = self.ids_in(state)
        assert self.queue.clear(all=True, state=JobState(state)) == len(gone)
        for job_id in gone:
            del self.jobs[job_id]

    @rule(value=st.integers(0, 3))
    def configure(self, value: int) -> None:
        self.queue.admin.config_set("backoff_base", value)
        self.base = value

    # What workers do

    @rule(worker=st.sampled_from(["w1", "w2"]), count=st.integers(1, 4), only=st.none() | QUEUES)
    def claim(self, worker: str, count: int, only: str | None) -> None:
        now = self.now()
        self.expire_leases(now)
        expected = self.claimable(now, only, count)
        claimed = self.queue.worker(worker).claim(count, queues=None if only is None else [only], lease_s=LEASE_S)
        assert [job.id for job in claimed] == expected
        for job in claimed:
            lease = {"token": job.lease.token, "expires": now + LEASE_S * SECOND, "started": False, "cancel": False}
            self.jobs[job.id].update(state="processing", lease=lease | {"worker": worker})
        self.held += claimed

    @rule()
    def expire(self) -> None:
        now = self.now()
        over = self.over(now)
        assert sorted(job.id for job in self.queue.worker("w1").expire()) == sorted(over)
        self.end_of_time(over)

    @rule(worker=st.sampled_from(["w1", "w2"]))
    def hold(self, worker: str) -> None:
        """Be present: all leases of the worker hold, those that are over too while nobody took the jobs back."""
        self.present[worker] = self.now() + LEASE_S * SECOND
        held = [job for job in self.held if (lease := self.lease_of(job)) and lease["worker"] == worker]
        self.queue.worker(worker).exchange([], want=0, lease_s=LEASE_S, hold=True, held=held)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def start(self, data: st.DataObject) -> None:
        job = data.draw(st.sampled_from(self.held))
        lease = self.lease_of(job)
        if lease is None or lease["started"]:
            with pytest.raises((StaleLease, JobNotFound)):
                holder(self.queue, job).start(job)
            return
        holder(self.queue, job).start(job)
        lease["started"] = True
        self.jobs[job.id]["attempts"] += 1

    @precondition(lambda self: self.held)
    @rule(
        data=st.data(),
        verb=st.sampled_from(["complete", "fail", "fail", "fail", "renew", "release"]),
        code=st.integers(1, 4),
    )
    def report(self, data: st.DataObject, verb: str, code: int) -> None:
        """Act under any lease ever given: only the one in force may be acted under."""
        job = data.draw(st.sampled_from(self.held))
        now, lease = self.now(), self.lease_of(job)
        action = {
            "complete": lambda: holder(self.queue, job).complete(job),
            "fail": lambda: holder(self.queue, job).fail(job, f"exit code {code}", return_code=code),
            "renew": lambda: holder(self.queue, job).renew(job, lease_s=LEASE_S),
            "release": lambda: holder(self.queue, job).release(job),
        }[verb]
        if lease is None:
            with pytest.raises((StaleLease, JobNotFound)):
                action()
            return
        action()
        self.model_report(self.jobs[job.id], lease, verb, now, code)

    # What the world does

    @rule(seconds=st.sampled_from([1, 3, 12]))
    def time_passes(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @rule(seconds=st.sampled_from([1, 60]))
    def clock_jumps_ahead(self, seconds: int) -> None:
        self.clock.jump(seconds)

    @rule(seconds=st.sampled_from([1, 60]))
    def clock_goes_back(self, seconds: int) -> None:
        self.clock.jump(-seconds)

    @rule()
    def reopen(self) -> None:
        self.queue.close()
        self.queue = self.open_queue()

    @rule()
    def crash(self) -> None:
        """Die in a transaction that has claimed and written: no trace of it may be left."""
        engine = Engine(self.queue._store, self.clock, "doomed")
        with pytest.raises(Crash), engine.unit() as unit:  # noqa: PT012 - the death is in mid-transaction
            unit.claim("doomed", 3, lease_s=1)
            self.die()
        self.reopen()

    @rule()
    def replay(self) -> None:
        assert self.queue.admin.replay().differences == []

    # What must always hold

    @invariant()
    def live_views_equal_replayed_ones(self) -> None:
        assert self.queue.admin.replay(check=True).differences == []

    @invariant()
    def jobs_equal_the_model(self) -> None:
        found = {job.id: (str(job.state), job.attempts) for job in self.queue.jobs()}
        assert found == {job_id: (job["state"], job["attempts"]) for job_id, job in self.jobs.items()}
        counted = {str(state): count for state, count in self.queue.status().jobs.items() if count}
        states = [job["state"] for job in self.jobs.values()]
        assert counted == {state: states.count(state) for state in states}
        waiting = [self.jobs[job_id] for job_id in self.ids_in("pending", "failed")]
        assert self.queue.status().waiting["paused"] == sum(job["paused"] for job in waiting)

    @invariant()
    def each_job_lies_in_the_one_table_of_its_state(self) -> None:
        with self.queue._store.read() as txn:
            waiting = [int.from_bytes(key[-8:], "big") for key, _ in txn.scan(ready.TABLE, b"\1")]
            waiting += [int.from_bytes(key[8:], "big") for key, _ in txn.scan(scheduled.TABLE)]
            leased = [int.from_bytes(key[-8:], "big") for key, _ in txn.scan(leases.TABLE)]
            over = [int.from_bytes(number, "big") for _, number in row_codec.scan(txn, ended.TABLE)]
            lying = [int.from_bytes(number, "big") for _, number in row_codec.scan(txn, dead.TABLE)]
        assert sorted(waiting) == self.numbers_in("pending", "failed")
        assert sorted(leased) == self.numbers_in("processing")
        assert sorted(over) == self.numbers_in("completed", "cancelled")
        assert sorted(lying) == self.numbers_in("dead")

    @invariant()
    def each_label_leads_to_the_jobs_that_have_it(self) -> None:
        with self.queue._store.read() as txn:
            found = {label: list(tags.numbers(txn, *label.split("="))) for label in tags.labels(txn)}
        borne = {f"{key}={value}" for job in self.jobs.values() for key, value in job["labels"].items()}
        numbers = {
            label: [job["number"] for name, job in self.jobs.items() if self.bears(name, label)] for label in borne
        }
        assert found == {label: sorted(each) for label, each in numbers.items()}

    @invariant()
    def positions_are_gapless_and_times_never_go_back(self) -> None:
        events = list(self.queue.events())
        assert [event.position for event in events] == list(range(1, self.queue.log.head() + 1))
        times = [event.at_us for event in events]
        assert times == sorted(times)

    # The model

    def die(self) -> None:
        raise Crash

    def now(self) -> int:
        """Return the time that the next event will have; tests/engine/test_log_clock.py holds it to what is right."""
        return Engine(self.queue._store, self.clock, "asking").now_us()

    def due_in(self, delay: int) -> int:
        """Return the log's time in so many seconds of the machine's clock: at half pace while the log is ahead."""
        wall, log = self.clock.now_us(), self.now()
        return max(wall + delay * SECOND, log + delay * SECOND // 2) if delay and log > wall else wall + delay * SECOND

    def bears(self, job_id: str, label: str | None) -> bool:
        labels = self.jobs[job_id]["labels"]
        return label is None or label in labels or label in [f"{key}={value}" for key, value in labels.items()]

    def born(
        self,
        job: Job,
        *,
        due: int,
        queue: str,
        priority: int,
        max_retries: int,
        labels: dict[str, str] | None = None,
    ) -> Model:
        return {
            "number": job.number,
            "state": "pending",
            "attempts": 0,
            "due": due,
            "lease": None,
            "queue": queue,
            "priority": priority,
            "max_retries": max_retries,
            "labels": labels or {},
            "base": self.base,
            "paused": False,
            **{"ruled": False, "snoozes": 0, "expires": None, "lasts": None, "since": job.created_at_us},
        }

    def requeued(self, job: Model, now: int) -> None:
        attempts = job["attempts"] if job["state"] == "failed" else 0
        job.update(state="pending", attempts=attempts, due=now, snoozes=0, expires=None, since=now)

    def last_moment(self, job: Model) -> float:
        """Return until when an attempt of a job may start."""
        expires = [] if job["expires"] is None else [job["expires"]]
        return min([*expires, *([] if job["lasts"] is None else [job["since"] + job["lasts"] * SECOND])], default=inf)

    def over(self, now: int) -> list[str]:
        """Return the jobs that wait and of which no attempt may start any more."""
        return [job_id for job_id in self.ids_in("pending", "failed") if now > self.last_moment(self.jobs[job_id])]

    def end_of_time(self, over: list[str]) -> None:
        for job_id in over:
            job = self.jobs[job_id]
            expired = job["expires"] is not None and job["expires"] == self.last_moment(job)
            job["state"] = "cancelled" if expired and job["cancels"] else "dead"

    def claimable(self, now: int, only: str | None, count: int) -> list[str]:
        """Return what a claim gets; where it meets a job whose time is over it ends all of those."""
        expected: list[str] = []
        while len(expected) < count and (met := self.next_to_run(now, only)):
            met = [job_id for job_id in met if job_id not in expected][: count - len(expected)]
            over = set(met) & set(self.over(now))
            expected += [job_id for job_id in met if job_id not in over]
            if not over:
                break
            self.end_of_time(self.over(now))
        return expected

    def ids_in(self, *states: str) -> list[str]:
        return [job_id for job_id, job in self.jobs.items() if job["state"] in states]

    def numbers_in(self, *states: str) -> list[int]:
        return sorted(self.jobs[job_id]["number"] for job_id in self.ids_in(*states))

    def lease_of(self, job: Job) -> Model | None:
        lease = self.jobs.get(job.id, {}).get("lease")
        return lease if lease and lease["token"] == job.lease.token else None

    def next_to_run(self, now: int, only: str | None) -> list[str]:
        waiting = [
            self.jobs[job_id] | {"id": job_id}
            for job_id in self.ids_in("pending", "failed")
            if not self.jobs[job_id]["paused"]
        ]
        self.promoted = max([self.promoted, *(job["due"] for job in waiting if job["due"] <= now)])
        due = [
            job
            for job in waiting
            if job["due"] <= self.promoted
            and only in (None, job["queue"])
            and not self.is_paused_queue(job["queue"], now)
        ]
        return [job["id"] for job in sorted(due, key=lambda job: (-job["priority"], job["number"]))]

    def is_paused_queue(self, queue: str, now: int) -> bool:
        until = self.paused_queues.get(queue, 0)
        return until is None or until > now

    def expire_leases(self, now: int) -> None:
        for job_id in self.ids_in("processing"):
            job, lease = self.jobs[job_id], self.jobs[job_id]["lease"]
            if max(lease["expires"], self.present.get(lease["worker"], 0)) <= now:
                verb = "fail" if lease["started"] or lease["cancel"] else "release"
                self.model_report(job, lease, verb, now)

    def model_report(self, job: Model, lease: Model, verb: str, now: int, code: int | None = None) -> None:
        attempts = job["attempts"] + (not lease["started"])
        if verb == "renew":
            lease["expires"] = now + LEASE_S * SECOND
        elif verb == "release" and not lease["cancel"]:
            job.update(state="pending", lease=None, attempts=attempts - 1)
        elif verb == "complete":
            job.update(state="completed", lease=None, attempts=attempts)
        elif lease["cancel"]:
            job.update(state="cancelled", lease=None)
        elif job["ruled"] and code == 2:
            job.update(state="completed", lease=None, attempts=attempts)
        elif job["ruled"] and code == 3:
            job.update(state="dead", lease=None, attempts=attempts)
        elif job["ruled"] and code == 4 and not job["snoozes"] and now + 2 * SECOND <= self.last_moment(job):
            job.update(state="pending", lease=None, attempts=attempts - 1, snoozes=1, due=now + 2 * SECOND)
        elif attempts > job["max_retries"]:
            job.update(state="dead", lease=None, attempts=attempts)
        else:
            due = now + job["base"] ** attempts * SECOND
            job.update(state="failed", lease=None, attempts=attempts, due=due)
            if due > self.last_moment(job):
                self.end_of_time([job_id for job_id, each in self.jobs.items() if each is job])


TestQueueMachine = QueueMachine.TestCase
TestQueueMachine.settings = settings(
    max_examples=tries(40),
    stateful_step_count=40,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
