"""What follows from how a run ends, and until when: typed, in lines of JSON, shown, edited."""

import json
from pathlib import Path
from shlex import split

import pytest

from tests.waiting import wait_until

from ..conftest import CommandLine

ROOT = Path(__file__).parent.parent.parent.parent

POLICY = (
    *("--ok-on", "1", "--dead-on", "66,64,65", "--snooze-on", "75", "--retry-on", "signal,timeout"),
    *("--snooze", "5m", "--max-snoozes", "7"),
)
BACKOFF = ("--backoff", "list:1s,10s,1m", "--backoff-max", "30s")
TIMES = ("--expire-at", "2031-01-01T00:00:00Z", "--if-expired", "cancel", "--max-time", "2h")
KEPT = {
    **{"ok_on": "1", "dead_on": "64-66", "snooze_on": "75", "retry_on": "signal,timeout", "snooze": 300},
    **{"max_snoozes": 7, "backoff": "list:1s,10s,60s", "backoff_max": 30},
}


def test_what_is_typed_is_kept_shown_and_told(cli: CommandLine) -> None:
    """Each option is in the job's JSON and in `show`, in its one form."""
    job = cli.json("enqueue", "a", "true", *POLICY, *BACKOFF, *TIMES)
    assert job["policy"] == KEPT
    told = (job["expires_at"], job["if_expired"], job["max_time_s"])
    assert told == ("2031-01-01T00:00:00.000000Z", "cancel", 7200)
    lines = cli("show", "a").stdout
    for told in ("ok on ", "dead on ", "64-66", "for 5m, 7 times at the most", "list:1s,10s,60s, 30s at the most"):
        assert told in lines
    assert "then it is cancelled" in lines
    assert lines.split("max time")[1].split("\n")[0].strip() == "2h"


def test_the_same_in_a_line_of_json(cli: CommandLine, tmp_path: Path) -> None:
    """What the options say, a line of a file says by the same names with underscores; numbers and lists too."""
    line = {"id": "a", "command": "true", **KEPT, "ok_on": 1, "dead_on": [64, "65-66"], "expire_in": "2h"}
    (tmp_path / "jobs.jsonl").write_text(json.dumps(line) + "\n")
    cli("enqueue", "--file", str(tmp_path / "jobs.jsonl"))
    job = cli.json("show", "a")
    assert (job["policy"], job["if_expired"]) == (KEPT, "dead")


def test_a_line_that_says_otherwise_is_not_given_the_option(cli: CommandLine, tmp_path: Path) -> None:
    """Options are for the lines of a file that do not say the like themselves, in either of two ways."""
    lines = [
        {"id": "a", "command": "true", "expire_at": "2031-01-01", "backoff": "fixed:1s"},
        {"id": "b", "command": "true"},
    ]
    (tmp_path / "jobs.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    cli("enqueue", "--file", str(tmp_path / "jobs.jsonl"), "--expire-in", "2h", "--backoff-base", "5")
    assert [cli.json("show", name)["backoff_base"] for name in "ab"] == [2, 5]
    assert cli.json("show", "a")["policy"] == {"backoff": "fixed:1s"}


def test_an_edit_changes_one_of_them_and_leaves_the_others(cli: CommandLine) -> None:
    """--set takes each by its name, and nothing empties it."""
    cli("enqueue", "a", "true", *POLICY, *BACKOFF, *TIMES)
    job = cli.json("edit", "a", "--set", "dead_on=70", "--set", "backoff=fixed:2s", "--set", "max_time=")
    assert job["policy"] == KEPT | {"dead_on": "70", "backoff": "fixed:2s"}
    assert (job["expires_at"], job["if_expired"], job["max_time_s"]) == ("2031-01-01T00:00:00.000000Z", "cancel", None)
    emptied = [f"--set={name}=" for name in ("ok_on", "dead_on", "snooze_on", "retry_on", "backoff", "backoff_max")]
    job = cli.json("edit", "a", *emptied, "--set", "expire_at=")
    assert (job["policy"], job["expires_at"], job["if_expired"]) == (None, None, None)
    assert "policy none" in cli("history", "a").stdout


def test_a_rule_that_applied_is_named(cli: CommandLine) -> None:
    """In `show`, `history`, `logs`, `dlq list` and the list of those that are over."""
    cli("enqueue", "d", "exit 65", "--dead-on", "65")
    cli("enqueue", "o", "exit 1", "--ok-on", "1")
    cli("enqueue", "s", "exit 75", "--snooze-on", "75", "--max-snoozes", "1", "--snooze", "0", "--max-retries", "0")
    cli("enqueue", "x", "true", "--expire-at", "2001-01-01")
    cli("enqueue", "c", "true", "--expire-at", "2001-01-01", "--if-expired", "cancel")
    worker = cli("worker", "start", "--drain")
    assert "s: snoozed in" in worker.stdout
    assert "dead [dead_on 65]" in worker.stdout
    assert "completed" in worker.stdout
    assert "[ok_on 1]" in worker.stdout
    dead = cli("dlq", "list").stdout
    assert "[dead_on 65] exit code 65" in dead
    assert "dead (expired)" in dead
    assert "cancelled (expired)" in cli("list").stdout
    assert "expired before it ran" in cli("history", "x").stdout
    assert "the last: exit_code [dead_on 65]" in cli("history", "d").stdout
    assert "exit code 1 [ok_on 1]" in cli("history", "o").stdout
    assert "[snooze_on 75], no attempt used up" in cli("history", "s").stdout
    assert cli.json("show", "s")["snoozes"] == 1
    assert "snoozed " in cli("show", "s").stdout


def test_what_the_page_on_workers_shows_can_be_typed(cli: CommandLine) -> None:
    """Each enqueue of its examples is taken as it stands there."""
    page = (ROOT / "docs" / "workers.md").read_text(encoding="utf-8")
    lines = [line.strip() for line in page.splitlines() if line.startswith("    queuectl enqueue ")]
    assert len(lines) >= 7
    for line in lines:
        assert cli(*split(line, comments=True)[1:]).exit_code == 0, line


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["--dead-on", "65", "exit 65"], 65, "is dead [dead_on 65]: exit code 65\n"),
        (["--ok-on", "1", "exit 1"], 0, ""),
        (["--expire-at", "2001-01-01", "true"], 1, "is dead [expired]\n"),
        (
            ["--snooze-on", "75", "--snooze", "0", "--max-snoozes", "1", "--max-retries", "0", "exit 75"],
            75,
            "[snooze_on 75]: exit code 75\n",
        ),
    ],
)
def test_whoever_waits_is_told_the_rule(cli: CommandLine, words: list[str], code: int, says: str) -> None:
    """run --wait says by which rule the job ended, and exits with 0 where it has completed."""
    waiting = cli.spawn("run", "--wait", "--id", "a", *words)
    wait_until(cli.jobs)
    cli.drain()
    _, errors = waiting.communicate(timeout=20)
    assert (waiting.returncode, says in errors) == (code, True)
    assert ", again: " not in errors
