"""The demo: a handful of real jobs in a temporary queue, each command shown before what it prints.

Nothing of the user's is touched, and nothing is left behind, whatever ends it.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ..core.settings import ALL_VARIABLES
from ..errors import QueuectlError
from ..system.run_mark import MARK
from .output.table import line, note, paint

LINES = (
    'queuectl enqueue hello "echo Hello World"',
    'queuectl enqueue --id lines --command "seq 1 1000 | wc -l" --priority 10',
    'queuectl enqueue flaky "test -e seen || { touch seen; echo not yet >&2; exit 75; }" --backoff-base 1',
    'queuectl enqueue \'{"id":"broken","command":"echo no such host >&2; exit 1","max_retries":1,"backoff_base":1}\'',
    'queuectl enqueue copy -- cp /etc/hostname "a name with spaces"',
    "queuectl status",
    "queuectl worker start --count 2 --drain",
    "queuectl status",
    "queuectl list",
    "queuectl dlq list",
    "queuectl history broken",
    "queuectl logs flaky",
    "queuectl replay --check",
)

_FUNCTION = 'queuectl() { "$0" -P -m queuectl "$@"; }; '
"""How the shell finds queuectl wherever it is installed, and though that is not in the PATH."""

_OF_A_RUN = (MARK, "QUEUECTL_JOB_ID", "QUEUECTL_ATTEMPT", "QUEUECTL_QUEUE")


class Interrupted:
    """Whether a signal asked for the end; what runs is given the time to end by itself, as the same signal asks it."""

    def __init__(self) -> None:
        self.is_set = False

    def set(self, *about: object) -> None:
        """Note it."""
        self.is_set = True


def run_demo(*, keep: bool) -> None:
    """Run every line in a new queue, which is removed afterwards unless it is to be kept.

    Raises KeyboardInterrupt, or QueuectlError where a line fails.
    """
    home = Path(tempfile.mkdtemp(prefix="queuectl-demo-"))
    try:
        with _interruptible() as interrupted:
            for text in LINES:
                line(paint(f"$ {text}", None, bold=True))
                _run(text, home, interrupted)
                line()
    finally:
        if not keep:
            shutil.rmtree(home, ignore_errors=True)
    if keep:
        note(f"To look at this queue, type: export QUEUECTL_DB={home / 'queue'}; to remove it: rm -r {home}")
    else:
        note("This queue is gone; with --keep it stays. Yours begins with: queuectl enqueue")


def _run(text: str, home: Path, interrupted: Interrupted) -> None:
    words = ["/bin/sh", "-c", _FUNCTION + text, sys.executable]
    code = subprocess.run(words, cwd=home, env=_environment(os.environ, home)).returncode
    if interrupted.is_set:
        raise KeyboardInterrupt
    if code:
        raise QueuectlError(f"the demo stopped: `{text}` exited with {code}; what it printed says why")


def _environment(environ: Mapping[str, str], home: Path) -> dict[str, str]:
    other = {*ALL_VARIABLES, *_OF_A_RUN}
    package = str(Path(__file__).parents[2])
    path = os.pathsep.join(filter(None, (package, environ.get("PYTHONPATH"))))
    plain = {name: value for name, value in environ.items() if name not in other}
    return plain | {"QUEUECTL_DB": str(home / "queue"), "PYTHONPATH": path}


@contextmanager
def _interruptible() -> Iterator[Interrupted]:
    interrupted = Interrupted()
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(each, interrupted.set) for each in signals]
    try:
        yield interrupted
    finally:
        for each, handler in zip(signals, before, strict=True):
            signal.signal(each, handler)
