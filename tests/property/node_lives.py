"""What happens at random on nodes that share a stream, and what must hold of them at the end."""

import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

from queuectl import Captured, Job, JobRequest, Queue, QueuectlError, Result
from queuectl.core.job_filter import filter_of
from queuectl.events.append import with_tokens
from queuectl.events.event_stream import from_payload
from queuectl.events.types import (
    Cancelled,
    Claimed,
    Completed,
    Enqueued,
    Event,
    Failed,
    Released,
    Removed,
    RetentionApplied,
    Snoozed,
)
from tests.clocks import FakeClock
from tests.nodes import check_alike, killed_while_adopting
from tests.streams import MemoryStream

STEPS = 200
DRIFT = 0.05
PRINTED = Captured(frames=b"o\0\0\0\1x")
QUEUES = ("default", "other")
ENVIRONMENT = ("HOME", "PATH", "SHELL", "LANG")
STATES = ("completed", "cancelled", "dead")


class Nodes:
    """Queues in directories of their own that share a stream, and what their users do at random."""

    def __init__(self, seed: int, count: int = 2, *, skew_s: float = 0.0, chaos: bool = True) -> None:
        self.random = Random(seed)
        self.clock = FakeClock()
        self.stream = MemoryStream(Random(seed + 1) if chaos else None, self.clock)
        self.directory = Path(tempfile.mkdtemp(prefix="queuectl-nodes-"))
        self.clocks = [FakeClock() for _ in range(count)]
        for n, clock in enumerate(self.clocks):
            clock.jump(n * skew_s)
        self.queues = [self.open(n) for n in range(count)]
        self.held: list[list[Job]] = [[] for _ in range(count)]
        self.claimed: list[int] = []
        self.told: Counter[str] = Counter()
        self.verbs = VERBS if seed % 2 else [*VERBS, Nodes.compact, Nodes.compact]

    def open(self, n: int) -> Queue:
        directory = self.directory / f"node{n}"
        return Queue.open(directory, clock=self.clocks[n], actor=f"node{n}", stream=self.stream, environ={})

    def close(self) -> None:
        for queue in self.queues:
            queue.close()
        shutil.rmtree(self.directory)

    def step(self) -> None:
        """Do something at random on one of the nodes."""
        self.step_on(self.random.randrange(len(self.queues)), self.random.choice(self.verbs))
        assert self.ends_whole(self.random.choice(self.queues)), "half of an append is shown"

    def step_on(self, n: int, verb: "Callable[[Nodes, int], None]") -> None:
        """Do something on a node; what it is refused with is counted."""
        try:
            verb(self, n)
        except QueuectlError as error:
            self.told[f"{verb.__name__}: {type(error).__name__}"] += 1

    @staticmethod
    def ends_whole(queue: Queue) -> bool:
        """Whether the log does not end between two events of one append: a last attempt's failure, and its death."""
        last = next(iter(queue.events(last=1)), None)
        return last is None or not isinstance(last.event, Failed) or last.event.retry_at_us is not None

    def job_id(self) -> str:
        return f"job{self.random.randrange(12)}"

    # What users do

    def enqueue(self, n: int) -> None:
        options: dict[str, Any] = {"queue": self.random.choice(QUEUES), "priority": self.random.randrange(2)}
        options |= {"max_retries": self.random.randrange(3), "delay_s": self.random.choice([0, 0, 3])}
        options["labels"] = {"retries": str(options["max_retries"])} if options["priority"] else None
        if self.random.random() < 0.3:
            options["inherit_env"] = self.random.sample(sorted(ENVIRONMENT), self.random.randrange(3))
        if self.random.random() < 0.4:
            options |= {"ok_on": 1, "dead_on": "2,lost", "snooze_on": 3, "snooze": 1, "max_snoozes": 2}
        if self.random.random() < 0.3:
            options |= {"expire_in": self.random.randrange(20), "if_expired": self.random.choice(["dead", "cancel"])}
        self.queues[n].enqueue("true", id=self.job_id() if self.random.random() < 0.8 else None, **options)

    def enqueue_many(self, n: int) -> None:
        requests = [JobRequest("true", id=self.job_id(), replace=self.random.random() < 0.3) for _ in range(3)]
        self.queues[n].enqueue_many(requests, skip_existing=self.random.random() < 0.5)

    def cancel(self, n: int) -> None:
        self.queues[n].cancel(self.job_id())

    def retry(self, n: int) -> None:
        self.queues[n].retry(self.job_id())

    def retry_several(self, n: int) -> None:
        self.queues[n].dlq.retry([self.job_id() for _ in range(2)])

    def edit(self, n: int) -> None:
        options: dict[str, Any] = {"queue": self.random.choice(QUEUES), "priority": self.random.randrange(3)}
        self.queues[n].edit(self.job_id(), again=self.random.random() < 0.5, **options)

    def purge(self, n: int) -> None:
        self.queues[n].dlq.purge(all=True)

    def clear(self, n: int) -> None:
        self.queues[n].clear(all=True, state=self.random.choice(STATES))

    def act_on_all(self, n: int) -> None:
        """Choose on what this node has; others may act meanwhile, and it may be behind."""
        verb: Any = self.random.choice(["cancel", "retry", "remove"])
        ui = self.queues[n].ui
        chosen = ui.choose(verb, filter_of(queue="other"))
        if self.random.random() < 0.5:
            self.step_on(self.random.randrange(len(self.queues)), self.random.choice(CALM))
        ui.act_on_all(chosen)

    def import_jobs(self, n: int) -> None:
        """Take in jobs of every state, with ids that others may use."""
        rows = [self.foreign_job() for _ in range(3)]
        file = self.directory / f"jobs{n}.json"
        file.write_text(json.dumps(list({row["id"]: row for row in rows}.values())))
        how = {"skip_existing": self.random.random() < 0.8, "waiting_only": self.random.random() < 0.3}
        self.queues[n].admin.import_jobs([file], format="jobs-json", **how)

    def foreign_job(self) -> dict[str, Any]:
        state = self.random.choice(["pending", "processing", "completed", "failed", "dead"])
        return {"id": self.job_id(), "command": "true", "state": state, "attempts": self.random.randrange(3)}

    def configure(self, n: int) -> None:
        self.queues[n].admin.config_set("max_retries", self.random.randrange(5))

    def compact(self, n: int) -> None:
        self.queues[n].admin.compact(older_than_s=self.random.choice([1, 5]), keep_dead=self.random.random() < 0.3)

    # What workers do

    def claim(self, n: int) -> None:
        got = self.queues[n].worker(f"w{n}").claim(self.random.randrange(1, 3), lease_s=10)
        self.claimed += [job.lease.token for job in got if job.lease]
        self.held[n] += got

    def exchange(self, n: int) -> None:
        held, results = self.held[n], []
        for job in self.random.sample(held, min(len(held), self.random.randrange(3))):
            kind = self.random.choice(["completed", "failed", "released", "cancelled"])
            code = 0 if kind == "completed" else self.random.randrange(1, 5)
            results.append(Result(job, kind, code, output=PRINTED))
            held.remove(job)
        options: dict[str, Any] = {"hold": self.random.random() < 0.3, "want": self.random.randrange(4), "lease_s": 10}
        done = self.queues[n].worker(f"w{n}").exchange(results, held=held, **options)
        self.claimed += [job.lease.token for job in done.claimed if job.lease]
        held += done.claimed

    def report(self, n: int) -> None:
        if self.held[n]:
            job, worker = self.random.choice(self.held[n]), self.queues[n].worker(f"w{n}")
            acts: list[Callable[[Job], object]] = [worker.start, worker.complete, worker.renew, worker.release]
            self.random.choice([*acts, lambda job: worker.fail(job, "boom")])(job)

    def complete_many(self, n: int) -> None:
        some = self.random.sample(self.held[n], min(len(self.held[n]), 2))
        self.queues[n].worker(f"w{n}").complete_many(some)
        for job in some:
            self.held[n].remove(job)

    def come(self, n: int) -> None:
        self.queues[n].worker(f"w{n}").started(host="elsewhere", pid=1, slots=1)

    def leave(self, n: int) -> None:
        self.queues[n].worker(f"w{self.random.randrange(2)}").stopped("told to")

    def stop(self, n: int) -> None:
        self.queues[n].worker(f"w{self.random.randrange(2)}").stop()

    def expire(self, n: int) -> None:
        self.queues[n].worker(f"w{n}").expire()

    def recover(self, n: int) -> None:
        self.queues[n].worker(f"w{n}").recover()

    # What the world does

    def follow(self, n: int) -> None:
        self.queues[n]._engine.writer.follower.catch_up(limit=self.random.randrange(1, 40))

    def be_killed(self, n: int) -> None:
        """Die while following; whoever opens the queue after that goes on from there."""
        with killed_while_adopting(after=self.random.randrange(5)):
            self.follow(n)
        self.reopen(n)

    def time_passes(self, n: int) -> None:
        seconds = self.random.choice([0.5, 2, 11])
        self.pass_time(seconds)

    def pass_time(self, seconds: float) -> None:
        """Let time pass everywhere, on each node a little faster than on the one before, until it asks for the time."""
        for n, clock in enumerate((self.clock, *self.clocks)):
            clock.advance(seconds * (1 + n * DRIFT))

    def reopen(self, n: int) -> None:
        self.queues[n].close()
        self.queues[n] = self.open(n)

    # What must hold at the end

    def check(self) -> None:
        """Hold all nodes, and one that joins now, against each other and against the log."""
        self.clocks.append(FakeClock())
        self.queues.append(self.open(len(self.queues)))
        for queue in self.queues:
            queue._engine.writer.follower.catch_up(limit=self.random.randrange(1, 30))
            assert queue.admin.verify().problems == []
        check_alike(self.queues)
        self.check_events(self.queues[-1])

    def check_events(self, queue: Queue) -> None:
        """Hold the log to what was promised: no claim of what is held, and whoever won a claim was told so."""
        times = [recorded.at_us for recorded in queue.events()]
        assert times == sorted(times)
        holds: dict[int | str, int] = {}
        claims, links = [], {}
        lives: dict[str, int | str] = {}
        removals: dict[int | str, int] = {}
        whole = list(self.published())
        for position, stream, event in whole:
            if isinstance(event, Claimed):
                assert stream not in holds
                holds[stream] = position
                claims += [position] if event.worker in ("w0", "w1", "w2") else []  # what is imported has run elsewhere
            elif isinstance(event, Enqueued):
                earlier = lives.get(event.spec.id)
                links[position] = removals.get(earlier, 0) if earlier else 0
                lives[event.spec.id] = stream
            elif isinstance(event, Removed):
                removals[stream] = position
            elif isinstance(event, Completed | Failed | Snoozed | Released | Cancelled) and event.token:
                assert holds.pop(stream) == event.token
        assert sorted(self.claimed) == claims
        if not any(isinstance(event, RetentionApplied) for _, _, event in whole):
            born = {each.position: each.prev for each in queue.events() if isinstance(each.event, Enqueued)}
            assert born == links, "a life links to the one before it"
        with queue._store.read() as txn:
            assert txn.count("ids") == txn.count("jobs"), "an id has one live job"
        assert not [what for what in self.told if "Conflict" in what or "StoreError" in what]
        assert not {"enqueue_many: JobNotFound", "enqueue_many: WrongState"} & set(self.told), (
            "one to be replaced is gone"
        )

    def published(self) -> Iterator[tuple[int, int | str, Event]]:
        """Yield each event of the stream with its position and its stream of the log, those let go too."""
        position = begun = 0
        for payload in self.stream.payloads():
            recorded = from_payload(payload)
            for each, event in zip(recorded, with_tokens([one.event for one in recorded], position), strict=True):
                position += 1
                begun = position if isinstance(event, Enqueued) else begun
                yield position, each.stream or begun, event


CALM = (Nodes.cancel, Nodes.retry, Nodes.edit, Nodes.exchange, Nodes.enqueue)
VERBS: list[Callable[[Nodes, int], None]] = [
    *[Nodes.enqueue, Nodes.exchange, Nodes.time_passes] * 3,
    *[Nodes.enqueue_many, Nodes.claim, Nodes.report, Nodes.cancel, Nodes.retry] * 2,
    *[Nodes.retry_several, Nodes.edit, Nodes.purge, Nodes.clear, Nodes.act_on_all, Nodes.import_jobs, Nodes.configure],
    *[
        Nodes.complete_many,
        Nodes.come,
        Nodes.leave,
        Nodes.stop,
        Nodes.expire,
        Nodes.recover,
        Nodes.follow,
        Nodes.be_killed,
        Nodes.reopen,
    ],
]


@contextmanager
def some_nodes(seed: int, count: int = 2, *, skew_s: float = 0.0) -> Iterator[Nodes]:
    """Let nodes live, and clear them away."""
    nodes = Nodes(seed, count, skew_s=skew_s)
    try:
        yield nodes
    finally:
        nodes.close()
