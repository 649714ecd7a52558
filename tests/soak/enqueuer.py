"""Someone who enqueues: random jobs, one or a few at a time, some of them cancelled a little later.

Runs as `python -m tests.soak.enqueuer DB JOURNALS ACKNOWLEDGED SEED` until TERM. An id is written to the file
ACKNOWLEDGED once the queue has taken it.
"""

import random
import shlex
import signal
import sys
import threading
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Final

from queuectl import JobRequest, Queue, WrongState

JOB_SCRIPT: Final = Path(__file__).with_name("job.py")
BACKLOG: Final = 30
"""More jobs than this are not left waiting, so that the end of it all comes soon."""

RECENT: Final = 8
"""A job to cancel is one of so many: hardly any of them has ended."""

ENDLESS_S: Final = 600
"""Ended by a timeout or a cancel, or found after the soak."""


def main() -> None:
    path, journals, acknowledged, seed = sys.argv[1:]
    chance = random.Random(int(seed))
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda number, frame: stopped.set())
    recent: deque[str] = deque(maxlen=RECENT)
    with Queue.open(path) as queue, Path(acknowledged).open("a", buffering=1) as file:
        while not stopped.wait(chance.uniform(0.05, 0.3)):
            if queue.backlog() < BACKLOG:
                ids = enqueue(queue, [random_request(journals, chance) for _ in range(chance.choice((1, 1, 1, 5)))])
                file.write("".join(f"{job_id}\n" for job_id in ids))
                recent.extend(ids)
            if recent and chance.random() < 0.3:
                with suppress(WrongState):  # it has ended
                    queue.cancel(chance.choice(recent), reason="a whim")


def enqueue(queue: Queue, requests: list[JobRequest]) -> list[str]:
    if len(requests) == 1:
        return [queue.ui.enqueue_request(requests[0]).id]
    return queue.enqueue_many(requests).ids


def random_request(journals: str, chance: random.Random) -> JobRequest:
    """Make up a job: how long it takes, how it ends, and what trouble it makes."""
    seconds = ENDLESS_S if chance.random() < 0.1 else chance.choice((0.0, chance.uniform(0, 0.5), chance.uniform(0, 2)))
    code = chance.choice((0, 0, 0, 1, 3))
    traits = [trait for trait in ("chatty", "deaf", "parent") if chance.random() < 0.2]
    if seconds < ENDLESS_S and chance.random() < 0.1:
        traits.append("detached")  # a timeout does not end it, so it must end by itself
    words = (sys.executable, "-I", "-S", str(JOB_SCRIPT), journals, f"{seconds:.3f}", str(code), *traits)
    return JobRequest(
        words if chance.random() < 0.5 else shlex.join(words),
        priority=chance.randrange(3),
        max_retries=chance.randrange(4),
        timeout_s=chance.uniform(1, 3),
        backoff_base=0.5,
        delay_s=chance.choice((None, None, chance.uniform(0, 1))),
    )


if __name__ == "__main__":
    main()
