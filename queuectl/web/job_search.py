"""Which jobs are listed: those that `Queue.jobs` returns, and a text looked for among them, in bounded steps."""

from typing import Final, NamedTuple

from ..core.comma_list import words_of
from ..core.job import Job
from ..core.job_filter import filter_of
from ..display import shown
from ..errors import InvalidInput
from ..queue import Queue

JOBS_AT_ONCE: Final = 1_000
MOST_SEARCHED: Final = 20_000
"""Jobs of a state and a queue that one request reads for a text; whoever asked may go on from there."""


class JobQuery(NamedTuple):
    """Which jobs; None is any. `state` is one, or several with commas between them.

    `text` is looked for in id, command and error; `label` is `key=value` or a key, or several with commas between
    them; `paused` is `true` for those alone that are paused; `after` is the id a page ended with.
    """

    state: str | None = None
    queue: str | None = None
    text: str | None = None
    label: str | None = None
    paused: str | None = None
    after: str | None = None


class JobPage(NamedTuple):
    """A page of jobs; `next` is what it goes on after, None at the end; `searched` is how many were looked at."""

    jobs: list[Job]
    next: str | None
    searched: int


def search(queue: Queue, wanted: JobQuery, *, limit: int) -> JobPage:
    """Return the next jobs that are wanted.

    Raises InvalidInput for a state or a label that is none, and JobNotFound where `after` is gone.
    """
    if wanted.paused not in (None, "true"):
        raise InvalidInput("paused", shown(wanted.paused), "true, or nothing for jobs that are paused or not")
    labels = None if wanted.label is None else words_of(wanted.label)
    where = filter_of(state=wanted.state, queue=wanted.queue, labels=labels, paused=wanted.paused is not None)
    size = limit + 1 if wanted.text is None else JOBS_AT_ONCE
    after = wanted.after
    found: list[Job] = []
    searched = 0
    while True:
        batch = queue.jobs(where, limit=size, after=after)
        for job in batch:
            if wanted.text is None or _has(job, wanted.text):
                if len(found) == limit:
                    return JobPage(found, found[-1].id if found else None, searched)
                found.append(job)
            after, searched = job.id, searched + 1
        if len(batch) < size:
            return JobPage(found, None, searched)
        if searched >= MOST_SEARCHED:
            return JobPage(found, after, searched)


def _has(job: Job, text: str) -> bool:
    command = job.spec.command if isinstance(job.spec.command, str) else " ".join(job.spec.command)
    error = (job.last and job.last.error) or ""
    return text.casefold() in f"{job.id}\n{command}\n{error}".casefold()
