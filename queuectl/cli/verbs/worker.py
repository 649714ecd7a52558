"""`queuectl worker`: start, stop and list the processes that run jobs."""

import os
from contextlib import nullcontext
from typing import TYPE_CHECKING

import click

from ...core.argument_kinds import MOST_SLOTS
from ..command import VerbSet
from ..input import completions
from ..input.job_ref import tell_unknown
from ..input.param_types import duration_s, json_option, queue_option, reason_option, whole
from ..output.format import duration, escape
from ..output.table import Column, document, line, note, state_colour, table
from ..session import Session, pass_session

if TYPE_CHECKING:
    from ...core.results import Running, WorkerInfo
    from ..stop_workers import StopOutcome

COLUMNS = (
    Column("ID"),
    Column("STATE", paint=state_colour),
    Column("PID", right=True, spare=5),
    Column("HOST", spare=6),
    Column("SLOTS", right=True, spare=3),
    Column("QUEUES", spare=2),
    Column("UP", right=True, spare=4),
    Column("HEARD", right=True, spare=1),
    Column("RUNNING", wide=True),
)


@click.group(cls=VerbSet)
def command() -> None:
    """Start, stop and list workers."""


@command.command(
    "start",
    examples=(
        "queuectl worker start --count 4",
        "queuectl worker start --count 4 --drain --progress",
        "queuectl worker start --detach --queue mail",
    ),
)
@click.option(
    "--count", "-n", "-j", type=whole(1, MOST_SLOTS), default=1, metavar="N", help="Commands at a time.  [default: 1]"
)
@click.option("--drain", is_flag=True, help="Exit 0 once nothing is pending, running or waiting for a retry.")
@click.option("--progress", is_flag=True, help="With --drain, on a terminal: a bar in place of a line a job.")
@click.option("--detach/--foreground", "-d/-f", help="Go to the background, with a log file in the data directory.")
@queue_option(
    "queues",
    multiple=True,
    help="Only this queue; may be repeated, or several with commas between them.",
)
@click.option("--poll", type=duration_s, metavar="SECONDS", help="Look for jobs at least this often.")
@click.option("--lease", type=duration_s, metavar="SECONDS", help="How long a silent worker keeps a job.")
@click.option("--grace", type=duration_s, metavar="SECONDS", help="How long a command has between TERM and KILL.")
@reason_option
@pass_session
@click.pass_context
def start(
    ctx: click.Context,
    session: Session,
    *,
    count: int,
    drain: bool,
    progress: bool,
    detach: bool,
    queues: tuple[str, ...],
    poll: float | None,
    lease: float | None,
    grace: float | None,
    reason: str | None,
) -> None:
    """Run jobs, here until Ctrl-C or in the background.

    Exits 0 when it was stopped and its commands have finished, and when there was nothing left with
    --drain. A second Ctrl-C kills the commands and gives their jobs back. With --progress what
    fails is still told, above the bar; where there is no terminal, everything is, as without it.
    """
    if progress and (detach or not drain):
        raise click.UsageError("--progress counts down here to an end: give it --drain, and leave out --detach")
    if lease is not None:
        from ...core.settings import parse

        lease = float(parse("lease_s", str(lease))[1])  # a shorter one would flood the log with renewals
    from ...core.request import POLL_S, check_grace_s, check_poll_s

    check_poll_s(POLL_S if poll is None else poll)
    check_grace_s(0.0 if grace is None else grace)
    queue = session.created()
    if detach:
        from ..detach import detach_worker

        timing = {"--poll": poll, "--lease": lease, "--grace": grace}
        options = [word for name, value in timing.items() if value is not None for word in (name, f"{value:g}")]
        options += [word for name in queues for word in ("--queue", name)]
        options += [] if reason is None else ["--reason", reason]
        detach_worker(queue, ["--count", str(count), *options, *(["--drain"] if drain else [])])
        return
    from ...worker import start_worker
    from ...worker.systemd import Notifier
    from ..output.worker_log import draining, print_lines

    with draining(queue, queues or None) if progress else nullcontext() as shown:
        code = start_worker(
            queue,
            slots=count,
            queues=queues or None,
            drain=drain,
            poll_s=POLL_S if poll is None else poll,
            lease_s=lease,
            grace_s=grace,
            reason=reason,
            report=print_lines if shown is None else shown.report,
            notifier=Notifier.from_environment(os.environ),
            is_sole=True,
        )
    ctx.exit(code)


@command.command(
    "stop",
    examples=("queuectl worker stop --wait",),
)
@click.argument("ids", nargs=-1, metavar="[ID...]", shell_complete=completions.workers)
@click.option("--now", is_flag=True, help="Stop the running commands too, and give their jobs back.")
@click.option("--wait", "-w", is_flag=True, help="Return when they are gone.")
@reason_option
@json_option
@pass_session
def stop(session: Session, *, ids: tuple[str, ...], now: bool, wait: bool, reason: str | None, as_json: bool) -> None:
    """Have workers finish what they run, and exit.

    All of them where none is named. One that is dead leaves the list when it is named. --wait exits 0
    once they are gone.
    """
    from ..stop_workers import ask_to_stop, wait_until_gone

    queue = session.existing()
    asked = ask_to_stop(queue, ids, now=now, reason=reason)
    if wait:
        wait_until_gone(queue, asked.stopping, lambda info: _tell_busy(info, now=now))
    if as_json:
        document({"ids": [worker for each in asked for worker in each]})
    elif not any(asked):
        note("No workers to stop.")
    else:
        _tell_stopped(asked, "Stopped" if wait else "Stopping")


def _tell_busy(info: "WorkerInfo", *, now: bool) -> None:
    what = ", ".join(_running(run, info) for run in info.runs)
    told = f"stops {what}" if now else f"finishes {what}; --now stops {'it' if len(info.runs) == 1 else 'them'} at once"
    note(f"{escape(info.id)} {escape(told)}")


def _tell_stopped(asked: "StopOutcome", done: str) -> None:
    for worker in asked.stopping:
        line(f"{done} {escape(worker)}")
    for worker in asked.gone:
        line(f"{escape(worker)} was dead; it is off the list now")
    for worker in asked.holding:
        line(f"{escape(worker)} is dead; the next worker takes over the jobs it ran")


@command.command(
    "list",
    examples=("queuectl worker list",),
)
@queue_option(help="Only those that serve this queue.")
@json_option
@pass_session
def list_workers(session: Session, *, queue: str | None, as_json: bool) -> None:
    """List the workers that have not stopped, and what they run.

    Since when each is up, when it was last heard of, and for how long it runs what it runs.
    """
    opened = session.reading()
    tell_unknown(opened, queue)
    workers = [info for info in opened.workers() if info.serves(queue)]
    if as_json:
        from ...queries.json_form import worker_json

        document([worker_json(info) for info in workers])
        return
    if not workers:
        from ..output.advice import no_workers, way_to_start

        told, start = no_workers(queue)
        note(f"{told}; {way_to_start(opened.path, start)}")
        return
    rows = [
        (
            escape(info.id),
            info.state,
            str(info.pid),
            escape(info.host),
            "" if info.state == "dead" else str(info.slots),
            escape(", ".join(info.queues or ("all",))),
            "" if info.state == "dead" else _ago(info.started_at_us, info),
            _ago(info.heartbeat_at_us, info) + " ago",
            escape(", ".join(_running(run, info) for run in info.runs)),
        )
        for info in workers
    ]
    table(COLUMNS, rows)


def _running(run: "Running", info: "WorkerInfo") -> str:
    what = run.job_id if run.attempt < 2 else f"{run.job_id} attempt {run.attempt}"
    return f"{what} ({_ago(run.since_us, info)}{', being cancelled' if run.is_cancelling else ''})"


def _ago(at_us: int | None, info: "WorkerInfo") -> str:
    seconds = (info.at_us - (at_us or info.started_at_us)) / 1_000_000
    return duration(max(1, int(seconds)))
