"""Verbs run by another user, who need not be able to reach this interpreter: `python -m tests.another_user UID GID`.

Where a directory above it is closed to others, as root's home is, a mount namespace has an open one in its place,
in which nothing lies but what is needed. Reads verbs from stdin, a line each.
"""

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Final

import queuectl.cli.app  # loaded once for all verbs
import queuectl.queue  # noqa: F401
from queuectl.cli.main import main as queuectl_main

ROOT: Final = Path(__file__).parents[1]
NEEDED: Final = sorted({Path(sys.base_prefix), Path(sys.prefix), ROOT})
"""The interpreter, its packages, and queuectl."""


def run(user: int, group: int, db: Path, lines: list[str]) -> None:
    """Run verbs as a user; raises PermissionError where that cannot be done, AssertionError at the first that fails."""
    done = subprocess.run(
        ["unshare", "--mount", sys.executable, "-m", "tests.another_user", str(user), str(group)],
        input="\n".join(lines),
        capture_output=True,
        text=True,
        timeout=120,
        cwd=ROOT,
        env=os.environ | {"HOME": "/", "QUEUECTL_DB": str(db), "QUEUECTL_TRUST_DIRECTORY": "1"},
    )
    if done.stderr.startswith("unshare:"):
        raise PermissionError(done.stderr)
    assert done.returncode == 0, f"user {user}: {done.stdout[-2000:]}{done.stderr[-2000:]}"


def _open_ways() -> None:
    """Put an open directory over each that is closed to others and lies above what is needed."""
    for closed in sorted({above for path in NEEDED for above in path.parents if not above.stat().st_mode & 0o001}):
        held = {path: os.open(path, os.O_PATH) for path in NEEDED if closed in path.parents}
        _mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", str(closed))
        for path, fd in held.items():
            path.mkdir(parents=True, exist_ok=True)
            _mount("--bind", f"/proc/{os.getpid()}/fd/{fd}", str(path))


def _mount(*words: str) -> None:
    subprocess.run(["mount", "--no-canonicalize", "--no-mtab", *words], check=True)


def _verb(line: str) -> int:
    """Be queuectl in a child; returns its exit code."""
    if not (child := os.fork()):
        sys.argv = ["queuectl", *shlex.split(line)]
        queuectl_main()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main(user: str, group: str) -> None:
    """Become the user, and run the verbs until one fails."""
    if user != "0":
        _open_ways()
        os.setgroups([])
        os.setgid(int(group))
        os.setuid(int(user))
    os.environ["PYTHONPATH"] = str(ROOT)
    os.chdir("/")
    for line in sys.stdin.read().splitlines():
        print("$", line, flush=True)
        if code := _verb(line):
            sys.exit(f"{line!r} ended with {code}")


if __name__ == "__main__":
    main(*sys.argv[1:])
