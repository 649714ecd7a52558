"""The options that say which jobs a verb means, and the question before it acts on many of them.

Whether it asks is decided here; which jobs these are, and what is done to them, by class Queue.
"""

import sys
from collections.abc import Callable, Collection, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

from ...core.job import JobState
from ...core.job_filter import Filter, filter_of
from ...errors import QueuectlError
from ..exit_codes import REFUSED, hint
from ..output.format import escape, plural
from ..output.table import document, line, note
from . import completions
from .job_ref import each_named_job, tell_unknown
from .param_types import (
    StateList,
    ago_us,
    asked_label,
    joined,
    json_option,
    label_option,
    past_us,
    queue_option,
    reason_option,
    sought,
)

if TYPE_CHECKING:
    from ...core.job import Job
    from ...core.job_filter import Act
    from ...core.results import Acted
    from ...queue import Queue
    from ..session import Session

F = TypeVar("F", bound=Callable[..., Any])

TOLD = 20
"""Ids that a dry run tells people."""


label_filter_option = label_option(
    type=asked_label,
    metavar="K[=V]",
    help="Only those with this label, or with any value of its key; may be repeated: those with all of them.",
)


class Consent(NamedTuple):
    """How much was agreed to beforehand; `lenient`: where nobody can be asked, it is done."""

    yes: bool = False
    dry_run: bool = False
    lenient: bool = False


def filter_options(states: Collection[JobState] = tuple(JobState)) -> Callable[[F], F]:
    """Return a decorator that adds to a verb the options that say which jobs, of those in these states."""
    words = StateList([str(state) for state in JobState if state in states])
    options = [
        click.option(
            "--state",
            "-s",
            type=words,
            multiple=True,
            callback=joined,
            help="Only those in this state; may be repeated, or several with commas between them.",
        ),
        queue_option(help="Only those of this queue."),
        click.option(
            "--since", "since_us", type=past_us, metavar="TIME", help="Only those that last changed at or after it."
        ),
        click.option(
            "--until", "until_us", type=past_us, metavar="TIME", help="Only those that last changed at or before it."
        ),
        click.option("--match", type=sought, metavar="TEXT", help="Only those with it in their id or command."),
        label_filter_option,
    ]
    if JobState.PENDING in states:
        options.append(click.option("--paused", is_flag=True, default=None, help="Only those that are paused."))
    if JobState.PROCESSING in states:
        options.append(
            click.option(
                "--running-longer-than",
                "running_since",
                type=ago_us,
                metavar="TIME",
                help="Only those that run, and have for so long, for example 10m.",
            )
        )

    def give(function: F) -> F:
        for option in reversed(options if len(states) > 1 else options[1:]):
            function = option(function)
        return function

    return give


def consent_options(function: F) -> F:
    """Add `--yes` and `--dry-run` to a verb that acts on many jobs."""
    function = click.option("--dry-run", "-n", is_flag=True, help="Only say how many jobs that would be, and which.")(
        function
    )
    return click.option("--yes", "-y", "--force", "-f", is_flag=True, help="Do not ask.")(function)


def acting_options(states: Collection[JobState]) -> Callable[[F], F]:
    """Return what a verb takes that acts on the jobs named, or on all that a filter means, in these states."""

    def give(function: F) -> F:
        function = filter_options(states)(consent_options(reason_option(json_option(function))))
        return click.argument("job_ids", nargs=-1, metavar="[JOB...]", shell_complete=completions.jobs(*states))(
            function
        )

    return give


def meant(
    job_ids: Collection[str], options: dict[str, Any], *others: bool, state: Collection[JobState] | None = None
) -> tuple[Filter | None, Consent]:
    """Take from options which jobs they mean, as filter_from() does, and what was agreed to.

    Raises UsageError if no jobs are named or meant, or in more than one way; `others` are further ways.
    """
    consent = Consent(options.pop("yes"), options.pop("dry_run"))
    where = filter_from(options, state=state)
    named_or_meant(job_ids, where, consent, *others)
    return where, consent


def filter_from(options: Mapping[str, Any], *, state: Collection[JobState] | None = None) -> Filter | None:
    """Return the filter that options describe, for jobs in these states unless they name others; None: no option.

    Raises InvalidInput.
    """
    said = {key: value for key, value in options.items() if value is not None and value != ()}
    return filter_of(**{"state": state, **said}) if said else None


def named_or_meant(job_ids: Collection[str], where: Filter | None, consent: Consent, *others: bool) -> None:
    """Refuse a command line that names no jobs, or in more than one way."""
    if job_ids and consent.dry_run:
        raise click.UsageError("--dry-run tells which jobs a filter means; leave it out where jobs are named")
    ways = sum((bool(job_ids), where is not None, *others))
    if ways > 1:
        raise click.UsageError("jobs are meant in more than one way; choose one: names, a filter, or --all")
    if not ways:
        instead = ", or type --all" if others else ""
        raise click.UsageError(f"name the jobs{instead}, or say which, for example --queue NAME or --match TEXT")


def act_on_all(
    queue: "Queue", verb: "Act", where: Filter, *, said: tuple[str, str], consent: Consent, reason: str | None
) -> "Acted":
    """Count the jobs meant, ask, and do it with a progress bar, which is `said` as in ("Purge", "Purged").

    A dry run tells their ids and does nothing. Raises InvalidInput for a state that does not go with
    the verb, QueuectlError where nobody can be asked.
    """
    from ...core.results import Acted
    from ..output.progress import progress

    chosen = queue.ui.choose(verb, where)
    count = len(chosen.numbers)
    if not count:
        tell_unknown(queue, where.queue)
    if consent.dry_run:
        return Acted([job.id for job in queue.ui.each_job(chosen.where)], 0)
    if count and not consent.yes:
        _ask(f"{said[0]} {plural(count, 'job')}", lenient=consent.lenient)

    def left(done: int) -> str:
        return f"{done:,} of {plural(count, 'job')} {said[1].lower()}; the rest is as it was; type it again to go on"

    with progress(f"{said[0]} {plural(count, 'job')}", count, left=left) as shown:
        return queue.ui.act_on_all(chosen, reason=reason, progress=shown.done)


def act_on(
    session: "Session",
    verb: "Act",
    job_ids: Collection[str],
    options: dict[str, Any],
    *,
    said: tuple[str, str],
    told: "Callable[[Job], str]",
    state: Collection[JobState] | None = None,
) -> int:
    """Do to the jobs named, or to all that options mean, what a verb says; returns the exit code.

    `told` says what became of one that was named; `state` is as meant() has it.
    """
    as_json, reason = options.pop("as_json"), options.pop("reason")
    where, consent = meant(job_ids, options, state=state)
    queue = session.existing()
    if where is not None:
        say_acted(
            act_on_all(queue, verb, where, said=said, consent=consent, reason=reason), said, consent, as_json=as_json
        )
        return 0
    act: Callable[..., Job] = getattr(queue, verb)
    jobs, code = each_named_job(queue, job_ids, lambda job_id: act(job_id, reason=reason))
    if as_json:
        from ...queries.json_form import job_json

        document([job_json(job) for job in jobs])
    else:
        for job in jobs:
            line(told(job))
    return code


def tell_acted(acted: "Acted", said: tuple[str, str], consent: Consent, *, noun: str = "job") -> None:
    """Print what was done and what was left, or what would be done."""
    ids, left, asked, refused = acted
    is_named = len(ids) == 1 and noun == "job"
    parts = []
    done = len(ids) - asked
    if done or not asked:
        what = escape(ids[0]) if is_named else plural(done, noun)
        parts.append(f"{'Would ' + said[0].lower() if consent.dry_run else said[1]} {what}")
    if asked:
        parts.append(_asked(escape(ids[0]) if is_named else plural(asked, noun), asked, is_first=not done))
    if left:
        parts.append(f"left {plural(left, 'job')} that had moved on")
    if refused:
        parts.append(f"refused {plural(len(refused), 'job')}")
    line("; ".join(parts))
    for error in refused[:TOLD]:
        note(error.message)
    if consent.dry_run and not is_named:
        for job_id in islice(ids, TOLD):
            line(f"  {escape(job_id)}")
        if len(ids) > TOLD:
            line(f"  ... and {len(ids) - TOLD:,} more; --json tells them all")


def _asked(which: str, count: int, *, is_first: bool) -> str:
    """Return the words for jobs that run, and so are not cancelled yet."""
    workers = "worker" if count == 1 else "workers"
    return f"{'Asked' if is_first else 'asked'} the {workers} of {which} to stop {'it' if count == 1 else 'them'}"


def say_acted(acted: "Acted", said: tuple[str, str], consent: Consent, *, as_json: bool) -> None:
    """Report what was done and what was left, or what would be done, to people or as JSON."""
    if as_json:
        document({"dry_run": True, "ids": acted.ids} if consent.dry_run else _done(acted))
    else:
        tell_acted(acted, said, consent)


def _done(acted: "Acted") -> dict[str, Any]:
    return {"ids": acted.ids, "left": acted.left, "refused": [error.message for error in acted.refused]}


def _ask(what: str, *, lenient: bool) -> None:
    """Ask before many jobs are changed; ends the program where the answer is no."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        if lenient:
            return
        raise QueuectlError(
            f"cannot ask whether to {what.lower()}: no terminal; type --yes to do it, --dry-run to see which"
        )
    hint(f"{what}? [y/N] ", newline=False)
    if _answer().strip().lower() not in ("y", "yes"):
        note("Nothing was changed")
        raise click.exceptions.Exit(REFUSED)


def _answer() -> str:
    """Read the answer; what comes next begins on a line of its own, also after Ctrl-C and Ctrl-D."""
    said = ""
    try:
        said = sys.stdin.readline()
    finally:
        if not said.endswith("\n"):
            hint("")
    return said
