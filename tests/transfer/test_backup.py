"""Backup and restore: one file, whole or not there; nothing lost on the way, nor what was there before."""

import io
import os
import random
import resource
import signal
import subprocess
import sys
import tarfile
import time
from contextlib import suppress
from pathlib import Path

import pytest
import zstandard

from queuectl import JobRequest, Queue
from queuectl.errors import NewerFormat, StoreError
from queuectl.outputs.frames import encode_frame
from queuectl.store.store import Store, key_of
from queuectl.system.files import NEW_S
from tests.clocks import FakeClock
from tests.depth import tries
from tests.lives import completed, long_life, running
from tests.rows import digest_of, files_of, rows_of
from tests.waiting import wait_until

WRITER = """
import sys
from queuectl import JobRequest, Queue
with Queue.open(sys.argv[1]) as queue:
    while True:
        queue.enqueue_many([JobRequest("true")] * 20)
        queue.worker("w").complete_many(queue.worker("w").claim(7))
        for job in queue.worker("w").claim(2):
            queue.worker("w").fail(queue.worker("w").start(job), "exit code 1", return_code=1)
        print(queue.log.head(), flush=True)
"""

RESTORER = """
import sys
from queuectl import Queue
print("begun", flush=True)
print(Queue.restore(sys.argv[1], sys.argv[2], force=True).head, flush=True)
"""


@pytest.fixture
def lived(queue: Queue, clock: FakeClock) -> Path:
    """Return where a queue lies, closed, with every event there is and an output in a file."""
    long_life(queue, clock)
    queue.enqueue("true", id="archived", priority=100)
    queue.worker("w1").complete(running(queue))
    queue.admin.compact(older_than_s=0)
    job = running(queue)
    path = queue.worker("w1").output_path(job)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_frame(b"o", b"x" * 100_000))
    queue.worker("w1").complete(job)
    queue.close()
    return queue.path


def back_up(path: Path, file: Path, *, force: bool = False) -> Path:
    """Back a queue up."""
    with Queue.open(path, create=False) as queue:
        queue.admin.backup(str(file), force=force)
    return file


@pytest.mark.parametrize("name", ["b.tar", "b.tar.gz"])
def test_a_restored_queue_is_the_one_backed_up(lived: Path, tmp_path: Path, name: str) -> None:
    """Every row of every table, every output file and the archive come back as they were, and it goes on."""
    file = back_up(lived, tmp_path / name)
    done = Queue.restore(str(file), tmp_path / "new")
    assert rows_of(tmp_path / "new") == rows_of(lived)
    for directory in ("outputs", "archive"):
        assert files_of(tmp_path / "new" / directory) == files_of(lived / directory)
    assert done.digest == digest_of(tmp_path / "new").hex()
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == [
        *("archive", "data.mdb", "lock.mdb", "open.lock", "outputs")
    ]
    with Queue.open(tmp_path / "new", create=False) as queue:
        queue.enqueue("true", id="next")
        assert queue.admin.replay(check=True).differences == []


def test_a_backup_holds_what_its_manifest_says(lived: Path, tmp_path: Path) -> None:
    """tar alone tells what is in it: what it is, the data, the files, and head and digest."""
    file = back_up(lived, tmp_path / "b.tar")
    with tarfile.open(file) as tar:
        names = tar.getnames()
    assert (names[0], names[1], names[-1]) == ("QUEUECTL-BACKUP", "data.mdb", "MANIFEST.json")
    assert [name[:14] for name in names if name.startswith("archive")] == ["archive/000001"]
    assert sum(name.startswith("outputs/") for name in names) == 1
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.glob(".*")) == []


@pytest.mark.slow
def test_backups_while_another_process_writes(tmp_path: Path) -> None:
    """Each of many backups made meanwhile restores to a queue that is a beginning of the live one, views and all."""
    path = tmp_path / "q"
    Queue.open(path).close()
    with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE) as writer:
        try:
            assert writer.stdout
            writer.stdout.readline()
            with Queue.open(path, create=False, read_only=True) as queue:
                done = [queue.admin.backup(str(tmp_path / f"{number}.tar")) for number in range(4)]
        finally:
            writer.kill()
    live = rows_of(path, "log")["log"]
    heads = [each.head for each in done]
    assert heads == sorted(set(heads))
    for number, each in enumerate(done):
        restored = tmp_path / f"r{number}"
        Queue.restore(str(tmp_path / f"{number}.tar"), restored)
        assert rows_of(restored, "log")["log"] == live[: each.head]
        assert digest_of(restored).hex() == each.digest
        with Queue.open(restored) as queue:
            assert queue.admin.replay(check=True).differences == []


def test_output_is_there_though_its_job_goes_meanwhile(lived: Path, tmp_path: Path) -> None:
    """A job cleared once the copy is made, and its output file with it, has its output in the backup."""
    with Queue.open(lived) as queue, Queue.open(lived) as other:
        before = files_of(lived / "outputs")
        queue.admin.backup(
            str(tmp_path / "b.tar"), progress=lambda what, *_: what == "Checking" and other.clear(all=True)
        )
        assert files_of(lived / "outputs") != before
    Queue.restore(str(tmp_path / "b.tar"), tmp_path / "new")
    assert files_of(tmp_path / "new" / "outputs") == before


def test_a_job_that_ran_runs_again(tmp_path: Path, clock: FakeClock) -> None:
    """What was processing when the backup was made is taken back after its lease, and not before."""
    with Queue.open(tmp_path / "q", clock=clock) as queue:
        queue.enqueue("true", id="a")
        queue.enqueue("true", id="b")
        running(queue)
        queue.worker("w1").claim()
        queue.admin.backup(str(tmp_path / "b.tar"))
    Queue.restore(str(tmp_path / "b.tar"), tmp_path / "new")
    with Queue.open(tmp_path / "new", clock=clock) as queue:
        assert queue.worker("heir").claim(5) == []
        clock.advance(31)
        queue.worker(queue.actor).recover()
        assert [str(queue.job(job_id).state) for job_id in "ab"] == ["failed", "pending"]
        clock.advance(60)
        assert sorted(job.id for job in queue.worker("heir").complete_many(queue.worker("heir").claim(5))) == ["a", "b"]


def test_a_restored_queue_goes_on_with_its_archive(lived: Path, tmp_path: Path) -> None:
    """A segment sealed while the backup was made is not in it; restored, it tells old histories and is compacted on."""
    with Queue.open(lived) as queue, Queue.open(lived) as other:

        def meanwhile(what: str, done: int, total: int | None) -> None:
            if what == "Checking":
                other.enqueue("true", id="meanwhile", priority=200)
                other.worker("w1").complete(running(other))
                other.admin.compact(older_than_s=0)

        done = queue.admin.backup(str(tmp_path / "b.tar"), progress=meanwhile)
        assert len(list((lived / "archive").iterdir())) == 2
        assert done.elsewhere == ()
        old = queue.history("archived")
    Queue.restore(str(tmp_path / "b.tar"), tmp_path / "new")
    assert len(list((tmp_path / "new" / "archive").iterdir())) == 1
    with Queue.open(tmp_path / "new") as new:
        assert new.history("archived") == old
        new.admin.compact(older_than_s=0)
        found = new.admin.verify(log_only=True)
        assert (found.problems, found.parts["archive"]["segments"]) == ([], 2)
        assert "goes through it" in found.notes[0]


def test_an_archive_elsewhere_is_named(queue: Queue, tmp_path: Path) -> None:
    """Segments in a directory of their own are not in the backup, which says where they are."""
    completed(queue, "a")
    queue.admin.compact(older_than_s=0, archive=tmp_path / "away")
    assert queue.admin.backup(str(tmp_path / "b.tar")).elsewhere == (str(tmp_path / "away"),)


def test_a_file_that_is_not_there_is_told_before_the_queue_that_is(lived: Path, tmp_path: Path) -> None:
    """A restore of no file does not ask for --force first."""
    with pytest.raises(StoreError, match=r"cannot restore .*none.tgz: No such file or directory; see that it is there"):
        Queue.restore(str(tmp_path / "none.tgz"), lived)


def test_a_backup_is_not_written_over(lived: Path, tmp_path: Path) -> None:
    """A file that is there stays as it is, unless --force."""
    (tmp_path / "b.tar").write_text("precious")
    with pytest.raises(StoreError, match="it is there already; --force replaces it"):
        back_up(lived, tmp_path / "b.tar")
    assert (tmp_path / "b.tar").read_text() == "precious"
    back_up(lived, tmp_path / "b.tar", force=True)
    Queue.restore(str(tmp_path / "b.tar"), tmp_path / "new")
    for bad, told in ((tmp_path, "is a directory"), (tmp_path / "no" / "b", "No such")):
        with pytest.raises(StoreError, match=told):
            back_up(lived, bad)


def test_a_damaged_queue_is_not_backed_up(lived: Path, tmp_path: Path) -> None:
    """A log that does not check is refused, with where, rather than kept as a backup."""

    with Store.open(lived, create=False) as store, store.write() as txn:
        value = bytearray(txn.get("log", key_of(5)) or b"")
        value[-1] ^= 1
        txn.put("log", key_of(5), bytes(value))
    with pytest.raises(StoreError, match=r"cannot back up .* position 5"):
        back_up(lived, tmp_path / "b.tar")
    assert [path.name for path in tmp_path.iterdir()] == [lived.name]


def refused(file: Path, target: Path) -> str:
    """See a file refused in one line, with nothing made of it; give the line."""
    with pytest.raises(StoreError) as caught:
        Queue.restore(str(file), target)
    assert "\n" not in str(caught.value)
    assert not target.exists()
    return str(caught.value)


def test_a_backup_cut_short_or_changed_is_refused(lived: Path, tmp_path: Path) -> None:
    """At any length, and with any byte of what counts flipped, it is refused and nothing is made of it."""
    content = back_up(lived, tmp_path / "b.tar").read_bytes()
    chance, spoilt = random.Random(1), tmp_path / "spoilt"
    end = content.rindex(b"}\n")  # behind it there is only padding
    for length in [0, 1, 511, 512, 1024, end, *(chance.randrange(end) for _ in range(15))]:
        spoilt.write_bytes(content[:length])
        assert f"cannot use {spoilt} as a backup" in refused(spoilt, tmp_path / "new")
    data = content.index(b"data.mdb") + 512
    for _ in range(15):
        where = chance.randrange(data, content.index(b"MANIFEST.json", data) - 1024)
        changed = bytearray(content)
        changed[where] ^= 1 << chance.randrange(8)
        spoilt.write_bytes(changed)
        if where % 512 < 500:
            refused(spoilt, tmp_path / "new")


def test_a_backup_compressed_by_zstd_comes_back(lived: Path, tmp_path: Path) -> None:
    """One whose name says zstd is a frame of that, holds what a plain one holds, and is checked like one."""
    plain, packed = back_up(lived, tmp_path / "b.tar").read_bytes(), back_up(lived, tmp_path / "b.tar.zst").read_bytes()
    assert packed[:4] == b"\x28\xb5\x2f\xfd"
    assert len(packed) < len(plain) / 3
    done = Queue.restore(str(tmp_path / "b.tar.zst"), tmp_path / "back")
    with Queue.open(lived) as before, Queue.open(tmp_path / "back") as after:
        assert after.log.head() == before.log.head() == done.head
    chance, spoilt = random.Random(2), tmp_path / "spoilt.zst"
    for length in [4, 100, len(packed) - 5, *(chance.randrange(len(packed)) for _ in range(5))]:
        spoilt.write_bytes(packed[:length])
        assert f"cannot use {spoilt} as a backup" in refused(spoilt, tmp_path / "new")
    whole, told = files_in(packed), 0
    for _ in range(10):
        changed = bytearray(packed)
        changed[chance.randrange(20, len(packed) - 20)] ^= 1 << chance.randrange(8)
        spoilt.write_bytes(changed)
        if files_in(changed) != whole:  # what stands between files is only padding
            assert f"cannot use {spoilt} as a backup" in refused(spoilt, tmp_path / "new")
            told += 1
    assert told > 5


def files_in(packed: bytes) -> dict[str, bytes]:
    """Return the files of a compressed backup by their names; nothing where they are no longer to be read."""
    try:
        with zstandard.ZstdDecompressor().stream_reader(io.BytesIO(packed)) as plain:
            content = plain.read()
        with tarfile.open(fileobj=io.BytesIO(content)) as tar:
            return {each.name: tar.extractfile(each).read() for each in tar if each.isfile()}
    except (zstandard.ZstdError, tarfile.TarError, OSError):
        return {}


def test_what_is_no_backup_is_refused(tmp_path: Path) -> None:
    """Other files, other tars, members outside, and backups of a newer release are refused in words."""
    target = tmp_path / "new"
    assert "No such file" in refused(tmp_path / "none", target)
    (tmp_path / "text").write_text("hello" * 1000)
    assert "not a backup made by" in refused(tmp_path / "text", target)
    (tmp_path / "z").write_bytes(b"\x28\xb5\x2f\xfd1234")
    assert "cut short, or is none" in refused(tmp_path / "z", target)
    made = {"foreign": {"a": b"1"}, "newer": {"QUEUECTL-BACKUP": b"2\n"}, "escaping": {"QUEUECTL-BACKUP": b"1\n"}}
    made["escaping"]["outputs/../../evil"] = b"x"
    for name, members in made.items():
        with tarfile.open(tmp_path / name, "w") as tar:
            for member, content in members.items():
                info = tarfile.TarInfo(member)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    assert "not a backup made by" in refused(tmp_path / "foreign", target)
    assert "which no backup does" in refused(tmp_path / "escaping", target)
    with pytest.raises(NewerFormat, match=r"the format of the backup .* is 2"):
        Queue.restore(str(tmp_path / "newer"), target)
    assert not (tmp_path / "evil").exists()


def test_a_queue_that_is_there_is_kept(lived: Path, tmp_path: Path) -> None:
    """Without --force it is refused; with it what was there lies aside, whole; a live one is never touched."""
    file = back_up(lived, tmp_path / "b.tar")
    with Queue.open(lived) as queue:
        queue.enqueue("true", id="after")
        with pytest.raises(StoreError, match="in use; stop the workers"):
            Queue.restore(str(file), lived, force=True)
        assert queue.job("after").id == "after"
    before = rows_of(lived)
    with pytest.raises(StoreError, match="--force replaces it and keeps it aside"):
        Queue.restore(str(file), lived)
    assert rows_of(lived) == before
    done = Queue.restore(str(file), lived, force=True)
    assert done.aside
    assert rows_of(Path(done.aside)) == before
    assert len(rows_of(lived, "log")["log"]) == len(before["log"]) - 1
    assert rows_of(lived, "log")["log"][-1][0] == key_of(done.head)
    other = tmp_path / "other"
    other.mkdir()
    (other / "precious").touch()
    with pytest.raises(StoreError, match="holds other files"):
        Queue.restore(str(file), other)
    assert [path.name for path in other.iterdir()] == ["precious"]


def test_a_restore_killed_at_any_moment_leaves_one_of_both(lived: Path, tmp_path: Path) -> None:
    """The old queue or the new one opens, or the way to end it is told and works; the old one is never lost."""
    file = back_up(lived, tmp_path / "b.tar")
    with Queue.open(lived) as queue:
        queue.enqueue("true", id="after")
    before, chance = rows_of(lived), random.Random(5)
    new = {name: rows for name, rows in before.items() if name == "log"}["log"][:-1]
    for _ in range(tries(12)):
        child = subprocess.Popen([sys.executable, "-c", RESTORER, str(file), str(lived)], stdout=subprocess.PIPE)
        assert child.stdout
        child.stdout.readline()
        with suppress(subprocess.TimeoutExpired):
            child.wait(chance.uniform(0, 0.6))
        child.kill()
        child.communicate()
        with suppress(StoreError):  # it was interrupted while it moved in
            Queue.open(lived, create=False).close()
        Queue.finish_restore(lived)
        log = rows_of(lived, "log")["log"]
        assert log in (before["log"], new)
        if log == new:
            [kept] = (lived / "replaced").iterdir()
            assert rows_of(kept) == before
            Queue.restore(str(back_up(kept, tmp_path / "again.tar", force=True)), lived, force=True)
            subprocess.run(["rm", "-r", str(lived / "replaced")], check=True)
    assert rows_of(lived) == before


def test_a_restore_stopped_between_two_renames_is_finished(lived: Path, tmp_path: Path) -> None:
    """However far the renames got, nothing opens meanwhile, and --finish ends them with nothing lost."""
    from queuectl.transfer.swap import install, staging

    file = back_up(lived, tmp_path / "b.tar")
    with Queue.open(lived) as queue:
        queue.enqueue("true", id="after")
    before = rows_of(lived)

    left: list[int] = []

    def stop(event: str, args: tuple[object, ...]) -> None:
        if event == "os.rename" and left and str(lived) in str(args[0]):
            left[0] -= 1
            if left[0] < 0:
                left.clear()
                raise KeyboardInterrupt

    sys.addaudithook(stop)
    for renames in range(2, 7):
        left[:] = [renames]
        with suppress(KeyboardInterrupt):
            Queue.restore(str(file), lived, force=True)
        left.clear()
        if (lived / "restoring").exists():
            with pytest.raises(StoreError, match="`queuectl restore --finish` ends it"):
                Queue.open(lived)
            with pytest.raises(StoreError, match="an earlier one was interrupted"), staging(lived, "restore"):
                install(lived)
            assert Queue.finish_restore(lived)
        assert not Queue.finish_restore(lived)
        assert len(rows_of(lived, "log")["log"]) == len(before["log"]) - 1
        [kept] = (lived / "replaced").iterdir()
        assert rows_of(kept) == before
        Queue.restore(str(back_up(kept, tmp_path / "again.tar", force=True)), lived, force=True)
        subprocess.run(["rm", "-r", str(lived / "replaced")], check=True)


def test_ctrl_c_leaves_nothing(tmp_path: Path) -> None:
    """Interrupted at any moment it exits 130 and says so, and there is no file, whole or half."""
    path = tmp_path / "q"
    with Queue.open(path) as queue:
        queue.enqueue_many([JobRequest("true")] * 30_000)
    (tmp_path / "out").mkdir()
    words = [sys.executable, "-m", "queuectl", "--db", str(path), "backup", str(tmp_path / "out" / "b.tar")]
    for wait_s in (0, 0.2, 0.5):
        child = subprocess.Popen(words, stderr=subprocess.PIPE)
        wait_until(lambda child=child: child.poll() is not None or list((tmp_path / "out").iterdir()))
        time.sleep(wait_s)  # a moment of its own, not one that is waited for
        child.send_signal(signal.SIGINT)
        try:
            _, told = child.communicate(timeout=20)
        finally:
            child.kill()
            child.wait()
        assert child.returncode in (0, 130)
        if child.returncode == 130:
            assert told == b"Interrupted: no backup; %s was not made; type it again\n" % os.fsencode(words[-1])
            assert list((tmp_path / "out").iterdir()) == []
        else:
            (tmp_path / "out" / "b.tar").unlink()


@pytest.mark.parametrize("room", [100_000, 2_000_000, 4_500_000])
def test_a_full_disk_leaves_nothing(tmp_path: Path, room: int) -> None:
    """A backup for which there is no room is refused in one line, and there is no file, whole or half."""
    path = tmp_path / "q"
    with Queue.open(path) as queue:
        queue.enqueue_many([JobRequest("true " + "x" * 200)] * 10_000)
    (tmp_path / "out").mkdir()
    child = subprocess.run(
        [sys.executable, "-m", "queuectl", "--db", str(path), "backup", str(tmp_path / "out" / "b.tar")],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (room, room)),
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert child.returncode == 1, child
    assert child.stderr.count("\n") == 1
    assert "cannot write" in child.stderr
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.slow
def test_what_a_killed_backup_left_goes_with_the_next(tmp_path: Path) -> None:
    """A backup killed with -9 leaves no FILE; the next beside it clears up behind it, and behind no live one."""
    path = tmp_path / "q"
    with Queue.open(path) as queue:
        queue.enqueue_many([JobRequest("true")] * 30_000)
    out = tmp_path / "out"
    out.mkdir()
    child = subprocess.Popen([sys.executable, "-m", "queuectl", "--db", str(path), "backup", str(out / "b.tar")])
    wait_until(lambda: list(out.glob("*/data.mdb")))
    child.send_signal(signal.SIGSTOP)
    [left] = out.iterdir()
    back_up(path, out / "b.tar")
    assert left.exists()
    (out / "b.tar").unlink()
    child.kill()
    child.wait()
    long_ago = time.time() - 2 * NEW_S
    os.utime(left, (long_ago, long_ago))
    back_up(path, out / "b.tar")
    assert [each.name for each in out.iterdir()] == ["b.tar"]
