"""Tables on a real terminal: whatever a job is called and runs, each job is one line, and nothing of it is obeyed."""

import re

import pytest

from queuectl.cli.output.format import cells
from queuectl.core.commands import FailJob, ReleaseJob, RetryPolicy
from queuectl.engine.unit_of_work import token_of
from queuectl.events.types import Failure
from queuectl.queue import Queue
from tests.cli.conftest import CommandLine
from tests.cli.terminal import Terminal

STRANGE = {
    "cjk": "echo 日本語のコマンド" * 6,
    "family": "echo 👨\u200d👩\u200d👧 👩\u200d💻 👍🏽 🏳\ufe0f\u200d🌈 ❤\ufe0f 🇩🇪 " * 6,
    "marks": "echo " + "e\u0301\u0302\u0323" * 60,
    "hebrew": "echo שלום עולם " * 9,
    "override": "rm \u202egnp.exe\u2066\u2069\u200f" * 9,
    "ansi": "printf \x1b[2J\x1b[H\x1b]0;owned\x07\x1b[5m\x1b[?1049h" * 3,
    "c1": "printf \x9b2J\x9d0;owned\x9c\x90\x85" * 5,
    "lines": "first\nsecond\r\nthird\ttab\x0b\x0c\x00".replace("\x00", "\x08") * 5,
    "joiner": "a\u200db\u200c" * 60,
    "argv": "x" * 300,
}


@pytest.fixture
def strange(cli: CommandLine) -> CommandLine:
    """Return a queue in which every command means ill, and all columns are used."""
    with Queue.open(cli.db) as queue:
        for name, command in STRANGE.items():
            queue.enqueue(command, id=name, queue="q-" + name, priority=7, max_retries=1, backoff_base=3_000)
            (job,) = queue.worker("w").claim(1)
            queue.worker("w").fail(
                queue.worker("w").start(job), f"failed: {command[:200]}", return_code=1, duration_ms=61_000
            )
    return cli


@pytest.mark.sampled(3)
@pytest.mark.parametrize("columns", [80, 40, 24])
@pytest.mark.parametrize("words", [["list", "--order", "enqueued"], ["list", "--columns", "id,error,command"]])
def test_each_job_is_one_line(strange: CommandLine, columns: int, words: list[str]) -> None:
    """At any width a table has a line a job, which begins with its id, and what was hidden is said by an ellipsis."""
    with Terminal(strange, *words, columns=columns, rows=40) as terminal:
        assert terminal.end() == 0
        lines = terminal.text().splitlines()
    shown = [line for line in lines if line]
    assert len(shown) == 1 + len(STRANGE)
    titles = shown[0].split()
    assert titles[0] == "ID"
    names = [line.split()[0] for line in shown[1:]]
    assert all(name in STRANGE or name.endswith("…") for name in names)
    assert all("…" in line for line in shown[1:])


def test_nothing_is_obeyed(strange: CommandLine) -> None:
    """No escape sequence, C1 control or bidirectional override of a job reaches the terminal in any list."""
    for words in (["list"], ["dlq", "list"], ["show", "ansi"], ["show", "c1"], ["show", "override"], ["history", "c1"]):
        with Terminal(strange, *words, columns=80, rows=60) as terminal:
            assert terminal.end() == 0
            sent = terminal.sent.decode()
        plain = sent.replace("\x1b[0m", "").replace("\r\n", "\n")
        for code in ("1", "2", "31", "32", "33", "34", "35", "36"):
            plain = plain.replace(f"\x1b[{code}m", "")
        assert not [char for char in plain if char != "\n" and (ord(char) < 32 or 127 <= ord(char) < 160)]
        assert not set(plain) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f")


def test_columns_go_where_there_is_no_room(strange: CommandLine) -> None:
    """On a narrow terminal the columns that matter least are left out, on a wide one none is."""
    titles = {}
    for columns in (200, 80, 40):
        with Terminal(strange, "list", columns=columns, rows=60) as terminal:
            assert terminal.end() == 0
            titles[columns] = terminal.text().split("\n", 1)[0].split()
    assert titles[200] == ["ID", "STATE", "QUEUE", "PRIO", "TRIES", "WHEN", "TOOK", "COMMAND"]
    assert set(titles[40]) < set(titles[80]) < set(titles[200])
    assert titles[40] == ["ID", "STATE", "COMMAND"]


def test_the_state_tells_of_the_retry(strange: CommandLine) -> None:
    """A failed job's state has its exit code and when the next attempt is due; into a pipe go no colours or boxes."""
    piped = strange("list", "--state", "failed").stdout
    assert "failed (1), retry in 49m" in piped or "failed (1), retry in 50m" in piped
    assert "\x1b" not in piped
    assert STRANGE["cjk"] in piped
    with Terminal(strange, "list", columns=120) as terminal:
        assert terminal.end() == 0
        assert b"\x1b[33mfailed (1), retry in " in terminal.sent


LONG_ID = "worker-" + "9" * 60
TABLES = {
    "list": ["ID", "STATE", "COMMAND"],
    "list --columns id,state,queue,priority,tries,when,took,command,error,worker,exit": ["ID", "STATE"],
    "dlq list": ["ID", "STATE"],
    "worker list": ["ID", "STATE", "RUNNING"],
    "events": ["POS", "JOB", "EVENT", "DETAILS"],
    "history cjk": ["POS", "EVENT", "DETAILS"],
    "history --tree cjk": ["JOB", "STATE"],
    "history config": ["POS", "EVENT", "DETAILS"],
    "config show": ["KEY", "VALUE"],
    "subscriptions": ["NAME", "BEHIND"],
    "status": ["queue", "failed"],
    "snapshot list": ["POS", "TIME", "SIZE"],
    "top --once": ["ID", "STATE", "WHEN"],
}
"""Verb with a table -> the columns that it keeps on the narrowest terminal."""


@pytest.fixture
def crowded(strange: CommandLine) -> CommandLine:
    """Return the same queue with long ids, long names of queues, workers, settings and subscriptions."""
    with Queue.open(strange.db) as queue:
        queue.enqueue("echo 仕事" * 40, id="日本語" * 40, queue="Q" * 64, max_retries=0, priority=-2_000_000_000)
        (job,) = queue.worker("w").claim(1)
        queue.worker("w").fail(queue.worker("w").start(job), "失敗" * 90, return_code=1, duration_ms=99_999_999)
        queue.worker(LONG_ID).started(host="ホスト" * 30, pid=4_194_303, slots=1_000, queues=["Q" * 64, "mail"])
        queue.worker("w").started(host="here", pid=1, slots=1)
        for name in ("x" * 120, "e\u0301" * 50):
            queue.enqueue("true", id=name, queue="mail")
            queue.worker("w").start(*queue.worker("w").claim(1, queues=["mail"]))
        queue.admin.config_set("shell", "/bin/" + "b" * 300, reason="理由" * 90)
        with queue.subscribe("s" * 64, follow=False) as subscription:
            list(subscription)
        queue.admin.make_snapshots()
    return strange


@pytest.mark.sampled(4)
@pytest.mark.parametrize("columns", [40, 60, 80, 200])
@pytest.mark.parametrize("line", TABLES)
def test_no_row_is_broken(crowded: CommandLine, line: str, columns: int) -> None:
    """No row is wider than the terminal, whatever is in it, and the columns that matter most are there."""
    with Terminal(crowded, *line.split(), columns=columns, rows=200) as terminal:
        assert terminal.end() == 0
        sent = re.sub(r"\x1b\[[0-9;]*m", "", terminal.sent.decode())
    whole = [
        row for row in sent.split("\r\n") if not row.startswith("No room here") and "queuectl worker stop" not in row
    ]
    assert [row for row in whole if cells(row) > columns and not row.startswith("Queue at ")] == []
    [titles] = [row.split() for row in whole if row.split()[:1] == TABLES[line][:1]]
    assert set(TABLES[line]) <= set(titles)
    assert all(len(title) > 1 for title in titles)


def test_a_long_value_costs_no_other_column(crowded: CommandLine) -> None:
    """One id of 120 columns is cut; for its sake the others keep what there is room for."""
    with Terminal(crowded, "list", columns=100, rows=60) as terminal:
        assert terminal.end() == 0
        titles = terminal.text().split("\n", 1)[0].split()
    assert {"TRIES", "WHEN", "COMMAND"} <= set(titles)


def test_columns_that_were_asked_for(crowded: CommandLine) -> None:
    """Those for which there is no room at all are named; into a pipe all of them go."""
    wanted = "id,state,queue,priority,tries,when,took,command,error,worker,exit"
    with Terminal(crowded, "list", "--columns", wanted, columns=40, rows=60) as terminal:
        assert terminal.end() == 0
        assert "No room here for TOOK, COMMAND, LAST" in terminal.text()
    done = crowded("list", "--columns", wanted)
    assert "No room" not in done.stderr
    assert "LAST ERROR" in done.stdout


def test_a_row_is_a_line_also_in_a_pipe(cli: CommandLine) -> None:
    """What an older release let into the log of how a run ended breaks no row, and is shown made visible."""
    hostile = "a\nb\x1b]0;owned\x07\u202e"
    with cli.queue() as queue:
        queue.enqueue("true", id="a", max_retries=0)
        (job,) = queue.worker("w").claim()
        with queue._engine.unit(actor="w") as unit:
            unit.execute([(job.number, ReleaseJob(token_of(job), hostile))])
        job = queue.worker("w").start(queue.worker("w").claim()[0])
        with queue._engine.unit(actor="w") as unit:
            unit.execute([(job.number, FailJob(token_of(job), RetryPolicy(1), Failure.SIGNAL, hostile, None, hostile))])
    for words in (
        ["list"],
        ["list", "--columns", "id,exit,error"],
        ["dlq", "list"],
        ["history", "a", "--tree"],
        ["show", "a"],
        ["history", "a"],
    ):
        shown = cli(*words).stdout
        assert "a\\nb\\x1b]0;owned\\x07\\u202e" in shown, words
        assert all(line.isprintable() for line in shown.splitlines()), words
    assert len(cli("list").stdout.splitlines()) == 2
