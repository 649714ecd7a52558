"""Which job or queue someone meant: its name, its beginning, or nearly one. Bounded looks; changes nothing."""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain, islice
from typing import Final

from ..core.request import ID_CHARS
from ..errors import AmbiguousJob, JobNotFound
from ..events.types import DEFAULT_QUEUE
from ..projections import counts, ids, removed, workers
from ..projections.row_codec import check_all
from ..store.store import Transaction

LEAST: Final = 3
"""The fewest characters that stand for the id that begins with them."""

TOLD: Final = 5
"""How many ids are told where a beginning has several."""

_NEIGHBOURS: Final = 20
"""Ids looked at for each beginning of a mistyped one."""

_SIGNS: Final = "abcdefghijklmnopqrstuvwxyz0123456789-_."


def match(txn: Transaction, typed: str, *, or_removed: bool = False) -> str:
    """Return the id of the job that has this id, else of the only one whose id begins so.

    `or_removed`: of one that was removed, too, where no other fits. Raises JobNotFound with ids
    that come near, or AmbiguousJob.
    """
    was_removed = removed.find(txn, typed) is not None
    if ids.find(txn, typed) is not None or (was_removed and or_removed):
        return typed
    check_all(txn, ids.TABLE)
    if not was_removed and len(typed) >= LEAST:
        found = _beginning(txn, ids.TABLE, typed)
        if not found and or_removed:
            found = _beginning(txn, removed.TABLE, typed)
        if len(found) == 1:
            return found[0]
        if found:
            raise AmbiguousJob(typed, found[:TOLD], is_all=len(found) <= TOLD)
    raise JobNotFound(typed, removed=was_removed, near=() if was_removed else near_ids(txn, typed))


def near_ids(txn: Transaction, typed: str) -> list[str]:
    """Return up to three ids that look like what was typed: in other case, one slip away, or beginning alike."""
    if len(typed) > ID_CHARS + 1:  # no id is so long, nor a slip away; the looks below grow with its length
        return []
    return _near(typed, lambda each: ids.find(txn, each) is not None, partial(ids.beginning, txn))


def near_queues(txn: Transaction, typed: str) -> list[str] | None:
    """Return up to three queues whose names look like what was typed; None: there is a queue of this very name.

    A queue is there if it has jobs, or a worker that has not stopped names it; so is the default one.
    """
    served = {name for worker in workers.present(txn) for name in worker.queues or ()} | {DEFAULT_QUEUE}

    def is_there(name: str) -> bool:
        return name in served or any(counts.get(txn, name).values())

    def beginning(start: str) -> Iterator[str]:
        return chain((name for name in served if name.startswith(start)), counts.names(txn, start))

    if is_there(typed):
        return None
    return [] if len(typed) > ID_CHARS + 1 else _near(typed, is_there, beginning)


def _near(typed: str, is_there: Callable[[str], bool], beginning: Callable[[str], Iterator[str]]) -> list[str]:
    cased = [each for each in (typed.lower(), typed.upper()) if is_there(each)]
    if cased:
        return cased
    from difflib import get_close_matches  # only where something was mistyped: it costs a command its start

    slips = (each for each in _slips(typed) if is_there(each))
    halves = (typed[:length] for length in range(len(typed), max(len(typed) // 2 - 1, 0), -1))
    alike = chain.from_iterable(islice(beginning(half), _NEIGHBOURS) for half in halves)
    return get_close_matches(typed, sorted({*slips, *alike}), n=3, cutoff=0.7)


def _beginning(txn: Transaction, table: str, typed: str) -> list[str]:
    """Return a few ids that go on from what was typed; a number is one word: job1 is not the beginning of job12."""
    found, is_number = islice(ids.beginning(txn, typed, table), 100), typed[-1:].isdigit()
    return list(islice((each for each in found if not (is_number and each[len(typed) :].isdigit())), TOLD + 1))


def _slips(typed: str) -> Iterator[str]:
    """Yield what differs by one character, left out, put in, changed or changed places."""
    for at in range(len(typed) + 1):
        head, tail = typed[:at], typed[at:]
        yield head + tail[1:]
        yield head + tail[1:2] + tail[:1] + tail[2:]
        for sign in _SIGNS:
            yield head + sign + tail
            yield head + sign + tail[1:]
