"""Workers asked to stop, by a flag in the store: that works from anywhere, and twice does no harm."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from ..display import shown
from ..errors import QueuectlError, Unusable

if TYPE_CHECKING:
    from ..core.results import WorkerInfo
    from ..queue import Queue

LOOK_EVERY_S = 0.1


class StopOutcome(NamedTuple):
    """Which workers were asked to stop, and which were found dead: idle, or with jobs on their leases."""

    stopping: list[str]
    gone: list[str]
    holding: list[str]


def ask_to_stop(queue: "Queue", ids: Sequence[str], *, now: bool, reason: str | None) -> StopOutcome:
    """Ask the workers named, or all that are alive, to stop; a dead one that runs nothing leaves the list.

    Raises InvalidInput for an unknown id, before any is asked.
    """
    asked = StopOutcome([], [], [])
    for info in _chosen({info.id: info for info in queue.workers()}, ids):
        if info.state == "dead" and not info.running:
            queue.worker(info.id).stopped("found gone", actor=queue.actor, reason=reason)
            asked.gone.append(info.id)
            continue
        # No signal beside the flag: the change wakes the worker, and a second signal would mean `now`.
        queue.worker(info.id).stop(now=now, reason=reason)
        (asked.holding if info.state == "dead" else asked.stopping).append(info.id)
    return asked


def wait_until_gone(queue: "Queue", ids: Sequence[str], on_busy: "Callable[[WorkerInfo], None]") -> None:
    """Wait until none of these workers is alive; raises QueuectlError where one died before it had stopped.

    `on_busy` is called once for each that still runs something.
    """
    told: set[str] = set()
    while found := [info for info in queue.workers() if info.id in ids]:
        if all(info.state == "dead" for info in found):
            dead = ", ".join(info.id for info in found)
            raise QueuectlError(f"{dead} died before it had stopped; its jobs are taken back: queuectl worker list")
        for info in (each for each in found if each.runs and each.state != "dead" and each.id not in told):
            on_busy(info)
            told.add(info.id)
        queue.log.wait_for_change(queue.log.head(), LOOK_EVERY_S)


def _chosen(workers: "dict[str, WorkerInfo]", ids: Sequence[str]) -> "list[WorkerInfo]":
    for unknown in (worker for worker in ids if worker not in workers and worker != "all"):
        there = f"one of {', '.join(workers)}" if workers else "none, since no worker is running"
        raise Unusable("worker", shown(unknown), there)
    everyone = not ids or "all" in ids
    return [info for info in workers.values() if (everyone and info.state != "dead") or info.id in ids]
