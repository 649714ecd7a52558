"""The life of a worker: what it opens, its start and its end in the log, and its end where something goes wrong.

What it does in between is the loop's.
"""

import os
import time
from contextlib import ExitStack, closing
from importlib import import_module
from typing import Final

from ..core.results import Result
from ..display import shown
from ..errors import InvalidInput, NoQueue
from ..escaping import escape
from ..liveness.lock_file import LockFile, can_have_one
from ..queue import Queue
from ..system.clock import worker_id
from ..system.wakeup import Doorbell, ring
from . import log_lines
from .exchanger import Exchanger
from .full_disk import FullDisk
from .log_buffer import LogBuffer, Report
from .loop import Loop
from .maintenance import Maintenance
from .options import Options
from .queue_watch import QueueWatch
from .shutdown import Shutdown
from .signals import Signals
from .slot_threads import quick_switches
from .slots import Slots, entries_for
from .start_errors import shortage_of_descriptors, shortage_when_starting
from .systemd import Notifier
from .waiter import Waiter

_LOADED_LATER: Final = ("heapq", "shlex")
"""Modules that work may come to need, and that the queue loads when it does."""


class Worker:
    """Runs the queue's jobs until it is stopped, or drained."""

    def __init__(self, queue: Queue, options: Options, say: Report, notifier: Notifier) -> None:
        self.id = options.id or worker_id(os.uname().nodename, os.getpid())
        self._queue = queue
        self._leases = queue.worker(self.id)
        self._options = options
        self._notifier = notifier
        self._lines = LogBuffer(say)
        self._say = self._lines.say
        self._full_disk = FullDisk(self._say)

    def run(self) -> int:
        """Work until there is a reason to stop; returns the exit code, 1 where this program was replaced meanwhile.

        Whatever goes wrong is raised once the commands are killed and, where the queue still takes
        it, given back.
        """
        with ExitStack() as opened:
            with shortage_when_starting("a worker"):
                self._open(opened)
            try:
                with shortage_of_descriptors():
                    self._work()
            except Exception as error:
                if not self._maintenance.is_replaced():
                    raise
                self._say(log_lines.failed_as_replaced(error))
            finally:
                self._lines.close()
            return int(self._maintenance.is_replaced())

    def _open(self, opened: ExitStack) -> None:
        options, path = self._options, self._queue.path
        if not can_have_one(self.id):
            raise InvalidInput("worker id", shown(self.id), "a name that a file can have; give the host another name")
        signals = opened.enter_context(Signals(is_sole=options.is_sole))
        opened.enter_context(quick_switches())
        self._lock = opened.enter_context(
            closing(LockFile(path, self.id, entries=entries_for(options.slots), lease_s=options.lease_s))
        )
        doorbell = opened.enter_context(closing(Doorbell(path, self.id)))
        self._waiter = Waiter(doorbell, signals)
        self._slots = opened.enter_context(closing(self._make_slots()))
        self._maintenance = opened.enter_context(closing(self._make_maintenance()))
        self._slots.fit(now=time.monotonic())
        self._exchanger = self._make_exchanger()
        self._loop = self._make_loop()
        for name in _LOADED_LATER:  # while there is a descriptor to read them with
            import_module(name)

    def _work(self) -> None:
        options, queue = self._options, self._queue
        with self._lock.writing():
            self._leases.started(
                host=os.uname().nodename,
                pid=os.getpid(),
                slots=options.slots,
                queues=options.queues,
                reason=options.reason,
            )
        self._say(log_lines.worker_started(self.id, options.slots, options.queues))
        if self._slots.cap < options.slots:
            self._say(log_lines.fewer_slots(self._slots.cap, options.slots))
        self._notifier.ready()
        try:
            why = self._loop.run()
        except BaseException as error:
            self._abort(error)
            raise
        with self._lock.writing(), self._full_disk.noticing(time.monotonic()):  # found gone, where it has no room
            self._leases.stopped(why)
        ring(queue.path)  # for those that drain too: what they wait for may have been our last job
        self._say(log_lines.worker_stopped(self.id, why))

    def _make_slots(self) -> Slots:
        options, queue = self._options, self._queue
        return Slots(
            options.slots,
            self._waiter,
            self._lock,
            worker=self.id,
            db_path=queue.path,
            output_path=self._leases.output_path,
            inherited_env=queue.ui.inherited_env,
            grace_s=options.grace_s,
            output_limit_bytes=queue.admin.settings().output_limit_bytes,
            is_sole=options.is_sole,
        )

    def _make_maintenance(self) -> Maintenance:
        return Maintenance(
            self._queue,
            self.id,
            slots=self._options.slots,
            lock=self._lock,
            waiter=self._waiter,
            notifier=self._notifier,
            say=self._say,
        )

    def _make_exchanger(self) -> Exchanger:
        return Exchanger(
            self._queue,
            self.id,
            self._options,
            lock=self._lock,
            slots=self._slots,
            full_disk=self._full_disk,
            lines=self._lines,
        )

    def _make_loop(self) -> Loop:
        options, shutdown = self._options, self._make_shutdown()
        watch = QueueWatch(
            self._queue,
            self.id,
            poll_s=options.poll_s,
            slots=self._slots,
            exchanger=self._exchanger,
            shutdown=shutdown,
        )
        return Loop(
            options.slots,
            lock=self._lock,
            waiter=self._waiter,
            slots=self._slots,
            exchanger=self._exchanger,
            shutdown=shutdown,
            watch=watch,
            maintenance=self._maintenance,
            full_disk=self._full_disk,
            lines=self._lines,
        )

    def _make_shutdown(self) -> Shutdown:
        return Shutdown(
            self._queue,
            self.id,
            self._options,
            lock=self._lock,
            slots=self._slots,
            exchanger=self._exchanger,
            full_disk=self._full_disk,
            lines=self._lines,
            notifier=self._notifier,
        )

    def _abort(self, error: BaseException) -> None:
        held = self._slots.abandon_all()
        results = self._exchanger.collector.unrecorded + [
            Result(job, "released", error=f"its worker failed: {error}") for job in held
        ]
        try:
            self._leases.exchange(results, want=0, lease_s=self._options.lease_s)
            self._leases.stopped(escape(f"failed: {error}")[:900])
            ring(self._queue.path)  # for the other workers
        except NoQueue:  # nothing is left that an end could be recorded in, and the first error says so
            pass
        except Exception as refusal:  # the first error is the one to raise, whatever this one is
            for result in results:
                self._say(log_lines.not_recorded(result, refusal))
