"""What is said of a queue that may not be written to, or that is another user's: what fits, and it leaves nothing."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from queuectl import Queue
from queuectl.store.writable import READ_ONLY, why_not
from tests.lives import completed
from tests.logs import fill, tampering

MOUNTED = "mount --bind {0} {0} && mount -o remount,ro,bind {0} && exec {1} -m queuectl --db {0} {2}"


def read_only(path: Path, verb: str, **environ: str) -> "subprocess.CompletedProcess[str]":
    """Run a verb on a queue that lies on a mount which nobody may write to."""
    words = ["unshare", "--mount", "sh", "-c", MOUNTED.format(path, sys.executable, verb)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, env=os.environ | environ)
    if "unshare failed" in done.stderr or "permission denied" in done.stderr:
        pytest.skip("no mounts of one's own can be had here")
    return done


def test_verify_on_a_read_only_mount_compares_the_views(tmp_path: Path) -> None:
    """Without a lock file too it is found sound, its views compared, and no temporary file is left."""
    path, scratch = tmp_path / "q", tmp_path / "scratch"
    scratch.mkdir()
    fill(path)
    for _ in range(2):
        done = read_only(path, "verify", TMPDIR=str(scratch))
        assert (done.returncode, done.stderr) == (0, ""), done.stdout
        assert "views: " in done.stdout
        assert list(scratch.iterdir()) == []
        (path / "lock.mdb").unlink(missing_ok=True)


def test_wrong_views_are_found_on_a_read_only_mount(tmp_path: Path) -> None:
    """The copy is compared as the queue itself would be."""
    path = tmp_path / "q"
    fill(path)
    with tampering(path) as txn:
        txn.delete("ids", b"bulk30")
    done = read_only(path, "verify")
    assert done.returncode == 1
    assert "views" in done.stdout


def test_without_room_for_a_copy_it_says_that_only_the_log_was_looked_at(tmp_path: Path) -> None:
    """It is no fault of the queue's that the views could not be compared."""
    path = tmp_path / "q"
    fill(path)
    limited = "import resource, os, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000)); "
    script = f"{limited}os.execv(sys.executable, [sys.executable, '-m', 'queuectl', '--db', {str(path)!r}, 'verify'])"
    mounted = MOUNTED.format(path, sys.executable, "").partition(" && exec ")[0]
    words = ["unshare", "--mount", "sh", "-c", f'{mounted} && exec {sys.executable} -c "$0"', script]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    if "unshare failed" in done.stderr or "permission denied" in done.stderr:
        pytest.skip("no mounts of one's own can be had here")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the views were not compared, only the log was looked at" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can look at another user's queue")
def test_verify_by_root_leaves_nothing_that_the_user_cannot_use(tmp_path: Path) -> None:
    """Every file afterwards is still the user's."""
    path = tmp_path / "q"
    fill(path)
    for each in [path, *path.rglob("*")]:
        os.chown(each, 65534, 65534)
    for name in ("open.lock", "lock.mdb"):
        (path / name).unlink()
    done = subprocess.run(
        [sys.executable, "-m", "queuectl", "--db", str(path), "verify"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "views: " in done.stdout
    assert {each.lstat().st_uid for each in [path, *path.rglob("*")]} == {65534}


def test_what_cannot_be_written_says_why(tmp_path: Path) -> None:
    """It is the mount, neither owner nor permissions, that keeps verbs from writing; doctor names it."""
    path = tmp_path / "q"
    fill(path)
    for verb in ("enqueue a true", "worker start --drain"):
        done = read_only(path, verb)
        assert done.returncode == 1
        assert done.stderr == (
            f"Error: cannot open the queue at {path} to write to it: the file system is mounted read-only; "
            "what only reads it works\n"
        )
    done = read_only(path, "doctor")
    assert f"mount: the file system at {path} is mounted read-only" in done.stdout


HERE = "none can be started here: the file system is mounted read-only"


@pytest.mark.sampled(2)
@pytest.mark.parametrize("verb", ["status", "", "worker list", "top --once", "wait bulk1 --timeout 0.1"])
def test_no_worker_is_advised_where_none_can_be_started(tmp_path: Path, verb: str) -> None:
    """Where the mount is read-only nobody is told to start a worker there, but why it is no use."""
    path = tmp_path / "q"
    with Queue.open(path) as queue:
        queue.enqueue("true", id="bulk1")
    done = read_only(path, verb)
    shown = done.stdout + done.stderr
    assert HERE in shown
    assert "worker start" not in shown


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user for a moment")
def test_who_may_not_write_is_told_so(tmp_path: Path) -> None:
    """The reason is another user's queue where it is, and none for its own user or where there is no queue."""
    with Queue.open(tmp_path / "q"):
        pass
    for each in [tmp_path / "q", *(tmp_path / "q").iterdir()]:
        each.chmod(0o755)
    assert (why_not(tmp_path / "q"), why_not(tmp_path / "none")) == (None, None)
    with other_user(65_534, tmp_path):
        found = why_not(tmp_path / "q")
    assert found == "the queue is user 0's, and you are user 65534"


@contextmanager
def other_user(uid: int, place: Path) -> Iterator[None]:
    """Be another user, to whom the way to a place is open."""
    for each in (place, *place.parents[:-2]):
        each.chmod(each.stat().st_mode | 0o011)
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(0)


NOWHERE = (
    "for place in /tmp /var/tmp; do mount --bind $place $place && mount -o remount,ro,bind $place || exit 99; done; "
    "mount -o remount,ro,bind / && mount --bind {0} {0} && mount -o remount,rw,bind {0} && cd / && "
    "exec {1} -m queuectl --db {0} {2}"
)


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("verb", "code"), [("verify", 0), ("doctor", 0), ("list --as-of 1", 1), ("backup -", 1), ("backup {0}/b.tar", 0)]
)
def test_no_directory_for_temporary_files(tmp_path: Path, verb: str, code: int) -> None:
    """A container whose root is read-only may have none: what needs no room works, and the rest says what to set."""
    path = tmp_path / "q"
    with Queue.open(path) as queue:
        completed(queue, "a")
    env = {name: value for name, value in os.environ.items() if name not in ("TMPDIR", "TEMP", "TMP")}
    words = ["unshare", "--mount", "sh", "-c", NOWHERE.format(path, sys.executable, verb.format(path))]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, env=env)
    if "unshare failed" in done.stderr or "permission denied" in done.stderr or done.returncode == 99:
        pytest.skip("no mounts of one's own can be had here")
    assert done.returncode == code, done.stdout + done.stderr
    assert ("there is no directory for temporary files; set TMPDIR to one" in done.stderr) == bool(code)


def test_doctor_names_no_command_that_would_be_refused(tmp_path: Path) -> None:
    """Of a queue on a read-only mount, where jobs wait and a worker is dead, it says why nothing is mended there."""
    path = tmp_path / "q"
    with Queue.open(path) as queue:
        queue.enqueue("true", id="job")
        queue.worker("gone").started(host=os.uname().nodename, pid=2**22 + 1, slots=1)
    told = read_only(path, "doctor").stdout
    assert f"no running worker serves queue default (1 job waits) (not to be mended from here: {READ_ONLY})" in told
    assert "worker gone is dead (not to be mended" in told
    assert "queuectl worker" not in told
    assert "mount -o remount,rw" in told
