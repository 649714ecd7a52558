"""What most tests begin with: a queue of their own on real LMDB, and a clock set by hand."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from queuectl import Queue
from tests.clocks import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def queue(tmp_path: Path, clock: FakeClock) -> Iterator[Queue]:
    with Queue.open(tmp_path / "queue", clock=clock, actor="tester") as opened:
        yield opened
