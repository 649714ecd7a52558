"""Views over a log of one's own, told event by event inside one transaction."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from queuectl.store.store import Store
from tests.projections.telling import Teller


@pytest.fixture
def views(tmp_path: Path) -> Iterator[Teller]:
    with Store.open(tmp_path / "queue", create=True) as store, store.write() as txn:
        yield Teller(txn)
