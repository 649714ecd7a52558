"""Asking workers to stop, by a flag in the store: it works from anywhere, and asking twice does no harm."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..errors import InvalidInput

if TYPE_CHECKING:
    from ..queue import Queue

POLL_S = 0.1


def ask_to_stop(queue: "Queue", ids: Sequence[str], *, now: bool, reason: str | None) -> list[str]:
    """Ask the workers named, or all that are alive, to stop; gives their ids.

    Raises InvalidInput for an unknown id, before any is asked.
    """
    workers = {info.id: info for info in queue.workers()}
    for unknown in (worker for worker in ids if worker not in workers and worker != "all"):
        raise InvalidInput("worker", repr(unknown), "one of " + (", ".join(workers) or "none: no worker is running"))
    everyone = not ids or "all" in ids
    chosen = [info for info in workers.values() if (everyone and info.state != "dead") or info.id in ids]
    for info in chosen:
        # No signal beside the flag: the change wakes the worker, and a second signal would mean `now`.
        queue.worker_stopping(info.id, now=now, reason=reason)
    return [info.id for info in chosen]


def wait_until_gone(queue: "Queue", ids: Sequence[str]) -> None:
    """Wait until none of these workers is alive."""
    left = set(ids)
    while left & {info.id for info in queue.workers() if info.state != "dead"}:
        queue.wait_for_change(queue.head(), POLL_S)
