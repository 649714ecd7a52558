"""Which jobs someone means: by state, queue, time and text; and in what order. Pure.

One value for the lists and for the verbs that act on many jobs. Where such jobs lie is known to
`queries.job_list`.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from ..display import shown
from ..errors import InvalidInput
from .comma_list import words_of
from .job import ENDED, Job, JobState
from .labels import LabelFilter, Labels, has_labels, label_filter
from .request import check_queue, check_state, check_text
from .times import When, when_us

States: TypeAlias = "JobState | str | Iterable[JobState | str] | None"

Act: TypeAlias = Literal["cancel", "retry", "remove", "pause", "resume"]
"""What many jobs can be told."""


class Filter(NamedTuple):
    """What a job must be: in one of these states, of this queue, and so on; None asks for nothing.

    Since and until speak of its last change, both inclusive: of when it was enqueued, claimed, ended or
    edited last. `match` is looked for in its id and its command, whatever the case. `running_since_us`: its
    run goes on, and began then or before; `began` says when a time of the log was, where that is ahead of the clock.
    `paused`: it is paused, and has not ended. `labels`: it has all of these, each with this value, or with any where
    that is None.
    """

    states: frozenset[JobState] | None = None
    queue: str | None = None
    since_us: int | None = None
    until_us: int | None = None
    match: str | None = None
    running_since_us: int | None = None
    began: Callable[[int], int] | None = None
    paused: bool = False
    labels: LabelFilter | None = None

    def fits(self, job: Job) -> bool:
        """Whether a job is one of those meant."""
        states, queue, since_us, until_us, match, running_since_us, began, paused, labels = self
        return (
            (states is None or job.state in states)
            and queue in (None, job.spec.queue)
            and (since_us is None or job.updated_at_us >= since_us)
            and (until_us is None or job.updated_at_us <= until_us)
            and (match is None or _has(job, match))
            and (running_since_us is None or _runs_since(job, running_since_us, began))
            and (not paused or (job.is_paused and job.state not in ENDED))
            and (labels is None or has_labels(job.labels, labels))
        )

    @property
    def named_states(self) -> frozenset[JobState]:
        """Return the states asked for, none where any will do."""
        return self.states or frozenset()

    @property
    def is_counted(self) -> bool:
        """Whether the counts of the queues already say how many there are."""
        asked = (self.since_us, self.until_us, self.match, self.running_since_us, self.labels)
        return asked == (None,) * len(asked) and not self.paused


class Chosen(NamedTuple):
    """The jobs that a filter meant when it was asked, by number, and what is to be done to them."""

    verb: Act
    where: Filter
    numbers: list[int]


def filter_of(
    *,
    state: States = None,
    queue: str | None = None,
    since: When | None = None,
    until: When | None = None,
    match: str | None = None,
    running_since: int | None = None,
    paused: bool = False,
    labels: Labels = None,
    since_us: int | None = None,
    until_us: int | None = None,
    now_us: int = 0,
) -> Filter:
    """Return a filter from what a caller hands in: a state, several, or a text of several with commas between them.

    Of jobs `running_since` a moment only those that are processing are meant. `since` and `until` may be told by
    what they are before `now_us`, or else in microseconds by `since_us` and `until_us`. Raises InvalidInput.
    """
    named = words_of(state) if isinstance(state, str) else state
    states = None if named is None else frozenset(check_state(each) for each in named)
    if running_since is not None:
        if states is not None and JobState.PROCESSING not in states:
            raise InvalidInput("state", ", ".join(sorted(states)), "processing, which is what a job is that runs")
        states = frozenset({JobState.PROCESSING})
    return Filter(
        states,
        None if queue is None else check_queue(queue),
        since_us if since is None else when_us(since, now_us=now_us, ahead=False, field="since"),
        until_us if until is None else when_us(until, now_us=now_us, ahead=False, field="until"),
        check_text("match", match) if match else None,
        running_since,
        paused=paused,
        labels=label_filter(labels),
    )


def one_filter(where: Filter | None, *, now_us: int, **said: Any) -> Filter:
    """Return a filter as handed in, or else made from what was said; raises InvalidInput for one beside the other."""
    if where is None:
        return filter_of(now_us=now_us, **said)
    for name, value in said.items():
        if value is not None:
            raise InvalidInput(name, "a Filter as well", f"either a Filter or {name}")
    return where


class SortOrder(NamedTuple):
    """By what jobs are put in order, the smallest first unless `reverse`; jobs alike by age."""

    by: str
    reverse: bool = False

    def key(self, job: Job) -> tuple[Any, int]:
        """Return what a job is compared by."""
        return ORDER_KEYS[self.by](job), job.number


def order_of(text: str | None) -> SortOrder | None:
    """Read an order: one of KEYS, with `-` before it for the largest first; raises InvalidInput."""
    if text is None:
        return None
    word = text.strip().lower()
    order = SortOrder(word.removeprefix("-"), word.startswith("-"))
    if order.by not in ORDER_KEYS:
        raise InvalidInput(
            "order", shown(text), f"one of {', '.join(ORDER_KEYS)}, with - before it for the other way round"
        )
    return order


ORDER_KEYS: Final[Mapping[str, Callable[[Job], Any]]] = {
    "enqueued": lambda job: job.number,
    "updated": lambda job: job.version,
    "due": lambda job: job.due_us or job.created_at_us,
    "priority": lambda job: job.spec.priority,
    "attempts": lambda job: job.attempts,
    "took": lambda job: -1 if job.last is None or job.last.duration_ms is None else job.last.duration_ms,
    "id": lambda job: job.id,
}
"""What `--order` may name -> what it compares."""


def _runs_since(job: Job, at_us: int, began: Callable[[int], int] | None) -> bool:
    since_us = job.running_since_us
    return since_us is not None and (since_us if began is None else began(since_us)) <= at_us


def _has(job: Job, match: str) -> bool:
    find, command = _finder(match), job.spec.command
    text = command if isinstance(command, str) else " ".join(command)
    return find(text) is not None or find(job.spec.id) is not None


@lru_cache(maxsize=8)
def _finder(match: str) -> Callable[[str], Any]:
    return re.compile(re.escape(match), re.IGNORECASE).search
