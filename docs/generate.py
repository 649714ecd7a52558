"""Write the pages that are made from the code: docs/lifecycle.md, docs/cli.md and docs/python.md.

python docs/generate.py            write them
python docs/generate.py --check    name those that are stale, and exit 1 if there are any
"""

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))  # so that it documents this source tree, installed or not

import api  # noqa: E402 - the path comes first
import commands  # noqa: E402 - the path comes first

from queuectl.core.evolve import TRANSITIONS  # noqa: E402 - the path comes first
from queuectl.core.job import JobState  # noqa: E402 - the path comes first
from queuectl.events.codec import LAYOUTS  # noqa: E402 - the path comes first

NAMES: Mapping[type[Any], str] = {layout.type: layout.name for layout in LAYOUTS}
ABSENT = "no job"
MEANINGS: Mapping[JobState, str] = {
    JobState.PENDING: "It waits for a worker, or for its time.",
    JobState.PROCESSING: "A worker holds it under a lease, from the claim until the run has ended.",
    JobState.COMPLETED: "Its command ended well.",
    JobState.FAILED: "Its last attempt ended badly; it waits for the next one.",
    JobState.DEAD: "Its last attempt ended badly, and no other follows: it is in the dead letter queue.",
    JobState.CANCELLED: "Someone kept it from running, or had its run stopped.",
}
INTRO = """\
# The life of a job

Made from `queuectl/core/evolve.py` by `python docs/generate.py`; do not edit.

A job is the fold of its events. Each event leads from one state to another as below, and nowhere
else: anything not in the table is refused before it is written, and stops the replay of a log that
holds it. Which events a command yields is said in `queuectl/core/decider.py`."""


def lifecycle() -> str:
    """Return the page on the life of a job."""
    parts = [
        INTRO,
        "## In one picture",
        "```mermaid\n" + "\n".join(_diagram()) + "\n```",
        "## State by state",
        "\n".join(_table(("state", "meaning"), [(f"`{state}`", MEANINGS[state]) for state in JobState])),
        "## Event by event",
        "\n".join(_table(("event", "meaning"), [(f"`{NAMES[kind]}`", _meaning(kind)) for kind in TRANSITIONS])),
        "## State before, event, state after",
        "A dot: it cannot happen there.",
        "```\n" + "\n".join(_matrix()) + "\n```",
    ]
    return "\n\n".join(parts) + "\n"


def _diagram() -> Iterator[str]:
    yield "stateDiagram-v2"
    arrows: dict[tuple[str, str], list[str]] = {}
    for kind, row in TRANSITIONS.items():
        for before, after in row.items():
            arrows.setdefault((before or "[*]", after or "[*]"), []).append(NAMES[kind])
    for (before, after), names in arrows.items():
        yield f"    {before} --> {after}: {', '.join(names)}"


def _matrix() -> Iterator[str]:
    columns = [None, *JobState]
    rows = [["", *(state or ABSENT for state in columns)]]
    for kind, row in TRANSITIONS.items():
        rows.append([NAMES[kind], *((row[state] or ABSENT) if state in row else "." for state in columns)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for cells in rows:
        yield "  ".join(map(str.ljust, cells, widths)).rstrip()


def _table(head: tuple[str, str], rows: list[tuple[str, str]]) -> Iterator[str]:
    yield from (f"| {left} | {right} |" for left, right in [head, ("---", "---"), *rows])


def _meaning(kind: type[Any]) -> str:
    return (inspect.getdoc(kind) or "").split("\n\n")[0].replace("\n", " ")


PAGES: Mapping[str, Callable[[], str]] = {"lifecycle.md": lifecycle, "cli.md": commands.page, "python.md": api.page}


def stale() -> list[str]:
    """Return the names of the pages that are not what would be written."""
    return [
        name
        for name, page in PAGES.items()
        if not (HERE / name).exists() or (HERE / name).read_text(encoding="utf-8") != page()
    ]


def main(arguments: list[str]) -> int:
    """Write the stale pages, or with --check only name them; give the exit code."""
    if arguments not in ([], ["--check"]):
        print("usage: python docs/generate.py [--check]", file=sys.stderr)
        return 2
    names = stale()
    for name in names:
        if not arguments:
            (HERE / name).write_text(PAGES[name](), encoding="utf-8")
        print(f"{'stale' if arguments else 'wrote'}: docs/{name}")
    return 1 if names and arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
