"""Whatever jobs there are and whatever is asked for, a list is what looking at every job would give."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from queuectl import JobRequest, JobState, Queue
from queuectl.core.job import ENDED, WAITING, Job
from queuectl.core.job_filter import ORDER_KEYS, Filter, SortOrder
from queuectl.queries import job_list
from tests.clocks import FakeClock
from tests.lives import holder

from .strategies import brief

SECOND = 1_000_000
QUEUES = ("default", "mail", "m")

steps = st.lists(
    st.tuples(
        st.sampled_from(["enqueue", "delay", "claim", "complete", "fail", "cancel", "retry", "clear", "wait", "label"]),
        st.integers(0, 30),
    ),
    min_size=5,
    max_size=60,
)
moments = st.none() | st.integers(-5, 100).map(lambda second: second)
wheres = st.builds(
    Filter,
    st.frozensets(st.sampled_from(JobState), max_size=3),
    st.none() | st.sampled_from(QUEUES),
    moments,
    moments,
    st.none() | st.sampled_from(["J1", "echo", "ÉCHO", "9", "nothing"]),
    moments,
    labels=st.none()
    | st.sampled_from([(("n", "1"),), (("n", None),), (("n", "0"), ("odd", None)), (("odd", ""), ("x", None))]),
)
orders = st.none() | st.builds(SortOrder, st.sampled_from(list(ORDER_KEYS)), st.booleans())


def live(queue: Queue, clock: FakeClock, plan: list[tuple[str, int]]) -> None:
    """Let jobs live as a plan has it, each step a second later."""
    held: list[Job] = []
    for number, (verb, n) in enumerate(plan):
        clock.advance(1)
        known = [job.id for job in queue.jobs()]
        name = known[n % len(known)] if known else ""
        if verb in ("enqueue", "delay"):
            words = ("écho", f"arg{n}") if n % 2 else f"echo {n}"
            delay_s = 50.0 if verb == "delay" else None
            labels = (None, {"n": str(n % 2)}, {"n": "0", "odd": "" if n % 5 else "no"})[n % 3]
            queue.ui.enqueue_request(
                JobRequest(
                    *(words, f"j{number}", QUEUES[n % 3], n % 4, n % 2),
                    delay=delay_s,
                    backoff_base=n % 3 * 20,
                    labels=labels,
                )
            )
        elif verb == "claim":
            held += queue.worker("w").claim(1 + n % 3, lease_s=5_000)
        elif verb in ("complete", "fail") and held:
            job = held.pop(n % len(held))
            holder(queue, job).complete(job, duration_ms=n) if verb == "complete" else holder(queue, job).fail(
                job, "no"
            )
        elif verb == "cancel" and name and queue.job(name).state in WAITING:
            queue.cancel(name)
        elif verb == "retry" and name and queue.job(name).state in ENDED:
            queue.retry(name)
        elif verb == "label" and name:
            queue.edit(name, labels={"n": str(n % 2)} if n % 4 else None)
        elif verb == "clear":
            queue.clear(state=("completed", "dead", "cancelled")[n % 3], older_than_s=20)


def natural(where: Filter, found: list[Job], promoted_us: int) -> list[Job]:
    """Put jobs in the order that a list has without one."""
    if where.states and where.states <= WAITING:
        return sorted(
            found,
            key=lambda job: (
                (0, -job.spec.priority, job.number) if job.due_us <= promoted_us else (1, job.due_us, job.number)
            ),
        )
    by_change = bool(where.states) and where.states <= ENDED
    return sorted(found, key=lambda job: job.version if by_change else job.number, reverse=True)


@brief
@given(steps, wheres, orders, st.integers(1, 4), st.sampled_from([1, 3, 10_000]), st.sampled_from([1, 8]))
def test_a_list_is_what_looking_at_every_job_gives(
    plan: list[tuple[str, int]], where: Filter, order: SortOrder | None, limit: int, looked_at: int, scarce: int
) -> None:
    """By whichever table a list goes, in however many transactions and pages: the same jobs in the same order."""
    with TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patch:
        clock = FakeClock()
        patch.setattr(job_list, "LOOKED_AT", looked_at)
        patch.setattr(job_list, "SCARCE", scarce)
        with Queue.open(Path(directory) / "q", clock=clock) as queue:
            begun_us = clock.now_us()
            live(queue, clock, plan)
            where = where._replace(
                since_us=None if where.since_us is None else begun_us + where.since_us * SECOND,
                until_us=None if where.until_us is None else begun_us + where.until_us * SECOND,
                running_since_us=(
                    None if where.running_since_us is None else begun_us + where.running_since_us * SECOND
                ),
            )
            fitting = [job for job in queue.jobs() if where.fits(job)]
            with queue._store.read() as txn:
                promoted_us = job_list.marks.get(txn, job_list.marks.PROMOTED)
            expected = natural(where, fitting, promoted_us)
            if order is not None:
                expected = sorted(fitting, key=order.key, reverse=order.reverse)
            text = None if order is None else "-" * order.reverse + order.by
            assert queue.jobs(where, order=text) == expected
            assert queue.jobs(where, order=text, limit=limit) == expected[:limit]
            paged: list[Job] = []
            while page := queue.jobs(where, order=text, limit=limit, after=paged[-1].id if paged else None):
                paged += page
            assert paged == expected
            if queue.log.head():
                with queue.as_of(queue.log.head()) as past:
                    assert {job.id for job in past.jobs(where, order=text)} == {job.id for job in expected}
