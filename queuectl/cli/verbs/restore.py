"""`queuectl restore`: a queue from a backup."""

import click

from ..command import Verb
from ..input.param_types import filled, json_option
from ..output.format import escape
from ..output.progress import progress
from ..output.table import document, line
from ..session import Session, pass_session


@click.command(
    cls=Verb,
    examples=(
        "queuectl restore queue.tar",
        "QUEUECTL_DB=/tmp/look queuectl restore queue.tar.gz",
        "queuectl restore --force queue.tar",
        "queuectl restore --finish",
    ),
)
@click.argument("file", type=filled, metavar="FILE", required=False)
@click.option("--force", "-f", is_flag=True, help="Replace the queue that is there, which is kept aside.")
@click.option("--finish", is_flag=True, help="End a restore or an import that was interrupted as it moved in.")
@json_option
@pass_session
def command(session: Session, *, file: str | None, force: bool, finish: bool, as_json: bool) -> None:
    """Make the queue from a backup.

    FILE is checked first, every page and every event of it; - is stdin. A queue that is there is
    replaced with --force only, while nobody has it open, and is moved to replaced/ in its directory.
    Jobs that ran when the backup was made run again once their leases have expired.
    """
    from ...queue import Queue

    if finish == (file is not None):
        raise click.UsageError("restore takes a FILE, or --finish")
    if file is None:
        done = Queue.finish_restore(session.path)
        if as_json:
            document({"finished": done})
        else:
            line("Finished: the queue is in place" if done else "There is nothing to finish")
        return
    left = (
        "if it had begun to put the queue in place, `queuectl restore --finish` does the rest, else nothing was changed"
    )
    with progress("Restoring", in_bytes=True, left=lambda _: left) as shown:
        restored = Queue.restore(file, session.path, force=force, progress=shown.stage)
    if as_json:
        document(restored._asdict())
        return
    digest = restored.digest[:16]
    line(f"Restored the queue as of {escape(restored.time)}, up to position {restored.head}; digest {digest}")
    if restored.aside:
        line(f"The queue that was there lies at {escape(restored.aside)}")
