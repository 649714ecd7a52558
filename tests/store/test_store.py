"""The store keeps what was committed, nothing else, and refuses what is not its own."""

import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import lmdb
import pytest

import queuectl.store.directory
import queuectl.store.memory_map
from queuectl.errors import CorruptLog, ForkedStore, NewerFormat, NoQueue, NotAQueue, StoreError, WriteFailed
from queuectl.store.directory import filesystem_of
from queuectl.store.store import Store, Transaction, key_of
from queuectl.store.tables import FORMAT

NOBODY = 65_534
ROWS = [(key_of(n), b"%d" % n) for n in (1, 2, 300, 2**40)]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "queue", create=True) as opened:
        yield opened


@contextmanager
def unprivileged() -> Iterator[None]:
    """Be an ordinary user for a while, since root may do anything."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def public() -> Iterator[Path]:
    """Yield a directory that every user may enter, which pytest's own are not."""
    with tempfile.TemporaryDirectory(prefix="queuectl-test-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def mode(path: Path) -> int:
    """Return the permission bits of a path."""
    return stat.S_IMODE(path.stat().st_mode)


def refused(path: Path, *, create: bool = True, kind: type[StoreError] = StoreError) -> str:
    """Try to open a store, see it refused in one line, and give the line."""
    with pytest.raises(kind) as caught:
        Store.open(path, create=create)
    assert type(caught.value) is kind
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def in_fork(do: Callable[[], object]) -> type[BaseException] | None:
    """Do something in a forked child and tell whether it was refused as such."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            do()
            code = 0
        except ForkedStore:
            code = 42
        finally:
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in (0, 42)
    return ForkedStore if code == 42 else None


def write(store: Store, *steps: Callable[[Transaction], object]) -> None:
    """Do things in one write transaction."""
    with store.write() as txn:
        for step in steps:
            step(txn)


# Opening


def test_a_new_store_is_for_its_owner_alone(tmp_path: Path) -> None:
    """The directory is made with mode 0700, its parents too where they lack, and the files with 0600."""
    path = tmp_path / "deep" / "queue"
    Store.open(path, create=True).close()
    assert mode(path) == 0o700
    assert {entry.name: mode(entry) for entry in path.iterdir()} == {
        "data.mdb": 0o600,
        "lock.mdb": 0o600,
        "open.lock": 0o600,
    }


@pytest.mark.parametrize("make", [lambda path: None, Path.mkdir], ids=["missing", "empty"])
def test_reading_makes_no_queue(tmp_path: Path, make: Callable[[Path], None]) -> None:
    """Without `create`, a place where no queue is stays as it is."""
    path = tmp_path / "queue"
    make(path)
    assert "queuectl enqueue" in refused(path, create=False, kind=NoQueue)
    assert not list(tmp_path.rglob("*.mdb"))


def test_a_file_is_no_queue(tmp_path: Path) -> None:
    """A file in the place of the directory is refused and left alone."""
    path = tmp_path / "file"
    path.write_text("mine")
    assert "it is a file" in refused(path, kind=NotAQueue)
    assert path.read_text() == "mine"


@pytest.mark.parametrize("create", [True, False])
def test_a_directory_of_other_things_is_no_queue(tmp_path: Path, create: bool) -> None:
    """A directory with anything else in it is refused, naming some of it, and nothing is put there."""
    names = ["a.txt", "b.txt", "c.txt", "d.txt"]
    for name in names:
        (tmp_path / name).touch()
    assert "(a.txt, b.txt, c.txt ...)" in refused(tmp_path, create=create, kind=NotAQueue)
    assert sorted(path.name for path in tmp_path.iterdir()) == names


def test_what_a_queue_leaves_behind_does_not_keep_it_out(tmp_path: Path) -> None:
    """Directories of queuectl's own, without a data file, are no strangers."""
    for name in ("outputs", "doorbells", "logs"):
        (tmp_path / name).mkdir()
    Store.open(tmp_path, create=True).close()


@pytest.mark.parametrize("content", [b"garbage" * 5000, b"short", b"\0" * 100_000], ids=["long", "short", "zeros"])
def test_a_data_file_of_garbage_is_refused(tmp_path: Path, content: bytes) -> None:
    """A data.mdb that LMDB cannot read is refused, and its bytes stay."""
    (tmp_path / "data.mdb").write_bytes(content)
    refused(tmp_path, kind=NotAQueue)
    assert (tmp_path / "data.mdb").read_bytes() == content


FOREIGN = {
    "rows": {None: {b"name": b"value"}},
    "a row named as a table of ours": {None: {b"meta": b"x"}},
    "a table of ours without our mark": {b"meta": {b"other": b"1"}},
    "a mark that is no number": {b"meta": {b"format": b"one"}},
    "our mark without our tables": {b"meta": {b"format": b"1"}},
}


@pytest.mark.parametrize("tables", FOREIGN.values(), ids=FOREIGN)
def test_another_programs_lmdb_is_refused(tmp_path: Path, tables: dict[bytes | None, dict[bytes, bytes]]) -> None:
    """An LMDB file that this program did not make is refused, and its content stays."""
    with lmdb.open(str(tmp_path), max_dbs=2) as env:
        for table, rows in tables.items():
            with env.begin(write=True, db=env.open_db(table)) as txn:
                assert txn.cursor().putmulti(rows.items()) == (len(rows), len(rows))
    before = (tmp_path / "data.mdb").read_bytes()
    assert "another program" in refused(tmp_path, kind=NotAQueue)
    assert (tmp_path / "data.mdb").read_bytes() == before


def test_a_newer_format_is_refused(store: Store) -> None:
    """A store of a later layout is refused with both numbers, and opens again once they agree."""
    with store.write() as txn:
        txn.put("meta", b"format", str(FORMAT + 1).encode())
    store.close()
    message = refused(store.path, kind=NewerFormat)
    assert f"is {FORMAT + 1}, this queuectl knows {FORMAT}" in message
    assert "upgrade" in message


def test_a_store_whose_maker_died_is_finished(tmp_path: Path) -> None:
    """An empty data file, left by a process killed before its first commit, becomes a store."""
    (tmp_path / "data.mdb").touch()
    with Store.open(tmp_path, create=True) as store, store.write() as txn:
        txn.put("jobs", b"a", b"1")


@pytest.mark.parametrize("where", ["file/queue", "x" * 300, "data.mdb is a directory"])
def test_an_impossible_place_is_refused(tmp_path: Path, where: str) -> None:
    """A place that the system cannot hold a queue in is refused, without a traceback."""
    (tmp_path / "file").touch()
    (tmp_path / "data.mdb is a directory" / "data.mdb").mkdir(parents=True)
    refused(tmp_path / where)


def test_a_place_the_kernel_refuses_is_refused() -> None:
    """Where not even root may make a directory, the refusal says what to do."""
    assert "--db" in refused(Path("/proc/queuectl/queue"))


def test_a_directory_that_may_not_be_written_is_refused(public: Path) -> None:
    """Without the right to write there, no queue is made."""
    public.chmod(0o555)
    with unprivileged():
        assert "Permission denied" in refused(public / "queue")


@pytest.mark.parametrize("closed", ["queue", "queue/data.mdb"])
def test_a_queue_of_somebody_else_is_refused(public: Path, closed: str) -> None:
    """A queue whose directory or file one may not read is refused, asking to check permissions."""
    Store.open(public / "queue", create=True).close()
    (public / "queue").chmod(0o755)
    (public / closed).chmod(0)
    with unprivileged():
        assert "permissions" in refused(public / "queue", create=False)


def test_a_queue_may_lie_where_one_may_enter_but_not_look(public: Path) -> None:
    """A parent directory that its users may only pass through does not keep a queue from being made."""
    (public / "own").mkdir(mode=0o777)
    (public / "own").chmod(0o777)
    public.chmod(0o711)
    with unprivileged():
        Store.open(public / "own", create=True).close()


def test_a_network_file_system_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the file system's locks cannot be relied on, no queue is made."""
    kind = filesystem_of(tmp_path)
    monkeypatch.setattr(queuectl.store.directory, "NETWORK", {kind})
    assert kind in refused(tmp_path / "queue")
    assert not (tmp_path / "queue" / "data.mdb").exists()


def test_the_file_system_is_the_one_mounted_nearest() -> None:
    """The type told is that of the innermost mount a path lies on."""
    assert [filesystem_of(Path(path)) for path in ("/proc", "/proc/self", "/sys/kernel")] == ["proc", "proc", "sysfs"]


def test_a_store_opened_twice_in_a_process_is_shared(store: Store) -> None:
    """A second opening sees and writes the same store, and outlives the closing of the first."""
    second = Store.open(store.path, create=False)
    with store.write() as txn:
        txn.put("ids", b"a", b"1")
    store.close()
    with second.write() as txn:
        assert txn.get("ids", b"a") == b"1"
    second.close()


def test_a_forked_child_opens_the_store_itself(store: Store) -> None:
    """A child that opens the store again reads and writes it, and so does its parent after that."""

    def reopen() -> None:
        with Store.open(store.path, create=False) as own, own.write() as txn:
            txn.put("ids", b"child", b"1")

    assert in_fork(reopen) is None
    with store.write() as txn:
        assert txn.get("ids", b"child") == b"1"


def test_a_data_file_cut_short_is_refused(store: Store, tmp_path: Path) -> None:
    """Pages that are not there are found before they are read: a line, and no crash."""
    with store.write() as txn:
        txn.put_many("ids", [(b"%06d" % n, b"x" * 100) for n in range(5000)])
    cut = tmp_path / "cut"
    cut.mkdir()
    (cut / "data.mdb").write_bytes((store.path / "data.mdb").read_bytes()[: 100 * 4096])
    assert "cut short" in refused(cut)


def test_closing_twice_is_harmless_and_use_after_it_refused(store: Store) -> None:
    """A closed store says so when it is used."""
    store.close()
    store.close()
    for access in (store.read, store.write):
        with pytest.raises(StoreError, match="open it again"), access():
            pass


MAKER = """
import sys
from pathlib import Path
from queuectl.store.store import Store
sys.stdin.readline()
with Store.open(Path(sys.argv[1]), create=True) as store, store.write() as txn:
    txn.put("jobs", sys.argv[2].encode(), b"1")
"""


def test_many_processes_make_one_store(tmp_path: Path) -> None:
    """Processes that create the same store at the same time all get it, and none loses what another wrote."""
    path = tmp_path / "queue"
    makers = [
        subprocess.Popen([sys.executable, "-c", MAKER, str(path), str(n)], stdin=subprocess.PIPE) for n in range(6)
    ]
    for maker in makers:
        assert maker.stdin is not None
        maker.stdin.write(b"go\n")
        maker.stdin.close()
    assert [maker.wait(30) for maker in makers] == [0] * 6
    with Store.open(path, create=False) as store, store.read() as txn:
        assert [key for key, _ in txn.scan("jobs")] == [b"%d" % n for n in range(6)]


# Transactions


def test_what_was_committed_is_there_after_reopening(store: Store) -> None:
    """A committed row is on disk."""
    with store.write() as txn:
        txn.put("jobs", b"a", b"1")
    store.close()
    with Store.open(store.path, create=False) as again, again.read() as txn:
        assert txn.get("jobs", b"a") == b"1"


def test_an_aborted_transaction_leaves_no_trace(store: Store) -> None:
    """An exception takes back all that its transaction wrote, and the store goes on."""
    with pytest.raises(ZeroDivisionError):
        write(store, lambda txn: txn.put("jobs", b"a", b"1"), lambda txn: txn.append("log", ROWS), lambda txn: 1 / 0)
    with store.write() as txn:
        assert (txn.get("jobs", b"a"), txn.count("log")) == (None, 0)


def test_a_reader_sees_one_moment(store: Store) -> None:
    """What is committed after a read transaction began is not seen in it."""
    with store.read() as before:
        with store.write() as txn:
            txn.put("jobs", b"a", b"1")
        assert before.get("jobs", b"a") is None
    with store.read() as after:
        assert after.get("jobs", b"a") == b"1"


@pytest.mark.parametrize("late", [0, 1, 299, 300])
def test_an_append_out_of_order_is_refused(store: Store, late: int) -> None:
    """A row at or before the last one raises, where LMDB itself would skip it silently, and nothing is kept."""
    out_of_order = [(key_of(301), b"new"), (key_of(late), b"late")]
    with pytest.raises(CorruptLog, match=f"position {late}:"):
        write(store, lambda txn: txn.append("log", ROWS[:3]), lambda txn: txn.append("log", out_of_order))
    with store.read() as txn:
        assert txn.count("log") == 0


def test_a_fork_may_not_use_its_parents_store(store: Store) -> None:
    """A forked child is refused both reading and writing, its closing is harmless, and the parent goes on."""
    assert in_fork(lambda: store.read().__enter__()) is ForkedStore
    assert in_fork(lambda: store.write().__enter__()) is ForkedStore
    assert in_fork(store.close) is None
    with store.write() as txn:
        txn.put("jobs", b"a", b"1")


def test_a_fork_is_told_whose_store_it_used(store: Store) -> None:
    """The error names the process that opened the store, and the one that used it."""
    told, tell = os.pipe()
    child = os.fork()
    if not child:
        try:
            store.read().__enter__()
        except ForkedStore as error:
            os.write(tell, str(error).encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    os.close(tell)
    with os.fdopen(told) as pipe:
        assert f"opened by process {os.getpid()} and used in its fork {child};" in pipe.read()


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """Yield a store whose map has room for a mebibyte."""
    monkeypatch.setattr(queuectl.store.memory_map, "MAP_SIZE", 1 << 20)
    with Store.open(tmp_path / "small", create=True) as opened:
        yield opened


def test_a_full_map_is_told_and_keeps_nothing(small: Store) -> None:
    """A write for which there is no room fails as a whole, says so, and smaller ones go on."""
    large = b"x" * (2 << 20)
    with pytest.raises(WriteFailed, match="free some disk space"):
        write(small, lambda txn: txn.put("jobs", b"small", b"1"), lambda txn: txn.put("jobs", b"large", large))
    with small.write() as txn:
        assert txn.count("jobs") == 0
        txn.put("jobs", b"small", b"1")


GROWER = """
import sys
from pathlib import Path
from queuectl.store.store import Store
with Store.open(Path(sys.argv[1]), create=False) as store, store.write() as txn:
    txn.put("jobs", b"large", b"x" * (8 << 20))
"""


@pytest.mark.parametrize("write", [False, True])
def test_a_map_that_another_process_made_larger_is_taken_over(small: Store, write: bool) -> None:
    """A store grown by another process beyond this one's map is read and written on."""
    subprocess.run([sys.executable, "-c", GROWER, str(small.path)], check=True)
    with (small.write if write else small.read)() as txn:
        assert txn.get("jobs", b"large") == b"x" * (8 << 20)


def test_a_name_that_is_no_key_harms_nothing(store: Store) -> None:
    """An empty or endless key is not found, not written, and leaves the store in order."""
    for key in (b"", b"x" * 600):
        with store.read() as txn:
            assert txn.get("ids", key) is None
        with pytest.raises(StoreError, match="too long to be a key"):
            write(store, lambda txn, key=key: txn.put("ids", key, b"1"))  # type: ignore[misc]
    write(store, lambda txn: txn.put("ids", b"good", b"1"))


# Tables


def test_rows_are_scanned_in_the_order_of_their_keys(store: Store) -> None:
    """A scan gives rows as their numbers sort, from a key on and up to but without another."""
    with store.write() as txn:
        txn.put_many("jobs", ROWS[::-1])
        assert list(txn.scan("jobs")) == ROWS
        assert list(txn.scan("jobs", key_of(2), key_of(2**40))) == ROWS[1:3]
        assert list(txn.scan("jobs", key_of(2**41))) == list(txn.scan("dead")) == []


def test_rows_are_scanned_backwards_from_below_a_key(store: Store) -> None:
    """A scan back begins with the last row below a key, or with the last of all."""
    with store.write() as txn:
        txn.put_many("jobs", ROWS)
        assert list(txn.scan_back("jobs")) == list(txn.scan_back("jobs", key_of(2**41))) == ROWS[::-1]
        assert list(txn.scan_back("jobs", key_of(300))) == list(txn.scan_back("jobs", key_of(3))) == ROWS[1::-1]
        assert list(txn.scan_back("jobs", key_of(1))) == list(txn.scan_back("dead")) == []


def test_rows_are_counted_and_the_last_is_known(store: Store) -> None:
    """A table knows how many rows it has and which is the last."""
    with store.write() as txn:
        assert (txn.count("jobs"), txn.last("jobs")) == (0, None)
        txn.put_many("jobs", ROWS)
        assert (txn.count("jobs"), txn.last("jobs")) == (4, ROWS[-1])


def test_rows_are_deleted_one_many_or_all(store: Store) -> None:
    """A deletion takes the named rows and no others, whether or not they are there."""
    with store.write() as txn:
        txn.put_many("jobs", ROWS)
        assert (txn.delete("jobs", key_of(1)), txn.delete("jobs", key_of(1))) == (True, False)
        txn.delete_many("jobs", [key_of(n) for n in (1, 2, 3, 300)])
        assert list(txn.scan("jobs")) == ROWS[3:]
        txn.clear("jobs")
        assert txn.count("jobs") == 0


def test_nothing_put_is_nothing_changed(store: Store) -> None:
    """Putting or appending no rows is harmless."""
    with store.write() as txn:
        txn.put_many("jobs", [])
        txn.append("log", [])
        assert txn.count("jobs") == txn.count("log") == 0


def test_the_shadow_views_are_apart_until_they_are_made_live(store: Store) -> None:
    """Views are filled beside the live ones; the swap is seen by all once it is committed."""
    with store.write() as txn:
        txn.put("jobs", b"a", b"old")
        txn.shadow().put("jobs", b"a", b"new")
        assert txn.get("jobs", b"a") == b"old"
    with store.read() as before:
        with store.write() as txn:
            txn.shadow().make_live()
        assert before.get("jobs", b"a") == b"old"
    with store.read() as after:
        assert (after.get("jobs", b"a"), after.shadow().get("jobs", b"a")) == (b"new", b"old")


def test_the_log_has_no_shadow(store: Store) -> None:
    """What is no view is the same table from both sides."""
    with store.write() as txn:
        txn.append("log", ROWS)
        assert txn.shadow().count("log") == 4


def test_the_sizes_grow_with_what_is_kept(store: Store) -> None:
    """The bytes in use grow with the rows and are within the file and the map."""
    before = store.sizes()
    with store.write() as txn:
        txn.put("jobs", b"large", b"x" * 1_000_000)
    after = store.sizes()
    assert after["used"] >= before["used"] + 1_000_000
    assert after["used"] <= after["file"] <= after["map"]


def test_the_slot_of_a_killed_reader_is_freed(store: Store) -> None:
    """A reader killed in the middle of reading holds its old pages until somebody frees its slot."""
    reader = (
        "import sys; from pathlib import Path; from queuectl.store.store import Store; "
        "txn = Store.open(Path(sys.argv[1]), create=False).read(); txn.__enter__(); "
        "print('reading', flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", reader, str(store.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"reading\n"
        assert store.free_readers() == 0
        child.kill()
    assert store.free_readers() == 1


@pytest.mark.parametrize("in_main_thread", [True, False])
def test_a_copy_that_nobody_reads_on_ends(tmp_path: Path, in_main_thread: bool) -> None:
    """Whoever stops in the middle of a copy goes on at once, in any thread, and the store works as before."""
    with Store.open(tmp_path / "q", create=True) as store:
        with store.write() as txn:
            for number in range(400):
                txn.put("outputs", key_of(number), b"x" * 100_000)

        def stop() -> None:
            copy = store.copy()
            assert next(copy)
            copy.close()

        if in_main_thread:
            stop()
        else:
            stopping = Thread(target=stop)
            stopping.start()
            stopping.join(20)
            assert not stopping.is_alive()
        assert len(b"".join(store.copy())) > 40_000_000


@pytest.mark.parametrize("read_only", [False, True])
def test_programs_do_not_inherit_the_data(store: Store, *, read_only: bool) -> None:
    """What a program with an open queue starts has no descriptor of data.mdb, not even where it may inherit others."""
    path = store.path
    store.close()
    with Store.open(path, create=False, read_only=read_only):
        opened = subprocess.run(
            ["ls", "-l", "/proc/self/fd"], close_fds=False, capture_output=True, text=True, check=True
        )
    assert str(path) not in opened.stdout
