"""The rooms behind class Queue, each imported when it is first asked: a program pays for what it uses of them."""
# ruff: noqa: F401 - they are imported from here

from typing import TYPE_CHECKING

from ..system.lazy import Later

if TYPE_CHECKING:
    from ..core import due_times, job_filter, results
    from ..engine import enqueue, exchange, expiry, job_actions, limit_actions, queue_actions, recovery
    from ..history import as_of, branch, event_search, lineage, past, subscriptions
    from ..integrity import verify
    from ..outputs import frame_check, frames, storage
    from ..projections import rebuild, upgrade
    from ..queries import blockers, held_back, job_ids, job_list, job_wait, jobs, no_worker, overview, paused
    from ..queries import limits as limit_states
    from ..retention import archived_history, background, compact, policy, shrink
    from ..transfer import backup, export_log, foreign_files, import_jobs, import_log, restore, swap
else:
    _ROOMS = {
        "core": "due_times job_filter results",
        "engine": "enqueue exchange expiry job_actions limit_actions queue_actions recovery",
        "history": "as_of branch event_search lineage past subscriptions",
        "integrity": "verify",
        "outputs": "frame_check frames storage",
        "projections": "rebuild upgrade",
        "queries": "blockers held_back job_ids job_list job_wait jobs no_worker overview paused",
        "retention": "archived_history background compact policy shrink",
        "transfer": "backup export_log foreign_files import_jobs import_log restore swap",
    }
    limit_states = Later("queries.limits")
    globals().update({name: Later(f"{room}.{name}") for room, names in _ROOMS.items() for name in names.split()})
