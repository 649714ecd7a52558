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
    from .api.admin import Admin
    from .api.leases import LeaseHolder
    from .api.log import Log
    from .core.job import Job, JobState
    from .core.job_filter import Chosen, Filter
    from .core.request import JobRequest
    from .core.results import (
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
    from .history.as_of import Past
    from .history.branch import Branch
    from .history.snapshot_files import Snapshot
    from .history.subscriptions import Subscription
    from .integrity.verify import Verified
    from .projections.rebuild import ReplayReport
    from .projections.upgrade import Migrated
    from .queries.json_form import event_json, job_json
    from .queue import Queue
    from .retention.policy import Compacted
    from .retention.shrink import Shrunk
    from .transfer.backup import BackedUp
    from .transfer.export_log import Exported
    from .transfer.import_jobs import Adopted
    from .transfer.restore import Restored
    from .worker import start_worker

_HOMES = {
    "api.admin": "Admin",
    "api.leases": "LeaseHolder",
    "api.log": "Log",
    "transfer.import_jobs": "Adopted",
    "core.results": "Acted Bulk Captured Cause ConfigValue Exchange Family Kin Overview Recovered Result Run Running "
    "Status Subscriber Unserved Waited WorkerInfo",
    "history.as_of": "Past",
    "transfer.backup": "BackedUp",
    "history.branch": "Branch",
    "queries.json_form": "event_json job_json",
    "errors": "AmbiguousJob Archived BadSegment BulkStopped CheckpointMoved CompactBusy CorruptLog DuplicateJob "
    "IllegalTransition InvalidInput InvalidLine JobNotFound NewerFormat NoQueue NotAQueue QueuectlError "
    "StaleLease StoreError Untrusted Unusable WaitTimeout WrongState",
    "events.types": "JobSpec Recorded",
    "retention.policy": "Compacted",
    "transfer.export_log": "Exported",
    "core.job_filter": "Chosen Filter",
    "core.request": "JobRequest",
    "core.job": "Job JobState",
    "projections.upgrade": "Migrated",
    "projections.rebuild": "ReplayReport",
    "queue": "Queue",
    "transfer.restore": "Restored",
    "retention.shrink": "Shrunk",
    "history.snapshot_files": "Snapshot",
    "history.subscriptions": "Subscription",
    "integrity.verify": "Verified",
    "worker": "start_worker",
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}

__all__ = [
    "Acted",
    "Admin",
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
    "LeaseHolder",
    "Log",
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
