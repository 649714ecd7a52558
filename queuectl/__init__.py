"""queuectl: a durable job queue for shell commands, on an event log; no server to run.

from queuectl import Queue

with Queue.open() as queue:
    job = queue.enqueue("echo hi")
    queue.wait(job.id)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .version import __version__ as __version__

if TYPE_CHECKING:
    from .adopting import Adopted
    from .answers import (
        Acted,
        Bulk,
        Captured,
        Cause,
        ConfigValue,
        Exchange,
        Family,
        Kin,
        Overview,
        Recovered,
        Result,
        Run,
        Running,
        Status,
        Subscriber,
        Unserved,
        Waited,
        WorkerInfo,
    )
    from .asof import Past
    from .backup import BackedUp
    from .branching import Branch
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
    from .expiry import Compacted
    from .exporting import Exported
    from .filtering import Chosen, Filter
    from .intake import JobRequest
    from .job import Job, JobState
    from .migrating import Migrated
    from .projections.rebuild import ReplayReport
    from .queue import Queue
    from .restore import Restored
    from .shrinking import Shrunk
    from .snapshots import Snapshot
    from .subscriptions import Subscription
    from .verification import Verified
    from .worker import start_worker

_HOMES = {
    "adopting": "Adopted",
    "answers": "Acted Bulk Captured Cause ConfigValue Exchange Family Kin Overview Recovered Result Run Running "
    "Status Subscriber Unserved Waited WorkerInfo",
    "asof": "Past",
    "backup": "BackedUp",
    "branching": "Branch",
    "documents": "event_json job_json",
    "errors": "AmbiguousJob Archived BadSegment BulkStopped CheckpointMoved CompactBusy CorruptLog DuplicateJob "
    "IllegalTransition InvalidInput InvalidLine JobNotFound NewerFormat NoQueue NotAQueue QueuectlError "
    "StaleLease StoreError Untrusted Unusable WaitTimeout WrongState",
    "events.types": "JobSpec Recorded",
    "expiry": "Compacted",
    "exporting": "Exported",
    "filtering": "Chosen Filter",
    "intake": "JobRequest",
    "job": "Job JobState",
    "migrating": "Migrated",
    "projections.rebuild": "ReplayReport",
    "queue": "Queue",
    "restore": "Restored",
    "shrinking": "Shrunk",
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
