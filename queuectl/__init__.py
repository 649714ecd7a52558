"""queuectl: a durable job queue for shell commands, on an event log; no server to run.

from queuectl import Queue

with Queue.open() as queue:
    job = queue.enqueue("echo hi")
    queue.wait([job.id])
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from .answers import (
        Adopted,
        BackedUp,
        Branch,
        Bulk,
        Captured,
        Cause,
        Compacted,
        ConfigValue,
        Exchange,
        Exported,
        Family,
        Kin,
        Migrated,
        ReplayReport,
        Restored,
        Result,
        Run,
        Running,
        Shrunk,
        Status,
        Subscriber,
        WorkerInfo,
    )
    from .errors import (
        AmbiguousJob,
        CheckpointMoved,
        DuplicateJob,
        InvalidInput,
        InvalidLine,
        JobNotFound,
        NoQueue,
        QueuectlError,
        StaleLease,
        StoreError,
        WaitTimeout,
        WrongState,
    )
    from .events.types import JobSpec, Recorded
    from .intake import JobRequest
    from .job import Job, JobState
    from .queue import Queue
    from .subscriptions import Subscription

_HOMES = {
    "answers": "Adopted BackedUp Branch Bulk Captured Cause Compacted ConfigValue Exchange Exported Family Kin "
    "Migrated ReplayReport Restored Result Run Running Shrunk Status Subscriber WorkerInfo",
    "errors": "AmbiguousJob CheckpointMoved DuplicateJob InvalidInput InvalidLine JobNotFound NoQueue QueuectlError "
    "StaleLease StoreError WaitTimeout WrongState",
    "events.types": "JobSpec Recorded",
    "intake": "JobRequest",
    "job": "Job JobState",
    "queue": "Queue",
    "subscriptions": "Subscription",
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}

__all__ = [
    "Adopted",
    "AmbiguousJob",
    "BackedUp",
    "Branch",
    "Bulk",
    "Captured",
    "Cause",
    "CheckpointMoved",
    "Compacted",
    "ConfigValue",
    "DuplicateJob",
    "Exchange",
    "Exported",
    "Family",
    "InvalidInput",
    "InvalidLine",
    "Job",
    "JobNotFound",
    "JobRequest",
    "JobSpec",
    "JobState",
    "Kin",
    "Migrated",
    "NoQueue",
    "Queue",
    "QueuectlError",
    "Recorded",
    "ReplayReport",
    "Restored",
    "Result",
    "Run",
    "Running",
    "Shrunk",
    "StaleLease",
    "Status",
    "StoreError",
    "Subscriber",
    "Subscription",
    "WaitTimeout",
    "WorkerInfo",
    "WrongState",
]


def __getattr__(name: str) -> Any:
    # Loaded when asked for: the command line's start must not pay for what a verb does not use.
    if name not in _HOME_OF:
        raise AttributeError(f"module 'queuectl' has no attribute {name!r}")
    return getattr(import_module(f".{_HOME_OF[name]}", __name__), name)
