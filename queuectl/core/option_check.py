"""Whether the options of an event from a file that is not trusted are such as queuectl writes; pure."""

from ..display import shown
from ..errors import InvalidInput
from ..events.types import JobOptions
from .dependencies import check_stored
from .expiry import check_expiry
from .labels import check_labels, check_meta
from .limits import canonical
from .policy import check_policy
from .request import check_id, known_here
from .unique import check_key


def check_options(options: JobOptions, position: int) -> None:
    """Refuse what no request at a position of the log asks for beside a spec; raises InvalidInput."""
    _check_each(options)
    if options.unique is not None:
        check_key(known_here(options.unique))
    elif options.unique_until_us is not None:
        raise InvalidInput("unique_for", "no key", "a unique as well")
    for field in ("use", "after"):
        if getattr(options, field) == ():
            raise InvalidInput(field, "an empty list", "something in it, or the field left out")
    check_stored(options, position)
    for edge in options.after or ():
        check_id(known_here(edge.id))


def check_edited_options(options: JobOptions) -> None:
    """Refuse what no edit changes of a job's options; raises InvalidInput."""
    _check_each(options)
    for field in ("paused", "unique", "if_parent_fails"):
        if value := getattr(options, field):
            raise InvalidInput(field, shown(value), "nothing: an edit does not change it")
    if options.after:
        raise InvalidInput("after", f"{len(options.after)} of them", "an empty one: an edit only takes it away")


def _check_each(options: JobOptions) -> None:
    if options.labels is not None:
        check_labels({key: known_here(value) for key, value in options.labels.items()})
    if options.meta is not None:
        check_meta(options.meta)
    if options.policy is not None:
        check_policy(options.policy)
    if options.expiry is not None:
        check_expiry(options.expiry)
    if options.use is not None and canonical(options.use) != options.use:
        raise InvalidInput("use", ", ".join(options.use)[:100], "each limit once, by name")
