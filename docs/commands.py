"""Generate docs/cli.md: every verb as it is defined, what its --json prints and what it exits with."""

import inspect
from collections.abc import Iterator, Mapping

import click

from queuectl.cli.app import queuectl
from queuectl.cli.command import Verb, VerbSet
from queuectl.cli.lazy_group import CODES, EXAMPLES, SECTIONS

INTRO = """\
# The command line

Made from the commands by `python docs/generate.py`; do not edit. `queuectl VERB --help` tells the
same on a terminal, `queuectl completion SHELL` has a shell complete it."""

CONVENTIONS = """\
- **Which queue**: `--db` before the verb, else `QUEUECTL_DB`, else the data directory of this user. A
  verb that writes makes it on first use; one that only reads says that there is none yet. `QUEUECTL_MAP_SIZE`
  (`4G`) says how much address space it may take: 64 GiB, or what there is (`ulimit -v`), and always what it needs.
- **JOB** is an id, or the beginning of one, three characters or more, where no other id begins so.
- **Durations**: `90`, `90s`, `5m`, `1h30m`, `2d`. **Times**: `17:30`, `tomorrow 9am`, `in 2h`, `5m ago`, ISO 8601.
  Where it says **POS**, a whole number is a position in the log.
- **`--json`**: one document on stdout and nothing else there; with `--follow`, an object a line. Times are
  ISO 8601 in UTC with `Z`, durations end in `_ms` or `_s`. Keys may be added, and none goes or changes.
- **Data** goes to stdout, messages and progress to stderr. Colour only on a terminal, and not where
  `NO_COLOR` is set.
- **Who waits** for another process, behind a replay or a restore for example, says so on stderr after a second,
  once: for what, and which process it is as far as that can be seen.
- **`--reason TEXT`** on each verb that changes something: kept in the log with the change, for ever."""

JOB = (
    '{"id", "queue", "command", "state", "priority", "attempts", "max_retries", "timeout_s", '
    '"timeout_is_default", "backoff_base", "cwd", '
    '"env", "merge", "paused", "use", "after", "waits_for", "unique", "unique_until", "labels", "meta", '
    '"policy", '
    '"expires_at", "if_expired", "max_time_s", "snoozes", '
    '"ended_by", "shell", "inherited_env", "created_at", "updated_at", "run_at", "started_at", '
    '"finished_at", "worker_id", "lease_expires_at", '
    '"return_code", "signal", "duration_ms", "last_error", "version"}'
)
EVENT = '{"position", "time", "type", "job", "stream", "actor", "reason", "cause", "caused_by", "data"}'
SHAPES: Mapping[str, str] = {"job": JOB, "event": EVENT}
SHAPES_TOLD = {
    "job": "`command` is a string, or a list for an argument vector; `version` is the position of its last event;"
    " `inherited_env` is the digest of what it took along; `policy` has what was said of how its runs end, by the"
    " names of the options, and `ended_by` what of that, or of its time, ended it or its last run.",
    "event": '`caused_by` is the run whose command did it, `{"job", "attempt", "position"}`, or null; '
    "`data` is what the event says, by its type.",
}
_ACTED = '`{"ids", "left", "refused"}`, `left` being how many had moved on, `refused` why others were not; '
_ACTED += 'with `--dry-run` `{"dry_run", "ids"}`'
_SETTING = '`{"key", "value", "source"}`'

_LIMIT = '`{"name", "running", "starts", "period_s", "burst", "used", "next_start_at", "set_at", "by", "reason"}`'

JSON: Mapping[str, str] = {
    "enqueue": "a job, with `--unique` and `existing` (it was there and holds the key) and `edited`; "
    'with `--file` `{"enqueued", "skipped", "ids", "existing", "edited"}`, these two being ids of such jobs',
    "run": "a job, as `enqueue`",
    "worker stop": '`{"ids"}` of the workers that were asked',
    "worker list": 'a list of `{"id", "pid", "host", "slots", "queues", "running", "runs", "started_at", '
    '"heartbeat_at", "state"}`; `state` is running, stopping or dead',
    "status": '`{"jobs", "active_workers", "queues", "head", "oldest_pending_s", "unserved", "waiting", "paused"}`; '
    "`waiting` has how many jobs wait for what, by the codes of `why` but slots, one that waits for two in both, and "
    "`paused` is as `queue list`; with `--watch` one a line",
    "list": "a list of jobs",
    "why": 'a list of `{"code", "text", "since", "until", "by", "reason", "holders", "limit", "used", "of", '
    '"command"}`, empty where it waits for nothing; `code` is paused, queue_paused, dependency, time, limit, rate, '
    "no_worker or slots, `holders` are the ids of those that have the slots, use the limit, or are to end first, and "
    "`by` says who paused it",
    "show": "a job, `inherited` (its variables by name), `caused_by` and `earlier` (the position at which an earlier "
    "job of its id was removed, or null), `output_cut_bytes` (how much of what its last run printed was not kept; "
    "null before one has ended, and with `--as-of`) and `output_error` (what kept the disk from taking it, null where "
    "it was the limit); of several a list of them",
    "logs": 'a list of `{"job", "run", "attempt", "worker_id", "started_at", "state", "summary", "output_error", '
    '"stdout", "stderr", "cut_bytes"}`; `output_error` is what kept the disk from taking some of the output, or null',
    "wait": 'of jobs that are named a list of jobs; else `{"completed", "dead", "cancelled", "gone", '
    '"not_completed"}`, `not_completed` with ids and states, `gone` being how many retention let go meanwhile',
    "dashboard": '`{"url", "host", "port", "token"}`, once it listens',
    "dlq list": "a list of jobs",
    "dlq show": "a job; of several a list of them",
    "dlq retry": _ACTED,
    "dlq purge": _ACTED,
    "retry": f"of jobs that are named a list of jobs; else {_ACTED}",
    "cancel": f"of jobs that are named a list of jobs; else {_ACTED}",
    "pause": f"of jobs that are named a list of jobs; else {_ACTED}",
    "resume": f"of jobs that are named a list of jobs; else {_ACTED}",
    "queue": "as `queue list`",
    "queue list": 'a list of `{"queue", "paused_at", "until", "by", "reason"}`',
    "limit": "as `limit list`",
    "limit list": f"a list of {_LIMIT}",
    "limit show": f'{_LIMIT[:-2]}, "holders", "values", "waiting"}}`; `holders` are the ids of the jobs that use it, '
    "`values` says how many jobs run of each value, and `waiting` how many wait",
    "limit set": '`{"limit", "changed"}`; `changed` is false where it was so already',
    "limit remove": '`{"limit"}`',
    "queue pause": '`{"queue", "paused", "changed"}`; `changed` is false where it was so already',
    "queue resume": '`{"queue", "paused", "changed"}`',
    "edit": "a job",
    "remove": _ACTED,
    "clear": '`{"cleared"}`, how many; with `--dry-run` `{"would_clear", "ids"}`',
    "config get": f"{_SETTING}; of all settings as `config show`",
    "config show": 'key -> `{"value", "source"}`; `source` is default, store or environment',
    "config set": _SETTING,
    "config unset": _SETTING,
    "history": 'a list of events; with `--tree` `{"above", "root"}`, each job in it with its `children`',
    "events": "a list of events; with `--follow` one a line",
    "subscriptions": "as `subscriptions list`",
    "subscriptions list": 'a list of `{"name", "position", "lag", "lag_s", "moved_at", "may_lack"}`',
    "subscriptions rewind": '`{"name", "position"}`',
    "subscriptions remove": '`{"name"}`',
    "replay": '`{"events", "differences", "swapped", "duration_s", "held_ms"}`',
    "snapshot": '`{"made"}`, the positions; null where another process is at it',
    "snapshot list": 'a list of `{"position", "time", "digest", "sha256", "bytes"}`',
    "snapshot delete": '`{"deleted"}`, how many',
    "verify": '`{"ok", "head", "parts", "against", "problem_count", "problems", "notes"}`',
    "doctor": 'a list of `{"check", "state", "found", "do"}`; `state` is ok, warning or problem',
    "compact": '`{"dry_run", "upto", "jobs", "workers", "events", "bytes", "segments", "shrunk"}`',
    "backup": '`{"file", "head", "digest", "events", "data_bytes", "files", "file_bytes", "elsewhere"}`',
    "restore": '`{"head", "digest", "time", "files", "aside"}`; with `--finish` `{"finished"}`',
    "import": '`{"events", "outputs", "head", "digest"}`; of the jobs of another queue the report of the import',
    "migrate": '`{"checked", "steps", "notes"}`',
}
"""Verb -> what its --json prints; a test runs each and compares the keys."""

EXITS: Mapping[str, str] = {
    "run": "with `--wait` as the command did: its code, 128 + its signal, 126 or 127 where it could "
    "not start, 1 where it was cancelled",
    "logs": "with `--follow` as the job's command did: its code, 128 + its signal, 126 or 127 where it "
    "could not start, 1 where it was cancelled; "
    "else 1 when one of the jobs was refused; the others are shown all the same",
    "show": "1 when one of those named was refused; the others are shown all the same",
    "dlq show": "as `show`",
    "wait": "0 when all completed, 1 when any died or was cancelled, 124 when the time ran out",
    "worker start": "0 when it was stopped and its commands have finished, also by Ctrl-C or SIGTERM; 0 when drained",
    "dashboard": "0 on SIGTERM, 130 on Ctrl-C",
    "replay": "with `--check` 1 where the views differ from the log",
    "verify": "1 where anything is wrong",
    "doctor": "1 where anything is wrong",
    "migrate": "with `--check` 1 where there is something to do",
    "retry": "1 when one of those named was refused; the others run all the same",
    "cancel": "1 when one of those named was refused; the others are cancelled all the same",
    "remove": "1 when one of those named was refused; the others are removed all the same",
}
"""Verb -> what it exits with, beyond what all do."""


def commands() -> Iterator[tuple[str, Verb | VerbSet, click.Context]]:
    """Yield every verb and sub-verb with its name as typed after `queuectl`, in the order of the help."""
    yield from _walk(queuectl, click.Context(queuectl, info_name="queuectl", terminal_width=100), "")


def page() -> str:
    """Return the page."""
    root = click.Context(queuectl, info_name="queuectl", terminal_width=100)
    parts = [
        INTRO,
        "## Everywhere",
        CONVENTIONS,
        "Options before the verb:",
        _options(queuectl, root),
        _block(EXAMPLES),
        "Exit codes:",
        "\n".join(f"- **{code}** {told}" for code, told in CODES),
        "What `--json` prints of a job, and of an event:",
        *(f"**{name.capitalize()}**: `{shape}`. {SHAPES_TOLD[name]}" for name, shape in SHAPES.items()),
        "## Contents",
        "\n".join(f"- {title}: {', '.join(map(_link, verbs))}" for title, verbs in SECTIONS.items()),
    ]
    first = {verbs[0]: title for title, verbs in SECTIONS.items()}
    for name, command, context in commands():
        parts += [f"## {first[name]}"] if name in first else []
        parts += list(_verb(name, command, context))
    return "\n\n".join(parts) + "\n"


def _walk(group: click.Group, context: click.Context, path: str) -> Iterator[tuple[str, Verb | VerbSet, click.Context]]:
    for word in group.list_commands(context):
        command = group.get_command(context, word)
        assert isinstance(command, Verb | VerbSet), "a listed verb is there"
        below = click.Context(command, info_name=word, parent=context)
        yield path + word, command, below
        if isinstance(command, click.Group):
            yield from _walk(command, below, f"{path}{word} ")


def _verb(name: str, command: Verb | VerbSet, context: click.Context) -> Iterator[str]:
    yield f"{'####' if ' ' in name else '###'} queuectl {name}"
    formatter = click.HelpFormatter(width=200)
    command.format_usage(context, formatter)
    yield _block([row.removeprefix("Usage:").strip() for row in formatter.getvalue().splitlines()])
    yield inspect.cleandoc(command.help or "").replace("\b\n", "")
    if options := _options(command, context):
        yield options
    if isinstance(command, Verb) or command.own_examples:
        yield _block(command.examples)
    if name in JSON:
        yield f"JSON: {JSON[name]}."
    if name in EXITS:
        yield f"Exits {EXITS[name]}."


def _options(command: click.Command, context: click.Context) -> str:
    options = [option for option in command.params if isinstance(option, click.Option)]
    records = [record for option in options if (record := option.get_help_record(context))]
    return "\n".join(f"- `{typed}`: {' '.join(told.split())}" for typed, told in records)


def _block(rows: "list[str] | tuple[str, ...]") -> str:
    return "```\n" + "\n".join(rows) + "\n```"


def _link(verb: str) -> str:
    return f"[{verb}](#queuectl-{verb})"
