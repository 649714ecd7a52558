"""queuectl: a durable job queue for shell commands, on an event log; no server to run.

from queuectl import Queue

with Queue.open() as queue:
    job = queue.enqueue("echo hi")
    queue.wait(job.id)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from .answers import (
        Acted,
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
        Overview,
        Recovered,
        ReplayReport,
        Restored,
        Result,
        Run,
        Running,
        Shrunk,
        Status,
        Subscriber,
        Unserved,
        Waited,
        WorkerInfo,
    )
    from .asof import Past
    from .documents import event_json, job_json
    from .errors import (
        AmbiguousJob,
        Archived,
        BadSegment,
        BulkStopped,
        CheckpointMoved,
        CompactBusy,
        CorruptLog,
        DuplicateJob,
        IllegalTransition,
        InvalidInput,
        InvalidLine,
        JobNotFound,
        NewerFormat,
        NoQueue,
        NotAQueue,
        QueuectlError,
        StaleLease,
        StoreError,
        Untrusted,
        Unusable,
        WaitTimeout,
        WrongState,
    )
    from .events.types import JobSpec, Recorded
    from .filtering import Chosen, Filter
    from .intake import JobRequest
    from .job import Job, JobState
    from .queue import Queue
    from .snapshots import Snapshot
    from .subscriptions import Subscription
    from .verification import Verified
    from .worker import start_worker

_HOMES = {
    "answers": "Acted Adopted BackedUp Branch Bulk Captured Cause Compacted ConfigValue Exchange Exported Family Kin "
    "Migrated Overview Recovered ReplayReport Restored Result Run Running Shrunk Status Subscriber Unserved Waited "
    "WorkerInfo",
    "asof": "Past",
    "documents": "event_json job_json",
    "errors": "AmbiguousJob Archived BadSegment BulkStopped CheckpointMoved CompactBusy CorruptLog "
    "DuplicateJob IllegalTransition InvalidInput InvalidLine JobNotFound NewerFormat NoQueue "
    "NotAQueue QueuectlError StaleLease StoreError Untrusted Unusable WaitTimeout WrongState",
    "events.types": "JobSpec Recorded",
    "filtering": "Chosen Filter",
    "intake": "JobRequest",
    "job": "Job JobState",
    "queue": "Queue",
    "snapshots": "Snapshot",
    "subscriptions": "Subscription",
    "verification": "Verified",
    "worker": "start_worker",
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}

__all__ = [
    "Acted",
    "Adopted",
    "AmbiguousJob",
    "Archived",
    "BackedUp",
    "BadSegment",
    "Branch",
    "Bulk",
    "BulkStopped",
    "Captured",
    "Cause",
    "CheckpointMoved",
    "Chosen",
    "CompactBusy",
    "Compacted",
    "ConfigValue",
    "CorruptLog",
    "DuplicateJob",
    "Exchange",
    "Exported",
    "Family",
    "Filter",
    "IllegalTransition",
    "InvalidInput",
    "InvalidLine",
    "Job",
    "JobNotFound",
    "JobRequest",
    "JobSpec",
    "JobState",
    "Kin",
    "Migrated",
    "NewerFormat",
    "NoQueue",
    "NotAQueue",
    "Overview",
    "Past",
    "Queue",
    "QueuectlError",
    "Recorded",
    "Recovered",
    "ReplayReport",
    "Restored",
    "Result",
    "Run",
    "Running",
    "Shrunk",
    "Snapshot",
    "StaleLease",
    "Status",
    "StoreError",
    "Subscriber",
    "Subscription",
    "Unserved",
    "Untrusted",
    "Unusable",
    "Verified",
    "WaitTimeout",
    "Waited",
    "WorkerInfo",
    "WrongState",
    "event_json",
    "job_json",
    "start_worker",
]


def __getattr__(name: str) -> Any:
    # Loaded when asked for: the command line's start must not pay for what a verb does not use.
    if name not in _HOME_OF:
        raise AttributeError(f"module 'queuectl' has no attribute {name!r}")
    return getattr(import_module(f".{_HOME_OF[name]}", __name__), name)
