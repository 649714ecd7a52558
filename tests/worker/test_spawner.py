"""Commands are started beside the loop, and each that was is told once."""

import os
import select
import sys
from collections.abc import Iterator
from contextlib import closing

import pytest

from queuectl.worker.spawner import Landed, Order, Spawner

from .live import running_job, wait_until


@pytest.fixture
def spawner() -> Iterator[Spawner]:
    with closing(Spawner(os.environb, slots=2)) as made:
        yield made


def end(landed: Landed) -> None:
    """See a command to its end."""
    process = landed.process
    assert process is not None
    wait_until(lambda: process.poll() is not None)
    process.close()


def is_rung(spawner: Spawner) -> bool:
    """Tell whether a wait on it would return at once."""
    return bool(select.select([spawner], [], [], 0)[0])


def test_whatever_lands_rings(spawner: Spawner) -> None:
    """Who only waits, and takes when woken, gets everything that was ordered."""
    for _ in range(20):
        spawner.order(Order(running_job("exit 0"), {}, lambda pid: None))
    taken = 0
    while taken < 20:
        assert select.select([spawner], [], [], 10)[0], f"not rung for the last {20 - taken}"
        for landed in spawner.take():
            end(landed)
            taken += 1


def test_nothing_rings_for_ever(spawner: Spawner) -> None:
    """Who takes what has landed before it is rung for is woken in vain at the most once, and not over and over."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(200):
            spawner.order(Order(running_job("exit 0"), {}, lambda pid: None))
            while not (landed := spawner.take()):
                pass
            end(landed[0])
            wait_until(lambda: not (spawner.take() or is_rung(spawner)))
    finally:
        sys.setswitchinterval(before)
