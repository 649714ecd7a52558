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
    from .api.admin import Admin as Admin
    from .api.dlq import DeadLetters as DeadLetters
    from .api.lease_holder import LeaseHolder as LeaseHolder
    from .api.limits import Limits as Limits
    from .api.log import Log as Log
    from .api.queues import Queues as Queues
    from .api.ui import Ui as Ui
    from .core.job import Job as Job
    from .core.job import JobState as JobState
    from .core.job_filter import Chosen as Chosen
    from .core.job_filter import Filter as Filter
    from .core.job_request import JobRequest as JobRequest
    from .core.results import Acted as Acted
    from .core.results import Blocker as Blocker
    from .core.results import Bulk as Bulk
    from .core.results import Captured as Captured
    from .core.results import Cause as Cause
    from .core.results import ConfigValue as ConfigValue
    from .core.results import Exchange as Exchange
    from .core.results import Family as Family
    from .core.results import Kin as Kin
    from .core.results import LimitState as LimitState
    from .core.results import Overview as Overview
    from .core.results import PausedQueue as PausedQueue
    from .core.results import Recovered as Recovered
    from .core.results import Result as Result
    from .core.results import Run as Run
    from .core.results import Running as Running
    from .core.results import Status as Status
    from .core.results import Subscriber as Subscriber
    from .core.results import Unserved as Unserved
    from .core.results import Waited as Waited
    from .core.results import WorkerInfo as WorkerInfo
    from .core.unique import Answer as Answer
    from .errors import AmbiguousJob as AmbiguousJob
    from .errors import Archived as Archived
    from .errors import BadSegment as BadSegment
    from .errors import BulkStopped as BulkStopped
    from .errors import CheckpointMoved as CheckpointMoved
    from .errors import CompactBusy as CompactBusy
    from .errors import CorruptLog as CorruptLog
    from .errors import DuplicateJob as DuplicateJob
    from .errors import IllegalTransition as IllegalTransition
    from .errors import InvalidInput as InvalidInput
    from .errors import InvalidLine as InvalidLine
    from .errors import JobNotFound as JobNotFound
    from .errors import KeyTaken as KeyTaken
    from .errors import NewerFormat as NewerFormat
    from .errors import NoQueue as NoQueue
    from .errors import NotAQueue as NotAQueue
    from .errors import QueuectlError as QueuectlError
    from .errors import StaleLease as StaleLease
    from .errors import StoreError as StoreError
    from .errors import Untrusted as Untrusted
    from .errors import Unusable as Unusable
    from .errors import WaitTimeout as WaitTimeout
    from .errors import WrongState as WrongState
    from .events.types import JobOptions as JobOptions
    from .events.types import JobSpec as JobSpec
    from .events.types import Recorded as Recorded
    from .history.branch import Branch as Branch
    from .history.past import Past as Past
    from .history.snapshot_files import Snapshot as Snapshot
    from .history.subscriptions import Subscription as Subscription
    from .integrity.verify import Verified as Verified
    from .projections.rebuild import ReplayReport as ReplayReport
    from .projections.upgrade import Migrated as Migrated
    from .queries.json_form import event_json as event_json
    from .queries.json_form import job_json as job_json
    from .queue import Queue as Queue
    from .retention.policy import Compacted as Compacted
    from .retention.shrink import Shrunk as Shrunk
    from .transfer.backup import BackedUp as BackedUp
    from .transfer.export_log import Exported as Exported
    from .transfer.import_jobs import Adopted as Adopted
    from .transfer.import_jobs import ImportRefused as ImportRefused
    from .transfer.restore import Restored as Restored
    from .worker import start_worker as start_worker

# The names that there are. Above they stand for type checkers alone, which run nothing; a test holds the two equal.
_HOMES = {
    "api.admin": "Admin",
    "api.dlq": "DeadLetters",
    "api.lease_holder": "LeaseHolder",
    "api.limits": "Limits",
    "api.log": "Log",
    "api.queues": "Queues",
    "api.ui": "Ui",
    "transfer.import_jobs": "Adopted ImportRefused",
    "core.results": "Acted Blocker Bulk Captured Cause ConfigValue Exchange Family Kin LimitState Overview PausedQueue "
    "Recovered Result Run Running Status Subscriber Unserved Waited WorkerInfo",
    "history.past": "Past",
    "transfer.backup": "BackedUp",
    "history.branch": "Branch",
    "queries.json_form": "event_json job_json",
    "errors": "AmbiguousJob Archived BadSegment BulkStopped CheckpointMoved CompactBusy CorruptLog DuplicateJob "
    "IllegalTransition InvalidInput InvalidLine JobNotFound KeyTaken NewerFormat NoQueue NotAQueue QueuectlError "
    "StaleLease StoreError Untrusted Unusable WaitTimeout WrongState",
    "events.types": "JobOptions JobSpec Recorded",
    "retention.policy": "Compacted",
    "transfer.export_log": "Exported",
    "core.job_filter": "Chosen Filter",
    "core.job_request": "JobRequest",
    "core.job": "Job JobState",
    "core.unique": "Answer",
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

__all__ = sorted(_HOME_OF)


def __getattr__(name: str) -> Any:
    # Loaded when asked for: the command line's start must not pay for what a verb does not use.
    if name not in _HOME_OF:
        raise AttributeError(f"module 'queuectl' has no attribute {name!r}")
    return getattr(import_module(f".{_HOME_OF[name]}", __name__), name)
