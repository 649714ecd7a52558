"""What these tests begin with: an engine over a store of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from queuectl.engine.engine import Engine
from queuectl.store.store import Store
from tests.clocks import FakeClock


@pytest.fixture
def engine(tmp_path: Path, clock: FakeClock) -> Iterator[Engine]:
    with Store.open(tmp_path / "queue", create=True) as store:
        yield Engine(store, clock, "tester")
