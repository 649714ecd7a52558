"""The gate that threads go through, and have to themselves."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread, main_thread

import pytest

from queuectl.store.gate import Gate, GateEntry
from tests.waiting import wait_until


class Interrupted(Exception):
    """What a signal's handler raised."""


def entered(gate: Gate) -> GateEntry:
    """Go in, once that can be."""
    entry = gate.enter()
    assert entry is not None
    return entry


@contextmanager
def inside(gate: Gate) -> Iterator[Callable[[], None]]:
    """Have another thread in a gate, from now until the function is called that this yields."""
    is_in, leave = Event(), Event()

    def visit() -> None:
        entry = entered(gate)
        is_in.set()
        leave.wait(20)
        entry.is_inside = False

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
        assert gate.enter() is None
    assert gate.is_empty


def test_who_was_interrupted_on_its_way_is_not_alone() -> None:
    """Whatever has the gate's lock has not finished its step, and nobody takes the place under its feet."""
    gate = Gate()
    with gate.lock, gate.alone(timeout_s=20) as is_alone:
        assert not is_alone


def test_to_be_out_takes_no_call() -> None:
    """One that is out by its entry alone keeps nobody from being alone, and is kept in mind no longer than that."""
    gate = Gate()
    entries = [entered(gate) for _ in range(100)]
    assert not gate.is_empty
    for each in entries:
        each.is_inside = False
    assert gate.is_empty
    with gate.alone(timeout_s=0) as is_alone:
        assert is_alone
    gate.enter()
    assert len(gate._entries) == 1


def test_whoever_comes_waits_for_the_one_that_is_alone() -> None:
    """Another thread gets in once the one that had the gate to itself has not any more."""
    gate = Gate()
    is_in = Event()

    def visit() -> None:
        entered(gate).is_inside = False
        is_in.set()

    visitor = Thread(target=visit)
    with gate.alone(timeout_s=0) as is_alone:
        assert is_alone
        assert gate.is_held_here
        visitor.start()
        assert not is_in.wait(0.1)
    visitor.join(20)
    assert is_in.is_set()
    assert not gate.is_held_here
