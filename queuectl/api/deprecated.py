"""Old names of class Queue, for this release: each now is at `queue.worker(id)`, `queue.log` and the like."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MOVED: Final[Mapping[str, str]] = {
    "are_snapshots_due": "admin.are_snapshots_due",
    "act_on_all": "ui.act_on_all",
    "backup": "admin.backup",
    "branch": "admin.branch",
    "cause_of": "log.cause_of",
    "choose": "ui.choose",
    "check_there": "admin.check_there",
    "compact": "admin.compact",
    "config": "admin.config",
    "config_get": "admin.config_get",
    "config_set": "admin.config_set",
    "config_unset": "admin.config_unset",
    "count": "ui.count",
    "cut_bytes": "ui.cut_bytes",
    "dead": "dlq.jobs",
    "delete_snapshots": "admin.delete_snapshots",
    "dlq_purge": "dlq.purge",
    "dlq_retry": "dlq.retry",
    "due_times": "log.due_times",
    "each_job": "ui.each_job",
    "earlier": "log.earlier",
    "enqueue_request": "ui.enqueue_request",
    "export": "admin.export",
    "gone_workers": "ui.gone_workers",
    "head": "log.head",
    "import_jobs": "admin.import_jobs",
    "inherited_env": "ui.inherited_env",
    "job_id_of": "log.job_id_of",
    "make_snapshots": "admin.make_snapshots",
    "match_id": "ui.match_id",
    "near_queues": "ui.near_queues",
    "now_us": "ui.now_us",
    "output": "ui.output_frames",
    "output_frames": "ui.output_frames",
    "overview": "ui.overview",
    "position_at": "log.position_at",
    "printed": "output_bytes",
    "remove_subscription": "log.remove",
    "replay": "admin.replay",
    "retaining": "admin.background_compactor",
    "rewind_subscription": "log.rewind",
    "settings": "admin.settings",
    "sizes": "admin.sizes",
    "snapshots": "admin.snapshots",
    "subscriptions": "log.subscriptions",
    "unserved": "ui.unserved",
    "untold": "log.missing_history",
    "verify": "admin.verify",
    "wait_for_change": "log.wait_for_change",
}
"""Old name -> where it is now."""

BY_WORKER: Final[Mapping[str, str]] = {
    "claim": "claim",
    "exchange": "exchange",
    "heartbeat": "heartbeat",
    "stop_requested": "stop_requested",
    "worker_started": "started",
    "worker_stopped": "stopped",
    "worker_stopping": "stop",
}
"""Old name of a method whose first argument was the worker's id -> its name at `queue.worker(id)`."""

BY_JOB: Final = frozenset(
    {"complete", "complete_many", "fail", "output_path", "recover", "refresh", "release", "renew", "start"}
)
"""Methods at `queue.worker(id)` that took the worker from the lease of their first argument."""

ARGUMENTS: Final[Mapping[str, Mapping[str, str]]] = {
    "fail": {"reason": "failure"},
    "overview": {"lately": "just_ended"},
    "printed": {"run": "of"},
    "release": {"cause": "why"},
    "worker_stopped": {"cause": "why"},
}
"""Old name of a method -> its arguments' old names -> those that they have now."""


class Deprecated:
    """The old names: each warns with the new one, and does the same."""

    if not TYPE_CHECKING:  # a type checker says it before the program runs

        def __getattr__(self, name: str) -> Callable[..., Any]:
            if name not in MOVED.keys() | BY_WORKER.keys() | BY_JOB:
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            now = MOVED.get(name) or f"worker(id).{BY_WORKER.get(name, name)}"
            _warn(f"Queue.{name} is now Queue.{now}")
            return _found(self, name)


def _warn(message: str) -> None:
    import warnings  # only for who calls by an old name

    warnings.warn(message, DeprecationWarning, stacklevel=3)


def _found(queue: Any, name: str) -> Callable[..., Any]:
    if name in MOVED:
        place, _, new = MOVED[name].rpartition(".")
        moved: Callable[..., Any] = getattr(getattr(queue, place) if place else queue, new)
        if name not in ARGUMENTS:
            return moved
        return lambda *given, **named: moved(*given, **_renamed(name, named))
    return (_by_worker if name in BY_WORKER else _by_job)(queue, name)


def _renamed(name: str, named: Mapping[str, Any]) -> dict[str, Any]:
    now = ARGUMENTS.get(name, {})
    return {now.get(each, each): value for each, value in named.items()}


def _by_worker(queue: Any, name: str) -> Callable[..., Any]:
    def call(*given: Any, **named: Any) -> Any:
        if not given and "worker" not in named:
            raise TypeError(f"Queue.{name}() lacks the argument 'worker'")
        worker, *rest = given or (named.pop("worker"),)
        return getattr(queue.worker(worker), BY_WORKER[name])(*rest, **_renamed(name, named))

    return call


def _by_job(queue: Any, name: str) -> Callable[..., Any]:
    from .lease_holder import LeaseHolder

    def call(*given: Any, **named: Any) -> Any:
        [first] = given[:1] or [named.get("job", named.get("claimed"))]
        jobs = [first] if hasattr(first, "lease") else first if isinstance(first, list | tuple) else []
        lease = getattr(jobs[0], "lease", None) if jobs else None
        actor = named.pop("actor", None) if name == "recover" else None
        holder = LeaseHolder(queue._engine, actor or (lease.worker if lease else queue.actor))
        return getattr(holder, name)(*given, **_renamed(name, named))

    return call
