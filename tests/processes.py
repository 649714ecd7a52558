"""Processes as the kernel sees them: whether they run, what they used, and such as run away from their command."""

import os
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from tests.waiting import wait_until


def stat_fields(pid: int) -> list[str]:
    """Return what the kernel says of a process, from its state on; raises OSError where it is gone."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def is_alive(pid: int) -> bool:
    """Return whether a process runs; one that is dead but not yet reaped does not."""
    try:
        return stat_fields(pid)[0] not in ("Z", "X")
    except OSError:
        return False


def is_stopped(pid: int) -> bool:
    """Return whether a process is stopped by a signal; raises OSError where it is gone."""
    return stat_fields(pid)[0] == "T"


def is_asleep(pid: int) -> bool:
    """Whether a process waits for something that a signal can break off."""
    return stat_fields(pid)[0] == "S"


def cpu_s(pid: int) -> float:
    """Return the processor time that a process has used."""
    fields = stat_fields(pid)
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def pid_in(path: Path) -> int:
    """Wait for a file that a command writes a process id into."""
    return int(wait_until(lambda: path.exists() and path.read_text().strip()))


class Runaways:
    """A command's processes of all the kinds that leave its group: told from all others by how long they sleep."""

    def __init__(self, *, but: str = "") -> None:
        unique = f"{time.monotonic_ns() % 10**9:09}"
        self._sleeps = {name: f"sleep 21{place}.{unique}" for place, name in enumerate(_RUNAWAYS)}
        if os.geteuid() != 0 or shutil.which("su") is None:
            del self._sleeps["another user's"]
        self._sleeps.pop(but, None)

    def command(self, last: str) -> str:
        """Return a command that starts them and then does `last`."""
        started = [_RUNAWAYS[name].replace("SLEEP", sleep) + " &" for name, sleep in self._sleeps.items()]
        return " ".join([*started, last])

    def alive(self) -> set[str]:
        """Return which of them run."""
        words = {path.parent.name: path for path in Path("/proc").glob("[0-9]*/cmdline")}
        running = []
        for path in words.values():
            with suppress(OSError):
                running.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        return {name for name, sleep in self._sleeps.items() if any(sleep in each for each in running)}

    def are_up(self) -> bool:
        """Whether all of them run."""
        return self.alive() == set(self._sleeps)


_RUNAWAYS: Final = {
    "in a group of its own": "timeout 300 SLEEP",
    "in a session of its own": "setsid -w SLEEP",
    "deaf": "sh -c \"trap '' TERM; SLEEP & wait; SLEEP\"",
    "of a shell with job control": "bash -mc 'SLEEP & wait'",
    "again and again": "sh -c 'while :; do timeout 300 SLEEP; done'",
    "an orphan": "( ( setsid SLEEP > /dev/null 2>&1 & ) & )",
    "without its environment": "env -i PATH=$PATH setsid -w SLEEP",
    "an orphan without its environment": "( env -i PATH=$PATH setsid SLEEP & )",
    "another user's": "su nobody -s /bin/sh -c 'SLEEP; true'",
}
