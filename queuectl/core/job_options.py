"""What a request asks for beside a spec, checked and filled in; pure."""

from typing import Final

from ..display import shown
from ..errors import InvalidInput
from ..events.types import NO_OPTIONS, Edge, JobOptions
from .dependencies import check_if_parent_fails, edges_of
from .expiry import expiry_of
from .job_request import JobRequest
from .labels import check_labels, check_meta
from .limits import USES, canonical, mutex_use
from .policy import policy_of

FIRST: Final = JobRequest._fields.index("paused")
"""Which field of a request is the first option: they are its last fields."""

NOTHING: Final = tuple(JobRequest._field_defaults[name] for name in JobRequest._fields[FIRST:])
"""What a request says in those where it asks for no option."""


def options_of(request: JobRequest, *, now_us: int, wall_us: int) -> JobOptions | None:
    """Return what a request asks for in its options, None where that is nothing; raises InvalidInput."""
    labels = None if request.labels is None else check_labels(request.labels) or None
    meta = None if request.meta is None else check_meta(request.meta) or None
    expiry = expiry_of(request, now_us=now_us, wall_us=wall_us)
    unique, until_us = _unique_of(request, now_us)
    after, word = _after(request)
    found = JobOptions(
        request.paused, labels, meta, policy_of(request), expiry, use_of(request), unique, until_us, after, word
    )
    return None if found == NO_OPTIONS else found


def _unique_of(request: JobRequest, now_us: int) -> tuple[str | None, int | None]:
    if request.unique is None and request.unique_for is None and request.if_exists is None:
        return None, None
    from .unique import unique_of  # only where there is a key: it costs a command its start

    return unique_of(request, now_us=now_us)


def use_of(request: JobRequest) -> tuple[str, ...] | None:
    """Return what a request says that it uses of limits, None for nothing; raises InvalidInput."""
    use, mutex = request.use, request.mutex
    words = [use] if isinstance(use, str) else [] if use is None else use
    if not (isinstance(words, list | tuple) and all(isinstance(word, str) for word in words)):
        raise InvalidInput("use", shown(use), f"{USES}, or a list of these")
    return canonical([*words, *([] if mutex is None else [mutex_use(mutex)])]) or None


def _after(request: JobRequest) -> tuple[tuple[Edge, ...] | None, str | None]:
    edges = edges_of(request.after)
    return edges, check_if_parent_fails(request.if_parent_fails, edges)
