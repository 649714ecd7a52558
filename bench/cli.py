"""What a verb of the command line costs a user: whole processes, beside `python -c "import click"`, by turns.

The program is the `queuectl` installed beside the Python that runs this, or beside the one that `--python`
names: an ordinary install, in place of a checkout's own (`python -m venv V && V/bin/pip install .`, then
`--python V/bin/python`).
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.working import fill, median_and_range, new_directory

AIMS = {"enqueue": 1.8, "status": 2.0, "Tab": 1.9}
ASIDE = ("list", "show")
"""Measured too, with no aim."""

LINE = "queuectl show be"
TAB = {"_QUEUECTL_COMPLETE": "bash_complete", "COMP_LINE": LINE, "COMP_POINT": str(len(LINE))}
"""What bash asks when Tab is pressed where a job is to be named."""

ROUNDS = 40
JOBS = 1_000
WHERE = 'import queuectl; print(queuectl.__file__, end="")'


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench cli", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--python", type=Path, default=Path(sys.executable), help="the Python beside the queuectl")
    parser.add_argument("--dir", type=Path, help="where the store is made (default: the temporary directory)")
    options = parser.parse_args(arguments)
    python: Path = options.python.absolute()
    program = python.parent / "queuectl"
    if not program.exists():
        raise SystemExit(f"there is no {program}; install queuectl there, or name another Python with --python")
    with new_directory(options.dir) as home:
        fill(home / "db", JOBS)
        os.environ["QUEUECTL_DB"] = str(home / "db")
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed package has its bytecode
        times = measure(python, program, options.rounds)
    where = subprocess.run([python, "-P", "-c", WHERE], check=True, capture_output=True, text=True).stdout
    print(f"{where}, {options.rounds} rounds of whole processes")
    click = times.pop("import click")
    print(f"{'import click':14s}{statistics.median(click) * 1000:>8.1f} ms")
    for name, seconds in times.items():
        ratios = [own / theirs for own, theirs in zip(seconds, click, strict=True)]
        aim = f"   aim {AIMS[name]:g}" if name in AIMS else ""
        print(f"{name:14s}{statistics.median(seconds) * 1000:>8.1f} ms   ratio {median_and_range(ratios)}{aim}")
    return 0


def measure(python: Path, program: Path, rounds: int) -> dict[str, list[float]]:
    """Return the seconds of each command, round by round; the first round, that may write bytecode, is not counted."""
    times: dict[str, list[float]] = {}
    for turn in range(rounds + 1):
        commands = {
            "import click": [str(python), "-c", "import click"],
            "enqueue": [str(program), "enqueue", "--id", f"bench-{turn}", "--command", "true"],
            "status": [str(program), "status"],
            **{name: [str(program), name] for name in ASIDE},
            "Tab": [str(program)],
        }
        commands["show"].append("bench-0")
        for name, words in commands.items():
            seconds = seconds_of(words, TAB if name == "Tab" else {})
            if turn:
                times.setdefault(name, []).append(seconds)
    return times


def seconds_of(words: Sequence[str], environ: Mapping[str, str]) -> float:
    """Return how long a command takes that prints into the null device, and must end with 0."""
    silence = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_WRONLY, 0) for fd in (1, 2)]
    begun = time.perf_counter()
    pid = os.posix_spawn(words[0], words, {**os.environ, **environ}, file_actions=silence)
    _, status = os.waitpid(pid, 0)
    seconds = time.perf_counter() - begun
    if status:
        raise SystemExit(f"this failed, so its speed means nothing: {words}")
    return seconds
