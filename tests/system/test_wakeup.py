"""The doorbell: a hint from whoever made work runnable to idle workers."""

import os
import select
from pathlib import Path

from queuectl.system.wakeup import Doorbell, ring


def is_rung(bell: Doorbell) -> bool:
    """Return whether waiting on the bell would end at once."""
    return select.select([bell], [], [], 0)[0] == [bell]


def test_a_ring_reaches_every_worker(tmp_path: Path) -> None:
    """Each bell is ready once somebody rang, until it is cleared."""
    bells = [Doorbell(tmp_path, "w1"), Doorbell(tmp_path, "w2")]
    assert not any(map(is_rung, bells))
    ring(tmp_path)
    ring(tmp_path)
    assert all(map(is_rung, bells))
    assert all(bell.clear() for bell in bells)
    assert not any(map(is_rung, bells))
    assert not bells[0].clear()
    for bell in bells:
        bell.close()


def test_nobody_listens(tmp_path: Path) -> None:
    """Ringing where no worker ever was is nothing."""
    ring(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_dead_worker_s_bell_is_taken_down(tmp_path: Path) -> None:
    """A bell whose worker died without a word is removed by the next to ring."""
    bell = Doorbell(tmp_path, "w1")
    os.close(bell.fileno())
    ring(tmp_path)
    assert list((tmp_path / "doorbells").iterdir()) == []


def test_closing_leaves_nothing(tmp_path: Path) -> None:
    """A worker that ends takes its bell with it."""
    Doorbell(tmp_path, "w1").close()
    assert list((tmp_path / "doorbells").iterdir()) == []


def test_a_bell_rung_too_often_is_still_one_ring(tmp_path: Path) -> None:
    """Rings that nobody hears fill nothing up and never wait."""
    bell = Doorbell(tmp_path, "w1")
    for _ in range(70_000):
        ring(tmp_path)
    assert bell.clear()
    bell.close()
