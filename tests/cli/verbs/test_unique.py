"""Unique keys as they are typed: what is told, by which exit code, in words and in JSON."""

import json
from pathlib import Path

from ..conftest import CommandLine

REPLACE = ("--unique", "k", "--if-exists", "replace")


def test_a_job_that_holds_the_key_is_named(cli: CommandLine) -> None:
    """Nothing is enqueued, and it is no error; with --json it is that job, and says so."""
    assert cli("enqueue", "a", "true", "--unique", "k").stdout == "Enqueued a\n"
    assert cli("enqueue", "b", "false", "--unique", "k").stdout == "Exists a\n"
    assert cli("run", "false", "--unique", "k").stdout == "Exists a\n"
    job = cli.json("enqueue", "b", "false", "--unique", "k", "--if-exists", "return")
    assert (job["id"], job["command"], job["unique"], job["existing"], job["edited"]) == ("a", "true", "k", True, False)
    assert cli.json("run", "true", "--unique", "other", "--unique-for", "1h")["existing"] is False
    assert "existing" not in cli.json("enqueue", "c", "true")
    assert "unique key  k" in cli("show", "a").stdout
    assert "unique key k" in cli("history", "a").stdout


def test_a_refusal_is_an_error_that_names_it(cli: CommandLine) -> None:
    """Exit 1, with what to type."""
    cli("enqueue", "a", "true", "--unique", "k")
    refused = cli("enqueue", "b", "true", "--unique", "k", "--if-exists", "refuse", code=1)
    assert "unique key 'k' is held by job 'a' (pending)" in refused.stderr
    assert "queuectl wait a" in refused.stderr


def test_a_waiting_job_is_replaced_and_keeps_its_id(cli: CommandLine) -> None:
    """The answer says which it is; history tells what changed."""
    cli("enqueue", "a", "true", "--unique", "k", "--unique-for", "1h")
    assert cli("enqueue", "b", "echo b", "--merge", "--unique-for", "2h", *REPLACE).stdout == "Edited a, which exists\n"
    job = cli.json("enqueue", "b", "echo c", "--priority", "4", *REPLACE)
    told = (job["id"], job["command"], job["priority"], job["unique_until"], job["existing"], job["edited"])
    assert told == ("a", "echo c", 4, None, True, True)
    edits = cli("history", "a").stdout
    assert "command echo b, stderr goes to stdout yes, key held until 2" in edits
    assert "key held until its end" in edits
    cli("worker", "start", "--drain")
    assert cli("enqueue", "b", "true", *REPLACE).stdout == "Enqueued b\n"


def test_a_file_of_jobs(cli: CommandLine, tmp_path: Path) -> None:
    """What became of the lines is counted, and with --json named."""
    lines = [{"command": "1", "id": "a"}, {"command": "2", "id": "b"}, {"command": "3", "if_exists": "replace"}]
    (tmp_path / "jobs").write_text("".join(json.dumps(line) + "\n" for line in lines))
    words = ("enqueue", "--file", str(tmp_path / "jobs"), "--unique", "k")
    told = "Enqueued 1 job, left out 1 whose unique key is held, edited 1 job that exists\n"
    assert cli(*words).stdout == told
    told_json = {"enqueued": 0, "skipped": 0, "ids": [], "existing": ["a", "a"], "edited": ["a"]}
    assert cli.json(*words) == told_json


def test_a_retry_takes_no_key_from_another(cli: CommandLine) -> None:
    """Named it is an error, among many it is told beside what was retried."""
    cli("enqueue", "a", "true", "--unique", "k")
    cli("cancel", "a")
    cli("enqueue", "b", "true", "--unique", "k")
    refused = "cannot retry 'a': unique key 'k' is held by job 'b' (pending)"
    assert refused in cli("retry", "a", code=1).stderr
    many = cli("retry", "--state", "cancelled", "--yes")
    assert (many.stdout, many.stderr) == ("Requeued 0 jobs; refused 1 job\n", f"{refused}\n")
    told = cli.json("retry", "--state", "cancelled", "--yes")
    assert told == {"ids": [], "left": 0, "refused": [refused]}
