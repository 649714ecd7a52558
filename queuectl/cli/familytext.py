"""A family of jobs as an indented table: a job stands under the one whose run enqueued it."""

from collections.abc import Iterator

from ..answers import Family, Kin
from ..job import JobState
from .render import Column, state_colour
from .story import cause_text
from .text import duration, escape, plural

INDENT = "  "

COLUMNS = (
    Column(""),
    Column("JOB", wide=True),
    Column("STATE", paint=state_colour),
    Column("EXIT", right=True),
    Column("TOOK", right=True),
    Column("ENQUEUED BY"),
)


def rows(family: Family) -> Iterator[tuple[str, ...]]:
    """Give a family as rows of COLUMNS, the job that was asked for marked where there are others above it."""
    subject = family.number if family.root.number != family.number else 0
    if family.above is not None:
        yield "", f"... {escape(cause_text(family.above))}", "", "", "", ""
    yield from _rows(family.root, subject, 0)


def left_out(family: Family) -> str:
    """Tell how many jobs are not shown, nothing where all are."""
    count = _left_out(family.root)
    if not count and family.above is None:
        return ""
    above = "" if family.above is None else "there are earlier ancestors"
    below = f"{plural(count, 'job')} left out" if count else ""
    return f"{', '.join(filter(None, (above, below)))}; --depth and --limit show more, --tree of another job its part"


def _rows(kin: Kin, subject: int, level: int) -> Iterator[tuple[str, ...]]:
    mark = "*" if kin.number == subject else ""
    name = f"job at {kin.number}" if kin.id is None else kin.id
    by = "" if kin.attempt is None else f"attempt {kin.attempt}"
    yield mark, INDENT * level + escape(name), _state(kin), _exit(kin), _took(kin), by
    for child in kin.children:
        yield from _rows(child, subject, level + 1)
    if kin.left_out:
        yield "", f"{INDENT * (level + 1)}... {kin.left_out:,} more", "", "", "", ""


def _state(kin: Kin) -> str:
    if kin.state is None:
        return "gone: retention let it go"
    return f"{kin.state}, removed" if kin.is_removed else str(kin.state)


def _exit(kin: Kin) -> str:
    if kin.state in (JobState.PROCESSING, JobState.PENDING, None):
        return ""
    return kin.signal or ("" if kin.return_code is None else str(kin.return_code))


def _took(kin: Kin) -> str:
    return "" if kin.duration_ms is None else duration(kin.duration_ms / 1000)


def _left_out(kin: Kin) -> int:
    return kin.left_out + sum(map(_left_out, kin.children))
