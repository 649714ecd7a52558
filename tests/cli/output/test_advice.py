"""What people are told beside what they asked for: of queues that nobody serves, once, and on a terminal only."""

import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from queuectl.cli.output.advice import unserved_text
from queuectl.core.results import Unserved
from tests.cli.conftest import CommandLine
from tests.cli.terminal import Terminal
from tests.waiting import wait_until


def shown(cli: CommandLine, *words: str) -> list[str]:
    """Run a verb on a terminal and give the lines it shows, those that the terminal broke in one."""
    with Terminal(cli, *words, columns=200) as terminal:
        assert terminal.end() == 0
        return [line for line in terminal.text().splitlines() if line]


@contextmanager
def serving(cli: CommandLine, *words: str) -> Iterator[None]:
    """Have a real worker at work."""
    worker = cli.spawn("worker", "start", *words)
    wait_until(lambda: cli.json("worker", "list"))
    try:
        yield
    finally:
        worker.terminate()
        worker.communicate(timeout=20)


@pytest.mark.parametrize(
    ("found", "text"),
    [
        ([], None),
        (
            [("mail", 2)],
            "No running worker serves queue mail (2 jobs wait); start one: queuectl worker start --queue mail",
        ),
        ([("default", 1)], "No running worker serves queue default (1 job waits); start one: queuectl worker start"),
        (
            [("a", 1), ("b", 1)],
            "No running worker serves queue a (1 job waits) and queue b (1 job waits); "
            "start one: queuectl worker start",
        ),
    ],
)
def test_the_words(found: list[tuple[str, int]], text: str | None) -> None:
    """One wording, with what to type."""
    assert unserved_text(Path("/none"), [Unserved(*each) for each in found]) == text


def test_many_queues() -> None:
    """However many there are, it is one line."""
    told = unserved_text(Path("/none"), [Unserved(f"q{n}", 1) for n in range(20_000)])
    assert told is not None
    assert told.endswith("queue q2 (1 job waits) and 19,997 more queues; start one: queuectl worker start")


def test_enqueue_says_once_how_to_start_a_worker(cli: CommandLine) -> None:
    """The first job that nobody would run says so; the next ones of its queue do not, those of another do."""
    hint = "No running worker serves queue default (1 job waits); start one: queuectl worker start"
    assert shown(cli, "enqueue", "a", "true")[-1] == hint
    assert shown(cli, "enqueue", "b", "true") == ["Enqueued b"]
    assert "queue mail (1 job waits)" in shown(cli, "run", "true", "--queue", "mail")[1]
    assert len(shown(cli, "run", "true", "--queue", "mail")) == 1


@pytest.mark.slow
def test_enqueue_says_so_again_when_the_worker_is_gone(cli: CommandLine) -> None:
    """Of jobs that waited while a worker served nobody was told: the first one since it went tells."""
    cli("config", "set", "max_retries", "1")
    for stop in (signal.SIGTERM, signal.SIGKILL):
        worker = cli.spawn("worker", "start", "--queue", "mail")
        wait_until(lambda: [each["state"] for each in cli.json("worker", "list")] == ["running"])
        assert "No running worker" not in "".join(shown(cli, "run", "true", "--queue", "mail", "--delay", "1h"))
        worker.send_signal(stop)
        worker.communicate(timeout=20)
        wait_until(lambda: not any(each["state"] == "running" for each in cli.json("worker", "list")))
        assert "No running worker serves queue mail" in shown(cli, "run", "true", "--queue", "mail")[1]
        assert len(shown(cli, "run", "true", "--queue", "mail")) == 1
        with serving(cli, "--queue", "other"):
            pass
        assert len(shown(cli, "run", "true", "--queue", "mail")) == 1
        for worker_id in [each["id"] for each in cli.json("worker", "list")]:
            cli("worker", "stop", worker_id)


def test_enqueue_says_so_when_a_job_of_later_waits(cli: CommandLine) -> None:
    """A job due tomorrow needs nobody yet: the first one that is due tells, those after it do not."""
    cli("enqueue", "later", "true", "--delay", "1d")
    assert "(2 jobs wait)" in shown(cli, "enqueue", "a", "true")[-1]
    assert shown(cli, "enqueue", "b", "true") == ["Enqueued b"]
    assert shown(cli, "enqueue", "c", "true", "--delay", "1d") == ["Enqueued c"]


def test_the_limit_is_told_with_the_first_job_that_has_it(cli: CommandLine, tmp_path: Path) -> None:
    """A job that brings a time limit of its own is not told of the default; the first that takes it is, once."""
    limit = "A run is stopped after 5m, the default; --timeout 2h says otherwise, --timeout 0 is never."
    assert limit not in shown(cli, "enqueue", "own", "true", "--timeout", "1h")
    file = tmp_path / "jobs"
    file.write_text('{"command": "true", "timeout": 9}\n{"command": "true"}\n')
    assert limit in shown(cli, "enqueue", "--file", str(file))
    assert limit not in shown(cli, "enqueue", "next", "true")


def test_enqueue_of_a_file(cli: CommandLine, tmp_path: "os.PathLike[str]") -> None:
    """A file tells of each queue that it brought its first jobs to, in one line."""
    file = os.path.join(tmp_path, "jobs")  # noqa: PTH118 - a name for a command line
    with open(file, "w", encoding="utf-8") as sink:  # noqa: PTH123
        sink.write('{"command": "true"}\n{"command": "true"}\n{"command": "true", "queue": "mail"}\n')
    told = shown(cli, "enqueue", "--file", file)[-1]
    assert "queue default (2 jobs wait) and queue mail (1 job waits)" in told
    assert shown(cli, "enqueue", "--file", file)[-1] == "Enqueued 3 jobs"


def test_programs_are_not_told(cli: CommandLine) -> None:
    """Where stderr is no terminal nothing is said, but by a run that somebody waits for."""
    assert cli("enqueue", "a", "true").stderr == ""
    assert cli("run", "true", "--queue", "mail").stderr == ""


def test_where_a_worker_serves(cli: CommandLine) -> None:
    """Of a queue that a running worker serves nothing is said; of another it is, in status, its JSON, and top."""
    cli("enqueue", "later", "true", "--queue", "mail", "--delay", "1h")
    with serving(cli, "--queue", "mail"):
        assert shown(cli, "enqueue", "b", "true", "--queue", "mail", "--delay", "1h") == ["Enqueued b"]
        assert "No running worker" not in cli("status").stdout
        assert cli.json("status")["unserved"] == []
        cli("enqueue", "typo", "true", "--queue", "mial")
        told = "No running worker serves queue mial (1 job waits); start one: queuectl worker start --queue mial"
        assert cli("status").stdout.splitlines()[-1] == told
        assert cli.json("status")["unserved"] == ["mial"]
        assert told in cli("top", "--once").stdout.splitlines()


def test_status_without_workers(cli: CommandLine) -> None:
    """Where there is no worker at all, the line that says how to start one stands alone."""
    cli("enqueue", "a", "true")
    told = cli("status").stdout
    assert re.search(r"^No workers; start one: queuectl worker start$", told, re.M)
    assert "No running worker" not in told
    assert cli.json("status")["unserved"] == ["default"]


@pytest.mark.sampled(1)
@pytest.mark.parametrize("columns", [80, 40])
@pytest.mark.parametrize("words", [("status", "--watch"), ("top",)])
@pytest.mark.parametrize("queue", ["default", "reports.of-every-night"])
def test_screens_show_it_whole(cli: CommandLine, words: tuple[str, ...], columns: int, queue: str) -> None:
    """What is to be typed is not cut off on a narrow terminal, without workers and with one of another queue."""
    cli("enqueue", "a", "true", "--queue", queue)
    with Terminal(cli, *words, columns=columns) as terminal:
        terminal.wait_for("queuectl worker start")
    with serving(cli, "--queue", "mail"), Terminal(cli, *words, columns=columns) as terminal:
        start = "queuectl worker start" + (f" --queue {queue}" if queue != "default" else "")
        terminal.wait_for(lambda text: start in " ".join(text.split()))
