"""class Queue: what the command line, the worker and other programs use.

Each method is one transaction, or a few bounded ones; nothing it returns is still tied to the
store. What acknowledges a change has it on disk.
"""

from __future__ import annotations  # evaluated, those of so many methods cost a command its start

import os
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Self

from . import hints
from .api.base import queue_directory
from .api.deprecated import Deprecated
from .api.directories import Directories
from .api.jobs import Actions
from .api.ui import Ui
from .core.request import POLL_S, check_text, check_worker
from .core.settings import ALL_VARIABLES
from .engine.engine import Engine
from .engine.group_commit import GroupCommit
from .engine.writer import DetachedWriter
from .errors import CorruptLog, StoreError
from .escaping import escape
from .projections import layout, marks
from .store import adopted
from .store.event_reader import EventReader
from .store.store import Store
from .system import host
from .system.clock import SystemClock
from .system.lazy import Later

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType
    from typing import Any

    from .api import lease_holder
    from .api.lease_holder import LeaseHolder
    from .core.progress import Progress
    from .core.times import Duration
    from .engine import streamed_writer
    from .engine.writer import Writer
    from .events.event_stream import EventStream
    from .projections import rebuild
    from .system.clock import Clock

    workers: Any
else:
    workers = Later("worker")  # a room above: known by its name alone, and only to whoever runs one here
    rebuild = Later("projections.rebuild")
    streamed_writer = Later("engine.streamed_writer")
    lease_holder = Later("api.lease_holder")


class Queue(Actions, Directories, Deprecated):
    """A queue on disk. Open it, use it, close it, in as many threads as you like; a forked child opens its own.

    >>> with Queue.open("q") as queue:  # a directory, made on first use
    ...     job = queue.enqueue("echo hi", id="hi", max_retries=2)
    ...     print(job.id, job.state)
    ...     me = queue.worker("me")  # or leave the rest to `queuectl worker start`
    ...     [claimed] = me.claim()
    ...     done = me.complete(me.start(claimed))
    ...     ended = queue.wait(job.id)
    ...     print(ended.state, [type(each.event).__name__ for each in queue.history("hi")])
    hi pending
    completed ['Enqueued', 'Claimed', 'Started', 'Completed']

    What a word means in every method:

    - `job_id`: a whole id, or a Job; `ui.match_id` returns the id that begins with a text.
    - `job_ids`: one job, or several in a list, a set or whatever yields them; each an id or a Job.
    - `reason`: kept in the log with the change.
    - `actor`: who the log names in place of this queue's.
    - `queue`, `queues`: names; None is all. An empty list is none, here and everywhere.
    - `state`: a JobState or its name.
    - `where`: a Filter, what a job must be.
    - `limit`: how many at the most; `after`: the last job of the page before, or its id.
    - `order`: one of the keys of `queuectl list --order`.
    - `lease_s`: how long a job is held without a sign of life; None is as configured.
    - `path`: the queue's directory; None as in `open`.
    - `at_us`: a time in microseconds since the epoch.
    - `progress`: called now and then; what it raises stops the work where nothing is lost.

    `queue.path` is its directory, a Path, and `queue.actor` who the log names unless a method is told another.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        actor: str,
        cause: int = 0,
        environ: Mapping[str, str] | None = None,
        writer: Writer | None = None,
    ) -> None:
        engine = Engine(store, clock, actor, cause, environ, writer)
        super().__init__(engine)
        self.path = store.path
        self.actor = actor
        self.ui = Ui(engine, GroupCommit(engine))

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str] | None = None,
        *,
        create: bool = True,
        read_only: bool = False,
        actor: str | None = None,
        cause: int | None = None,
        clock: Clock | None = None,
        environ: Mapping[str, str] | None = None,
        stream: EventStream | None = None,
        progress: Progress | None = None,
    ) -> Queue:
        """Open the queue in a directory, made on first use unless `create` is False or `read_only` is True.

        Args:
            path: The directory; None is QUEUECTL_DB, or else the user's data directory.
            create: Whether to make it where there is none.
            read_only: Refuse what changes the queue; nothing waits for whoever writes.
            actor: Who the log names; user@host unless given.
            cause: The position of the claim that this process runs under; as its environment says, unless given.
            clock: What tells the time.
            environ: Where QUEUECTL_MAX_RETRIES and the like count; this process's environment unless given.
            stream: What orders the events, where this directory is one of several nodes' that share a log.
            progress: Called with how many events are done, and of how many, as views of an older release are made anew.

        Raises NoQueue, NotAQueue, NewerFormat or StoreError.
        """
        store = Store.open(queue_directory(path), create=create and not read_only, read_only=read_only)
        try:
            if layout.is_outdated(store):
                with Store.open(store.path, create=False) as writable:
                    rebuild.bring_up_to_date(writable, progress)
            node = _checked_node(store)
            who = check_text("actor", actor or host.user_at_host())
            cause = host.run_of(store.path) if cause is None else cause
            environ = os.environ if environ is None else environ
            settings = {name: environ[name] for name in ALL_VARIABLES if name in environ}
            clock = clock or SystemClock()
            writer: Writer | None = None
            if stream is not None and not read_only:
                clock = streamed_writer.StreamClock(clock, stream)
                writer = streamed_writer.StreamedWriter(store, clock, stream)
            elif node is not None:
                writer = DetachedWriter(store, node)
            return cls(store, clock, who, cause, settings, writer)
        except BaseException:
            store.close()
            raise

    def worker(self, id: str) -> LeaseHolder:
        """Return what a worker of this id does: claim, start, complete, fail, renew, release and more.

        The id is whatever the program calls itself, 1 to 200 printable characters, and is who the log names. Whether a
        claim is still good its fencing token says alone, so any worker may report on a job it has. Raises InvalidInput.
        """
        return lease_holder.LeaseHolder(self._engine, check_worker(id))

    def run_worker(
        self,
        *,
        slots: int = 1,
        queues: Sequence[str] | None = None,
        drain: bool = False,
        poll_s: Duration = POLL_S,
        lease_s: Duration | None = None,
        grace_s: Duration | None = None,
        reason: str | None = None,
        report: Callable[[str], object] | None = None,
        id: str | None = None,
    ) -> int:
        """Run jobs in this process until told to stop, or with `drain` until nothing is left; returns the exit code.

        In a thread it runs beside the program until `queue.worker(id).stop()`. `start_worker` takes more.

        Args:
            slots: How many commands run at a time.
            queues: The names of the queues whose jobs it takes; None is all.
            drain: Whether to end once nothing is left to run.
            poll_s: How often it looks for jobs, in seconds; sooner when one comes in.
            lease_s: How long a job is held without a sign of life, in seconds; None is as configured.
            grace_s: What a command has between TERM and KILL, in seconds; None is as configured.
            reason: Kept in the log with its start.
            report: Called with each line of the worker's log. None leaves them to the logger `queuectl.worker`, at
                INFO; nothing is printed.
            id: What it is called, another at each start; None is a name of its host and its process.
        """
        code: int = workers.start_worker(
            self,
            slots=slots,
            queues=queues,
            drain=drain,
            poll_s=poll_s,
            lease_s=lease_s,
            grace_s=grace_s,
            reason=reason,
            report=_each_line(report),
            id=id,
        )
        return code

    def __repr__(self) -> str:
        return f"Queue({str(self.path)!r})"

    def close(self) -> None:
        """Close the store; doing so twice is harmless."""
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def _each_line(report: Callable[[str], object] | None) -> Callable[[Sequence[Any]], None]:
    """Return what takes a worker's lines, and hands on their texts one by one."""
    if report is None:
        import logging  # only for whoever runs a worker

        report = partial(logging.getLogger("queuectl.worker").info, "%s")

    def tell(lines: Sequence[Any]) -> None:
        for line in lines:
            report(escape(line.text))

    return tell


def _checked_node(store: Store) -> str | None:
    """Return the name of a store among those that share a log, None where it has one of its own.

    Refuses a log that a newer release goes on with, or whose end is gone; other damage is for those who read it.
    """
    node: str | None = None
    with suppress(CorruptLog), store.read() as txn:
        head, applied = EventReader(txn).head(), marks.get_anyhow(txn, marks.APPLIED)
        if head < applied:
            raise StoreError(
                f"cannot open the queue at {store.path}: its log ends at position {head}, and its views have seen "
                f"{applied}: data.mdb is damaged",
                hint=hints.VERIFY_THEN_RESTORE,
            )
        node = adopted.node(txn)
    return node
