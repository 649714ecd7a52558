"""`queuectl backup`: one file to restore the queue from."""

import sys

import click

from ..command import Verb
from ..input.param_types import filled, json_option
from ..output.format import escape, plural
from ..output.progress import progress, unwritten
from ..output.table import document, line, note
from ..session import Session, pass_session


@click.command(
    cls=Verb,
    examples=(
        "queuectl backup /var/backups/queue.tar",
        "queuectl backup --force queue.tar.gz",
        "queuectl backup queue.tar.zst",
    ),
)
@click.argument("file", type=filled, metavar="FILE")
@click.option("--force", "-f", is_flag=True, help="Replace FILE where it is there.")
@json_option
@pass_session
def command(session: Session, *, file: str, force: bool, as_json: bool) -> None:
    """Write a backup to FILE while workers go on.

    It is a tar with the log, the views, what runs printed and the archive; compressed where the name
    ends in .gz or .zst. It is checked before it gets its name: FILE is whole, or not there. - is stdout.
    """
    if file == "-" and sys.stdout.isatty():
        raise click.UsageError("a backup is no text; send it into a file or a pipe")
    with progress("Backing up", in_bytes=True, left=lambda _: f"no backup; {unwritten(file)}; type it again") as shown:
        done = session.reading().admin.backup(file, force=force, progress=shown.stage)
    told = (
        f"Backed up {plural(done.events, 'event')} up to position {done.head} and {plural(done.files, 'file')} "
        f"to {'stdout' if file == '-' else escape(file)}; digest {done.digest[:16]}"
    )
    if done.elsewhere:
        note(f"Not in it: what retention archived in {escape(', '.join(done.elsewhere))}; keep that beside it")
    if file == "-":
        note(told)
    elif as_json:
        document({"file": file, **done._asdict()})
    else:
        line(told)
