"""Whatever happens, folding a log stream by stream, and in memory from there on, gives the rows of the live views."""

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from queuectl.core.commands import (
    ClaimJob,
    CompleteJob,
    EditJob,
    EnqueueJob,
    PauseJob,
    RecoverJob,
    ReleaseJob,
    RemoveJob,
    RequeueJob,
    ResumeJob,
    RetryPolicy,
)
from queuectl.core.decider import decide
from queuectl.errors import QueuectlError
from queuectl.events.append import Append
from queuectl.events.codec import LAYOUTS
from queuectl.events.types import (
    CONFIG_STREAM,
    LIMIT_STREAM,
    NEW_STREAM,
    QUEUE_STREAM,
    WORKER_STREAM,
    ConfigChanged,
    Edited,
    Event,
    JobOptions,
    JobSpec,
    LimitRemoved,
    LimitSet,
    Resumed,
)
from queuectl.projections import children, marks, stream_walk
from queuectl.projections.bulk_fold import Fold, firsts_of_all, writes_of
from queuectl.projections.views import Views
from queuectl.store.event_writer import EventWriter
from queuectl.store.store import VIEW_TABLES, Store, Transaction
from tests.property import strategies as our

# A log, event by event beside walked up to some position and folded in portions from there on

KINDS = {layout.name: layout.type for layout in LAYOUTS}

limited: st.SearchStrategy[tuple[str, Event]] = st.tuples(
    st.sampled_from([LIMIT_STREAM + name for name in ("api", "user", "user:a", "queue:other")]),
    st.builds(LimitSet, st.none() | st.integers(0, 2)) | st.just(LimitRemoved()),
)
named: st.SearchStrategy[tuple[str, Event]] = st.one_of(
    limited,
    st.tuples(st.just(QUEUE_STREAM + "other"), our.EVENTS[KINDS["paused"]] | st.just(Resumed())),
    st.tuples(
        st.just(CONFIG_STREAM),
        st.builds(ConfigChanged, st.sampled_from(["x", "y"]), st.none(), st.none() | our.signed),
    ),
    *(
        st.tuples(st.sampled_from([WORKER_STREAM + "w1", WORKER_STREAM + "w2"]), our.EVENTS[KINDS[name]])
        for name in ("worker_started", "worker_stopping", "worker_stopped")
    ),
)
born = st.tuples(st.sampled_from(["a", "b", "c"]), our.enqueues)
done = st.tuples(st.sampled_from(["a", "b", "c"]), our.working | our.commands)
deeds = st.one_of(
    done,
    born,
    named,
    st.tuples(st.sampled_from(["promote"]), our.moments),
)
happenings = st.lists(deeds | st.tuples(st.sampled_from(["read", "write"]), st.integers(1, 4)), max_size=60)
befores = st.builds(lambda first, more: first + more, st.lists(born, max_size=4), st.lists(deeds, max_size=40))
meanwhiles = st.lists(done, min_size=4, max_size=12) | st.lists(deeds, max_size=10)

# The same of jobs that all use limits, of which one holds back another

IDS = ("a", "b", "c", "d", "e")
ids = st.sampled_from(IDS)
some_use = st.builds(JobOptions, use=our.uses.filter(bool))
soon = st.integers(0, 8).map(
    lambda seconds: seconds * 1_000_000
)  # log time, of which an event takes a tenth of a second
waits = st.builds(RetryPolicy, soon)
users = st.tuples(
    ids, st.builds(EnqueueJob, st.builds(JobSpec, *map(st.just, ("x", "true")), run_at_us=soon), some_use)
)
steps = st.tuples(
    ids,
    st.one_of(
        st.builds(ClaimJob, our.short, our.moments),
        st.builds(CompleteJob, st.just(our.RIGHT)) | st.builds(RecoverJob, st.just(our.RIGHT), waits),
        st.builds(ReleaseJob, st.just(our.RIGHT), our.short),
        st.builds(EditJob, st.builds(Edited, options=some_use)),
        st.sampled_from([PauseJob(), ResumeJob(), RequeueJob(), RemoveJob()]),
    ),
)
limited_deeds = st.one_of(steps, steps, steps, users, limited, st.tuples(st.just("promote"), soon))
first_caps = [(LIMIT_STREAM + name, LimitSet(cap)) for name, cap in (("api", 2), ("user", 2))]
limited_befores = st.builds(
    lambda first, more: first_caps + first + more,
    st.lists(users, min_size=3, max_size=8),
    st.lists(limited_deeds, min_size=4, max_size=30),
)
limited_parts = st.lists(
    st.lists(limited_deeds | st.tuples(st.sampled_from(["read", "write"]), st.integers(1, 4)), max_size=40), max_size=4
)


class Lives:
    """A log and its live views, and a fold of it beside them."""

    def __init__(self) -> None:
        self.fold = Fold()
        self.numbers: dict[str, int] = {}

    def go_on(self, txn: Transaction, what: list[tuple[str, Any]]) -> None:
        """Let things happen in a transaction."""
        self.txn, self.log, self.views = txn, EventWriter(txn), Views(txn)
        for happening in what:
            self.happen(*happening)
        self.views.flush()

    def walk(self, store: Store, before: list[tuple[str, Any]], meanwhile: list[tuple[str, Any]]) -> None:
        """Write into the shadow what walking gives of the log as it is after some things, as more go on happening."""
        with store.write() as txn:
            self.go_on(txn, before)
            head, promoted_us, named = self.log.head(), self.views.promoted_us, stream_walk.named_events(txn)
            Views(txn.shadow()).promote_to(promoted_us)
        with store.write() as txn:
            self.go_on(txn, meanwhile)
        walked = list(stream_walk.fold(store, head=head, promoted_us=promoted_us))
        with store.write() as txn:
            for write in (write for folded in walked for write in writes_of(folded)):
                write(txn.shadow())
            for write in firsts_of_all(txn.shadow()):
                write(txn.shadow())
        events = len(named) + sum(folded.events for folded in walked)
        assert events == head
        self.fold = Fold(promoted_us)
        self.fold.begin_at(head, events, named)

    def happen(self, what: str, detail: Any) -> None:
        if what == "promote":
            self.views.promote(detail)
        elif what == "read":
            self.fold.read(self.txn.shadow(), detail)
        elif what == "write":
            self.write()
        elif what in IDS:
            self.order(what, detail)
        else:
            self.append(what, self.log.version(what), (detail,))

    def order(self, job_id: str, command: Any) -> None:
        number = self.numbers.get(job_id, 0)
        job = self.views.job(number) if number else None
        if hasattr(command, "spec"):
            if job is not None:
                return
            spec = command.spec
            queue = ("default", "other")[len(spec.queue) % 2]
            options = {"max_retries": spec.max_retries, "backoff_base": spec.backoff_base, "run_at_us": spec.run_at_us}
            command = replace(command, spec=JobSpec(job_id, "true", queue, spec.priority % 3, **options))
        try:
            events = decide(our.aimed(command, job), job)
        except QueuectlError:
            return
        if job is None:
            self.append(NEW_STREAM, 0, events, cause=self.log.head())  # as if the last event were a claim
            self.numbers[job_id] = self.log.head()
        else:
            self.append(number, job.version, events)

    def append(self, stream: Any, expected: int, events: tuple[Event, ...], cause: int = 0) -> None:
        if events:
            batch = [Append(stream, expected, events)]
            for recorded in self.log.append(batch, at_us=self.log.head() * 100_000, actor="tester", cause=cause):
                self.views.apply([recorded])

    def write(self) -> None:
        for write in self.fold.writes():
            write(self.txn.shadow())

    def assert_equal(self) -> None:
        """Bring both to the head, and compare every row of every view."""
        self.views.flush()
        while self.fold.applied < self.log.head():
            self.fold.read(self.txn.shadow(), 5)
        self.write()
        self.fold.promoted_us = self.views.promoted_us
        Views(self.txn.shadow()).promote_to(self.views.promoted_us)
        for table in VIEW_TABLES:
            assert list(self.txn.scan(table)) == list(self.txn.shadow().scan(table)), table


@given(before=befores, meanwhile=meanwhiles, parts=st.lists(happenings, max_size=3))
@our.brief
def test_a_folded_log_gives_the_rows_of_the_live_views(
    before: list[tuple[str, Any]], meanwhile: list[tuple[str, Any]], parts: list[list[tuple[str, Any]]]
) -> None:
    """Walked to any point of random lives, and folded on in whatever portions, the shadow is the live views."""
    live_and_fold(before, meanwhile, parts)


TAKEN_AGAIN: list[tuple[str, Any]] = [
    ("a", ReleaseJob(our.RIGHT, "w1")),
    ("read", 4),
    ("write", 1),
    ("a", ClaimJob("w2", 1_000_000)),
]
"""A job that is given back and taken again between two looks at the live views, and is written in between."""


@given(before=limited_befores, meanwhile=st.lists(limited_deeds, max_size=10), parts=limited_parts)
@example(
    before=[],
    meanwhile=[],
    parts=[
        [("a", EnqueueJob(JobSpec("x", "true"), JobOptions(use=("mutex:m",)))), ("a", ClaimJob("w1", 1_000_000))],
        TAKEN_AGAIN,
    ],
)
@our.brief
def test_a_folded_log_gives_the_rows_of_the_live_views_where_jobs_use_limits(
    before: list[tuple[str, Any]], meanwhile: list[tuple[str, Any]], parts: list[list[tuple[str, Any]]]
) -> None:
    """So it is of jobs that use the same limits, which are set, changed and removed meanwhile."""
    live_and_fold(before, meanwhile, parts)


def live_and_fold(
    before: list[tuple[str, Any]], meanwhile: list[tuple[str, Any]], parts: list[list[tuple[str, Any]]]
) -> None:
    """Walk and fold a log as its lives go on, and hold the shadow against the live views after each part."""
    with tempfile.TemporaryDirectory() as directory, Store.open(Path(directory, "q"), create=True) as store:
        lives = Lives()
        lives.walk(store, before, meanwhile)
        with store.write() as txn:
            for part in [[], *parts]:
                lives.go_on(txn, part)
                lives.assert_equal()
            assert marks.get(txn.shadow(), marks.APPLIED) == lives.log.head()
            born = sum(1 for each in lives.log.read() if each.cause)
            assert txn.count(children.TABLE) == txn.shadow().count(children.TABLE) == born
