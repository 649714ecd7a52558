"""Jobs that ended, by when they changed: read from tables in that order, with the same answer as sorting them all."""

from typing import Any

import pytest

from queuectl import Job, Queue
from tests import lives
from tests.clocks import FakeClock

MAKERS = (lives.completed, lives.dead, lives.cancelled)
ENDED = ["completed", "dead", "cancelled"]


@pytest.fixture
def ended(queue: Queue, clock: FakeClock) -> list[Job]:
    """Return jobs in the order in which they last changed, which is not that in which they were enqueued."""
    for n in range(12):
        MAKERS[n % 3](queue, f"j{n}")
        clock.advance(10)
    for n in (1, 7):  # the dead that are edited changed last
        queue.edit(f"j{n}", priority=5)
        clock.advance(10)
    return sorted(queue.jobs(), key=lambda job: job.version)


def ids(jobs: list[Job]) -> list[str]:
    return [job.id for job in jobs]


@pytest.mark.parametrize("states", [ENDED, ["dead"], ["completed"], ["completed", "cancelled"]], ids="+".join)
def test_the_first_to_change_come_first(queue: Queue, ended: list[Job], states: list[str]) -> None:
    """Of one table or merged from several, forwards is backwards turned round."""
    meant = [job.id for job in ended if job.state in states]
    assert ids(queue.jobs(state=states, order="updated")) == meant
    assert ids(queue.jobs(state=states, order="-updated")) == meant[::-1]


@pytest.mark.parametrize("order", ["updated", "-updated"])
def test_a_page_goes_on_where_the_last_ended(queue: Queue, ended: list[Job], order: str) -> None:
    """In pages of five, each after the last of the one before, every job is there once."""
    found: list[str] = []
    after: dict[str, Any] = {}
    while page := ids(queue.jobs(state=ENDED, order=order, limit=5, **after)):
        found += page
        after = {"after": page[-1]}
    assert found == ids(ended if order == "updated" else ended[::-1])


@pytest.mark.parametrize("order", ["updated", "-updated"])
def test_only_those_of_a_time(queue: Queue, ended: list[Job], order: str) -> None:
    """From one moment until another, both of which count."""
    some = ended[3:9]
    since, until = some[0].updated_at_us, some[-1].updated_at_us
    found = ids(queue.jobs(state=ENDED, order=order, since=since, until=until))
    assert found == ids(some if order == "updated" else some[::-1])
