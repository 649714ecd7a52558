"""Which jobs are listed: a page of those that fit, looked for in bounded steps so that no request reads it all."""

from typing import Final, NamedTuple

from ..commalist import words_of
from ..intake import check_state
from ..job import Job, JobState
from ..queue import Queue

AT_ONCE: Final = 1_000
AT_MOST: Final = 20_000
"""Jobs that one request looks at; whoever asked may go on from there."""

_IN_ORDER: Final = frozenset({JobState.PENDING, JobState.FAILED, JobState.PROCESSING, JobState.DEAD})
"""States whose jobs Queue finds without looking at the others."""


class Wanted(NamedTuple):
    """Which jobs; None is any. `state` is one, or several with commas between them.

    `text` is looked for in id, command and error; `after` is the id a page ended with.
    """

    state: str | None = None
    queue: str | None = None
    text: str | None = None
    after: str | None = None


class Found(NamedTuple):
    """A page of jobs; `next` is what it goes on behind, None at the end; `searched` is how many were looked at."""

    jobs: list[Job]
    next: str | None
    searched: int


def search(queue: Queue, wanted: Wanted, *, limit: int) -> Found:
    """Return the next jobs that are wanted.

    Raises InvalidInput for a state that is none, and JobNotFound where `after` is gone.
    """
    states = frozenset() if wanted.state is None else frozenset(map(check_state, words_of(wanted.state)))
    state = next(iter(states)) if len(states) == 1 else None
    ordered = state if state in _IN_ORDER else None
    name = wanted.queue if ordered else None
    is_narrow = wanted.text is not None or wanted.queue != name or ordered is not state or len(states) > 1
    size = AT_ONCE if is_narrow else limit + 1
    after = wanted.after
    found: list[Job] = []
    searched = 0
    while True:
        batch = queue.jobs(state=ordered, queue=name, limit=size, after=after)
        for job in batch:
            if _fits(job, states, wanted):
                if len(found) == limit:
                    return Found(found, found[-1].id if found else None, searched)
                found.append(job)
            after, searched = job.id, searched + 1
        if len(batch) < size:
            return Found(found, None, searched)
        if searched >= AT_MOST:
            return Found(found, after, searched)


def _fits(job: Job, states: frozenset[JobState], wanted: Wanted) -> bool:
    if (states and job.state not in states) or wanted.queue not in (None, job.spec.queue):
        return False
    if wanted.text is None:
        return True
    command = job.spec.command if isinstance(job.spec.command, str) else " ".join(job.spec.command)
    error = (job.last and job.last.error) or ""
    return wanted.text.casefold() in f"{job.id}\n{command}\n{error}".casefold()
