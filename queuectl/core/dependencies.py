"""What jobs wait for of other jobs: how these end; pure.

A job names its parents by id, as they are when it is enqueued. In the log each is its number, so that an id that is
used again confuses nothing; a parent of the same batch, whose number is not known yet, is how far before it stands.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from msgspec.structs import replace

from ..display import shown
from ..errors import InvalidInput
from ..events.types import Edge, JobOptions

OK: Final = "ok"
ANY: Final = "any"
NOT_OK: Final = "notok"
KINDS: Final = (OK, ANY, NOT_OK)
"""How a parent is to end: completed, whichever way, or dead or cancelled."""

HOLD: Final = "hold"
CANCEL: Final = "cancel"
IF_PARENT_FAILS: Final = (HOLD, CANCEL)
"""What becomes of a job whose parent was to complete and did not: it waits on, since that may be retried, or goes."""

DEPENDENCY: Final = "dependency"
NOT_NEEDED: Final = "not_needed"
"""How a job is cancelled: its parent did not complete, or did and was not to."""

MOST_PARENTS: Final = 100
UNKNOWN: Final = 0
"""The number of a parent that has yet to be looked up."""

_EXPECTED: Final = f"JOB, or JOB:KIND with a kind of {', '.join(KINDS)}"


def edges_of(after: Any) -> tuple[Edge, ...] | None:
    """Return what a request says that a job waits for, its parents not looked up; None for nothing.

    Raises InvalidInput.
    """
    if after is None:
        return None
    named = [after] if isinstance(after, str) or hasattr(after, "spec") else after
    if not isinstance(named, list | tuple):
        raise InvalidInput("after", shown(after), f"{_EXPECTED}, or a list of these")
    return _check_ids(tuple(map(_edge, named))) or None


def _edge(named: Any) -> Edge:
    text = named.spec.id if hasattr(named, "spec") else named
    if not isinstance(text, str) or not text:
        raise InvalidInput("after", shown(named), _EXPECTED)
    job_id, _, kind = text.rpartition(":")
    return Edge(UNKNOWN, kind, job_id) if job_id and kind in KINDS else Edge(UNKNOWN, OK, text)


def _check_ids(edges: tuple[Edge, ...]) -> tuple[Edge, ...]:
    """Return edges where they name each job once, and not too many; raises InvalidInput."""
    if len(edges) > MOST_PARENTS:
        raise InvalidInput("after", f"{len(edges)} jobs", f"at most {MOST_PARENTS}")
    seen: set[str] = set()
    for edge in edges:
        if edge.id in seen:
            raise InvalidInput("after", f"{shown(edge.id)} more than once", "each job once")
        seen.add(edge.id)
    return edges


def check_stored(options: JobOptions, position: int) -> None:
    """Refuse of what a job waits for what no request at a position of the log becomes; raises InvalidInput.

    A parent lies before its child, so that no two jobs wait for each other.
    """
    if options.if_parent_fails not in (None, CANCEL):
        raise InvalidInput("if_parent_fails", shown(options.if_parent_fails), f"{CANCEL}, or the field left out")
    check_if_parent_fails(options.if_parent_fails, options.after)
    for edge in _check_ids(options.after or ()):
        if edge.kind not in KINDS:
            raise InvalidInput("after", shown(edge.kind), f"a kind of {', '.join(KINDS)}")
        if not -position < edge.parent < position or edge.parent == UNKNOWN:
            raise InvalidInput("after", f"parent {edge.parent} of the job at {position}", "a job before it")


def check_if_parent_fails(word: Any, edges: tuple[Edge, ...] | None) -> str | None:
    """Return what becomes of a job whose parent fails, None for what is usual; raises InvalidInput."""
    if word is None or word == HOLD:
        return None
    if word not in IF_PARENT_FAILS:
        raise InvalidInput("if_parent_fails", shown(word), " or ".join(IF_PARENT_FAILS))
    if not edges:
        raise InvalidInput("if_parent_fails", shown(word), "a job to wait for (after) as well")
    return CANCEL


def text_of(edge: Edge) -> str:
    """Return an edge as it is typed."""
    return edge.id if edge.kind == OK else f"{edge.id}:{edge.kind}"


def with_parents(options: JobOptions, numbers: Sequence[int]) -> JobOptions:
    """Return options whose parents are looked up: their numbers, in order."""
    edges = zip(options.after or (), numbers, strict=True)
    return replace(options, after=tuple(replace(edge, parent=number) for edge, number in edges))


def unmet_at(options: JobOptions | None, position: int) -> tuple[Edge, ...]:
    """Return what a job waits for that is enqueued at a position, each parent by its number."""
    edges = () if options is None or options.after is None else options.after
    return tuple(edge if edge.parent > 0 else replace(edge, parent=position + edge.parent) for edge in edges)


def without(unmet: Iterable[Edge], parent: int) -> tuple[Edge, ...]:
    """Return what a job waits for still once one of its parents has ended as it was to."""
    return tuple(edge for edge in unmet if edge.parent != parent)


def fate(edge: Edge, options: JobOptions | None, *, completed: bool) -> str | None:
    """Return what a parent's end means to a job: "" that it is met, a word that it is cancelled, None that it waits."""
    if completed:
        return NOT_NEEDED if edge.kind == NOT_OK else ""
    if edge.kind != OK:
        return ""
    return DEPENDENCY if options is not None and options.if_parent_fails == CANCEL else None
