"""Which process has a file locked (flock), as far as it can be seen from here: by /proc, in words for people.

A process id is told only where it is one of this process's own namespace, and the process has the file open.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from ..escaping import escape
from .boot import sees_processes
from .interrupts import own
from .processes import SeenProcesses, look, seen

_SHOWN_CHARS: Final = 60
_COMMAND_BYTES: Final = 4096


class Holder(NamedTuple):
    """A process that has the lock; `command` as it was started, cut.

    `stopped` is its own process id where it is stopped, that of its child where that one is, else 0.
    """

    pid: int
    command: str
    stopped: int

    def __str__(self) -> str:
        if self.pid == os.getpid():
            return "another thread of this process has it"
        who = f"process {self.pid} ({self.command}) has it"
        if not self.stopped:
            return who
        which = "is" if self.stopped == self.pid else f"its child {self.stopped} is"
        return f"{who}, and {which} stopped; `kill -CONT {self.stopped}` has it go on"


def holder_of(fd: int) -> Holder | None:
    """Return who has the lock on an open file, None where that cannot be seen from here; raises OSError."""
    found = os.fstat(fd)
    for pid in _holders(found.st_ino) if sees_processes() else ():
        process = seen(pid)
        if process is not None and _has_open(pid, found):
            return Holder(pid, _command(pid), _stopped(process))
    return None


def _stopped(process: SeenProcesses) -> int:
    children = look().children.get(process.pid, ())
    return next((each.pid for each in (process, *children) if each.is_stopped), 0)


def _holders(inode: int) -> Iterator[int]:
    """Yield the processes that have a file locked by its inode's number, of which other disks have one too."""
    try:
        lines = Path("/proc/locks").read_text(encoding="ascii", errors="replace").splitlines()
    except own(OSError):
        return
    for line in lines:  # 1: FLOCK  ADVISORY  WRITE 4242 00:1b:2026610 0 EOF; after "->" who waits for that
        words = line.split()
        if len(words) < 6 or words[1] != "FLOCK" or words[5].rpartition(":")[2] != str(inode):
            continue
        if words[4].isdecimal() and words[4] != "0":
            yield int(words[4])


def _has_open(pid: int, file: os.stat_result) -> bool:
    """Whether a process has a file open; one that may not be looked at is not told."""
    try:
        return any(_is(entry, file) for entry in Path(f"/proc/{pid}/fd").iterdir())
    except own(OSError):
        return False


def _is(entry: Path, file: os.stat_result) -> bool:
    try:
        return os.path.samestat(entry.stat(), file)
    except own(OSError):
        return False


def _command(pid: int) -> str:
    """Return the words that a process was started with; of queuectl's only the verb and what follows."""
    try:
        with Path(f"/proc/{pid}/cmdline").open("rb") as file:
            words = [os.fsdecode(word) for word in file.read(_COMMAND_BYTES).split(b"\0") if word]
    except own(OSError):
        words = []
    names = [os.path.basename(word) for word in words]  # noqa: PTH119 - a word need not be a path
    if "queuectl" in names:
        words = ["queuectl", *_from_verb(words[names.index("queuectl") + 1 :])]
    told = escape(" ".join(words)) or "unnamed"
    return told if len(told) <= _SHOWN_CHARS else f"{told[:_SHOWN_CHARS]}..."


def _from_verb(words: list[str]) -> list[str]:
    while words and words[0].startswith("-"):
        words = words[2 if words[0] == "--db" else 1 :]
    return words
