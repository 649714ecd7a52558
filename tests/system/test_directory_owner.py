"""Who may use a queue's directory, under which modes its files are made, and that no link is followed there."""

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from queuectl import Queue
from queuectl.errors import StoreError, Untrusted
from queuectl.integrity.doctor import examine
from queuectl.integrity.verify import verify
from queuectl.liveness.lock_file import LockFile, sighting_of
from queuectl.projections.upgrade import needed
from queuectl.system import files
from queuectl.system.wakeup import Doorbell, ring
from tests.lives import completed
from tests.waiting import wait_until

NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make another user's directory")


def queuectl(path: Path, *words: str, **options: object) -> "subprocess.CompletedProcess[str]":
    """Run a verb in a process of its own."""
    command = [sys.executable, "-m", "queuectl", *words]
    env = os.environ | {"QUEUECTL_DB": str(path)} | options.pop("env", {})  # type: ignore[operator]
    return subprocess.run(command, capture_output=True, text=True, timeout=40, env=env, **options)  # type: ignore[call-overload, no-any-return]


@as_root
def test_another_users_directory_is_refused_unless_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The refusal names owner, mode and what to type; the option, the path and 1 let it be used, another path not."""
    path = tmp_path / "q"
    Queue.open(path).close()
    os.chown(path, NOBODY, NOBODY)
    with pytest.raises(Untrusted, match=r"belongs to user 65534 \(mode 0700\), and you are user 0"):
        Queue.open(path)
    done = queuectl(path, "enqueue", "a", "true")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "--trust-directory" in done.stderr
    assert queuectl(path, "--trust-directory", "enqueue", "a", "true").returncode == 0
    for said, code in (("1", 0), (str(path), 0), (str(tmp_path), 1), ("0", 1)):
        assert queuectl(path, "status", env={"QUEUECTL_TRUST_DIRECTORY": said}).returncode == code
    monkeypatch.setenv("QUEUECTL_TRUST_DIRECTORY", str(path))
    Queue.open(path).close()


@pytest.mark.parametrize(("mode", "is_refused"), [(0o700, False), (0o755, False), (0o777, True), (0o1777, True)])
def test_a_directory_that_others_may_write_to_is_refused(tmp_path: Path, mode: int, is_refused: bool) -> None:
    """One that only its owner may write to is used; others are told with their mode."""
    path = tmp_path / "q"
    path.mkdir()
    path.chmod(mode)
    if is_refused:
        with pytest.raises(Untrusted, match=rf"others than user \d+ may write to it \(mode {mode:04o}\)"):
            Queue.open(path)
        assert list(path.iterdir()) == []
    else:
        Queue.open(path).close()


@as_root
def test_a_group_of_ones_own_is_no_other(tmp_path: Path) -> None:
    """Where each user has a group with the user's number it may write; any other group may not."""
    path = tmp_path / "q"
    path.mkdir()
    path.chmod(0o770)
    Queue.open(path).close()
    os.chown(path, 0, 100)
    with pytest.raises(Untrusted, match="may write to it"):
        Queue.open(path)


def test_a_link_to_a_directory_that_the_user_names_is_followed(tmp_path: Path) -> None:
    """It is the directory itself that counts."""
    (tmp_path / "there").mkdir(mode=0o700)
    (tmp_path / "q").symlink_to(tmp_path / "there")
    with Queue.open(tmp_path / "q") as queue:
        queue.enqueue("true")
    assert (tmp_path / "there" / "data.mdb").exists()


@pytest.mark.sampled(1)
@pytest.mark.parametrize("umask", ["0000", "0022", "0777"])
def test_modes_under_any_umask(tmp_path: Path, umask: str) -> None:
    """Files are 0600 and directories 0700: data, locks, output, logs, archive, snapshots, backup, export."""
    path, home = tmp_path / "new" / "q", tmp_path / "home"
    home.mkdir()
    out = tmp_path / "out"
    out.mkdir()
    verbs = (
        "enqueue big 'seq 20000'|worker start --drain --detach|wait big --timeout 20|snapshot|"
        f"export {out}/e|backup {out}/b|verify --checkpoint {out}/c|compact --older-than 0s"
    )
    for verb in verbs.split("|"):
        script = f"umask {umask}; exec {sys.executable} -m queuectl --db {path} {verb}"
        done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, timeout=40)
        assert done.returncode == 0, (verb, done.stderr)
    found = {each: stat.S_IMODE(each.lstat().st_mode) for each in [*(tmp_path / "new").rglob("*"), *out.iterdir()]}
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700
    assert {each: oct(mode) for each, mode in found.items() if mode != (0o700 if each.is_dir() else 0o600)} == {}
    assert any(each.suffix == ".seg" for each in found)
    assert any(each.suffix == ".snapshot" for each in found)


def lock_all(path: Path) -> None:
    """Take each lock of a queue."""
    with Queue.open(path) as queue:
        queue.admin.compact(older_than_s=0)
        queue.admin.replay()


def test_no_link_is_followed_where_something_is_locked_or_written(tmp_path: Path) -> None:
    """A lock file, a worker's file or a bell that is a link is refused or left, and where it leads is as it was."""
    target = tmp_path / "precious"
    target.write_text("mine")
    for name in ("open.lock", "compact.lock", "replay.lock"):
        path = tmp_path / name
        path.mkdir()
        with Queue.open(path) as queue:
            queue.enqueue("true")
        (path / name).unlink(missing_ok=True)
        (path / name).symlink_to(target)
        with pytest.raises((StoreError, OSError)):
            lock_all(path)
    path = tmp_path / "open.lock"
    for directory in ("workers", "doorbells"):
        (path / directory).mkdir(exist_ok=True)
    (path / "workers" / "w.lock").symlink_to(target)
    (path / "workers" / "x.lock.new").symlink_to(target)
    (path / "doorbells" / "w.fifo").symlink_to(target)
    assert sighting_of(path, "w") is None
    ring(path)
    with pytest.raises(FileExistsError):
        LockFile(path, "x", entries=1, lease_s=3)
    with pytest.raises(OSError, match=r"[Ll]inks"):
        files.open_private(path / "workers" / "w.lock", os.O_RDWR | os.O_CREAT)
    assert target.read_text() == "mine"


def test_a_file_in_a_bells_place_is_not_written_to(tmp_path: Path) -> None:
    """Nor does a pipe in a lock file's place hold anybody up."""
    (tmp_path / "doorbells").mkdir()
    (tmp_path / "doorbells" / "w.fifo").write_text("mine")
    ring(tmp_path)
    assert (tmp_path / "doorbells" / "w.fifo").read_text() == "mine"
    os.mkfifo(tmp_path / "open.lock")
    with pytest.raises(OSError, match="no regular file"):
        files.open_private(tmp_path / "open.lock", os.O_RDONLY)


def test_what_a_kill_left_half_made_goes_with_the_next_of_its_kind(tmp_path: Path) -> None:
    """Old and unlocked it is removed; what is new, or locked by who makes it, stays."""
    old = time.time() - 2 * files.NEW_S
    for directory in ("workers", "doorbells"):
        (tmp_path / directory).mkdir()
    dead, fresh = tmp_path / "workers" / "a.lock.new", tmp_path / "workers" / "b.lock.new"
    bell, draft = tmp_path / "doorbells" / "a.new", Path(files.scratch_path(tmp_path))
    for path in (dead, fresh, draft):
        path.touch()
    os.mkfifo(bell)
    for path in (dead, bell, draft):
        os.utime(path, (old, old))
    LockFile(tmp_path, "w", entries=1, lease_s=3).close()
    Doorbell(tmp_path, "w").close()
    assert (dead.exists(), fresh.exists(), bell.exists()) == (False, True, False)
    making = Path(files.scratch_path(tmp_path))
    making.mkdir()
    (making / "data.mdb").touch()
    with files.in_use(making):
        os.utime(making, (old, old))
        files.sweep_scratch(tmp_path)
        assert (making.exists(), draft.exists()) == (True, False)
    files.sweep_scratch(tmp_path)
    assert not making.exists()


CHOSEN = (
    ".queuectl-work",
    ".queuectl-scratch-notes",
    ".queuectl-scratch-0123456789ABCDEF",
    ".e.jsonl.mine.partial",
    ".c.mine.new",
    ".b.tar.mine.partial",
    ".q2.making-plans",
)


def test_what_a_user_named_is_never_swept(tmp_path: Path) -> None:
    """No verb that clears up where it writes, or where temporary files are, touches what it cannot have made."""
    with Queue.open(tmp_path / "q") as queue:
        queue.enqueue("true")
    old = time.time() - 2 * files.NEW_S
    for name in CHOSEN:
        with Queue.open(tmp_path / name) as queue:
            queue.enqueue("important")
        os.utime(tmp_path / name, (old, old))
    env = {"TMPDIR": str(tmp_path)}
    for words in (
        ("list", "--as-of", "1"),
        ("replay", "--until", "1", "--into", str(tmp_path / "q2")),
        ("export", str(tmp_path / "e.jsonl")),
        ("verify", "--checkpoint", str(tmp_path / "c")),
        ("backup", str(tmp_path / "b.tar")),
    ):
        done = queuectl(tmp_path / "q", *words, env=env)
        assert done.returncode == 0, (words, done.stderr)
    made = ("b.tar", "c", "e.jsonl", "q", "q2")
    assert sorted(each.name for each in tmp_path.iterdir()) == sorted((*CHOSEN, *made))
    assert all((tmp_path / name / "data.mdb").exists() for name in CHOSEN)


@pytest.mark.slow
def test_a_backup_at_work_keeps_its_workshop(tmp_path: Path) -> None:
    """Another verb that clears up where temporary files are leaves what a backup to stdout works in."""
    path, scratch = tmp_path / "q", tmp_path / "scratch"
    scratch.mkdir()
    with Queue.open(path) as queue:
        queue.enqueue_many(["true"] * 30_000)
    words = [sys.executable, "-m", "queuectl", "--db", str(path), "backup", "-"]
    child = subprocess.Popen(words, stdout=subprocess.DEVNULL, env=os.environ | {"TMPDIR": str(scratch)})
    try:
        wait_until(lambda: list(scratch.glob("*/data.mdb")))
        child.send_signal(signal.SIGSTOP)
        [workshop] = scratch.iterdir()
        old = time.time() - 2 * files.NEW_S
        os.utime(workshop, (old, old))
        done = queuectl(path, "list", "--as-of", "1", env={"TMPDIR": str(scratch)})
        assert done.returncode == 0, done.stderr
        assert workshop.exists()
        child.send_signal(signal.SIGCONT)
        assert child.wait(40) == 0
    finally:
        child.kill()
        child.wait()
    assert list(scratch.iterdir()) == []


def test_a_draft_goes_whatever_was_raised(tmp_path: Path) -> None:
    """Also where what writes it says that something exists; another's draft stays."""
    draft = tmp_path / "draft"
    with pytest.raises(FileExistsError), files.whole_file(tmp_path / "whole", draft):
        raise FileExistsError
    assert not draft.exists()
    draft.write_text("another's")
    with pytest.raises(FileExistsError), files.whole_file(tmp_path / "whole", draft):
        pass
    assert [each.name for each in tmp_path.iterdir()] == ["draft"]


@pytest.mark.slow
@as_root
def test_what_root_writes_beside_queues_stays_roots(tmp_path: Path) -> None:
    """An export and a checkpoint in another user's directory are root's; what root makes in a queue is its owner's."""
    with Queue.open(tmp_path / "q") as queue:
        queue.enqueue("true")
    home = tmp_path / "home"
    home.mkdir()
    os.chown(home, NOBODY, NOBODY)
    assert queuectl(tmp_path / "q", "export", str(home / "e.jsonl")).returncode == 0
    assert queuectl(tmp_path / "q", "verify", "--checkpoint", str(home / "c")).returncode == 0
    assert queuectl(tmp_path / "q", "backup", str(home / "b.tar")).returncode == 0
    assert {each.name: each.stat().st_uid for each in home.iterdir()} == {"e.jsonl": 0, "c": 0, "b.tar": 0}
    fd = files.open_private(home / "lock", os.O_RDWR | os.O_CREAT)
    os.close(fd)
    assert (home / "lock").stat().st_uid == NOBODY


def test_doctor_knows_what_a_kill_left(tmp_path: Path) -> None:
    """It names each, and what to type."""
    path = tmp_path / "q"
    Queue.open(path).close()
    old = time.time() - 2 * files.NEW_S
    for name in ("workers/a.lock.new", "archive/0011.partial", "snapshots/.making-x/data.mdb", "shrunk/data.mdb"):
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).touch()
    for each in ("workers/a.lock.new", "archive/0011.partial", "snapshots/.making-x", "shrunk"):
        os.utime(path / each, (old, old))
    for name in ("restoring2", "shrunk-keep"):  # somebody's own
        (path / name).mkdir()
        os.utime(path / name, (old, old))
    done = queuectl(path, "doctor")
    assert "4 files were left half made by a kill" in done.stdout
    assert "rm -r " in done.stdout


@pytest.mark.sampled(5)
@pytest.mark.parametrize("name", ["data.mdb", "lock.mdb"])
@pytest.mark.parametrize("kind", ["link", "dangling", "pipe", "directory"])
def test_the_engine_is_given_regular_files_alone(tmp_path: Path, name: str, kind: str) -> None:
    """Whoever would open what is no file of the queue's own is refused, at once, and nothing is written through it."""
    path, target = tmp_path / "q", tmp_path / "precious"
    with Queue.open(path) as queue:
        queue.enqueue("true")
    (path / name).unlink()
    if kind == "pipe":
        os.mkfifo(path / name)
    elif kind == "directory":
        (path / name).mkdir()
    else:
        (path / name).symlink_to(target)
    if kind == "link":
        target.write_text("mine")
    for act in (Queue.open, Queue.shrink, verify, needed, lambda at: Queue.open(at, create=False, read_only=True)):
        with pytest.raises(StoreError, match=f"cannot use .*{name}: it is a link, or no regular file"):
            act(path)
    [found] = [each for each in examine(path) if each.check == "open"]
    assert (found.state, name in found.found) == ("problem", True)
    assert (target.read_text() if target.exists() else "") == ("mine" if kind == "link" else "")


@pytest.mark.parametrize("name", ["compact.lock", "replay.lock", "open.lock"])
def test_a_lock_that_is_a_link_is_told_in_the_same_words(tmp_path: Path, name: str) -> None:
    """The message names the file and says what to do, whichever it is."""
    with Queue.open(tmp_path / "q") as queue:
        queue.enqueue("true")
    (tmp_path / "q" / name).unlink(missing_ok=True)
    (tmp_path / "q" / name).symlink_to(tmp_path / "precious")
    with pytest.raises(StoreError, match=f"cannot use .*{name}: it is a link"):
        lock_all(tmp_path / "q")
    assert not (tmp_path / "precious").exists()


@pytest.mark.parametrize("name", ["archive", "snapshots", "workers", "doorbells"])
def test_no_directory_of_a_queue_is_a_link_to_another(tmp_path: Path, name: str) -> None:
    """What would be written through such a link is refused, and the link named; a directory a user names may be one."""
    (tmp_path / "there").mkdir()
    with Queue.open(tmp_path / "q") as queue:
        completed(queue, "a")
        (queue.path / name).symlink_to(tmp_path / "there")
        acts = {
            "archive": lambda: queue.admin.compact(older_than_s=0),
            "snapshots": queue.admin.make_snapshots,
            "workers": lambda: LockFile(queue.path, "w", entries=1, lease_s=3),
            "doorbells": lambda: Doorbell(queue.path, "w"),
        }
        with pytest.raises((StoreError, OSError), match=f"{name} is a link"):
            acts[name]()
        assert list((tmp_path / "there").iterdir()) == []
        (tmp_path / "named").symlink_to(tmp_path / "there")
        queue.admin.compact(older_than_s=0, archive=tmp_path / "named")
