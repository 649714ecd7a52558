"""Odd places to work in: no home, no name, no directory, little address space, a volume that is not quite empty."""

import getpass
import os
import pwd
import resource
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import platformdirs
import pytest

from queuectl import Queue
from queuectl.errors import NotAQueue, StoreError
from queuectl.store.memory_map import MAP_VARIABLE, SMALLEST_MAP
from queuectl.store.store import Store
from queuectl.system import host

NAMELESS = 54_321
"""A uid that no password database has."""


def as_nameless(do: Callable[[], str]) -> str:
    """Do something as a user without a name and a home, in a child, and return what it says."""
    assert all((getpass, platformdirs, pwd))  # loaded while they may be: that user may not read everything
    platformdirs.user_data_path("queuectl")
    reading, writing = os.pipe()
    if not (child := os.fork()):
        said = "nothing"
        with suppress(BaseException):
            os.setgroups([])
            os.setuid(NAMELESS)
            for name in ("HOME", "USER", "LOGNAME", "LNAME", "USERNAME", "XDG_DATA_HOME", "QUEUECTL_DB"):
                os.environ.pop(name, None)
            try:
                said = do()
            except StoreError as error:
                said = str(error)
        os.write(writing, said.encode())
        os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading) as file:
        return file.read()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs the right to be another user")
def test_a_user_without_a_name_is_named_by_number_and_told_that_it_has_no_home() -> None:
    """Where neither HOME nor the password database says where the queue lies, that is said, and what to name."""
    assert as_nameless(host.user_at_host) == f"{NAMELESS}@{host.host()}"
    said = as_nameless(lambda: str(host.default_path()))
    assert "HOME" in said
    assert str(NAMELESS) in said
    assert "--db or QUEUECTL_DB" in said


@pytest.mark.parametrize(("name", "shown"), [("\udcff\udcfe", r"\xff\xfe"), ("jürgen", "jürgen"), ("", None)])
def test_any_bytes_may_be_a_users_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, shown: str | None
) -> None:
    """A name that is not UTF-8 is kept by its escapes, and keeps nobody from enqueueing."""
    monkeypatch.setenv("USER", name)
    with Queue.open(tmp_path / "q") as queue:
        queue.enqueue("true", id="a")
        [enqueued] = queue.history("a")
    if shown is not None:
        assert enqueued.actor == f"{shown}@{host.host()}"


# A deleted directory


def in_deleted(place: Path, *words: str, limit: Callable[[], None] | None = None) -> tuple[int, str]:
    """Run queuectl where the current directory was deleted; returns its exit code and what it complains."""
    gone = place / "gone"
    gone.mkdir()
    script = 'cd "$1" && rmdir "$1" && shift && exec "$@"'
    command = ["sh", "-c", script, "sh", str(gone), sys.executable, "-m", "queuectl", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, preexec_fn=limit)
    return done.returncode, done.stderr


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    "words",
    ["enqueue --cwd / b true", "status", "list", "verify", "history a", "worker start --drain", "backup {}/b.tar"],
)
def test_verbs_work_where_the_current_directory_was_deleted(tmp_path: Path, words: str) -> None:
    """What needs no current directory does without."""
    with Queue.open(tmp_path / "q") as queue:
        queue.enqueue("true", id="a")
    assert in_deleted(tmp_path, "--db", str(tmp_path / "q"), *words.format(tmp_path).split()) == (0, "")


@pytest.mark.parametrize("words", ["--db {}/q enqueue b true", "--db {}/q backup b.tar", "--db q status"])
def test_what_a_deleted_directory_forbids_is_said(tmp_path: Path, words: str) -> None:
    """Where the current directory counts, it is said that it was deleted."""
    Queue.open(tmp_path / "q").close()
    code, complaint = in_deleted(tmp_path, *words.format(tmp_path).split())
    assert code in (1, 2)
    assert "directory" in complaint
    assert "was deleted" in complaint
    assert "Traceback" not in complaint


# Little address space


def in_8_gb() -> None:
    """Take the address space of a process away, but for 8 GB."""
    resource.setrlimit(resource.RLIMIT_AS, (8_000_000 << 10, 8_000_000 << 10))


@pytest.mark.sampled(2)
@pytest.mark.parametrize("words", ["enqueue --cwd / b true", "status", "worker start --drain", "compact --shrink"])
def test_verbs_work_in_little_address_space(tmp_path: Path, words: str) -> None:
    """Where there is no room for the usual map, a smaller one does."""
    with Queue.open(tmp_path / "q") as queue:
        queue.enqueue("true", id="a")
    assert in_deleted(tmp_path, "--db", str(tmp_path / "q"), *words.split(), limit=in_8_gb) == (0, "")


def test_a_small_map_grows_with_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process told to map little goes on beyond that, its writes and those of others, readers in it too."""
    monkeypatch.setenv(MAP_VARIABLE, "1M")  # less than the smallest
    with Store.open(tmp_path, create=True) as store:
        assert store.sizes()["map"] == SMALLEST_MAP
        for number in range(30):
            with store.write() as txn:
                txn.put("jobs", b"%d" % number, b"x" * (10 << 20))
        assert store.sizes()["map"] == 2 * SMALLEST_MAP
        with store.read() as read:
            assert read.count("jobs") == 30


def test_a_map_that_another_process_outgrew_is_made_larger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes with maps of different sizes share a store: the smaller one follows, to read and to write."""
    monkeypatch.setenv(MAP_VARIABLE, "256M")
    code = (
        "import sys; from pathlib import Path; from queuectl.store.store import Store\n"
        "with Store.open(Path(sys.argv[1]), create=False) as store:\n"
        "    for number in range(30):\n"
        "        with store.write() as txn: txn.put('jobs', b'%d' % number, b'x' * (10 << 20))\n"
    )
    with Store.open(tmp_path, create=True) as store:
        large = {name: value for name, value in os.environ.items() if name != MAP_VARIABLE}
        subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, env=large)
        with store.read() as read:
            assert read.count("jobs") == 30
        with store.write() as txn:
            txn.put("ids", b"a", b"1")


@pytest.mark.parametrize("said", ["lots", "0", "-1", "4GB", "1" * 20])
def test_a_size_that_is_none_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    """The variable is named with what was found in it."""
    monkeypatch.setenv(MAP_VARIABLE, said)
    with pytest.raises(StoreError, match=f"{MAP_VARIABLE}: found '{said}'"):
        Store.open(tmp_path / "q", create=True)


# Volumes


@pytest.mark.parametrize("name", ["lost+found", ".gitkeep", ".nfs00000001", ".Trash-1000", ".DS_Store", ".snapshot"])
def test_what_every_volume_has_keeps_no_queue_out(tmp_path: Path, name: str) -> None:
    """A queue is made beside what file systems and desktops put there; what a program has there still keeps it out."""
    (tmp_path / name).touch()
    (tmp_path / "data.txt").touch()
    with pytest.raises(NotAQueue, match=r"\(data.txt\)"):
        Store.open(tmp_path, create=True)
    (tmp_path / "data.txt").unlink()
    Store.open(tmp_path, create=True).close()
    assert (tmp_path / name).exists()
