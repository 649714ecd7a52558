"""Jobs of another queue brought in, and what came of it told: counts and examples, or all of it as JSON."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

from ..errors import NoQueue
from .output.format import cut, escape, plural
from .output.progress import progress
from .output.table import document, line
from .session import Session

if TYPE_CHECKING:
    from .. import Adopted
    from ..queue import Queue

SHOWN = 5
"""Rows that cannot be taken, told in words; --json tells all."""


def import_and_report(
    session: Session,
    files: Sequence[str],
    kind: Any,
    tables: Sequence[str],
    *,
    rejects: str | None,
    reason: str | None,
    as_json: bool,
    dry_run: bool,
    **flags: bool,
) -> None:
    """Import jobs, write those that cannot be taken to `rejects`, and print the report."""
    from json import dumps

    left = "{:,} rows are in; --skip-existing goes on".format
    with (
        _queue(session, dry_run) as queue,
        _rejects(session, rejects, dry_run) as sink,
        progress("Importing", left=left) as shown,
    ):
        report = queue.admin.import_jobs(
            files,
            format=kind,
            tables=tables,
            partly=rejects is not None,
            dry_run=dry_run,
            reason=reason,
            progress=shown.done,
            **flags,
        )
        if sink is not None:
            sink.writelines(dumps(row).encode() + b"\n" for row in _plain(report, dry_run)["rejected"])
    if as_json:
        document(_plain(report, dry_run))
    else:
        _tell(report, dry_run, rejects)


@contextmanager
def _queue(session: Session, dry_run: bool) -> Iterator["Queue"]:
    """Yield the queue; to only look, one that is thrown away where there is none."""
    if not dry_run:
        yield session.created()
        return
    try:
        queue = session.existing()
    except NoQueue:
        from tempfile import TemporaryDirectory

        from ..queue import Queue

        with TemporaryDirectory(prefix="queuectl-") as place, Queue.open(place) as empty:
            yield empty
        return
    yield queue


@contextmanager
def _rejects(session: Session, file: str | None, dry_run: bool) -> Iterator[IO[bytes] | None]:
    """Yield the file for rows that cannot be taken, made before the first is; None where none is wanted."""
    if file is None or dry_run:
        yield None
        return
    from .whole import write_whole

    with write_whole(file, directory=session.directory(), force=False) as sink:
        yield sink


def _plain(report: "Adopted", dry_run: bool) -> dict[str, Any]:
    return {
        "dry_run": dry_run,
        **report._asdict(),
        "unmapped": {name: {"rows": count, "example": example} for name, (count, example) in report.unmapped.items()},
        "rejected": [
            {"where": where, "id": job_id, "why": why, "row": _json(row)} for where, job_id, why, row in report.rejected
        ],
    }


def _json(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _json(each) for key, each in value.items()}
    if isinstance(value, bytes):
        return value.decode(errors="backslashreplace")
    return value


def _tell(report: "Adopted", dry_run: bool, rejects: str | None) -> None:
    states = ", ".join(f"{count:,} {state}" for state, count in report.states.items())
    verb = "Would import" if dry_run else "Imported"
    line(f"{verb} {sum(report.states.values()):,} of {plural(report.read, 'job')}{f': {states}' if states else ''}")
    for count, what in ((report.skipped_existing, "whose id is taken"), (report.skipped_ended, "that had ended")):
        if count:
            line(f"Left out {plural(count, 'job')} {what}")
    for note, count in report.notes.items():
        line(f"Read so: {escape(note)} ({plural(count, 'job')})")
    for name, (count, example) in report.unmapped.items():
        line(f"Not kept: {escape(name)}, of {plural(count, 'job')}, for example {escape(cut(example, 60))}")
    if report.rejected:
        where = f"; they are in {escape(rejects)}" if rejects and not dry_run else ""
        line(f"Cannot be taken: {plural(len(report.rejected), 'row')}{where}")
        for place, _, why, _ in report.rejected[:SHOWN]:
            line(f"  {escape(place)}: {escape(why)}")
