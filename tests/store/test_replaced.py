"""A queue whose directory is deleted, moved or replaced while it is open, and a restore that dies while others wait."""

import fcntl
import os
import re
import shutil
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import pytest

from queuectl import Queue
from queuectl.errors import NoQueue, StoreError
from queuectl.integrity.doctor import examine
from queuectl.store.directory import OPEN_LOCK, lock
from queuectl.store.store import Store
from queuectl.transfer.swap import staging
from tests.lives import running
from tests.waiting import wait_until


def deleted(path: Path) -> None:
    """Delete a queue's directory."""
    shutil.rmtree(path)


def moved(path: Path) -> None:
    """Return it another name."""
    path.rename(path.with_name("moved"))


def replaced(path: Path) -> None:
    """Put another queue in its place."""
    moved(path)
    with Queue.open(path.with_name("new")) as new:
        new.enqueue("true", id="of the new one")
    path.with_name("new").rename(path)


def emptied(path: Path) -> None:
    """Delete the data file alone."""
    (path / "data.mdb").unlink()


WAYS = [deleted, moved, replaced, emptied]


@pytest.mark.parametrize("go", WAYS)
def test_what_is_no_longer_there_is_refused(tmp_path: Path, go: Callable[[Path], None]) -> None:
    """Nothing is acknowledged or read any more once the path leads elsewhere, by one line."""
    with Queue.open(tmp_path / "q") as queue:
        queue.enqueue("true", id="a")
        go(tmp_path / "q")
        for use in (
            lambda: queue.enqueue("true"),
            lambda: queue.job("a"),
            lambda: list(queue.events()),
            lambda: queue.worker("me").claim(),
            queue.admin.sizes,
            queue.admin.check_there,
        ):
            with pytest.raises(NoQueue, match="deleted or replaced; open it again"):
                use()


@pytest.mark.parametrize("go", WAYS)
def test_opening_again_opens_what_is_there_now(tmp_path: Path, go: Callable[[Path], None]) -> None:
    """A new handle beside the old one is of the queue that the path leads to, or makes one; both can be closed."""
    with Queue.open(tmp_path / "q") as queue:
        queue.enqueue("true", id="a")
        go(tmp_path / "q")
        with Queue.open(tmp_path / "q") as again:
            again.enqueue("true", id="b")
            expected = ["b", "of the new one"] if go is replaced else ["b"]
            assert sorted(job.id for job in again.jobs()) == expected
            with pytest.raises(NoQueue):
                queue.job("a")
        queue.close()
    with Queue.open(tmp_path / "q") as last:
        assert last.job("b").id == "b"


# A lock.mdb that is taken away, as one that a killed process is thought to have left


def command(path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command on a queue."""
    return subprocess.run(
        [sys.executable, "-m", "queuectl", "--db", str(path), *words], capture_output=True, text=True, check=False
    )


def unlocked(path: Path) -> None:
    """Delete lock.mdb."""
    (path / "lock.mdb").unlink()


def relocked(path: Path) -> None:
    """Put another lock.mdb in its place."""
    (path / "new").touch(mode=0o600)
    (path / "new").rename(path / "lock.mdb")


@pytest.mark.parametrize("go", [unlocked, relocked])
def test_no_acknowledged_job_is_lost_with_the_lock_file(tmp_path: Path, go: Callable[[Path], None]) -> None:
    """Whoever had the old lock.mdb open neither reads nor writes beside others; opened again, all is there."""
    path = tmp_path / "q"
    with Queue.open(path) as queue:
        queue.enqueue("true", id="a")
        go(path)
        beside = command(path, "enqueue", "b", "true")
        for use in (
            lambda: queue.enqueue("true", id="c"),
            lambda: queue.job("a"),
            queue.admin.sizes,
            queue.admin.check_there,
        ):
            with pytest.raises(NoQueue, match="was deleted or replaced; open it again"):
                use()
    with Queue.open(path) as again:
        again.enqueue("true", id="d")
        assert {job.id for job in again.jobs()} == {"a", "d", *["b"] * (beside.returncode == 0)}
    assert command(path, "verify").returncode == 0


CUT = """
import sys
from queuectl import NoQueue, Queue
queue = Queue.open(sys.argv[1])
queue.enqueue("true", id="a")
queue.jobs(limit=1)
print("open", flush=True)
sys.stdin.readline()
admin = queue.admin
for use in (lambda: queue.jobs(limit=1), lambda: queue.enqueue("true", id="b"), admin.sizes, admin.check_there):
    try:
        use()
    except NoQueue as error:
        print(str(error).partition("is gone: ")[2])
queue.close()
with Queue.open(sys.argv[1]) as again:
    print(again.enqueue("true", id="c").id)
"""


@pytest.mark.sampled(2)
@pytest.mark.parametrize("size", [8192, 0, 1, 4096])
def test_a_lock_file_cut_short_kills_nobody(tmp_path: Path, size: int) -> None:
    """Who has it open is refused, closes it and opens it again; who comes meanwhile is refused, or works as well."""
    path = tmp_path / "q"
    words = [sys.executable, "-c", CUT, str(path)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"open\n"
            os.truncate(path / "lock.mdb", size)
            beside = command(path, "list")
            told, errors = process.communicate(b"\n", timeout=60)
        finally:
            process.kill()
    if size < 8192:
        assert (beside.returncode, beside.stderr.count("\n")) == (1, 1)
        assert "its lock.mdb was cut short while processes have it open; end those first (`fuser" in beside.stderr
    else:
        assert beside.returncode == 0
    assert (process.returncode, errors.decode()) == (0, "")
    assert told.decode().splitlines() == [*["its lock.mdb was cut short; open it again"] * 4, "c"]
    assert command(path, "verify").returncode == 0


def test_no_second_lock_file_is_made_beside_those_who_have_the_first(tmp_path: Path) -> None:
    """One line says to end them first, also from doctor; once they are gone the queue opens again."""
    path = tmp_path / "q"
    with Queue.open(path) as queue:
        queue.enqueue("true", id="a")
        unlocked(path)
        for words in (["enqueue", "b", "true"], ["list"], ["migrate", "--check"]):
            found = command(path, *words)
            assert found.returncode == 1
            assert found.stderr.count("\n") == 1
            assert (
                f"its lock.mdb was deleted while processes have it open; end those first (`fuser -v {path}"
                in found.stderr
            )
        assert not (path / "lock.mdb").exists()
        [told] = [each for each in examine(path) if each.check == "open"]
        assert (told.state, told.do) == ("problem", f"fuser -v {path}/open.lock")
    assert command(path, "enqueue", "b", "true").returncode == 0


def test_no_second_data_file_is_made_beside_those_who_have_the_first(tmp_path: Path) -> None:
    """A data.mdb that was deleted is not made anew while processes write to the old one under the same lock.mdb."""
    path = tmp_path / "q"
    with Queue.open(path) as queue:
        queue.enqueue("true", id="a")
        emptied(path)
        assert "its data.mdb was deleted while processes" in command(path, "enqueue", "b", "true").stderr
        assert not (path / "data.mdb").exists()
    assert command(path, "enqueue", "b", "true").returncode == 0


def test_many_at_once_open_a_queue_without_a_lock_file(tmp_path: Path) -> None:
    """A queue that was copied without it opens for all who come at the same time."""
    path = tmp_path / "q"
    Queue.open(path).close()
    unlocked(path)
    words = [sys.executable, "-m", "queuectl", "--db", str(path), "enqueue"]
    started = [subprocess.Popen([*words, f"j{number}", "true"], stdout=subprocess.DEVNULL) for number in range(8)]
    assert [each.wait(30) for each in started] == [0] * 8
    with Queue.open(path) as queue:
        assert len(list(queue.jobs())) == 8


def test_a_lock_file_deleted_inside_a_transaction_keeps_nothing(tmp_path: Path) -> None:
    """What was about to be committed is refused: others may write by then."""
    with Store.open(tmp_path / "q", create=True) as store:

        def write() -> None:
            with store.write() as txn:
                txn.put("ids", b"a", b"1")
                unlocked(tmp_path / "q")

        with pytest.raises(NoQueue, match="gone: its lock"):
            write()
    with Store.open(tmp_path / "q", create=False) as store, store.read() as read:
        assert read.get("ids", b"a") is None


# The same files under another path, and other files under the same


def linked(path: Path) -> None:
    """Move the directory, and leave a link to it in its place."""
    moved(path)
    path.symlink_to(path.with_name("moved"))


@pytest.mark.parametrize("opened", ["q", "moved"])
def test_a_queue_that_was_moved_opens_under_either_path(tmp_path: Path, opened: str) -> None:
    """A handle of the path it had, which is now a link, goes on, and those opened beside it share what is open."""
    with Queue.open(tmp_path / "q") as queue:
        queue.enqueue("true", id="a")
        linked(tmp_path / "q")
        with Queue.open(tmp_path / opened) as again:
            again.enqueue("true", id="b")
            queue.enqueue("true", id="c")
            assert {job.id for job in again.jobs()} == {job.id for job in queue.jobs()} == {"a", "b", "c"}
    with Queue.open(tmp_path / opened) as last:
        assert last.job("c").id == "c"


def test_a_queue_that_was_moved_away_opens_where_it_is(tmp_path: Path) -> None:
    """The handle of the old path is refused, and one of the new path beside it works."""
    with Queue.open(tmp_path / "q") as queue:
        queue.enqueue("true", id="a")
        moved(tmp_path / "q")
        with Queue.open(tmp_path / "moved") as again:
            assert [job.id for job in again.jobs()] == ["a"]
            with pytest.raises(NoQueue, match="deleted or replaced"):
                queue.job("a")


def copied(path: Path) -> None:
    """Put a copy of data.mdb in its place."""
    shutil.copy(path / "data.mdb", path / "copy")
    (path / "copy").rename(path / "data.mdb")


@pytest.mark.parametrize("go", [copied, linked, replaced])
def test_a_fork_beside_a_handle_opens_what_is_there_now(tmp_path: Path, go: Callable[[Path], None]) -> None:
    """A child opens its own whatever became of the parent's."""
    with Queue.open(tmp_path / "q") as queue:
        queue.enqueue("true", id="a")
        go(tmp_path / "q")
        child = os.fork()
        if not child:
            try:
                with Queue.open(tmp_path / "q") as own:
                    found = sorted(job.id for job in own.jobs())
                os._exit(0 if found == (["of the new one"] if go is replaced else ["a"]) else 2)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


# Another data file in the place of the one that is open


def in_place(source: Path, target: Path) -> None:
    """Copy a file over another, as cp does: the same file with other content."""
    with source.open("rb") as content, target.open("r+b") as file:
        file.truncate(0)
        shutil.copyfileobj(content, file)


def by_rename(source: Path, target: Path) -> None:
    """Return a copy of a file the name of another, as mv does."""
    shutil.copy(source, target.with_name("copy"))
    target.with_name("copy").rename(target)


def jobs_of(path: Path, count: int, name: str) -> None:
    """Make a queue of some jobs, each in a transaction of its own."""
    with Queue.open(path) as queue:
        for number in range(count):
            queue.enqueue("true", id=f"{name}{number}")


@pytest.mark.sampled(7)
@pytest.mark.parametrize("way", [in_place, by_rename])
@pytest.mark.parametrize(("own", "others"), [(3, 3), (3, 9), (9, 3), (3, 4), (4, 3), (0, 3)])
@pytest.mark.parametrize("is_read_only", [False, True])
def test_another_s_data_file_in_its_place_is_refused(
    tmp_path: Path, way: Callable[[Path, Path], None], own: int, others: int, is_read_only: bool
) -> None:
    """Whatever number of transactions either had: no handle reads it, nor writes to it; opened again it is whole."""
    jobs_of(tmp_path / "q", own, "own")
    jobs_of(tmp_path / "other", others, "other")
    with Queue.open(tmp_path / "q", read_only=is_read_only) as queue:
        if not is_read_only:
            queue.admin.config_set("max_retries", 1)
        way(tmp_path / "other" / "data.mdb", tmp_path / "q" / "data.mdb")
        uses = [lambda: list(queue.jobs()), lambda: list(queue.events())]
        if not is_read_only:
            uses += [lambda: queue.enqueue("true", id="lost"), lambda: queue.worker("me").claim()]
        for use in uses:
            with pytest.raises(NoQueue, match=r"is gone: .*; open it again"):
                use()
        with Queue.open(tmp_path / "q") as again:
            assert {job.id for job in again.jobs()} == {f"other{number}" for number in range(others)}
            again.enqueue("true", id="new")
            with pytest.raises(NoQueue):
                queue.status()
    with Queue.open(tmp_path / "q") as last:
        assert {job.id for job in last.jobs()} == {"new", *(f"other{number}" for number in range(others))}
    assert command(tmp_path / "q", "verify").returncode == 0


@pytest.mark.sampled(3)
@pytest.mark.parametrize("way", [in_place, by_rename])
@pytest.mark.parametrize(("own", "others"), [(3, 9), (9, 3)])
def test_nobody_joins_the_lock_file_of_another_data_file(
    tmp_path: Path, way: Callable[[Path, Path], None], own: int, others: int
) -> None:
    """While a process keeps the old lock.mdb, LMDB would count on from it, and lose what is acknowledged."""
    jobs_of(tmp_path / "q", own, "own")
    jobs_of(tmp_path / "other", others, "other")
    with Queue.open(tmp_path / "q"):
        way(tmp_path / "other" / "data.mdb", tmp_path / "q" / "data.mdb")
        before = (tmp_path / "q" / "data.mdb").read_bytes()
        for words in (["enqueue", "b", "true"], ["list"], ["export"], ["migrate", "--check"]):
            found = command(tmp_path / "q", *words)
            assert (found.returncode, found.stderr.count("\n")) == (1, 1), found.stderr
            assert "its data.mdb was replaced while processes have it open; end those first" in found.stderr
        [told] = [each for each in examine(tmp_path / "q") if each.check == "open"]
        assert (told.state, told.do) == ("problem", f"fuser -v {tmp_path / 'q'}/open.lock")
        assert (tmp_path / "q" / "data.mdb").read_bytes() == before
    assert command(tmp_path / "q", "enqueue", "b", "true").returncode == 0
    with Queue.open(tmp_path / "q") as queue:
        assert {job.id for job in queue.jobs()} == {"b", *(f"other{number}" for number in range(others))}


def test_an_older_copy_of_the_same_queue_is_another(tmp_path: Path) -> None:
    """A copy of data.mdb that is put back under a handle lacks what was acknowledged since: it is refused."""
    path = tmp_path / "q"
    jobs_of(path, 3, "own")
    shutil.copy(path / "data.mdb", tmp_path / "copy")
    with Queue.open(path) as queue:
        queue.enqueue("true", id="since")
        in_place(tmp_path / "copy", path / "data.mdb")
        for use in (lambda: queue.enqueue("true"), lambda: queue.job("since")):
            with pytest.raises(NoQueue, match=r"another file was copied over its data\.mdb; open it again"):
                use()


def test_a_copy_that_went_its_own_way_is_another(tmp_path: Path) -> None:
    """Two copies of one queue with as many transactions since are told apart by what this process wrote last."""
    path = tmp_path / "q"
    jobs_of(path, 3, "own")
    shutil.copytree(path, tmp_path / "copy")
    jobs_of(tmp_path / "copy", 1, "there")
    with Queue.open(path) as queue:
        queue.enqueue("true", id="here")
        in_place(tmp_path / "copy" / "data.mdb", path / "data.mdb")
        with pytest.raises(NoQueue, match="copied over"):
            queue.enqueue("true")


def test_a_file_copied_over_inside_a_transaction_keeps_nothing(tmp_path: Path) -> None:
    """What was about to be committed is not written into the other file."""
    jobs_of(tmp_path / "q", 3, "own")
    jobs_of(tmp_path / "other", 9, "other")
    content = (tmp_path / "other" / "data.mdb").read_bytes()
    with Store.open(tmp_path / "q", create=False) as store:

        def write() -> None:
            with store.write() as txn:
                txn.put("ids", b"a", b"1")
                (tmp_path / "q" / "data.mdb").write_bytes(content)

        with pytest.raises(NoQueue, match="copied over"):
            write()
    assert (tmp_path / "q" / "data.mdb").read_bytes() == content


def test_what_others_write_and_let_go_is_no_other_file(tmp_path: Path) -> None:
    """A handle goes on whatever other processes commit, and when retention lets go of the last that it saw."""
    with Queue.open(tmp_path / "q") as queue:
        queue.enqueue("true", id="a")
        queue.worker("w1").complete(running(queue))
        for words in (
            ["enqueue", "b", "true"],
            ["worker", "start", "--drain"],
            ["compact", "--older-than", "0s"],
            ["enqueue", "c", "true"],
        ):
            done = command(tmp_path / "q", *words)
            assert done.returncode == 0, done.stderr
            assert queue.log.head() > 0
        assert [job.id for job in queue.worker("me").claim()] == ["c"]
        assert queue.admin.replay(check=True).differences == []


def test_a_process_killed_in_a_commit_leaves_the_same_file(tmp_path: Path) -> None:
    """Its data.mdb may be one transaction ahead of lock.mdb; those who have it open go on."""
    words = [sys.executable, "-c", ENQUEUE_FOR_EVER, str(tmp_path / "q")]
    with Queue.open(tmp_path / "q") as queue:
        for _ in range(8):
            before = queue.log.head()
            with subprocess.Popen(words) as process:
                wait_until(lambda before=before: queue.log.head() > before + 20)
                process.kill()
            head = queue.log.head()
            queue.enqueue("true")
            assert queue.log.head() in (head + 1, head + 2)  # LMDB ends the commit that was begun
        assert queue.admin.replay(check=True).differences == []


ENQUEUE_FOR_EVER = """
import sys
from queuectl import Queue
with Queue.open(sys.argv[1]) as queue:
    while True:
        queue.enqueue("true")
"""


# A data file that is gone


@pytest.mark.sampled(2)
@pytest.mark.parametrize("left", ["outputs/000000/1-2", "archive/000001-1-9.seg", "workers", "doorbells", "snapshots"])
def test_a_queue_whose_log_is_gone_is_not_made_anew(tmp_path: Path, left: str) -> None:
    """Every verb says so in one line, with what to do; nothing is made, and a restored backup takes its place."""
    path = tmp_path / "q"
    jobs_of(path, 1, "own")
    assert command(path, "backup", str(tmp_path / "backup")).returncode == 0
    (path / "data.mdb").unlink()
    if "/" in left:
        (path / "lock.mdb").unlink()
        (path / left).parent.mkdir(parents=True)
        (path / left).write_bytes(b"x")
    else:
        (path / left).mkdir()
    before = sorted(path.rglob("*"))
    for words in (["enqueue", "b", "true"], ["list"], ["worker", "start"], ["verify"], ["status"], ["export"]):
        found = command(path, *words)
        assert (found.returncode, found.stderr.count("\n")) == (1, 1), (words, found.stderr)
        assert "beside it says that there was a log in it" in found.stderr
        assert "restore a backup (`queuectl restore FILE`), or move the directory away to begin anew" in found.stderr
    [told] = [each for each in examine(path) if each.check == "open"]
    assert (told.state, told.do) == ("problem", "queuectl restore FILE")
    assert sorted(path.rglob("*")) == before
    assert command(path, "restore", str(tmp_path / "backup")).returncode == 0
    with Queue.open(path) as queue:
        assert [job.id for job in queue.jobs()] == ["own0"]


def test_directories_that_wait_for_a_queue_keep_none_out(tmp_path: Path) -> None:
    """An archive that is a volume of its own, with what file systems put there, is no sign of a queue that was."""
    (tmp_path / "q" / "archive" / "lost+found").mkdir(parents=True)
    (tmp_path / "q" / "outputs").mkdir()
    assert command(tmp_path / "q", "enqueue", "a", "true").returncode == 0


# A data file that is cut short while it is open


@pytest.mark.parametrize("left", [0.0, 0.5])
def test_a_data_file_cut_short_under_a_handle_is_refused(tmp_path: Path, left: float) -> None:
    """No transaction reads what is no longer there, nor acknowledges into what is left."""
    data = tmp_path / "q" / "data.mdb"
    with Queue.open(tmp_path / "q") as queue:
        queue.enqueue("true", id="a")
        size = int(left * data.stat().st_size)
        os.truncate(data, size)
        for use in (
            lambda: queue.job("a"),
            lambda: queue.enqueue("true", id="b"),
            queue.admin.sizes,
            queue.admin.check_there,
        ):
            with pytest.raises(NoQueue, match="was cut short, so restore a backup"):
                use()
    assert data.stat().st_size == size


def test_a_transaction_that_the_directory_vanishes_under_keeps_nothing(tmp_path: Path) -> None:
    """What was about to be committed is refused, where it could not be found any more."""
    with Store.open(tmp_path / "q", create=True) as store:

        def write() -> None:
            with store.write() as txn:
                txn.put("ids", b"a", b"1")
                moved(tmp_path / "q")

        with pytest.raises(NoQueue):
            write()
        (tmp_path / "moved").rename(tmp_path / "q")
        with store.read() as read:
            assert read.get("ids", b"a") is None


@pytest.mark.parametrize("go", [deleted, replaced])
def test_a_worker_ends_with_its_queue(tmp_path: Path, go: Callable[[Path], None]) -> None:
    """A worker whose queue is gone says so in one line, whatever runs, and ends; it makes no queue in its place."""
    with Queue.open(tmp_path / "q") as queue:
        queue.enqueue_many(["sleep 60"] * 2)
    words = [sys.executable, "-m", "queuectl", "--db", str(tmp_path / "q"), "worker", "start", "--count", "2"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        assert all("started" in worker.stdout.readline() for _ in range(3))
        go(tmp_path / "q")
        said, complaint = worker.communicate(timeout=30)
    assert "the queue at" not in said
    assert worker.returncode == 1
    assert complaint.count("\n") == 1
    assert re.search("is gone: .*; type the command again\n", complaint)
    assert (tmp_path / "q").exists() == (go is replaced)


# A restore that is waited for

RESTORE = """
import os, sys
from pathlib import Path
from queuectl.transfer import swap
path, rename = Path(sys.argv[1]), os.rename
def stop(old, new):
    if Path(new) == path / "data.mdb":  # the old one is aside, the new one not yet in its place
        print("half", flush=True)
        sys.stdin.readline()
    rename(old, new)
os.rename = stop
with swap.staging(path, "restore") as staged:
    print("staged", flush=True)
    (staged / "data.mdb").write_bytes(Path(sys.argv[2]).read_bytes())
    sys.stdin.readline()
    swap.install(path)
"""


@pytest.mark.parametrize("early", [True, False])
def test_a_verb_beside_a_restore_that_dies_says_so(tmp_path: Path, early: bool) -> None:
    """It makes no second queue, whose jobs `restore --finish` would put aside; that one ends the restore.

    `early`: the verb waits since before the restore began to move in.
    """
    path, other = tmp_path / "q", tmp_path / "other"
    for each in (path, other):
        with Queue.open(each) as queue:
            queue.enqueue("true", id=each.name)
    found: list[BaseException] = []

    def open_it() -> None:
        try:
            Store.open(path, create=True).close()
        except StoreError as error:
            found.append(error)

    waiting = Thread(target=open_it)
    words = [sys.executable, "-c", RESTORE, str(path), str(other / "data.mdb")]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as restore:
        assert restore.stdout is not None
        assert restore.stdin is not None
        assert restore.stdout.readline() == "staged\n"
        if early:
            waiting.start()
            wait_until(somebody_waits)
        restore.stdin.write("\n")
        restore.stdin.flush()
        assert restore.stdout.readline() == "half\n"
        restore.kill()
    if not early:
        waiting.start()
    waiting.join(20)
    assert ["restore --finish" in str(each) for each in found] == [True]
    done = subprocess.run([sys.executable, "-m", "queuectl", "--db", str(path), "restore", "--finish"], check=False)
    assert done.returncode == 0
    with Queue.open(path) as queue:
        assert [job.id for job in queue.jobs()] == ["other"]


def test_a_verb_beside_a_restore_that_moves_in_waits_for_it(tmp_path: Path) -> None:
    """Between two of its renames there is no queue, and that is told neither as none, nor as lost or interrupted."""
    path, other = tmp_path / "q", tmp_path / "other"
    for each in (path, other):
        with Queue.open(each) as queue:
            queue.enqueue("true", id=each.name)
    words = [sys.executable, "-c", RESTORE, str(path), str(other / "data.mdb")]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as restore:
        assert restore.stdout is not None
        assert restore.stdin is not None
        for step in ("staged", "half"):
            assert restore.stdout.readline() == f"{step}\n"
            if step == "staged":
                restore.stdin.write("\n")
                restore.stdin.flush()
        heads: list[int] = []

        def read() -> None:
            with Queue.open(path, create=False) as queue:
                heads.append(queue.log.head())

        reading = Thread(target=read)
        reading.start()
        wait_until(somebody_waits)
        restore.stdin.write("\n")
        restore.stdin.flush()
        reading.join(20)
    assert heads == [1]


def somebody_waits() -> bool:
    """Whether this process waits for a lock on a file."""
    return any("->" in line and f" {os.getpid()} " in line for line in Path("/proc/locks").read_text().splitlines())


def test_a_lock_file_that_is_taken_away_keeps_nobody_out_and_lets_nobody_in(tmp_path: Path) -> None:
    """Whoever waited for a file that its holder unlinked locks the one that is there now, as everybody else does."""
    path = tmp_path / "lock"
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(fd, fcntl.LOCK_EX)
    locked: list[bool] = []

    def wait() -> None:
        with lock(path, wait=True), lock(path, wait=False) as is_free:
            locked.append(is_free)

    waiting = Thread(target=wait)
    waiting.start()
    wait_until(somebody_waits)
    path.unlink()
    os.close(fd)
    waiting.join(20)
    assert locked == [False]


def test_a_queue_that_does_not_come_to_be_leaves_no_lock_to_wait_for(tmp_path: Path) -> None:
    """The directory made for a restore goes with its lock while that is held; who waited for it finds no queue."""
    path = tmp_path / "q"
    opened: list[bool] = []

    def wait() -> None:
        with Store.open(path, create=True) as store, store.write() as txn:
            txn.put("ids", b"a", b"1")
            opened.append(True)

    waiting = Thread(target=wait)

    def restore() -> None:
        with staging(path, "restore"):
            waiting.start()
            wait_until(somebody_waits)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        restore()
    waiting.join(20)
    assert opened == [True]
    assert (path / OPEN_LOCK).exists()
    with Store.open(path, create=False) as store, store.read() as txn:
        assert txn.get("ids", b"a") == b"1"
