"""`queuectl export`: the log as JSON lines."""

import click

from ..command import Verb
from ..exit_codes import say
from ..input.param_types import filled
from ..output.format import escape, plural
from ..output.progress import progress, unwritten
from ..output.table import note
from ..session import Session, pass_session


@click.command(
    cls=Verb,
    examples=("queuectl export queue.jsonl", "queuectl export --no-outputs | jq -r .type | sort | uniq -c"),
)
@click.argument("file", type=filled, metavar="[FILE]", default="-")
@click.option("--no-outputs", is_flag=True, help="Leave out what runs printed.")
@click.option("--force", "-f", is_flag=True, help="Replace FILE where it is there.")
@pass_session
def command(session: Session, *, file: str, no_outputs: bool, force: bool) -> None:
    """Write every event as a line of JSON, to FILE or to stdout.

    Each line has the event in readable form and its stored bytes, so that `queuectl import` makes the
    same queue of it. FILE is there whole, or not at all. docs/backup.md has the format.
    """
    queue = session.reading()

    def left(done: int) -> str:
        return f"{plural(done, 'event')} exported, not all; {unwritten(file)}; type it again, it begins anew"

    with progress("Exporting", left=left) as shown:
        if file == "-":
            done = queue.admin.export(
                lambda line: say(line, newline=False), outputs=not no_outputs, progress=shown.done
            )
        else:
            from ..whole import write_whole

            with write_whole(file, directory=queue.path, force=force) as sink:
                done = queue.admin.export(sink.write, outputs=not no_outputs, progress=shown.done)
    where = "stdout" if file == "-" else escape(file)
    told = f"{plural(done.events, 'event')} and {plural(done.outputs, 'output')}"
    note(f"Exported {told} to {where}; digest {done.digest[:16]}")
