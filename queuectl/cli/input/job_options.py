"""What `enqueue` and `run` have in common: the options of a job, and a command given after `--`."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ...core.labels import labels_of
from ...core.times import time_json
from ...display import as_typed, shown
from ...errors import InvalidInput
from ...system.host import absolute
from ..command import Verb
from ..output.format import escape, moment
from ..output.table import document, line, note
from . import completions
from .param_types import duration_s, filled, label_option, now_us, number, queue_option, time_us, whole

if TYPE_CHECKING:
    from ...core.job_request import JobRequest
    from ...core.unique import Answer

F = TypeVar("F", bound=Callable[..., Any])

_ENDS = "codes, ranges, signals, and signal, timeout, lost or spawn: 1,64-68,SIGTERM"

_OPTIONS = (
    queue_option(help="The queue it goes to.  [default: default]"),
    click.option("--priority", "-p", type=whole(), metavar="INT", help="Higher runs first.  [default: 0]"),
    click.option("--max-retries", type=whole(), metavar="N", help="Attempts after the first.  [as configured]"),
    click.option(
        "--timeout",
        "-t",
        type=duration_s,
        metavar="SECONDS",
        help="Stop it after so long: 90s, 2h; 0 is never.  [as configured: 5m by default]",
    ),
    click.option(
        "--delay", "-d", type=duration_s, metavar="DURATION", help="Not before so long from now: 90s, 5m, 1h30m."
    ),
    click.option("--at", type=time_us, metavar="TIME", help="Not before this time: 17:30, tomorrow 9am, in 2h."),
    click.option(
        "--cwd",
        "-C",
        type=filled,
        metavar="DIR",
        shell_complete=completions.directories,
        help="Where it runs.  [default: here]",
    ),
    click.option("--env", "-e", multiple=True, metavar="K=V", help="Add to the worker's environment; may be repeated."),
    click.option(
        "--inherit-env",
        metavar="NAMES|all|none",
        help="What it takes along of this environment; all: for good a copy of each that differs.  "
        "[as configured: PATH,VIRTUAL_ENV by default]",
    ),
    click.option(
        "--shell", metavar="SHELL", help="What runs it: bash, or a path and options.  [as configured: /bin/sh]"
    ),
    click.option(
        "--merge", is_flag=True, default=None, help="One pipe for stdout and stderr: their exact order, all as stdout."
    ),
    click.option(
        "--use",
        multiple=True,
        metavar="LIMIT",
        shell_complete=completions.limits,
        help="What it uses of a limit while it runs: api, gpu=2, user:42; may be repeated.",
    ),
    click.option(
        "--after",
        multiple=True,
        metavar="JOB",
        shell_complete=completions.jobs(),
        help="Not before that job has completed; JOB:any: has ended, JOB:notok: has not completed. May be repeated.",
    ),
    click.option(
        "--if-parent-fails",
        metavar="hold|cancel",
        help="What becomes of it where that job does not complete: it waits on, or goes.  [default: hold]",
    ),
    click.option("--mutex", metavar="NAME", help="Run no two jobs of the same NAME at once."),
    click.option("--unique", metavar="KEY", help="Enqueue nothing where a job that has not ended has the same KEY."),
    click.option(
        "--unique-for", type=duration_s, metavar="DURATION", help="Hold the KEY for so long from now in any case."
    ),
    click.option(
        "--if-exists",
        metavar="return|refuse|replace",
        shell_complete=completions.if_exists,
        help="What to do where a job holds the KEY; replace: what it waits to do.  [default: return]",
    ),
    click.option("--paused", is_flag=True, default=None, help="Let it wait until it is resumed: queuectl resume JOB."),
    label_option(metavar="K=V", help="What it is found by, for example team=a; may be repeated."),
    click.option("--meta", metavar="JSON", help="An object that is kept and shown with it, at most 1 KiB."),
    click.option("--backoff-base", type=number, metavar="X", help="A retry waits X ** attempt seconds."),
    click.option(
        "--backoff", metavar="FORM", help="What retries wait: exp:2, fixed:30s, or one by one list:1s,10s,1m."
    ),
    click.option("--backoff-max", type=duration_s, metavar="DURATION", help="The longest wait before a retry."),
    click.option("--ok-on", metavar="ENDS", help=f"Ends that count as completed: {_ENDS}."),
    click.option("--dead-on", metavar="ENDS", help="Ends after which no attempt follows."),
    click.option("--snooze-on", metavar="ENDS", help="Ends after which it tries again and no attempt is used up."),
    click.option("--retry-on", metavar="ENDS", help="The only ends after which it is tried again."),
    click.option(
        "--snooze", type=duration_s, metavar="DURATION", help="How long a snooze is.  [default: as a retry waits]"
    ),
    click.option("--max-snoozes", type=whole(), metavar="N", help="After so many a run fails instead.  [default: 100]"),
    click.option(
        "--expire-in", type=duration_s, metavar="DURATION", help="No attempt starts later than so long from now."
    ),
    click.option("--expire-at", type=time_us, metavar="TIME", help="No attempt starts later than this time."),
    click.option(
        "--if-expired",
        metavar="dead|cancel",
        shell_complete=completions.if_expired,
        help="What becomes of it then.  [default: dead]",
    ),
    click.option(
        "--max-time", type=duration_s, metavar="DURATION", help="How long all attempts may take, from now on."
    ),
    click.option(
        "--replace",
        is_flag=True,
        default=None,
        help="Let an id be used again whose job has ended: it goes with what it printed, its history stays.",
    ),
)


class ArgvCommand(Verb):
    """A command that takes everything after the first `--` as an argument vector, in `argv`.

    `argv` is None where there is no `--`. click alone would drop the `--`, and with it the difference
    between a shell line and an argument vector.
    """

    forms: tuple[str, ...] = ()

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Split at `--`, then parse what comes before it."""
        split = args.index("--") if "--" in args else len(args)
        try:
            rest = super().parse_args(ctx, list(args[:split]))
        except click.NoSuchOption as error:
            typed = next((word for word in args[:split] if word.startswith(error.option_name)), None)
            if typed is None or (typed.startswith("--") and " " not in typed):
                raise
            instead = self.typed_dash(args[:split], typed)
            told = f"{error.message.rstrip('.')}; a command that begins with - is typed: {instead}"
            raise click.UsageError(told, ctx) from None
        ctx.params["argv"] = tuple(args[split + 1 :]) if split < len(args) else None
        if ctx.params["argv"] == () and not ctx.resilient_parsing:
            ctx.fail("nothing after --; type the command there, for example: -- rsync -a here there")
        return rest

    def typed_dash(self, words: Sequence[str], command: str) -> str:
        """Return what to type for a command that begins with a dash."""
        return f"queuectl run --command {as_typed(command)}"

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write a usage line for each form."""
        for index, form in enumerate(self.forms):
            formatter.write_usage(ctx.command_path, form, prefix="       " if index else "Usage: ")


def job_options(function: F) -> F:
    """Add the options that describe a job to a verb."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def asked(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the options said, under the names that JSON uses."""
    said = {key: value for key, value in options.items() if value is not None and value != ()}
    if "env" in said:
        said["env"] = dict(_pair(text) for text in said["env"])
    if "labels" in said:
        said["labels"] = labels_of(said["labels"], field="label")
    if "meta" in said:
        said["meta"] = _object(said["meta"])
    for name in {"use", "after"} & said.keys():
        said[name] = list(said[name])
    if "cwd" in said:
        said["cwd"] = str(absolute(said["cwd"]))
    for name in ("at", "expire_at"):
        if name in said:
            said[name] = time_json(said[name])
    return said


def check_replace(job: Mapping[str, Any]) -> None:
    """Refuse a wish to replace a job where it is not said which."""
    if job.get("replace") is True and job.get("id") is None:
        raise click.UsageError("--replace takes the place of the ended job of an id; name the id")


def from_here(request: "JobRequest") -> "JobRequest":
    """Have a job that does not say take along of this environment what is configured."""
    from ...core.inherited_env import CONFIGURED

    return request if request.inherit_env is not None else request._replace(inherit_env=CONFIGURED)


def with_defaults(own: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Fill in a job from the options where it does not speak for itself, whichever names it uses."""
    from ...core.job_request import EITHER, OTHER_NAMES

    said = {OTHER_NAMES.get(key, key) for key in own}
    said |= {name for pair in EITHER if said & set(pair) for name in pair}
    if isinstance(own.get("command"), list):
        said.add("shell")  # it runs without one
    return {key: value for key, value in defaults.items() if OTHER_NAMES.get(key, key) not in said} | dict(own)


def tell_enqueued(answer: "Answer", *, as_json: bool) -> None:
    """Print the job that was enqueued, or the one that holds its unique key."""
    job = answer.job
    if as_json:
        from ...queries.json_form import answer_json

        document(answer_json(answer))
    elif not answer.existing:
        line(f"Enqueued {escape(job.id)}")
    else:
        line(f"Edited {escape(job.id)}, which exists" if answer.edited else f"Exists {escape(job.id)}")


def tell_passed(run_at_us: int | None, job_id: str) -> None:
    """Print that a job runs at once if the time it was to wait for has passed."""
    if run_at_us is not None and run_at_us < now_us() - 1_000_000:  # by a second: `now` was read a moment ago
        at = moment(run_at_us)
        note(f"{escape(job_id)} runs at once: the time it was to wait for, {at}, has passed")


def _object(text: str) -> Any:
    from ...system.untrusted import Malformed, json_object

    try:
        return json_object(text.encode(errors="surrogateescape"))
    except Malformed as error:
        raise InvalidInput("meta", shown(text), f'an object as in JSON, for example {{"build": 7}}: {error}') from None


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise InvalidInput("env", shown(text), "K=V, for example LANG=C")
    return name, value
