"""The gate that threads go through, and have to themselves."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread, main_thread

import pytest

from queuectl.gate import Gate
from tests.waiting import wait_until


class Interrupted(Exception):
    """What a signal's handler raised."""


@contextmanager
def inside(gate: Gate) -> Iterator[Callable[[], None]]:
    """Have another thread in a gate, from now until the function is called that this yields."""
    is_in, leave = Event(), Event()

    def visit() -> None:
        with gate.lock:
            who = gate.enter()
        is_in.set()
        leave.wait(20)
        with gate.lock:
            gate.leave(who)

    visitor = Thread(target=visit)
    visitor.start()
    is_in.wait(20)
    try:
        yield leave.set
    finally:
        leave.set()
        visitor.join(20)


def can_enter(gate: Gate) -> bool:
    """Whether another thread gets in and out."""
    with inside(gate):
        pass
    return gate.is_empty


def test_an_interrupt_while_one_waits_to_be_alone_keeps_nobody_out() -> None:
    """Whatever ends the waiting, an interrupt by a key for one, the gate is open again for all others."""
    gate = Gate()

    def interrupt(number: int, frame: object) -> None:
        raise Interrupted

    def send_once_it_waits() -> None:
        wait_until(lambda: gate._alone is not None)
        signal.pthread_kill(main_thread().ident or 0, signal.SIGUSR1)

    before = signal.signal(signal.SIGUSR1, interrupt)
    sender = Thread(target=send_once_it_waits)
    try:
        with inside(gate):
            sender.start()
            with pytest.raises(Interrupted), gate.alone(timeout_s=20):
                pytest.fail("it was not alone")
    finally:
        sender.join(20)
        signal.signal(signal.SIGUSR1, before)
    assert can_enter(gate)


def test_who_is_alone_stays_so_though_it_asks_again() -> None:
    """One that has the gate to itself is refused a second time, and goes on to have it."""
    gate = Gate()
    with gate.alone(timeout_s=1) as is_alone:
        assert is_alone
        with gate.alone(timeout_s=0) as is_alone_again:
            assert not is_alone_again
        assert not gate.is_empty
    assert gate.is_empty


def test_one_that_is_forgotten_is_out() -> None:
    """A thread that never left, for a signal's handler raised as it did, keeps nobody from being alone afterwards."""
    gate = Gate()
    with gate.lock:
        visit = gate.enter()
    assert not gate.is_empty
    del visit
    assert gate.is_empty
    with gate.alone(timeout_s=0) as is_alone:
        assert is_alone


def test_who_is_alone_and_forgotten_keeps_nobody_out() -> None:
    """One that had the gate to itself, and whose end a signal's handler broke off, is alone no more."""
    gate = Gate()
    alone = gate.alone(timeout_s=0)
    assert alone.__enter__()
    is_in = Event()

    def visit() -> None:
        with gate.lock:
            gate.leave(gate.enter())
        is_in.set()

    visitor = Thread(target=visit)
    visitor.start()
    wait_until(lambda: bool(gate._changed._waiters))  # type: ignore[attr-defined]  # it is kept out
    assert not is_in.is_set()
    del alone
    visitor.join(20)
    assert is_in.is_set()
