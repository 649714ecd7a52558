"""`queuectl compact`: what old jobs leave goes to an archive, and says how much that was."""

import json
import signal
from pathlib import Path

import pytest

from queuectl import JobRequest
from tests.cli.conftest import CommandLine
from tests.waiting import wait_until


@pytest.fixture
def old(cli: CommandLine) -> CommandLine:
    """Return a queue with a job that completed, one that died, one that was cancelled and one that waits."""
    for job_id in ("done", "dropped", "waits"):
        cli("enqueue", job_id, "true", *(["--delay", "1h"] if job_id == "waits" else []))
    cli("cancel", "dropped")
    cli.complete("done")
    cli("enqueue", '{"id":"doomed","command":"false","max_retries":0}')
    with cli.queue() as queue:
        queue.worker("w1").fail(queue.worker("w1").start(queue.worker("w1").claim()[0]), "exit code 1", return_code=1)
    return cli


def test_it_tells_what_went(old: CommandLine) -> None:
    """People read how many events of how many jobs went and where to; the jobs are gone from the list."""
    told = old("compact", "--older-than", "0s", "--keep-dead", "--reason", "tidy").stdout
    assert "Archived " in told
    assert "of 2 jobs" in told
    assert "archive/000001-1-" in told
    assert {job["id"] for job in old.json("list")} == {"waits", "doomed"}
    assert old.json("events")[-1]["reason"] == "tidy"
    assert [event["type"] for event in old.json("history", "dropped")] == ["enqueued", "cancelled"]


def test_programs_read_one_document(old: CommandLine, tmp_path: Path) -> None:
    """--json gives the counts, the segments and what was shrunk; --archive says where they go."""
    done = old.json("compact", "--older-than", "0s", "--archive", str(tmp_path / "away"), "--shrink")
    assert (done["jobs"], done["dry_run"]) == (3, False)
    assert [Path(segment).parent for segment in done["segments"]] == [tmp_path / "away"]
    assert done["shrunk"]["after_bytes"] <= done["shrunk"]["before_bytes"]
    assert [job["id"] for job in old.json("list")] == ["waits"]


def test_a_dry_run_changes_nothing(old: CommandLine) -> None:
    """--dry-run tells what would go; all is there afterwards."""
    assert "Would archive" in old("compact", "--older-than", "0s", "--dry-run").stdout
    assert old.json("compact", "--older-than", "0s", "--dry-run")["jobs"] == 3
    assert len(old.json("list")) == 4
    assert not (old.db / "archive").exists()


def test_a_subscription_that_lags_is_named(old: CommandLine) -> None:
    """Whoever has subscribed and not read what goes is named on stderr; who has read it is not."""
    with old.queue() as queue:
        for _ in queue.subscribe("reads", follow=False):
            pass
        queue.subscribe("lags").close()
        with queue.subscribe("lags") as lagging:
            next(iter(lagging))
    told = old("compact", "--older-than", "0s", "--dry-run").stderr
    assert "would miss what goes: subscription lags\n" in told
    assert "will miss what goes: subscription lags\n" in old("compact", "--older-than", "0s").stderr


def test_nothing_old_is_no_failure(old: CommandLine) -> None:
    """Where nothing is old enough it says so with zeros and exits 0."""
    assert old("compact", "--older-than", "30d").stdout == "Archived 0 events (0 B) of 0 jobs\n"


@pytest.mark.parametrize("words", [[], ["--keep-dead"], ["--archive", "x"], ["--dry-run"], ["--shrink", "--dry-run"]])
def test_it_asks_how_old(cli: CommandLine, words: list[str]) -> None:
    """Without --older-than there is nothing to do but --shrink alone: a usage error says what to type."""
    assert "--older-than 30d" in cli("compact", *words, code=2).stderr


def test_shrinking_a_queue_in_use_is_refused_before_anything_else(old: CommandLine) -> None:
    """While a worker has it open, --shrink says what to do; --older-than beside it has not begun either."""
    worker = old.spawn("worker", "start")
    try:
        wait_until(lambda: [info for info in old.json("worker", "list") if info["state"] == "running"])
        refused = old.process("compact", "--older-than", "0s", "--shrink")
        assert refused.returncode == 1
        assert "queuectl worker stop --wait" in refused.stderr
        assert len(old.json("list")) == 4
        assert old.json("compact", "--older-than", "0s")["jobs"] == 3
    finally:
        worker.send_signal(signal.SIGTERM)
        worker.communicate(timeout=20)
    assert old.json("compact", "--shrink")["shrunk"]["after_bytes"]


def test_no_queue_is_no_reason_to_make_one(cli: CommandLine) -> None:
    """Neither half makes a queue where there is none."""
    assert "no queue at" in cli("compact", "--older-than", "1d", code=1).stderr
    assert "no queue at" in cli("compact", "--shrink", code=1).stderr
    assert not cli.db.exists()


@pytest.mark.slow
def test_interrupted_it_says_how_far_it_got(cli: CommandLine) -> None:
    """Ctrl-C ends it with 130 and says what is gone; each event is still in the log or the archive."""
    with cli.queue() as queue:
        queue.enqueue_many([JobRequest("true", f"job{n}") for n in range(20_000)])
        while claimed := queue.worker("w1").claim(5_000):
            queue.worker("w1").complete_many(claimed)
        head = queue.log.head()
    compact = cli.spawn("compact", "--older-than", "0s")
    wait_until(lambda: (cli.db / "archive").exists() or compact.poll() is not None)
    compact.send_signal(signal.SIGINT)
    _, stderr = compact.communicate(timeout=20)
    assert compact.returncode == 130
    assert "Interrupted: " in stderr, stderr
    assert "type it again to go on" in stderr
    assert json.loads(cli.process("replay", "--check", "--json").stdout)["differences"] == []
    assert len(cli.json("history", "job7")) == 3
    done = cli.json("compact", "--older-than", "0s")
    with cli.queue() as queue:
        assert sum(each.event.removed for each in queue.events(types=["retention_applied"])) >= head
    assert done["jobs"] <= 20_000
