"""What these tests begin with: a queue that goes by the real clock, as the workers in processes of their own do."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from queuectl import Queue


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Queue]:
    with Queue.open(tmp_path / "db") as opened:
        yield opened
