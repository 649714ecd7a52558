"""A family of jobs as an indented table: a job stands under the one whose run enqueued it."""

from collections.abc import Iterator

from ...core.job import JobState
from ...core.results import Family, Kin
from .event_text import cause_text
from .format import duration, escape, plural
from .table import Column, state_colour

INDENT = "  "

COLUMNS = (
    Column(""),
    Column("JOB", wide=True),
    Column("STATE", paint=state_colour),
    Column("EXIT", right=True, spare=2),
    Column("TOOK", right=True, spare=1),
    Column("ENQUEUED BY", spare=3),
)


def family_rows(family: Family) -> Iterator[tuple[str, ...]]:
    """Yield a family as rows of COLUMNS, the job that was asked for marked where there are others above it."""
    subject = family.number if family.root.number != family.number else 0
    if family.above is not None:
        yield "", f"... {escape(cause_text(family.above))}", "", "", "", ""
    yield from _rows(family.root, subject, 0)


def left_out(family: Family) -> Iterator[str]:
    """Return what is not shown above the job, beside its line and below it, and what shows it."""
    if family.above is not None:
        has_gone = family.above.number is None
        yield "Retention let earlier ancestors go" if has_gone else "There are earlier ancestors; --depth N shows more"
    kin, beside = family.root, 0
    while kin.number != family.number:
        beside += kin.left_out
        kin = kin.children[0]
    if beside:
        root = escape(family.root.id or "")
        yield f"{plural(beside, 'job')} beside this line left out; they are in: queuectl history --tree {root}"
    if below := _left_out(kin):
        yield f"{plural(below, 'job')} below left out; --depth N and --limit N show more"


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
    return escape(kin.signal or "") or ("" if kin.return_code is None else str(kin.return_code))


def _took(kin: Kin) -> str:
    return "" if kin.duration_ms is None else duration(kin.duration_ms / 1000)


def _left_out(kin: Kin) -> int:
    return kin.left_out + sum(map(_left_out, kin.children))
