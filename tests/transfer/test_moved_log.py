"""A log that moved goes on as the one that it was taken from: the same bytes, and the same digest."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest

from queuectl import Queue
from queuectl.core.commands import EnqueueJob
from queuectl.events.types import JobSpec
from tests.clocks import FakeClock
from tests.lives import completed
from tests.rows import digest_of, rows_of


def imported(queue: Queue, into: Path) -> None:
    lines = io.BytesIO()
    queue.admin.export(lines.write)
    Queue.import_export(io.BytesIO(lines.getvalue()), into)


def branched(queue: Queue, into: Path) -> None:
    queue.admin.branch(into, queue.log.head())


def restored(queue: Queue, into: Path) -> None:
    file = into.with_suffix(".tar")
    queue.admin.backup(file)
    Queue.restore(file, into)


def go_on(path: Path, clock: FakeClock, *counts: int) -> None:
    """Enqueue so many jobs at a time."""
    with Queue.open(path, create=False, clock=clock, actor="tester") as queue:
        number = queue.log.head()
        for count in counts:
            with queue._engine.unit() as unit:
                unit.enqueue([EnqueueJob(_spec(number + n)) for n in range(count)])
            number += count


def _spec(number: int) -> JobSpec:
    return JobSpec(f"later{number}", "true")


@pytest.mark.parametrize("is_cut", [False, True], ids=["whole", "with events let go"])
@pytest.mark.parametrize("move", [imported, branched, restored])
def test_a_log_that_moved_goes_on_with_the_same_bytes(
    queue: Queue, clock: FakeClock, tmp_path: Path, move: Callable[[Queue, Path], None], is_cut: bool
) -> None:
    """However what follows is batched, and where the way back to a kept digest ends at a cut as well."""
    for n in range(6):
        completed(queue, f"job{n}")
    if is_cut:
        queue.admin.compact(older_than_s=0)
    move(queue, tmp_path / "new")
    queue.close()
    go_on(queue.path, clock, 1, 7, 30)
    go_on(tmp_path / "new", clock, 20, 1, 1, 16)
    assert rows_of(tmp_path / "new", "log", "streams") == rows_of(queue.path, "log", "streams")
    assert digest_of(tmp_path / "new") == digest_of(queue.path)
    with Queue.open(tmp_path / "new", create=False) as moved:
        assert moved.admin.verify(log_only=True).problems == []
