"""`queuectl replay`: rebuild every view from the log, and compare."""

import click

from ...core.times import time_json
from ..command import Verb
from ..exit_codes import REFUSED
from ..input.param_types import LogPoint, filled, json_option, log_point
from ..output.format import escape, moment, plural
from ..output.progress import progress
from ..output.table import document, line, note
from ..session import Session, pass_session


@click.command(
    cls=Verb,
    examples=("queuectl replay --check", "queuectl replay --until 'yesterday 17:30' --into ./then"),
)
@click.option("--check", is_flag=True, help="Compare only; exit 1 where they differ.")
@click.option("--until", type=log_point, metavar="POS|TIME", help="With --into: the log up to there.")
@click.option("--into", type=filled, metavar="DIR", help="Make a second queue there, and leave this one as it is.")
@json_option
@pass_session
@click.pass_context
def command(
    ctx: click.Context, session: Session, *, check: bool, until: LogPoint | None, into: str | None, as_json: bool
) -> None:
    """Rebuild every view from the log, and compare.

    Workers go on meanwhile: the rebuilt views lie beside the live ones until all is compared; then
    they take their place. With --check they do not, and it exits 1 where they differ. It can be
    interrupted at any moment, and changes nothing then. As it rebuilds beside the live views, it needs a
    queue that can be written to, with --check too; `queuectl verify` compares on a read-only mount as well.

    With --until and --into it makes a second queue, as this one was then, to look at or to try things in.
    """
    if until is not None or into is not None:
        if until is None or into is None or check:
            raise click.UsageError("--until and --into go together, and without --check")
        _branch(session, until, into, as_json)
        return
    queue = session.existing()
    left = "{:,} events replayed; the views are as they were; type it again, it begins anew"
    with progress("Replaying", left=left.format) as shown:
        report = queue.admin.replay(check=check, progress=shown.done)
    if as_json:
        document(
            {
                "events": report.events,
                "differences": report.differences,
                "swapped": report.swapped,
                "duration_s": round(report.duration_s, 6),
                "held_ms": round(report.held_s * 1000, 3),
            }
        )
    else:
        for difference in report.differences:
            line(escape(difference))
        found = plural(len(report.differences), "difference") if report.differences else "no differences"
        done = "rebuilt views are in place" if report.swapped else "nothing was changed"
        line(f"Replayed {plural(report.events, 'event')} in {report.duration_s:.2f} s: {found}; {done}")
    if check and report.differences:
        ctx.exit(REFUSED)


def _branch(session: Session, until: LogPoint, into: str, as_json: bool) -> None:
    """Make a second queue, as this one was at a moment, and say what it is."""
    queue = session.reading()
    left = "{:,} events copied; no second queue was made; type it again".format
    with progress("Copying", left=left) as shown:
        done = queue.admin.branch(into, until.position, at_us=until.at_us, progress=shown.done)
    if as_json:
        document(
            {
                "path": done.path,
                "position": done.position,
                "time": time_json(done.at_us),
                "outputs": done.outputs,
                "outputs_gone": done.outputs_gone,
            }
        )
        return
    line(f"Made {escape(done.path)} as it was at {moment(done.at_us)}: {plural(done.position, 'event')}")
    if done.outputs_gone:
        note(f"What {plural(done.outputs_gone, 'run')} had printed is no longer there")
    note(f"Look at it: queuectl --db {escape(into)} status")
