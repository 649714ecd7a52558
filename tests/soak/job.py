"""What the jobs of the soak run: it writes down its own start and end, and which earlier attempt it found alive.

Runs as `python -I -S job.py JOURNALS SECONDS CODE [TRAIT...]`, on the standard library alone: the
queue must not be asked what its commands did. A line is one write to the end of the job's own file:

    KIND JOB ATTEMPT TOKEN PID STARTED AT_NS [MORE...]

STARTED is the process's start in ticks since boot, which tells it from another of the same id.
Traits: `chatty` prints, `deaf` ignores TERM, `parent` leaves a child in its group behind it, `detached` one that has
left the group.
"""

import os
import signal
import sys
import time
from pathlib import Path

CHILD_OUTLIVES_S = 1.0
PRINTED = "it goes on and on\n" * 200


def main() -> None:
    journals, seconds, code, *traits = sys.argv[1:]
    if "deaf" in traits:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    journal = Path(journals) / os.environ["QUEUECTL_JOB_ID"]
    write(journal, "start")
    report_the_living(journal)
    for kind, trait in (("child", "parent"), ("detached", "detached")):
        if trait in traits:
            leave_behind(journal, kind, float(seconds) + CHILD_OUTLIVES_S)
    work(float(seconds), chatty="chatty" in traits)
    write(journal, "end", code)
    sys.exit(int(code))


def write(journal: Path, kind: str, *more: str) -> None:
    """Add a line in one write, so that neither two writers nor a kill can tear it."""
    pid = os.getpid()
    token = os.environ["QUEUECTL_RUN"].rpartition(".")[2]
    words = [kind, os.environ["QUEUECTL_JOB_ID"], os.environ["QUEUECTL_ATTEMPT"], token]
    words += [str(pid), str(started(pid)), str(time.monotonic_ns()), *more]
    fd = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(fd, " ".join(words).encode() + b"\n")
    os.close(fd)


def report_the_living(journal: Path) -> None:
    """Say which processes of earlier attempts, those that wrote no end, are still there."""
    lines = [line.split() for line in journal.read_text().splitlines()]
    ended = {(words[4], words[5]) for words in lines if words[0] == "end"}
    for kind, _, _, token, pid, begun, *_ in lines:
        is_other = kind in ("start", "child", "detached") and int(pid) != os.getpid()
        if is_other and (pid, begun) not in ended and str(started(int(pid))) == begun:
            write(journal, "overlap", token, pid, kind)


def started(pid: int) -> int | None:
    """Return when a process was started, None for one that is gone or a zombie."""
    try:
        words = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
    return None if words[0] in b"ZX" else int(words[19])


def leave_behind(journal: Path, kind: str, seconds: float) -> None:
    """Start a child that outlives this process by a moment."""
    if os.fork():
        return
    if kind == "detached":
        os.setsid()
    write(journal, kind)
    time.sleep(seconds)
    os._exit(0)


def work(seconds: float, *, chatty: bool) -> None:
    """Pass the time, with a print now and then."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        if chatty:
            print(PRINTED, flush=True)
            print("and so on", file=sys.stderr, flush=True)
        time.sleep(min(left, 0.2))


if __name__ == "__main__":
    main()
