"""What keeps a process from its work and is no fault of the queue: known by numbers, in whatever words it is told."""

import errno
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import lmdb
import pytest

from queuectl.errors import StoreError
from queuectl.system.shortage import NO_THREAD, READERS_FULL, advice, hindrance, is_hindrance, unseen, words

SHORT = [errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOSPC, errno.EDQUOT, errno.EFBIG]


def led_to(cause: BaseException, *, hidden: bool = False) -> BaseException:
    """Return an error of ours that came of another."""
    try:
        try:
            raise cause
        except BaseException as met:
            raise StoreError("cannot") from None if hidden else met
    except StoreError as error:
        return error


def met_in(do: Callable[[], object]) -> BaseException:
    """Return what something raises."""
    try:
        do()
    except BaseException as error:
        return error
    pytest.fail("it raised nothing")


@pytest.mark.parametrize("number", SHORT)
def test_the_number_counts_and_not_the_words(number: int) -> None:
    """An error of the system is known in any language, and so is one of ours that it led to."""
    error = OSError(number, "Zu viele offene Dateien")
    assert hindrance(error) == number
    assert hindrance(led_to(led_to(error))) == number


@pytest.mark.parametrize("number", SHORT)
def test_words_without_a_number_are_none(number: int) -> None:
    """What merely reads like a shortage, as a damaged row could, is not taken for one."""
    assert hindrance(StoreError(f"cannot: {words(number)}")) == 0
    assert hindrance(OSError(words(number))) == 0
    assert hindrance(RuntimeError("can't start new thread")) == 0
    assert hindrance(led_to(OSError(number, "x"), hidden=True)) == 0


@pytest.mark.parametrize(
    "error", [OSError(errno.EIO, "x"), ValueError("x"), KeyError(errno.ENOMEM), SystemExit(12), None]
)
def test_all_else_may_be_the_queue_s(error: BaseException | None) -> None:
    """A disk that fails, and errors that have a number of another meaning or none."""
    assert hindrance(error) == 0


def test_memory_permissions_and_lmdb() -> None:
    """Python's own error has no number, LMDB's have the system's beside their own."""
    assert hindrance(MemoryError()) == errno.ENOMEM
    assert hindrance(PermissionError(errno.EACCES, "x")) == errno.EACCES
    full = lmdb.ReadersFullError("x")
    full.code = READERS_FULL  # type: ignore[attr-defined]  # as the engine sets it
    assert hindrance(led_to(full)) == READERS_FULL


def test_a_path_that_the_engine_may_not_have(tmp_path: Path) -> None:
    """An error that LMDB itself raises carries the system's number."""
    (tmp_path / "data.mdb").mkdir()
    error = met_in(lambda: lmdb.open(str(tmp_path), map_size=1 << 62))
    assert isinstance(error, lmdb.Error)
    assert getattr(error, "code", None) in (errno.EISDIR, errno.ENOMEM)


THREAD = """
import resource, sys, threading
from queuectl.system.shortage import hindrance
resource.setrlimit(resource.RLIMIT_AS, (1 << 20, 1 << 20))
try:
    threading.Thread(target=print).start()
except RuntimeError as error:
    print(hindrance(error))
"""


def test_a_thread_that_cannot_be_had(tmp_path: Path) -> None:
    """Python keeps no number of why: the error is known by where it was raised."""
    done = subprocess.run([sys.executable, "-c", THREAD], capture_output=True, text=True, check=False)
    assert done.stdout == f"{NO_THREAD}\n"


def test_a_thread_that_was_started_already() -> None:
    """To start one twice is a mistake in a program, and no shortage."""
    thread = threading.Thread(target=print)
    thread.start()
    error = met_in(thread.start)
    assert type(error) is RuntimeError
    assert hindrance(error) == 0
    thread.join()


@pytest.mark.parametrize("word", [True, 0, 5, 1 << 70, "24", None, {}])
def test_what_another_process_says_may_be_anything(word: object) -> None:
    """Only the numbers that are known are taken."""
    assert not is_hindrance(word)


@pytest.mark.parametrize("number", [*SHORT, NO_THREAD, READERS_FULL])
def test_each_says_what_to_do(number: int) -> None:
    """Whoever reads it hears what was short and how to go on, once."""
    assert is_hindrance(number)
    do = advice(number, "")
    assert do
    assert unseen(words(number), number) == f"could not be looked at: {words(number)}; {do}, then try again"


def test_what_is_forbidden_is_nothing_to_raise() -> None:
    """A permission is another user's to give."""
    assert advice(errno.EACCES, "otherwise") == "otherwise"
    assert unseen("x", errno.EACCES) == "could not be looked at: x; try again as the user whose it is"
    assert (
        unseen("x")
        == "could not be looked at: x; try again with more memory and room, and without a limit on this process"
    )
