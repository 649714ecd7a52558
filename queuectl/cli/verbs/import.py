"""`queuectl import`: a queue from an export, or jobs of other queues."""
# ruff: noqa: N999 - a verb is found by its name, which is this one

from typing import IO, Any

import click

from ...core.argument_kinds import IMPORT_FORMATS
from ...errors import QueuectlError
from ..command import Verb
from ..input.param_types import OneOf, filled, json_option, reason_option
from ..output.format import plural
from ..output.progress import progress
from ..output.table import document, line
from ..session import Session, pass_session


@click.command(
    cls=Verb,
    examples=(
        "QUEUECTL_DB=/tmp/copy queuectl import queue.jsonl",
        "queuectl import --format jobs-json jobs.json dlq.json --dry-run",
        "queuectl import --format sqlite-jobs queue.db --table jobs --rejects rejects.jsonl",
    ),
)
@click.argument("files", nargs=-1, type=filled, required=True, metavar="FILE [DLQ_FILE]")
@click.option(
    "--format",
    "kind",
    type=OneOf(["queuectl", *IMPORT_FORMATS]),
    default="queuectl",
    show_default=True,
    help="What FILE is.",
)
@click.option("--table", "tables", multiple=True, metavar="NAME", help="A table of a SQLite file.  [default: jobs]")
@click.option("--skip-existing", is_flag=True, help="Leave out jobs whose id is taken.")
@click.option("--waiting-only", is_flag=True, help="Leave out jobs that have ended.")
@click.option(
    "--rejects", type=filled, metavar="FILE", help="Write rows that cannot be taken there, and take the others."
)
@click.option("--dry-run", "-n", is_flag=True, help="Only tell what would come in.")
@reason_option
@json_option
@pass_session
def command(
    session: Session,
    /,
    *,
    files: tuple[str, ...],
    kind: str,
    tables: tuple[str, ...],
    rejects: str | None,
    reason: str | None,
    as_json: bool,
    **flags: Any,
) -> None:
    """Import what `queuectl export` wrote, or the jobs of another queue.

    An export goes into an empty queue, under the same positions and with the same digest; - is stdin.
    With --format, jobs of other queues go into any: jobs-json takes a jobs.json and its dlq.json,
    sqlite-jobs a SQLite file. What has no place here is reported; a row that cannot be taken refuses
    all, unless --rejects.
    """
    if kind == "queuectl":
        if len(files) > 1 or tables or rejects or reason or any(flags.values()):
            raise click.UsageError("an export is imported whole: one FILE, and no option but --json")
        _export(session, files[0], as_json)
        return
    if len(files) > (2 if kind == "jobs-json" else 1) or (tables and kind != "sqlite-jobs"):
        raise click.UsageError("jobs-json takes FILE and DLQ_FILE; sqlite-jobs takes FILE and --table NAME")
    from ..import_report import import_and_report

    import_and_report(session, files, kind, tables, rejects=rejects, reason=reason, as_json=as_json, **flags)


def _export(session: Session, name: str, as_json: bool) -> None:
    from ...queue import Queue

    left = "{:,} done; no queue was made of it; type it again, it begins anew".format
    with _opened(name) as source, progress("Importing", left=left) as shown:
        done = Queue.import_export(source, session.path, name="stdin" if name == "-" else name, progress=shown.stage)
    if as_json:
        document(done._asdict())
    else:
        told = f"{plural(done.events, 'event')} and {plural(done.outputs, 'output')}"
        line(f"Imported {told} up to position {done.head}; digest {done.digest[:16]}")


def _opened(name: str) -> IO[bytes]:
    try:
        return click.open_file(name, "rb")
    except OSError as error:
        found = error.strerror or str(error)
        raise QueuectlError(f"cannot import {name}: {found}; name a file that `queuectl export` wrote") from None
