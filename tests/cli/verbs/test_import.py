"""import: jobs of other queues, as they were, with nothing lost silently; and an export from the command line."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import CommandLine

JOBS = {
    "a": {"id": "a", "command": "echo a", "state": "pending", "attempts": 0, "max_retries": 3, "priority": 5}
    | {"run_at": "2030-01-01T00:00:00Z", "created_at": "2025-11-01T10:00:00Z", "color": "red"},
    "b": {"command": "echo b", "state": "completed", "attempts": 2, "output": "hello\nworld\n", "exit_code": 0},
    "c": {"command": "false", "state": "failed", "attempts": 1, "max_retries": 3, "last_error": "exit 1"},
    "d": {"command": "false", "state": "dead", "attempts": 3, "max_retries": 3, "error": "boom"},
    "e": {"command": "true", "state": "processing", "attempts": 1, "max_retries": 3, "locked_by": "w1"},
    "h": {"command": "true", "state": "cancelled", "timeout": "5m", "cwd": "/tmp", "env": {"A": "1"}},
}
DEAD = [
    {"id": "d", "command": "false", "attempts": 4, "last_error": "boom"},
    {"id": "z", "command": "exit 4", "attempts": 4, "exit_code": 4, "stderr": "no"},
]


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """Return a jobs.json and its dlq.json."""
    return [written(tmp_path / "jobs.json", JOBS), written(tmp_path / "dlq.json", DEAD)]


def written(path: Path, value: Any) -> str:
    """Write JSON and give where."""
    path.write_text(json.dumps(value))
    return str(path)


def from_json(*words: str) -> list[str]:
    """Return the words of an import of JSON."""
    return ["import", "--format", "jobs-json", *words]


def test_a_pair_of_files_comes_in_as_it_was(cli: CommandLine, files: list[str]) -> None:
    """Each job is in the state that it had, with its attempts, error, output, time, place and history of why."""
    report = cli.json(*from_json(*files))
    assert (report["read"], report["rejected"]) == (7, [])
    assert report["states"] == {"pending": 1, "completed": 1, "failed": 2, "dead": 2, "cancelled": 1}
    assert report["unmapped"]["color"] == {"rows": 1, "example": "red"}
    jobs = {job["id"]: job for job in cli.json("list", "--limit", "0")}
    assert {name: (job["state"], job["attempts"]) for name, job in jobs.items()} == {
        "a": ("pending", 0),
        "b": ("completed", 2),
        "c": ("failed", 1),
        "d": ("dead", 4),
        "e": ("failed", 1),
        "h": ("cancelled", 0),
        "z": ("dead", 4),
    }
    assert (jobs["a"]["run_at"], jobs["a"]["priority"]) == ("2030-01-01T00:00:00.000000Z", 5)
    assert (jobs["c"]["last_error"], jobs["z"]["return_code"]) == ("exit 1", 4)
    assert (jobs["h"]["timeout_s"], jobs["h"]["cwd"], jobs["h"]["env"]) == (300, "/tmp", {"A": "1"})
    assert cli("logs", "b").stdout.endswith("hello\nworld\n")
    assert cli("logs", "z").stdout.endswith("no\n") or cli("logs", "z").stdout.endswith("no")
    first = cli.json("history", "a")[0]
    assert first["actor"] == "import"
    assert "imported from jobs.json and dlq.json by tester@" in first["reason"]
    assert "waiting there; created there 2025-11-01T10:00:00Z" in first["reason"]
    assert cli.json("replay", "--check")["differences"] == []


def test_what_waits_runs(cli: CommandLine, files: list[str]) -> None:
    """A worker runs what waited or ran there, with the attempts that are left."""
    cli("config", "set", "backoff_base", "0")
    cli(*from_json(files[0]))
    cli("retry", "e")
    cli("retry", "c")
    cli("cancel", "a")
    cli.drain()
    jobs = {job["id"]: job for job in cli.json("list", "--limit", "0")}
    assert (jobs["e"]["state"], jobs["e"]["attempts"]) == ("completed", 2)
    assert (jobs["c"]["state"], jobs["c"]["attempts"]) == ("dead", 4)


def test_a_row_that_cannot_be_taken_refuses_all(cli: CommandLine, tmp_path: Path) -> None:
    """By default nothing comes in, and the first row is told; --rejects takes the others and keeps those."""
    rows = [{"id": "ok", "command": "true"}, {"id": "f", "command": ""}, 5, {"id": "ok", "command": "false"}]
    file, rejects = written(tmp_path / "j.json", rows), tmp_path / "rejects.jsonl"
    told = cli(*from_json(file), code=1).stderr
    assert "3 rows of 4 cannot be taken, first j.json[1]: command" in told
    assert cli.json("list") == []
    assert "Cannot be taken: 3 rows" in cli(*from_json(file, "--dry-run")).stdout
    assert "Imported 1 of 4 jobs: 1 pending" in cli(*from_json(file, "--rejects", str(rejects))).stdout
    kept = [json.loads(line) for line in rejects.read_text().splitlines()]
    assert [row["where"] for row in kept] == ["j.json[1]", "j.json[2]", "j.json[3]"]
    assert [row["row"] for row in kept] == rows[1:]
    assert "is there already" in cli(*from_json(file, "--skip-existing", "--rejects", str(rejects)), code=1).stderr


def test_ids_that_are_taken(cli: CommandLine, files: list[str]) -> None:
    """They are refused, with the job untouched; --skip-existing leaves them out."""
    cli("enqueue", "a", "echo mine")
    assert "a job of that id exists (pending)" in cli(*from_json(*files), code=1).stderr
    report = cli.json(*from_json(*files, "--skip-existing", "--reason", "we move"))
    assert (report["skipped_existing"], sum(report["states"].values())) == (1, 6)
    assert cli.json("show", "a")["command"] == "echo mine"
    assert "we move" in cli.json("history", "b")[0]["reason"]
    assert cli.json(*from_json(*files, "--skip-existing"))["skipped_existing"] == 7


def test_only_what_waits(cli: CommandLine, files: list[str]) -> None:
    """--waiting-only leaves out what had ended, and says how many."""
    report = cli.json(*from_json(*files, "--waiting-only"))
    assert (report["states"], report["skipped_ended"]) == ({"pending": 1, "failed": 2}, 4)


def test_dry_run_writes_nothing(cli: CommandLine, files: list[str]) -> None:
    """It tells what would come in, and does not even make the queue."""
    report = cli.json(*from_json(*files, "--dry-run"))
    assert (report["dry_run"], sum(report["states"].values())) == (True, 7)
    assert not cli.db.exists()
    assert cli(*from_json(*files, "--dry-run")).stdout.startswith("Would import 7 of 7 jobs")


@pytest.fixture
def database(tmp_path: Path) -> str:
    """Return a SQLite file with jobs under other names."""
    with sqlite3.connect(tmp_path / "o.db") as connection:
        connection.execute(
            "CREATE TABLE Jobs (ID INTEGER PRIMARY KEY, Command, Status, maxAttempts, attempts, nextRunAt, payload)"
        )
        rows = [
            ("echo 1", "queued", 3, 0, None, b"\xff"),
            ("exit 2", "failed", 3, 1, "2031-01-01 10:00:00", None),
            ("true", "success", 3, 1, None, None),
        ]
        columns = "Command, Status, maxAttempts, attempts, nextRunAt, payload"
        connection.executemany(f"INSERT INTO Jobs ({columns}) VALUES (?, ?, ?, ?, ?, ?)", rows)
        connection.execute('CREATE TABLE "dead letters" (id, command)')
        connection.execute('INSERT INTO "dead letters" VALUES (9, ?)', ("false",))
    connection.close()
    return str(tmp_path / "o.db")


def test_a_sqlite_table_comes_in(cli: CommandLine, database: str) -> None:
    """Columns are found by what they are called elsewhere, in tables named; the file is only read."""
    before = Path(database).read_bytes()
    words = ["import", "--format", "sqlite-jobs", database, "--table", "jobs", "--table", "dead letters"]
    report = cli.json(*words)
    assert report["states"] == {"pending": 1, "failed": 1, "completed": 1, "dead": 1}
    assert report["unmapped"] == {"payload": {"rows": 1, "example": "b'\\xff'"}}
    assert cli.json("show", "2")["run_at"] == "2031-01-01T10:00:00.000000Z"
    assert cli.json("show", "2")["max_retries"] == 2
    assert Path(database).read_bytes() == before
    assert not list(Path(database).parent.glob("o.db-*"))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--format", "sqlite-jobs", "none.db"], "no such file"),
        (["--format", "sqlite-jobs", "{json}"], "not a database"),
        (["--format", "sqlite-jobs", "{db}", "--table", "nope"], "no table 'nope'; --table names one of Jobs"),
        (["--format", "jobs-json", "{db}"], "it is no JSON"),
        (["--format", "jobs-json", "none.json"], "No such file"),
        (["--format", "csv", "{db}"], "expected one of queuectl, jobs-json, sqlite-jobs"),
        (["{json}"], "line 1: it does not begin as `queuectl export` does"),
    ],
)
def test_files_that_cannot_be_read(
    cli: CommandLine, database: str, files: list[str], words: list[str], told: str
) -> None:
    """A missing, foreign or broken file is refused in one line, with what was expected."""
    result = cli(
        "import", *(word.format(json=files[0], db=database) for word in words), code=2 if "csv" in words else 1
    )
    assert told in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("words", [["a", "b"], ["a", "--dry-run"], ["--format", "jobs-json", "a", "--table", "x"], []])
def test_options_that_do_not_go_together_are_refused(cli: CommandLine, words: list[str]) -> None:
    """Options that do not go together are refused as a usage error."""
    cli("import", *words, code=2)


@pytest.mark.slow
def test_many_rows_come_in_whole_chunks(cli: CommandLine, tmp_path: Path) -> None:
    """More rows than a transaction takes come in all the same, without ids too, each with a generated id."""
    rows = [{"command": "true", "state": ("pending", "completed", "dead")[n % 3]} for n in range(6_000)]
    report = cli.json(*from_json(written(tmp_path / "j.json", rows)))
    assert report["states"] == {"pending": 2_000, "completed": 2_000, "dead": 2_000}
    assert report["notes"]["had no id: got a generated id"] == 6_000
    assert cli.json("status")["jobs"]["dead"] == 2_000
    assert cli.json("replay", "--check")["differences"] == []


def test_out_and_in_through_files_and_pipes(cli: CommandLine, tmp_path: Path) -> None:
    """export to a file or to stdout, import from either; backup and restore likewise."""
    cli("enqueue", "a", "echo a")
    cli.drain()
    cli("export", str(tmp_path / "e.jsonl"))
    assert "is there already" in cli("export", str(tmp_path / "e.jsonl"), code=1).stderr
    content = cli("export").stdout
    assert content.splitlines()[1:] == (tmp_path / "e.jsonl").read_text().splitlines()[1:]
    db = cli.db
    for number, (words, piped) in enumerate([(["-"], content), ([str(tmp_path / "e.jsonl")], None)]):
        cli.db = tmp_path / f"new{number}"
        assert cli("import", *words, text=piped).stdout.startswith("Imported ")
        assert cli("logs", "a").stdout.endswith("a\n")
    cli.db = db
    packed = cli("backup", "-").stdout_bytes
    assert cli.json("backup", str(tmp_path / "b.tgz"))["head"] == cli.json("status")["head"]
    for number, (words, text) in enumerate([(["-"], packed), ([str(tmp_path / "b.tgz")], None)]):
        cli.db = tmp_path / f"back{number}"
        assert cli("restore", *words, text=text).stdout.startswith("Restored the queue as of ")
        assert cli("logs", "a").stdout.endswith("a\n")
    assert cli.json("restore", str(tmp_path / "b.tgz"), "--force")["aside"].startswith(str(cli.db))
    assert cli("restore", "--finish").stdout == "There is nothing to finish\n"
    cli("restore", code=2)


def test_an_export_that_is_empty(cli: CommandLine, tmp_path: Path) -> None:
    """A file with nothing in it is told as such, and not by a line that it does not have."""
    (tmp_path / "empty").touch()
    told = cli("import", str(tmp_path / "empty"), code=1).stderr
    assert f"cannot import {tmp_path / 'empty'}: the file is empty: it does not begin" in told
    assert "line 0" not in told


def test_an_export_that_is_not_there(cli: CommandLine) -> None:
    """A file that cannot be read is named, with what to give."""
    assert "cannot import none.jsonl: No such file" in cli("import", "none.jsonl", code=1).stderr
    assert not cli.db.exists()
