"""`queuectl edit`: change what a job is to do."""

from collections.abc import Mapping
from json import loads
from typing import Any

import click

from ...core.edit import FIELDS, form_of
from ...core.job import ENDED, JobState
from ...display import shown
from ...errors import InvalidInput
from ..command import Verb
from ..input import completions
from ..input.job_options import tell_passed
from ..input.job_ref import named_job
from ..input.param_types import duration_s, json_option, queue_option, reason_option, whole
from ..output.format import escape
from ..output.table import document, line, note
from ..session import Session, pass_session

_WORDS = {
    "priority": "a whole number, for example 10",
    "max_retries": "a whole number, for example 3",
    "backoff_base": "a number, for example 1.5",
    "max_snoozes": "a whole number, for example 10",
    "run_at_us": "a whole number of microseconds since 1970",
    "env": 'an object of texts as in JSON, for example {"NAME": "value"}',
    "labels": 'an object of texts as in JSON, for example {"team": "a"}',
    "meta": 'an object as in JSON, for example {"build": 7}',
}
"""Keys whose values are no texts, and what those are."""


@click.command(
    cls=Verb,
    examples=(
        "queuectl edit job1",
        "queuectl edit job1 --priority 10",
        "queuectl edit job1 --set timeout=2h",
        """queuectl edit job1 --set 'labels={"team": "a"}'""",
        "queuectl edit job1 --set 'command=rsync -a here there' --reason 'the host moved'",
    ),
)
@click.argument("job_id", metavar="JOB", shell_complete=completions.jobs())
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help=f"Without the editor: {', '.join(FIELDS)}.")
@queue_option(help="As --set queue=NAME.")
@click.option("--priority", "-p", type=whole(), metavar="INT", help="As --set priority=INT.")
@click.option("--timeout", "-t", type=duration_s, metavar="SECONDS", help="As --set timeout=SECONDS.")
@reason_option
@json_option
@pass_session
def command(
    session: Session, /, *, job_id: str, settings: tuple[str, ...], reason: str | None, as_json: bool, **options: Any
) -> None:
    """Change a job; of one that runs its timeout, labels and meta.

    In your editor (VISUAL or EDITOR), or by the options. It keeps its id, its state and its history, where the
    change is told. A timeout counts from the start of the run, and for a run that goes on at once; labels
    and meta are given whole, as JSON. All else has to wait for the run's end. To run it again at once: queuectl
    retry --edit JOB.
    """
    wanted = _wanted(settings, options)
    queue = session.existing()
    job = queue.job(named_job(queue, job_id))
    if wanted:
        after = queue.edit(job.id, reason=reason, **wanted)
    else:
        from ..input.editor import changed, edit_until_done

        form = form_of(job.spec, None if job.state in ENDED else job.runs_at_us, job.options)
        after = edit_until_done(
            form,
            f"Job {job.id}, {job.state}",
            lambda typed: queue.edit(job.id, reason=reason, **changed(form, typed)),
        )
    if as_json:
        from ...queries.json_form import job_json

        document(job_json(after))
    elif after.version == job.version:
        note("Nothing was changed")
    else:
        line(f"Edited {escape(after.id)}")
        if after.state is JobState.PENDING and after.spec.run_at_us != job.spec.run_at_us:
            tell_passed(after.spec.run_at_us, after.id)


def _wanted(settings: tuple[str, ...], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is to be changed without the editor, by field; raises InvalidInput."""
    by_set = dict(_setting(text) for text in settings)
    by_option = {key: value for key, value in options.items() if value is not None}
    if twice := sorted(by_set.keys() & by_option.keys()):
        raise click.UsageError(f"{twice[0]} is given twice: by --set and by an option")
    return {**by_set, **by_option}


def _setting(text: str) -> tuple[str, Any]:
    """Read KEY=VALUE: texts as they are, the rest as in JSON."""
    key, equals, value = text.partition("=")
    key = key.strip().replace("-", "_")
    if not equals or not key:
        raise InvalidInput("set", shown(text), "KEY=VALUE, for example priority=10")
    if key not in _WORDS and not (key == "command" and value.lstrip().startswith("[")):
        return key, None if key != "command" and value in ("", "null") else value
    try:
        return key, loads(value)
    except (ValueError, RecursionError):  # of JSON, or a number of too many digits
        raise InvalidInput(key, shown(value), _WORDS.get(key, "a list of words as in JSON")) from None
