"""What most tests begin with: a queue of their own on real LMDB, and a clock set by hand."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from queuectl import Queue
from tests.clocks import FakeClock

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Started in the background of a script: what tests start would inherit deafness to Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)

if sys.dont_write_bytecode:
    # The thousands of processes that tests start would each compile what they load: more work than all the rest.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def queue(tmp_path: Path, clock: FakeClock) -> Iterator[Queue]:
    with Queue.open(tmp_path / "queue", clock=clock, actor="tester") as opened:
        yield opened
