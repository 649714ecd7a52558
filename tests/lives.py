"""Lives of jobs, as tests need them: short ones by name, and one with every event there is."""

from hashlib import sha256

from queuectl import Captured, Job, JobRequest, LeaseHolder, Queue, Result
from queuectl.events.types import Output
from tests.clocks import FakeClock

PRINTED = Captured(b"o\0\0\0\x02hi", Output(2, sha256(b"hi").digest()), Output(0, sha256().digest()))


def running(queue: Queue, worker: str = "w1") -> Job:
    """Claim and start the next job."""
    [job] = queue.worker(worker).claim()
    return queue.worker(worker).start(job)


def holder(queue: Queue, job: Job) -> LeaseHolder:
    """Return the worker that a job was claimed by."""
    return queue.worker(job.lease.worker if job.lease else queue.actor)


def pending(queue: Queue, job_id: str) -> Job:
    """Enqueue a job."""
    return queue.enqueue("true", id=job_id)


def processing(queue: Queue, job_id: str) -> Job:
    """Enqueue a job and start it; nothing else may be ready."""
    queue.enqueue("true", id=job_id)
    return running(queue)


def completed(queue: Queue, job_id: str) -> Job:
    """Enqueue a job and let it complete; nothing else may be ready."""
    queue.enqueue("true", id=job_id)
    return queue.worker("w1").complete(running(queue))


def failed(queue: Queue, job_id: str) -> Job:
    """Enqueue a job and let its first attempt fail; nothing else may be ready."""
    queue.enqueue("false", id=job_id)
    return queue.worker("w1").fail(running(queue), "exit code 1", return_code=1)


def dead(queue: Queue, job_id: str) -> Job:
    """Enqueue a job and let it die; nothing else may be ready."""
    queue.enqueue("false", id=job_id, max_retries=0)
    return queue.worker("w1").fail(running(queue), "exit code 1", return_code=1)


def cancelled(queue: Queue, job_id: str) -> Job:
    """Enqueue a job and cancel it."""
    queue.enqueue("true", id=job_id)
    return queue.cancel(job_id)


def state_of(queue: Queue, job_id: str) -> str:
    """Return a job's state."""
    return str(queue.job(job_id).state)


def long_life(queue: Queue, clock: FakeClock) -> None:
    """Let every type of event happen, in two queues, with times that pass and a clock that goes back."""
    queue.worker("w1").started(host="here", pid=1, slots=2, queues=["default", "other"])
    queue.worker("w2").started(host="there", pid=2, slots=1)
    queue.admin.config_set("backoff_base", 3)
    queue.admin.config_set("max_retries", 1)
    queue.admin.config_unset("max_retries")
    queue.enqueue_many([JobRequest("true", f"job{n}", "other" if n % 3 else "default", n % 4) for n in range(20)])
    queue.enqueue(
        "true", id="later", delay_s=50, shell="bash -e", inherit_env=["PATH", "NO_SUCH_VARIABLE"], labels={"team": "a"}
    )
    taken = queue.worker("w1").exchange([], want=6, lease_s=30).claimed
    clock.advance(5)
    with Queue.open(queue.path, clock=clock, actor="w1", cause=taken[3].lease.token if taken[3].lease else 0) as inside:
        inside.enqueue("true", id="child")
    queue.cancel(taken[5].id)
    results = [
        Result(taken[0], "completed", 0, duration_ms=10, output=PRINTED),
        Result(taken[1], "failed", 1, None, "exit_code", "exit code 1", 20, PRINTED),
        Result(taken[2], "released"),
        Result(taken[5], "cancelled", duration_ms=5),
    ]
    queue.worker("w1").exchange(results, want=1, lease_s=30, hold=True)
    queue.worker("w1").renew(taken[3], lease_s=30)
    clock.advance(28)
    queue.worker("w2").renew(queue.worker("w2").claim(queues=["default"])[0], lease_s=90)
    clock.advance(30)
    queue.worker(queue.actor).recover()
    clock.jump(-3600)
    queue.enqueue("false", id="doomed", max_retries=0, priority=9)
    queue.worker("w2").fail(running(queue, "w2"), "killed", failure="signal", signal="SIGKILL")
    queue.dlq.retry(["doomed"])
    queue.worker("w2").fail(running(queue, "w2"), "exit code 2", return_code=2)
    clock.advance(7200)
    queue.worker("w2").complete_many(queue.worker("w2").claim(3))
    queue.clear(all=True)
    queue.enqueue("true", id=taken[0].id, delay_s=7)
    queue.retry(cancelled(queue, "undecided").id)
    queue.enqueue("true", id="held", paused=True)
    queue.pause("undecided", reason="not yet")
    queue.resume("held")
    queue.queues.pause("other", until="in 1m")
    queue.queues.pause("empty")
    queue.queues.resume("other")
    queue.limits.set("api", running=2, rate="5/s", burst=3)
    queue.limits.set("user", running=1)
    queue.enqueue_many([{"command": "true", "use": ["api", f"user:{n % 2}"], "id": f"limited{n}"} for n in range(5)])
    queue.limits.set("api", running=1)
    queue.limits.set("gone", running=1)
    queue.limits.remove("gone")
    queue.enqueue("true", id="first", queue="flow", delay=9_999)
    queue.enqueue_many(
        [JobRequest("true", "second", "flow", after="first"), JobRequest("true", "follower", after="second")]
    )
    queue.enqueue("true", id="third", queue="flow", after=["first:any", "second:notok"], if_parent_fails="cancel")
    queue.cancel("first")
    queue.enqueue("false", id="sleepy", priority=100, snooze_on=75, snooze="1h")
    queue.worker("w2").fail(running(queue, "w2"), "exit code 75", return_code=75)
    queue.enqueue("true", id="one", unique="key", unique_for=60)
    queue.enqueue("false", id="another", unique="key", if_exists="replace", priority=1, merge=True)
    queue.cancel("one")
    queue.enqueue("true", id="other", unique="another key")
    queue.edit("undecided", command="false", queue="other", priority=2)
    queue.dlq.purge(["doomed"])
    queue.enqueue("false", id="doomed", max_retries=0, priority=9)
    queue.worker("w1").fail(running(queue), "exit code 3", return_code=3)
    queue.enqueue("false", id="snoozing", priority=9, snooze_on=75, max_snoozes=3, expire_in=3600, max_time="1d")
    queue.worker("w1").fail(running(queue), "exit code 75", return_code=75)
    queue.enqueue("false", id="ruled", priority=9, dead_on="64-68", ok_on=1, expire_in=1, if_expired="cancel")
    queue.worker("w1").fail(running(queue), "exit code 1", return_code=1)
    queue.enqueue("true", id="expiring", priority=9, expire_in=1)
    clock.advance(2)
    queue.enqueue("true", id="limits", priority=99, use="user:2")
    queue.worker("w1").claim(2)
    queue.worker("w1").stop(now=True)
    queue.worker("w2").stop()
    queue.worker("w2").stopped("drained")
