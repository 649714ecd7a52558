"""`replay --until --into`: a second queue, as this one was."""

from ..core.times import time_json
from .input.types import Place
from .output.format import escape, moment, plural
from .output.progress import progress
from .output.table import document, line, note
from .session import Session


def branch(session: Session, until: Place, into: str, as_json: bool) -> None:
    """Make it, and say what it is."""
    queue = session.reading()
    left = "{:,} events copied; no second queue was made; type it again".format
    with progress("Copying", left=left) as shown:
        done = queue.branch(into, until.position, at_us=until.at_us, progress=shown.done)
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
