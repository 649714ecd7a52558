"""A disk that fills up: what was acknowledged is kept, what was not is as if it had never been asked for."""

import subprocess
import sys
from pathlib import Path

import pytest

from queuectl import JobRequest, Queue
from tests.lives import running

FULL = 600_000
"""Where the file may not grow beyond: a few hundred jobs."""

HINT = " space, then try again"

WRITER = """
import resource, sys
from queuectl import JobRequest, Queue, StoreError

def refused(do):
    try:
        do()
    except StoreError as error:
        print(error, file=sys.stderr)
    else:
        sys.exit("it was not refused")

def fill(queue, batch):
    while True:
        for job_id in queue.enqueue_many([JobRequest("x" * 1000)] * batch).ids:
            print(job_id, flush=True)

with Queue.open(sys.argv[1]) as queue:
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
    refused(lambda: fill(queue, int(sys.argv[3])))
    head = queue.head()
    refused(lambda: queue.enqueue_many([JobRequest("x" * 1000)] * 200))
    assert queue.head() == head == queue.status().head
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    for job_id in queue.enqueue_many([JobRequest("x" * 1000)] * 200).ids:
        print(job_id, flush=True)
    assert queue.head() == head + 200
    assert queue.replay(check=True).differences == []
"""


@pytest.mark.parametrize("batch", [1, 50, 5000])
def test_a_full_disk_costs_nothing_that_was_acknowledged(tmp_path: Path, batch: int) -> None:
    """Every acknowledged job is there and no other; refused in one line; with room again the process goes on."""
    path = tmp_path / "queue"
    done = subprocess.run(
        [sys.executable, "-c", WRITER, str(path), str(FULL), str(batch)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    refusals = done.stderr.splitlines()
    assert [line.startswith(f"cannot write to the queue at {path}: ") for line in refusals] == [True] * 2
    assert [HINT in line for line in refusals] == [True] * 2
    with Queue.open(path, create=False) as queue:
        acknowledged = done.stdout.split()
        assert [job.id for job in queue.jobs()][::-1] == acknowledged
        assert (len(acknowledged) > 200) == (batch < 5000)
        assert queue.replay(check=True).differences == []
        assert queue.enqueue("true").version == len(acknowledged) + 1


REPLAYER = """
import resource, sys
from queuectl import Queue, StoreError
with Queue.open(sys.argv[1]) as queue:
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
    try:
        queue.replay()
    except StoreError as error:
        sys.exit(str(error))
"""


def test_a_replay_for_which_there_is_no_room_harms_nothing(queue: Queue) -> None:
    """A replay that fills the disk is refused, the live views stay, and one with room works."""
    queue.enqueue_many([JobRequest("true", f"job{n}") for n in range(5000)])
    queue.complete(running(queue))
    jobs, room = queue.jobs(), (queue.path / "data.mdb").stat().st_size + 4096
    queue.close()
    done = subprocess.run(
        [sys.executable, "-c", REPLAYER, str(queue.path), str(room)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert HINT in done.stderr
    with Queue.open(queue.path) as again:
        assert again.jobs() == jobs
        assert again.replay().differences == []
