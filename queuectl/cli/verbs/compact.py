"""`queuectl compact`: let the events of jobs that ended long ago go to an archive, and give space back."""

from typing import TYPE_CHECKING

import click

from ..command import Verb
from ..input.param_types import duration_s, filled, json_option, reason_option
from ..output.format import escape, plural, size
from ..output.progress import progress
from ..output.table import document, line, note
from ..session import Session, pass_session

if TYPE_CHECKING:
    from ... import Compacted, Shrunk


@click.command(
    cls=Verb,
    examples=(
        "queuectl compact --older-than 30d --dry-run",
        "queuectl compact --older-than 30d --archive /backup/queue",
        "queuectl compact --shrink",
    ),
)
@click.option("--older-than", type=duration_s, metavar="DURATION", help="Of jobs that ended so long ago: 12h, 30d.")
@click.option("--keep-dead", is_flag=True, help="Leave the dead letter queue as it is.")
@click.option(
    "--archive", type=filled, metavar="DIR", help="Where the events go.  [default: `archive` in the queue's directory]"
)
@click.option("--shrink", is_flag=True, help="Give free space back to the disk; nobody may have the queue open.")
@click.option("--dry-run", "-n", is_flag=True, help="Only tell what would go.")
@reason_option
@json_option
@pass_session
@click.pass_context
def command(
    ctx: click.Context,
    session: Session,
    *,
    older_than: float | None,
    keep_dead: bool,
    archive: str | None,
    shrink: bool,
    dry_run: bool,
    reason: str | None,
    as_json: bool,
) -> None:
    """Let the events of ended jobs go from the log to an archive.

    They are gone from every list, and their ids are free; `queuectl history` still tells of them from
    the archive. Workers may go on meanwhile, except for --shrink.
    """
    if older_than is None and (not shrink or keep_dead or archive or dry_run):
        ctx.fail("--older-than says what may go, for example --older-than 30d")
    if shrink and not dry_run:
        session.check_alone()  # rather now than when the first half is done
    done = None if older_than is None else _compact(session, older_than, keep_dead, archive, dry_run, reason)
    shrunk = session.shrunk() if shrink and not dry_run else None
    if as_json:
        document(_json(done, shrunk, dry_run=dry_run))
        return
    if done is not None:
        line(_told(done, dry_run=dry_run))
        for segment in done.segments:
            line(f"  {escape(segment)}")
    if shrunk is not None:
        line(f"Shrunk from {size(shrunk.before_bytes)} to {size(shrunk.after_bytes)}")


def _compact(
    session: Session, older_than: float, keep_dead: bool, archive: str | None, dry_run: bool, reason: str | None
) -> "Compacted":
    queue = session.existing()
    last: list[Compacted] = []

    def left(_: int) -> str:
        if dry_run or not last:
            return "nothing is archived yet; type it again to go on"
        return f"{last[0].events:,} events are archived and gone, the others stay; type it again to go on"

    with progress("Looking" if dry_run else "Compacting", left=left) as shown:

        def hear(done: "Compacted") -> None:
            last[:] = [done]
            shown.done(done.position, done.upto)

        done = queue.admin.compact(
            older_than=older_than,
            keep_dead=keep_dead,
            archive=archive,
            dry_run=dry_run,
            progress=hear,
            reason=reason,
        )
    behind = [escape(each.name) for each in queue.log.subscriptions() if each.position < done.upto and done.events]
    if behind:
        verb = "would miss" if dry_run else "will miss"
        note(f"Not read up to there, and {verb} what goes: subscription {', '.join(behind)}")
    return done


def _told(done: "Compacted", *, dry_run: bool) -> str:
    verb = "Would archive" if dry_run else "Archived"
    workers = f" and {plural(done.workers, 'worker')} that stopped" if done.workers else ""
    return f"{verb} {plural(done.events, 'event')} ({size(done.bytes)}) of {plural(done.jobs, 'job')}{workers}"


def _json(done: "Compacted | None", shrunk: "Shrunk | None", *, dry_run: bool) -> dict[str, object]:
    told: dict[str, object] = {"dry_run": dry_run}
    if done is not None:
        told |= {
            "upto": done.upto,
            "jobs": done.jobs,
            "workers": done.workers,
            "events": done.events,
            "bytes": done.bytes,
            "segments": list(done.segments),
        }
    return told | {"shrunk": None if shrunk is None else shrunk._asdict()}
