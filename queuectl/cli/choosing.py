"""The options that say which jobs a verb means, and the question before it acts on many of them.

Whether it asks is decided here; what is done to the jobs, by class Queue.
"""

import sys
from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ..errors import QueuectlError
from ..filtering import Filter, filter_of
from ..job import JobState
from .exits import hint
from .params import OneOf, past_us
from .text import escape, plural

if TYPE_CHECKING:
    from ..acting import Chosen
    from ..answers import Acted
    from ..queue import Queue

F = TypeVar("F", bound=Callable[..., Any])

TOLD = 20
"""Ids that a dry run tells people."""

yes_option = click.option("--yes", "-y", is_flag=True, help="Do it without asking.")
dry_run_option = click.option("--dry-run", is_flag=True, help="Only say how many jobs, and which.")


def filter_options(states: Collection[JobState] = tuple(JobState), *, with_state: bool = True) -> Callable[[F], F]:
    """Give a verb the options that say which jobs, of those in these states."""
    known = OneOf([str(state) for state in states])
    options = [
        click.option("--state", type=known, multiple=True, help="Only those in this state; may be repeated."),
        click.option("--queue", metavar="NAME", help="Only those of this queue."),
        click.option("--since", type=past_us, metavar="TIME", help="Only those that last changed at or after it."),
        click.option("--until", type=past_us, metavar="TIME", help="Only those that last changed at or before it."),
        click.option("--match", metavar="TEXT", help="Only those with it in their id or command."),
    ]

    def give(function: F) -> F:
        for option in reversed(options[not with_state :]):
            function = option(function)
        return function

    return give


def chosen_by(options: dict[str, Any], default: Iterable[JobState] = ()) -> Filter | None:
    """Give the filter that options describe, of jobs in the `default` states unless they name others.

    None where no option was given.
    """
    said = {key: value for key, value in options.items() if value is not None and value != ()}
    return filter_of(**{"state": tuple(default), **said}) if said else None


def act_on_chosen(
    queue: "Queue",
    chosen: "Chosen",
    what: tuple[str, str],
    *,
    yes: bool,
    dry_run: bool,
    as_json: bool,
    reason: str | None,
    lenient: bool = False,
) -> "Acted | None":
    """Ask, and do what was chosen behind a bar; None where it was not done.

    `what` is the verb and its past form: ("cancel", "Cancelled"). `lenient`: where nobody can be asked
    it is done all the same. Raises QueuectlError where it has to be asked, and nobody is there.
    """
    from ..answers import Acted
    from .progress import progress

    verb, done = what
    count = len(chosen.numbers)
    if dry_run:
        _tell(queue, chosen, verb, as_json=as_json)
        return None
    if not count:
        return Acted([], 0)
    if not yes and not _agreed(f"{verb.capitalize()} {plural(count, 'job')}?", f"{verb} {plural(count, 'job')}", lenient):
        hint("Nothing was changed")
        raise click.exceptions.Exit(1)
    with progress(f"{done}", count) as shown:
        try:
            return queue.act_on_all(chosen, reason=reason, progress=shown.done)
        except KeyboardInterrupt:
            shown.interrupted(f"of {plural(count, 'job')} gone through; those are {done.lower()}, the others as they were")
            raise


def told(acted: "Acted", done: str, noun: str = "job") -> str:
    """Say what was done, and what was left."""
    what = f"{done} {escape(acted.ids[0])}" if len(acted.ids) == 1 and noun == "job" else None
    left = f"; left {plural(acted.left, 'job')} that had moved on" if acted.left else ""
    return (what or f"{done} {plural(len(acted.ids), noun)}") + left


def _tell(queue: "Queue", chosen: "Chosen", verb: str, *, as_json: bool) -> None:
    from .render import document, line

    ids = (job.id for job in queue.each_job(chosen.where))
    if as_json:
        document({"dry_run": True, "matched": len(chosen.numbers), "ids": list(ids)})
        return
    line(f"Would {verb} {plural(len(chosen.numbers), 'job')}")
    for _, job_id in zip(range(TOLD), ids, strict=False):
        line(f"  {escape(job_id)}")
    if len(chosen.numbers) > TOLD:
        line(f"  ... and {len(chosen.numbers) - TOLD:,} more")


def _agreed(question: str, what: str, lenient: bool) -> bool:
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        if lenient:
            return True
        raise QueuectlError(f"would {what}, and there is no terminal to ask on; type --yes to do it, --dry-run to see them")
    hint(f"{question} [y/N] ", newline=False)
    return sys.stdin.readline().strip().lower() in ("y", "yes")
