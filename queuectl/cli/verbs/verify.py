"""`queuectl verify`: whether the log is what was written, and whether all else is what the log says."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..command import Verb
from ..exit_codes import REFUSED
from ..input.param_types import filled, json_option
from ..output.format import escape, plural
from ..output.progress import progress
from ..output.table import document, line, note, paint
from ..session import Session, pass_session

if TYPE_CHECKING:
    from ...integrity.verify import Verified, VerifyFindings

TITLES = {
    "file": "Checking the file",
    "log": "Checking the log",
    "archive": "Checking the archive",
    "views": "Comparing the views",
}
SHOWN = 20
"""Problems that a person is shown."""


@click.command(
    cls=Verb,
    examples=(
        "queuectl verify",
        "queuectl verify --checkpoint /elsewhere/queue.checkpoint",
        "queuectl verify --against /elsewhere/queue.checkpoint --log-only",
    ),
)
@click.option("--log-only", is_flag=True, help="Leave out the file's structure, the views and the outputs.")
@click.option("--against", multiple=True, type=filled, metavar="FILE", help="A checkpoint; may be repeated.")
@click.option("--checkpoint", type=filled, metavar="FILE", help="Write one there if nothing is wrong.")
@json_option
@pass_session
@click.pass_context
def command(
    ctx: click.Context,
    session: Session,
    *,
    log_only: bool,
    against: tuple[str, ...],
    checkpoint: str | None,
    as_json: bool,
) -> None:
    """Check that the log is whole and is what was written.

    Positions, checksums, the hash chain, streams; then that every view is what the log says, and that
    what runs printed is there. With --against also that nothing was changed or cut since the
    checkpoint was written. Exits 1 where anything is wrong.
    """
    from ...integrity.verify import verify

    doing = TITLES["file"]

    def left(done: int) -> str:
        none = "" if checkpoint is None else ", and no checkpoint was written"
        return (
            f"{doing[:1].lower()}{doing[1:]}, {done:,} done; nothing is known of the rest{none}; "
            f"type it again, it begins anew{'' if log_only else ', or with --log-only, which takes less time'}"
        )

    with progress(doing, left=left) as shown:

        def on_progress(part: str, done: int, total: int | None) -> None:
            nonlocal doing
            doing = TITLES[part]
            shown.done(done, total, doing)

        found = verify(
            session.directory(),
            log_only=log_only,
            against=[Path(each) for each in against],
            write_to=None if checkpoint is None else Path(checkpoint),
            progress=on_progress,
        )
    if as_json:
        document(_document(found))
    else:
        _print(found, checkpoint)
    if not found.is_sound:
        ctx.exit(REFUSED)


def _print(found: "Verified", checkpoint: str | None) -> None:
    for problem in sorted(found.problems, key=lambda each: each.position is None)[:SHOWN]:
        line(f"{paint(_place(problem), 'red')}  {escape(problem.what)}")
    if found.problem_count > SHOWN:
        line(f"... and {found.problem_count - SHOWN:,} more; --json lists the first 1,000")
    for each in found.notes:
        note(f"Note: {escape(each)}")
    for name, figures in found.parts.items():
        counted = ", ".join(plural(value, key.removesuffix("s")) for key, value in figures.items() if key != "seconds")
        line(f"{name}: {counted} in {figures['seconds']:.2f} s")
    if found.is_sound and found.head is not None:
        line(f"Sound, up to position {found.head.position}, digest {found.head.digest.hex()}")
        for file, position in found.against.items():
            line(f"Nothing up to position {position} was changed or cut since {escape(file)} was written")
        if checkpoint is not None:
            line(f"Wrote a checkpoint to {escape(checkpoint)}; keep it where this queue's owner cannot change it")
    else:
        line(f"Found {plural(found.problem_count, 'problem')}; {_remedy(found)}")


def _remedy(found: "Verified") -> str:
    parts = {problem.part for problem in found.problems if problem.is_damage}
    if not parts and found.problem_count == len(found.problems):
        return "nothing is known to be damaged: do what stands above, then verify again"
    if parts <= {"archive"}:
        return "the queue itself may go on; put a sound copy in place of what is damaged in the archive"
    if parts <= {"against"}:
        return "of the rest nothing is wrong"
    if parts <= {"streams"}:
        return (
            "the log is sound, and the table `streams` can be made anew from it: stop the workers, then "
            "`queuectl export FILE`, and `queuectl --db DIRECTORY import FILE` makes a sound queue of it"
        )
    if parts <= {"views"}:
        return "the log is sound and nothing is lost; make the views anew from it: queuectl replay"
    if parts <= {"outputs"}:
        return "the log is sound; what those runs printed is lost, unless a backup has it"
    return "stop the workers, and restore a backup: queuectl restore"


def _place(problem: "VerifyFindings") -> str:
    if problem.position is None:
        return problem.part
    return f"position {problem.position}" if problem.until is None else f"positions {problem.position}-{problem.until}"


def _document(found: "Verified") -> dict[str, Any]:
    from ...core.times import time_json

    head = found.head
    return {
        "ok": found.is_sound,
        "head": None
        if head is None
        else {
            "position": head.position,
            "digest": head.digest.hex() or None,
            "time": time_json(head.at_us) if head.position else None,
            "events": head.events,
        },
        "parts": found.parts,
        "against": [{"file": file, "position": position} for file, position in found.against.items()],
        "problem_count": found.problem_count,
        "problems": [problem._asdict() for problem in found.problems],
        "notes": found.notes,
    }
