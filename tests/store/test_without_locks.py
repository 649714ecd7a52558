"""File systems without locks, as some that are mounted over a network or by a program: the kernel refuses the call."""

import errno
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from queuectl import Queue

REFUSING = """
import ctypes, struct, sys
call, error = map(int, sys.argv.pop(1).split(","))
steps = [  # load the number of the call; if it is this one refuse it, else let it go on
    (0x20, 0, 0, 0), (0x15, 0, 1, call), (0x06, 0, 0, 0x00050000 | error), (0x06, 0, 0, 0x7FFF0000)
]
code = ctypes.create_string_buffer(b"".join(struct.pack("<HBBI", *step) for step in steps))
program = ctypes.create_string_buffer(struct.pack("<HxxxxxxQ", len(steps), ctypes.addressof(code)))
libc = ctypes.CDLL(None, use_errno=True)
if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, program, 0, 0):
    sys.exit(77)
sys.argv[0] = "queuectl"
from queuectl.cli.main import main
main()
"""
FLOCK = {"x86_64": 73, "aarch64": 32}.get(platform.machine(), 0)


def without_locks(number: int, *words: str) -> "subprocess.CompletedProcess[str]":
    """Return what a command says where the kernel answers each flock by an error."""
    if sys.platform != "linux" or not FLOCK:
        pytest.skip("the number of the system call is not known here")
    line = [sys.executable, "-c", REFUSING, f"{FLOCK},{number}", *words]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode == 77:
        pytest.skip("this process may not have calls refused")
    return done


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with a queue and a backup of it, to be copied."""
    place = tmp_path_factory.mktemp("made")
    with Queue.open(place / "q") as queue:
        queue.enqueue("true", id="z")
        queue.admin.backup(str(place / "b.tar"))
    return place


@pytest.mark.sampled(7)
@pytest.mark.parametrize("number", [errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOLCK])
@pytest.mark.parametrize("words", ["status", "enqueue a true", "worker start --drain", "restore {}/b.tar --force"])
def test_a_file_system_without_locks_is_named_in_one_line(made: Path, tmp_path: Path, number: int, words: str) -> None:
    """Every verb says which directory it is, that there are no locks, and to keep the queue on a local disk."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    done = without_locks(number, "--db", str(tmp_path / "q"), *words.format(tmp_path).split())
    told = f"the queue at {tmp_path / 'q'}: its file system has no locks ({os.strerror(number)}); keep the queue in a"
    assert (done.returncode, done.stderr.count("\n"), told in done.stderr) == (1, 1, True), done.stderr
