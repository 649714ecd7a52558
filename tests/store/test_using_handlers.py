"""A handler of signals may use the queue that its thread is using: it does so or is refused, and all is in order."""

import fcntl
import os
import re
import signal
import struct
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from subprocess import run
from tempfile import TemporaryDirectory
from threading import Event, Thread
from types import ModuleType

import pytest

from queuectl.errors import StoreError
from queuectl.store.environment import OPEN_ENVIRONMENTS
from queuectl.store.registry import _place, _places
from queuectl.store.store import Store
from queuectl.system.lazy import Later
from tests.breaking_off import interrupted
from tests.depth import apart

REFUSED = "this thread is beginning or ending another use|it was closed|this process reads it just now"
"""What either is told where it has to be done afterwards."""


def shows_a_reader(store: Store) -> bool:
    """Whether other processes with this pid are shown that this one reads."""
    readers = store._shared.opened.readers
    assert readers is not None
    asked = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, os.getpid(), 1, 0)
    (kind,) = struct.unpack_from("h", fcntl.fcntl(readers._fd, fcntl.F_OFD_GETLK, asked))
    return bool(kind != fcntl.F_UNLCK)


def read(store: Store) -> None:
    """Read something."""
    with store.read() as txn:
        assert txn.get("meta", b"format") == b"1"
        assert shows_a_reader(store)


def open_to_write(store: Store) -> None:
    """Open it for writing, which opens the file anew where it is open to be read only, and close that."""
    Store.open(store.path, create=False).close()


USES: dict[str, Callable[[Store], object]] = {
    "read": read,
    "close": Store.close,
    "open": open_to_write,
    "grow": lambda store: store._shared.grow(),
    "free": Store.free_readers,
}


@pytest.mark.parametrize("handled", ["read", "close", "open"])
@pytest.mark.parametrize("what", USES)
def test_a_handler_uses_what_its_thread_uses(tmp_path: Path, what: str, handled: str) -> None:
    """Wherever it interrupts a use, each of the two works or is told why not, and nothing of them is left."""
    Store.open(tmp_path, create=True).close()
    store, told = Store.open(tmp_path, create=False, read_only=True), set[str]()

    def use(name: str) -> None:
        try:
            USES[name](store)
        except StoreError as error:
            told.add(str(error))

    for _ in interrupted(lambda: use(what), lambda: use(handled), step=apart()):
        if store._is_open:
            assert not shows_a_reader(store)
            store.close()
        assert [each for each in OPEN_ENVIRONMENTS if each.path == tmp_path] == []
        store = Store.open(tmp_path, create=False, read_only=True)
    store.close()
    assert [each for each in told if not re.search(REFUSED, each)] == []


@contextmanager
def elsewhere(held: AbstractContextManager[object]) -> Iterator[Thread]:
    """Have another thread in a `with` meanwhile, which it may leave then."""
    has_it, goes_on = Event(), Event()

    def have_it() -> None:
        with held:
            has_it.set()
            goes_on.wait(20)

    other = Thread(target=have_it)
    other.start()
    assert has_it.wait(20)
    try:
        yield other
    finally:
        goes_on.set()
        other.join(20)


def test_a_handler_never_waits_for_whom_its_thread_keeps_waiting(tmp_path: Path) -> None:
    """A read is refused where another thread, which has the store alone, waits for what the handler interrupted."""
    with Store.open(tmp_path, create=True) as store:
        gate = store._shared.gate
        with elsewhere(gate.alone(timeout_s=0)), gate.lock, pytest.raises(StoreError, match="beginning or ending"):
            read(store)
        with gate.lock:
            read(store)


def test_a_handler_never_waits_for_an_opening(tmp_path: Path) -> None:
    """It is refused to open what another thread opens, which may wait for what the handler interrupted."""
    with Store.open(tmp_path, create=True) as store, elsewhere(_place(tmp_path)) as other:
        for held in (store._shared.gate.lock, _places.lock):
            with held, pytest.raises(StoreError, match="beginning or ending"):
                Store.open(tmp_path, create=False)
        assert other.is_alive()


def test_a_handler_is_refused_by_whichever_path(tmp_path: Path) -> None:
    """A directory that was moved, with a link to it left behind, is the same store."""
    before, after = tmp_path / "before", tmp_path / "after"
    with Store.open(before, create=True) as store:
        before.rename(after)
        before.symlink_to(after)
        with store._shared.gate.lock, pytest.raises(StoreError, match="beginning or ending"):
            Store.open(after, create=False)
        with Store.open(after, create=False) as again:
            assert again._shared is store._shared


def test_who_leaves_as_another_opens_the_file_anew_harms_none(tmp_path: Path) -> None:
    """A thread that tidies up behind its read, at any place of that, finds nothing to do in a file that is closed."""
    with Store.open(tmp_path, create=True) as store:
        shared = store._shared
        failures: list[BaseException] = []

        def leave() -> None:
            try:
                if shared.gate.is_reserved:
                    shared.tidy()
                else:
                    read(store)
            except BaseException as error:  # told below
                failures.append(error)

        def in_another_thread() -> None:
            if not shared.gate.is_locked_here:  # else it would wait
                other = Thread(target=leave)
                other.start()
                other.join()

        shared.enter(reads=True).is_inside = False
        for _ in interrupted(shared.grow, in_another_thread, step=apart()):
            assert failures == []
            read(store)
            shared.enter(reads=True).is_inside = False


def test_a_handler_finds_no_half_of_a_module() -> None:
    """Where its thread is loading a module of the package it is refused that one, others, and to write."""
    path = str(Path.cwd())
    code = f"import sys; sys.path.insert(0, {path!r}); from {__name__} import load_halfway as go; go()"
    done = run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "refused refused done refused whole\n"), done.stderr


def load_halfway() -> None:
    """Use the package in a handler while a module is loaded, and print how that went, and what became of the module."""
    halfway, unknown, loaded = Later("outputs.frame_check"), Later("retention.shrink"), Later("errors")
    assert not {"queuectl.outputs.frame_check", "queuectl.retention.shrink"} & set(sys.modules)

    class Finder:
        def find_spec(self, name: str, path: Sequence[str] | None, _: object = None) -> ModuleSpec | None:
            spec = PathFinder.find_spec(name, path) if name == "queuectl.outputs.frame_check" else None
            if spec and spec.loader:
                load = spec.loader.exec_module

                def interrupted_first(module: ModuleType) -> None:
                    signal.raise_signal(signal.SIGUSR1)
                    load(module)

                spec.loader.exec_module = interrupted_first  # type: ignore[method-assign]
            return spec

    def told(use: Callable[[], object]) -> str:
        try:
            use()
        except StoreError as error:
            return "refused" if "this thread is" in str(error) else str(error)
        return "done"

    def handle(*_: object) -> None:
        uses = (lambda: halfway.measure, lambda: unknown.shrink, lambda: loaded.StoreError, store.turn)
        print(*map(told, uses), end=" ")

    sys.meta_path.insert(0, Finder())
    with TemporaryDirectory() as path, Store.open(Path(path), create=True) as store:
        signal.signal(signal.SIGUSR1, handle)
        print("whole" if halfway.measure and unknown.shrink else "half")
