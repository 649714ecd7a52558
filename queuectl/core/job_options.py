"""What a request asks for beside a spec, checked and filled in; pure."""

from typing import Final

from ..events.types import NO_OPTIONS, JobOptions
from .expiry import expiry_of
from .job_request import JobRequest
from .labels import check_labels, check_meta
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
    found = JobOptions(request.paused, labels, meta, policy_of(request), expiry)
    return None if found == NO_OPTIONS else found
