"""The parts of top by themselves: rates from the log, bars, lines that fit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from queuectl import Queue
from queuectl.cli.output.format import cells
from queuectl.cli.top import panels, tail
from queuectl.cli.top.tail import Tail
from queuectl.core.job_request import JobRequest
from tests.clocks import FakeClock


def counted(followed: Tail, now_us: int) -> dict[str, int]:
    """Return how many of each kind are known of."""
    return {name: sum(counts) for name, _, _, counts in followed.rates(now_us)}


def test_rates_count_the_last_minute(queue: Queue, clock: FakeClock) -> None:
    """Each event is counted once, however often it is looked, and for a minute."""
    followed = Tail()
    queue.enqueue("true", id="a", max_retries=0)
    queue.enqueue("true", id="b")
    followed.step(queue, clock.now_us())
    queue.worker("w").fail(queue.worker("w").start(queue.worker("w").claim()[0]), "exit code 3")
    queue.worker("w").complete(queue.worker("w").claim()[0])
    for _ in range(3):
        followed.step(queue, clock.now_us())
    assert counted(followed, clock.now_us()) == {"enqueued": 2, "completed": 1, "failed": 1}
    assert [(each.job_id, each.error, each.retry_at_us) for each in followed.failures] == [("a", "exit code 3", None)]
    clock.advance(61)
    followed.step(queue, clock.now_us())
    assert counted(followed, clock.now_us()) == {"enqueued": 0, "completed": 0, "failed": 0}
    assert len(followed.failures) == 1


def test_a_flood_is_skipped_and_said_so(queue: Queue, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where more happened than is read at one look, the rate is marked as too low."""
    monkeypatch.setattr(tail, "MOST_EVENTS", 50)
    followed = Tail()
    followed.step(queue, clock.now_us())
    queue.enqueue_many([JobRequest("true")] * 80)
    followed.step(queue, clock.now_us())
    name, per_s, is_more, counts = next(followed.rates(clock.now_us()))
    assert (name, is_more, sum(counts), per_s) == ("enqueued", True, 50, 50 / 60)


@given(st.lists(st.integers(0, 10_000), max_size=80), st.integers(-1, 70))
def test_sparkline_fits(counts: list[int], width: int) -> None:
    """A row of bars is no wider than it may be, flat where nothing happened and nowhere else."""
    drawn = panels.sparkline(counts, width)
    assert len(drawn) <= max(width, 0)
    assert set(drawn) <= set("▁▂▃▄▅▆▇█")
    if len(counts) <= width:
        assert [bar == "▁" for bar in drawn] == [count == 0 for count in counts]


@pytest.mark.slow
@given(st.lists(st.tuples(st.text(max_size=20), st.just("")), max_size=5), st.integers(1, 40))
def test_lines_fit(line: panels.Line, width: int) -> None:
    """Whatever a line holds, it is cut to the width."""
    shown = [(panels.escape(text), style) for text, style in line]
    assert panels.width_of(panels.fit(shown, width)) <= width


@given(st.text(min_size=1, max_size=30), st.integers(20, 100))
def test_jobs_fit(text: str, width: int) -> None:
    """A table of jobs is no wider than the screen, and holds no control character."""
    from queuectl import JobSpec
    from queuectl.core.job import Job, JobState

    job = Job(1, JobSpec("x" * 30, text), JobState.PENDING, 1, 0, 0, 0)
    titles, rows = panels.job_table([job], 1_000_000, width)
    for line in (titles, *rows):
        assert panels.width_of(line) <= width
        assert "".join(each for each, _ in line).isprintable() or "\u200d" in text
    assert cells(titles[0][0])


@pytest.mark.parametrize("width", [40, 80, 200])
def test_the_cause_of_a_failure_can_be_read(queue: Queue, clock: FakeClock, width: int) -> None:
    """Of an error that is too long for its line the last words are shown, and the line fits."""
    followed = Tail()
    queue.enqueue("true", id="backup", max_retries=0)
    followed.step(queue, clock.now_us())
    queue.worker("w").fail(
        queue.worker("w").start(queue.worker("w").claim()[0]),
        f"exit code 1: rsync: {'/deep' * 20}: Permission denied (13)",
    )
    followed.step(queue, clock.now_us())
    [line] = panels.failures(followed, clock.now_us(), 4, width)
    text = "".join(piece for piece, _ in line)
    assert text.endswith("denied (13)")
    assert cells(text) <= width
    assert ("exit code 1" in text) == (width == 200)
