"""`queuectl enqueue`: bring jobs into being, one from the command line or many from a file."""

import sys
from collections.abc import Mapping, Sequence
from typing import IO, TYPE_CHECKING, Any

import click

from ...display import as_typed, shown
from ...errors import InvalidInput
from ..input import completions
from ..input.job_options import ArgvCommand, asked, check_replace, from_here, job_options, tell_enqueued, tell_passed
from ..input.param_types import json_option, now_us, reason_option
from ..output.format import plural
from ..output.table import document, line, note
from ..session import Session, pass_session

if TYPE_CHECKING:
    from ...queue import Queue

FORMS = (
    "[OPTIONS] ID COMMAND",
    "[OPTIONS] [--id ID] --command COMMAND",
    "[OPTIONS] '{\"command\": ...}'",
    "[OPTIONS] [ID] -- PROGRAM [ARGUMENT]...",
    "[OPTIONS] --file FILE|- [--lines] [--skip-existing]",
)


class _File(click.File):
    """A file, whose name is not empty."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Open it. Raises InvalidInput for a name that cannot be one."""
        if value == "":
            raise InvalidInput("file", shown(value), "the name of a file, or - for stdin")
        return super().convert(value, param, ctx)


class EnqueueCommand(ArgvCommand):
    """Enqueue, in its five forms."""

    forms = FORMS

    def typed_dash(self, words: Sequence[str], command: str) -> str:
        """Return what to type for a command that begins with a dash: a word before it was to be the id."""
        job_id = as_typed(words[0]) if len(words) > 1 and words[1] == command else "ID"
        return f"queuectl enqueue --id {job_id} --command {as_typed(command)}"


@click.command(
    cls=EnqueueCommand,
    examples=(
        'queuectl enqueue job1 "echo Hello World"',
        'queuectl enqueue --command "make all" --timeout 10m --max-retries 0',
        'queuectl enqueue \'{"id": "job2", "command": "false", "max_retries": 2}\'',
        'queuectl enqueue backup -- rsync -a "my dir" host:/backup',
        "queuectl enqueue --id dash --command '-x; echo'",
        "queuectl enqueue report ./report.sh --at 'tomorrow 9am'",
        "queuectl enqueue nightly ./backup.sh --replace",
        "queuectl enqueue --edit",
        "queuectl enqueue --file jobs.jsonl",
        "find . -name '*.gz' -printf 'gzip -t %p\\n' | queuectl enqueue --file - --lines",
    ),
)
@click.argument("words", nargs=-1, metavar="[ID COMMAND | JSON]", shell_complete=completions.files_behind_dashes)
@click.option("--id", "job_id", metavar="ID", help="The job's id.  [default: a generated id]")
@click.option("--command", "shell_line", metavar="COMMAND", help="A shell line; so one can begin with a dash.")
@click.option("--file", "-f", "stream", type=_File("rb"), metavar="FILE", help="A job a line; - is stdin.")
@click.option("--lines", "as_lines", is_flag=True, help="The file holds plain commands, not JSON.")
@click.option("--skip-existing", is_flag=True, help="Leave out jobs whose id is taken.")
@click.option("--edit", "edits", is_flag=True, help="Write it, or change what was given, in your editor first.")
@job_options
@reason_option
@json_option
@pass_session
def command(
    session: Session,
    /,
    *,
    words: tuple[str, ...],
    argv: tuple[str, ...] | None,
    job_id: str | None,
    shell_line: str | None,
    stream: IO[bytes] | None,
    as_lines: bool,
    skip_existing: bool,
    edits: bool,
    reason: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Enqueue a shell command, an argument vector, or a file of jobs.

    One word that begins with { is JSON; two words are an id and a shell line; everything after --
    is an argument vector, run without a shell. In a file, options count for each job that does not
    say otherwise itself. One bad line, or an id that is taken, and none is enqueued: exit 1. An id is
    taken as long as its job is listed, with --replace only until that has ended. With --unique a job
    that holds the key is named instead, and nothing is enqueued: exit 0.
    """
    defaults = asked(options)
    if stream is not None:
        if edits:
            raise click.UsageError("--edit is for one job; leave --file out")
        if words or argv or job_id or shell_line:
            raise click.UsageError("--file brings its own ids and commands; leave the others out")
        _from_file(session, stream, defaults, as_lines, skip_existing, reason, as_json)
        return
    if as_lines or skip_existing:
        raise click.UsageError("--lines and --skip-existing go with --file FILE")
    if edits:
        is_new = not (words or argv or shell_line)
        job = _job((), None, job_id, "") if is_new else _job(words, argv, job_id, shell_line)
        _edited(session, {**defaults, **job}, reason, as_json)
        return
    _one(session, _job(words, argv, job_id, shell_line), defaults, reason, as_json)


def _job(
    words: Sequence[str], argv: tuple[str, ...] | None, job_id: str | None, shell_line: str | None
) -> dict[str, Any]:
    if argv is not None and shell_line is not None:
        raise click.UsageError("a command is given twice: by --command and after --")
    what: str | list[str] | None = shell_line if argv is None else list(argv)
    if what is None:
        if len(words) == 1 and words[0].lstrip().startswith("{"):
            return _from_json(words[0], job_id)
        if len(words) != 2:
            raise click.UsageError(_what_to_type(words))
        *words, what = words
    if len(words) > 1 or (words and job_id is not None):
        raise click.UsageError(f"more than one id: {' '.join(map(repr, [*words, *filter(None, [job_id])]))}")
    given = words[0] if words else job_id
    return {"command": what} if given is None else {"id": given, "command": what}


def _from_json(text: str, job_id: str | None) -> dict[str, Any]:
    from ..input.jobs_file import read_object

    job = read_object(text)
    if job_id is None:
        return job
    if "id" in job:
        raise click.UsageError("the id is given twice: by --id and in the JSON")
    return {"id": job_id, **job}


def _what_to_type(words: Sequence[str]) -> str:
    if not words:
        return 'nothing to enqueue; type: queuectl enqueue ID "COMMAND"'
    if len(words) == 1:
        return (
            f"{shown(words[0])} is not a JSON object, and an id needs a command; "
            f'type: queuectl enqueue ID "COMMAND", or: queuectl run "COMMAND"'
        )
    return (
        f"{len(words)} words where an id and a command belong; quote the command: "
        f'queuectl enqueue {words[0]} "{" ".join(words[1:])}", or put it after --'
    )


def _edited(session: Session, job: dict[str, Any], reason: str | None, as_json: bool) -> None:
    from ..input.editor import edit_until_done

    form: dict[str, Any] = {
        "id": None,
        "command": "",
        "queue": "default",
        "priority": 0,
        "timeout": None,
        "run_at": None,
        "env": {},
    }
    edit_until_done({**form, **job}, "A job to be enqueued", lambda typed: _one(session, typed, {}, reason, as_json))


def _one(session: Session, job: dict[str, Any], options: dict[str, Any], reason: str | None, as_json: bool) -> None:
    from ...core.job_mapping import request_from_mapping

    twice = sorted(job.keys() & options.keys())
    if twice:
        raise click.UsageError(f"{twice[0]} is given twice: in the JSON and by an option")
    check_replace({**options, **job})
    request = from_here(request_from_mapping({**options, **job}, now_us=now_us()))
    queue = session.created()
    answer = queue.ui.enqueue_or_find(request, reason=reason)
    tell_enqueued(answer, as_json=as_json)
    done = answer.job
    if request.run_at is not None and not answer.existing:
        tell_passed(done.spec.run_at_us, done.id)
    if not answer.existing:
        _advise(queue, {done.spec.queue: 1}, done.id)


def _from_file(
    session: Session,
    stream: IO[bytes],
    defaults: dict[str, Any],
    as_lines: bool,
    skip_existing: bool,
    reason: str | None,
    as_json: bool,
) -> None:
    from ..input.jobs_file import Jobs, enqueue_file

    jobs, queue = Jobs(stream, defaults, as_lines=as_lines), session.created()
    done = enqueue_file(queue, jobs, skip_existing=skip_existing, reason=reason)
    if jobs.passed:
        note(f"The time to wait for has passed for {plural(jobs.passed, 'job')} of the file, run at once")
    if as_json:
        told = {"existing": list(done.existing), "edited": list(done.edited)}
        document({"enqueued": done.enqueued, "skipped": done.skipped, "ids": done.ids, **told})
        return
    left_out = f", left out {done.skipped:,} whose id is taken" if done.skipped else ""
    left_out += f", left out {len(done.existing):,} whose unique key is held" if done.existing else ""
    if done.edited:
        left_out += f", edited {plural(len(done.edited), 'job')} that exist{'s' if len(done.edited) == 1 else ''}"
    line(f"Enqueued {plural(done.enqueued, 'job')}{left_out}")
    if done.ids:
        _advise(queue, jobs.queues, done.ids[0])


def _advise(queue: "Queue", enqueued: Mapping[str, int], first: str) -> None:
    if sys.stderr.isatty():
        from ..output.advice import advise  # only for who looks on: it costs a script its start

        advise(queue, enqueued, first)
