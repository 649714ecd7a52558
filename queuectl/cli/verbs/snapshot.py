"""`queuectl snapshot`: what makes --as-of quick; made by the workers as the log grows, or by hand."""

import os
from contextlib import suppress
from pathlib import Path

import click

from ..command import VerbSet
from ..input.param_types import json_option
from ..output.format import moment, plural
from ..output.progress import progress
from ..output.table import Column, document, json_array, line, note, table
from ..session import Session, pass_session

COLUMNS = (Column("POS", right=True), Column("TIME"), Column("SIZE", right=True))
NICEST = 19


@click.group(cls=VerbSet, invoke_without_command=True, examples=("queuectl snapshot", "queuectl snapshot --due"))
@click.option("--due", is_flag=True, help="Only those that are due, without getting into anybody's way.")
@json_option
@pass_session
@click.pass_context
def command(ctx: click.Context, session: Session, *, due: bool, as_json: bool) -> None:
    """Make snapshots of the past states that --as-of begins from.

    Workers make them as the log grows (`queuectl config get snapshot_events`). Alone, this makes
    those that are missing, and one of now.
    """
    if ctx.invoked_subcommand is not None:
        return
    if due:
        _stand_back()
    left = "the snapshots that are made stay; type it again to go on"
    with progress("Making snapshots", left=lambda _: left) as shown:
        made = session.reading().admin.make_snapshots(with_head=not due, progress=shown.done)
    if as_json:
        document({"made": None if made is None else [each.position for each in made]})
    elif made is None:
        note("Another process is making snapshots.")
    else:
        line(f"Made {plural(len(made), 'snapshot')}")


@command.command("list", examples=("queuectl snapshot list",))
@json_option
@pass_session
def list_snapshots(session: Session, *, as_json: bool) -> None:
    """List the snapshots that count."""
    found = session.reading().admin.snapshots()
    if as_json:
        from ...core.times import time_json

        json_array(
            {
                "position": each.position,
                "time": time_json(each.at_us),
                "digest": each.digest.hex(),
                "sha256": each.sha256.hex(),
                "bytes": each.file_bytes,
            }
            for each in found
        )
    elif found:
        table(COLUMNS, [(str(each.position), moment(each.at_us), _size(each.file_bytes)) for each in found])
    else:
        note("No snapshots; make one: queuectl snapshot")


@command.command("delete", examples=("queuectl snapshot delete --all",))
@click.option("--all", "-a", "everything", is_flag=True, help="Every snapshot.")
@json_option
@pass_session
def delete(session: Session, *, everything: bool, as_json: bool) -> None:
    """Delete snapshots.

    That is no loss: --as-of takes longer until there are new ones.
    """
    if not everything:
        raise click.UsageError("type --all to delete every snapshot")
    count = session.reading().admin.delete_snapshots()
    if as_json:
        document({"deleted": count})
    else:
        line(f"Deleted {plural(count, 'snapshot')}")


def _stand_back() -> None:
    """Take only the processor time that nobody else wants."""
    os.nice(NICEST)
    if os.getsid(0) == os.getpid():  # Linux may share out time by session first, and nice counts within one
        with suppress(OSError):
            Path("/proc/self/autogroup").write_text(str(NICEST))
    if hasattr(os, "SCHED_IDLE"):
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def _size(count: int) -> str:
    return f"{count / 1_000_000:.1f} MB" if count >= 100_000 else f"{count / 1000:.1f} kB"
