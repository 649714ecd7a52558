"""enqueue: every form, every option, and what is refused."""

import json
import signal
import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import CommandLine
from tests.cli.terminal import Terminal
from tests.waiting import wait_until


def test_id_and_command(cli: CommandLine) -> None:
    """Two words are an id and a shell line."""
    assert cli("enqueue", "job1", "echo Hello World").stdout == "Enqueued job1\n"
    job = cli.json("show", "job1")
    assert (job["command"], job["state"], job["queue"]) == ("echo Hello World", "pending", "default")


def test_json_argument(cli: CommandLine) -> None:
    """One word that begins with { is a job in JSON, all its keys taken."""
    given = {
        "id": "job1",
        "command": "echo hi",
        "max_retries": 3,
        "priority": 5,
        "timeout": 30,
        "run_at": "2026-01-01T00:00:00Z",
        "queue": "mail",
        "env": {"A": "b"},
        "cwd": "/tmp",
    }
    cli("enqueue", json.dumps(given))
    job = cli.json("show", "job1")
    assert job["run_at"] == "2026-01-01T00:00:00.000000Z"
    assert (job["timeout_s"], job["priority"], job["max_retries"]) == (30, 5, 3)
    assert (job["queue"], job["env"], job["cwd"]) == ("mail", {"A": "b"}, "/tmp")


def test_id_and_command_by_option(cli: CommandLine) -> None:
    """--id and --command name them, in any order with the other options."""
    assert cli("enqueue", "--id", "jobB", "--command", "echo x", "--priority", "10").stdout == "Enqueued jobB\n"
    assert cli.json("show", "jobB")["priority"] == 10


def test_command_alone_gets_an_id(cli: CommandLine) -> None:
    """Without an id the job gets one, which is printed."""
    job_id = cli("enqueue", "--command", "true").stdout.removeprefix("Enqueued ").strip()
    assert cli.json("show", job_id)["command"] == "true"


@pytest.mark.parametrize("before", [["--id", "job1"], ["job1"]])
def test_all_after_two_dashes_is_an_argument_vector(cli: CommandLine, before: list[str]) -> None:
    """Everything after -- is an argument vector, options and spaces included, with the id before it."""
    cli("enqueue", *before, "--", "rsync", "-a", "--queue", "my dir", "--", "x")
    assert cli.json("show", "job1")["command"] == ["rsync", "-a", "--queue", "my dir", "--", "x"]


def test_argv_runs_without_a_shell(cli: CommandLine) -> None:
    """An argument vector reaches its program word for word."""
    cli("enqueue", "a", "--", "printf", "%s|", "$HOME", "two words", ";")
    cli.drain()
    assert cli.json("logs", "a")[0]["stdout"] == "$HOME|two words|;|"


def test_each_option_lands_in_the_job(cli: CommandLine, tmp_path: Path) -> None:
    """Each option lands in the job; a relative --cwd is the caller's."""
    options = "--queue mail --priority -3 --max-retries 7 --timeout 1m30s --backoff-base 1.5 --env A=1 --env B=x=y"
    cli("enqueue", "j", "true", *options.split(), "--cwd", "sub", "--at", "2030-01-02T03:04:05Z")
    job = cli.json("show", "j")
    assert (job["queue"], job["priority"], job["max_retries"], job["timeout_s"]) == ("mail", -3, 7, 90)
    assert (job["backoff_base"], job["env"]) == (1.5, {"A": "1", "B": "x=y"})
    assert job["cwd"] == str(Path("sub").absolute())
    assert job["run_at"] == "2030-01-02T03:04:05.000000Z"


def test_cwd_is_the_callers(cli: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without --cwd a job runs where it was enqueued."""
    monkeypatch.chdir(tmp_path)
    assert cli.json("enqueue", "j", "pwd")["cwd"] == str(tmp_path)


def test_reason_is_in_the_log(cli: CommandLine) -> None:
    """--reason is kept with the event."""
    cli("enqueue", "j", "true", "--reason", "nightly")
    assert cli.json("history", "j")[0]["reason"] == "nightly"


def test_json_output(cli: CommandLine) -> None:
    """--json prints the job as the contract has it."""
    job = cli.json("enqueue", "j", "true")
    assert list(job) == [
        *("id", "queue", "command", "state", "priority", "attempts", "max_retries", "timeout_s"),
        *("timeout_is_default", "backoff_base"),
        *("cwd", "env", "merge", "paused", "labels", "meta", "policy", "expires_at", "if_expired", "max_time_s"),
        *("snoozes", "ended_by", "use", "unique", "unique_until", "after", "waits_for", "shell", "inherited_env"),
        *("created_at", "updated_at", "run_at", "started_at", "finished_at", "worker_id"),
        *("lease_expires_at", "return_code", "signal", "duration_ms", "last_error", "version"),
    ]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], 'queuectl enqueue ID "COMMAND"'),
        (["lonely"], 'queuectl run "COMMAND"'),
        (["a", "b", "c"], 'queuectl enqueue a "b c"'),
        (["--id", "x", "a", "b"], "more than one id"),
        (["--command", "x", "--", "y"], "twice"),
        (["a", "--"], "nothing after --"),
        (["a", "b", "--lines"], "--file"),
        (["a", "b", "--file", "-"], "--file"),
        (['{"command": "x", "priority": 1}', "--priority", "2"], "priority is given twice"),
        (['{"command": "x", "id": "a"}', "--id", "b"], "id is given twice"),
    ],
)
def test_wrong_shape(cli: CommandLine, words: list[str], says: str) -> None:
    """A command line of the wrong shape exits 2, says what to type, and makes no queue."""
    assert says in cli("enqueue", *words, code=2).stderr
    assert not cli.db.exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["a", "b", "--priority", "high"], "priority: found 'high'; expected a whole number"),
        (["a", "b", "--priority", "1.5"], "priority: found '1.5'"),
        (["a", "b", "--max-retries", "-1"], "max_retries: found -1; expected a whole number from 0 to 1000000"),
        (["a", "b", "--timeout", "-5"], "timeout: found '-5'; expected seconds"),
        (["a", "b", "--backoff-base", "two"], "backoff-base: found 'two'; expected a number"),
        (["a", "b", "--delay", "soon"], "delay: found 'soon'; expected seconds, 0 or more, or for example 90s"),
        (["a", "b", "--at", "soon"], "at: found 'soon'; expected a time from 1970 on, for example 2026"),
        (["a", "b", "--env", "X"], "env: found 'X'; expected K=V"),
    ],
)
def test_wrong_value(cli: CommandLine, words: list[str], says: str) -> None:
    """A value that is no good is refused by an option as it is in JSON: exit 2, one line, no job."""
    cli("config", "set", "max_retries", "0")
    told = cli("enqueue", *words, code=2).stderr
    assert says in told
    assert told.count("\n") == 1
    assert cli.json("list") == []


@pytest.mark.parametrize(
    ("job", "says"),
    [
        ('{"id": "a", "command": "x", "id": "b"}', "JSON: the key 'id' is there more than once"),
        ('{"command": "x", "env": {"A": "1", "A": "2"}}', "JSON: the key 'A' is there more than once"),
        ('{"id": "a" "command": "x"}', "JSON: Expecting ',' delimiter at column 12; write an object"),
        ('{"id": "a", "command": ["ls", 5]}', "command: found 5 (int) as word 2; expected a text for each word"),
    ],
)
def test_json_refusal_says_where(cli: CommandLine, job: str, says: str) -> None:
    """A key that is there twice, a broken syntax and a word that is no text are named, on the line they are on."""
    cli("config", "set", "max_retries", "0")
    assert cli("enqueue", job, code=2).stderr.startswith(f"Error: {says}")
    bulk = cli("enqueue", "--file", "-", text='{"command": "true"}\n' + job, code=1).stderr
    assert bulk.startswith(f"Error: line 2: {says}")
    assert cli.json("list") == []


@pytest.mark.parametrize(
    ("job", "says"),
    [
        ('{"id": "a", "command": }', "column 24"),
        ('{"id": "a"', "column"),
        ("{" * 100_000, "JSON"),
        ('{"command": "x", "priority": ' + "9" * 5_000 + "}", "JSON: a number of too many digits; write"),
        ('{"command": "x", "prio": 1}', "'prio'"),
        ('{"command": "x", "priority": "1"}', "priority"),
        ('{"command": "x", "priority": true}', "priority"),
        ('{"command": "x", "timeout": -1}', "timeout"),
        ('{"command": "x", "timeout": NaN}', "timeout"),
        ('{"command": "x", "max_retries": -1}', "max_retries"),
        ('{"command": "x", "env": {"A": 1}}', "env"),
        ('{"command": ""}', "command"),
        ('{"command": null}', "command"),
        ('{"command": []}', "command"),
        ('{"id": "a"}', "command"),
        ('{"id": "", "command": "x"}', "id"),
        ('{"id": "a\\u0007b", "command": "x"}', "id"),
        (json.dumps({"id": "a" * 1000, "command": "x"}), "id"),
        ('{"command": "x", "delay": 1, "run_at": "2030-01-01T00:00:00Z"}', "either a time or a delay"),
        ('{"command": "x", "run_at": "soon"}', "'soon'"),
        ('{"command": "x", "queue": "a b"}', "queue"),
    ],
)
def test_refused_json(cli: CommandLine, job: str, says: str) -> None:
    """Bad data exits 1 with one line that names the key, and nothing is enqueued."""
    told = cli("enqueue", job, code=2).stderr
    assert told.startswith("Error: ")
    assert says in told
    assert told.count("\n") == 1
    assert not cli.db.exists() or cli("list").stdout == ""


@pytest.mark.parametrize(
    "words",
    [
        ["a", ""],
        ["a", "  "],
        ["a", "--", ""],
        ["", "x"],
        ["a\x1b[31m", "x"],
        ["x" * 1000, "x"],
        ["a", "x", "--max-retries", "-1"],
    ],
)
def test_refused_words(cli: CommandLine, words: list[str]) -> None:
    """The same checks hold for words on the command line, and the error carries no raw escape."""
    told = cli("enqueue", *words, code=2).stderr
    assert told.startswith("Error: ")
    assert "\x1b" not in told


def test_megabyte_command(cli: CommandLine) -> None:
    """A command of a megabyte is refused with its size."""
    job = json.dumps({"command": "x" * 1_000_000})
    assert "1,000,0" in cli("enqueue", job, code=2).stderr


def test_duplicate_is_refused(cli: CommandLine) -> None:
    """A second job of an id is refused and the first is untouched."""
    cli("enqueue", "j", "true")
    before = cli.json("show", "j")
    assert "exists" in cli("enqueue", "j", "false", code=1).stderr
    assert cli.json("show", "j") == before


def test_a_file_is_a_job_a_line(cli: CommandLine, tmp_path: Path) -> None:
    """A file is a job a line; blank lines count for nothing, options for jobs that do not say themselves."""
    file = tmp_path / "jobs.jsonl"
    file.write_text('{"id": "a", "command": "x"}\n\n{"id": "b", "command": ["y", "z"], "queue": "own", "delay": 5}\r\n')
    said = cli("enqueue", "--file", str(file), "--queue", "bulk", "--at", "2030-01-01T00:00:00Z")
    assert said.stdout == "Enqueued 2 jobs\n"
    a, b = cli.json("show", "a"), cli.json("show", "b")
    assert (a["queue"], a["run_at"]) == ("bulk", "2030-01-01T00:00:00.000000Z")
    assert (b["queue"], b["command"]) == ("own", ["y", "z"])
    assert b["run_at"] < "2030"


def test_lines_from_stdin(cli: CommandLine) -> None:
    """--lines takes a shell command a line, from a pipe too, and each gets an id."""
    ids = json.loads(cli("enqueue", "--file", "-", "--lines", "--json", text="echo ä\nfalse").stdout)
    assert (ids["enqueued"], ids["skipped"], len(set(ids["ids"]))) == (2, 0, 2)
    assert [job["command"] for job in cli.json("list", "--state", "pending")] == ["echo ä", "false"]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b'{"id": "x"', "column 11"),
        (b"[1]", "list"),
        (b'{"id": "x", "command": "y", "zz": 1}', "'zz'"),
        (b'{"id": "x", "command": ""}', "command"),
        (b'{"id": "ok", "command": "again"}', "'ok'"),
        (b'{"id": "there", "command": "y"}', "'there'"),
        (b'{"id": "\xff"}', "0xff at 9"),
        (b'{"id": "x", "command": "' + b"x" * 2_000_000 + b'"}', "bytes"),
    ],
)
def test_one_bad_line(cli: CommandLine, line: bytes, says: str) -> None:
    """One bad line of a file, broken or taken, is named by its number, and none of the file is enqueued."""
    cli("enqueue", "there", "true")
    text = b'{"id": "ok", "command": "true"}\n\n' + line + b'\n{"id": "later", "command": "true"}\n'
    told = cli("enqueue", "--file", "-", code=1, text=text).stderr
    assert told.startswith("Error: line 3: ")
    assert says in told
    assert "nothing was enqueued" in told
    assert [job["id"] for job in cli.json("list")] == ["there"]


def test_only_line_is_bad(cli: CommandLine) -> None:
    """A file of one bad line has its line named too."""
    assert "line 2: " in cli("enqueue", "--file", "-", code=1, text='\n{"command": "x", "timeout": -1}').stderr


def test_skip_existing(cli: CommandLine) -> None:
    """--skip-existing leaves out the ids that are taken and says how many."""
    cli("enqueue", "a", "true")
    text = '{"id": "a", "command": "false"}\n{"id": "b", "command": "true"}\n'
    said = cli("enqueue", "--file", "-", "--skip-existing", text=text)
    assert said.stdout == "Enqueued 1 job, left out 1 whose id is taken\n"
    assert cli.json("show", "a")["command"] == "true"


def test_empty_file(cli: CommandLine) -> None:
    """An empty file is no error."""
    assert cli("enqueue", "--file", "-", text="\n").stdout == "Enqueued 0 jobs\n"


def test_file_on_a_real_pipe(cli: CommandLine) -> None:
    """Many lines through a real pipe go in, in order."""
    text = "".join(f'{{"id": "j{n}", "command": "true"}}\n' for n in range(25_000))
    done = cli.process("enqueue", "--file", "-", input=text)
    assert done.stdout == "Enqueued 25,000 jobs\n", done.stderr
    assert cli.json("status")["jobs"]["pending"] == 25_000


def test_interrupt_while_reading(cli: CommandLine) -> None:
    """Ctrl-C while the file is still coming exits 130 with nothing enqueued and no traceback."""
    process = cli.spawn("enqueue", "--file", "-", stdin=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write('{"command": "true"}\n')
    process.stdin.flush()
    wait_until(cli.is_made)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=10)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert cli.json("status")["jobs"]["pending"] == 0


def test_surrogate_in_argv(cli: CommandLine) -> None:
    """An id is text: bytes that are no UTF-8 are refused as one, in one line."""
    words = [*map(str.encode, cli.words("enqueue")), b"\xff", b"true"]
    done = subprocess.run(words, capture_output=True, timeout=20)
    assert done.returncode == 2
    assert done.stderr.startswith(b"Error: id: found ")


# An id used again


def test_replace_takes_the_id_of_a_job_that_has_ended(cli: CommandLine) -> None:
    """--replace lets an id be used again once its job has ended, in every form; the history tells of both."""
    cli("enqueue", "a", "echo one", "--replace")
    for form in (
        ["enqueue", "a", "true", "--replace"],
        ["enqueue", '{"id": "a", "command": "true"}', "--replace"],
        ["enqueue", '{"id": "a", "command": "true", "replace": true}'],
        ["enqueue", "a", "--replace", "--", "true"],
        ["run", "--id", "a", "true", "--replace"],
    ):
        assert "cannot replace 'a': it has not ended (pending)" in cli(*form, code=1).stderr
        cli("cancel", "a")
        assert cli(*form).stdout == "Enqueued a\n"
    assert [event["type"] for event in cli.json("history", "a")] == [
        *["enqueued", "cancelled", "removed"] * 5,
        "enqueued",
    ]


def test_replace_in_a_file(cli: CommandLine) -> None:
    """--replace counts for each job of a file that does not say otherwise; --skip-existing leaves out the others."""
    jobs = b'{"id": "a", "command": "true"}\n{"id": "b", "command": "true", "replace": false}\n'
    cli("enqueue", "--file", "-", "--replace", text=jobs)
    cli("cancel", "a", "b")
    assert "line 2: cannot enqueue 'b'" in cli("enqueue", "--file", "-", "--replace", text=jobs, code=1).stderr
    done = cli("enqueue", "--file", "-", "--replace", "--skip-existing", text=jobs)
    assert done.stdout == "Enqueued 1 job, left out 1 whose id is taken\n"


def test_replace_which(cli: CommandLine) -> None:
    """Without an id there is nothing to replace: a usage error, and a value that is no flag is refused by name."""
    assert "name the id" in cli("enqueue", "--command", "true", "--replace", code=2).stderr
    assert "name the id" in cli("run", "true", "--replace", code=2).stderr
    assert "replace: found 'yes'" in cli("enqueue", '{"id": "a", "command": "true", "replace": "yes"}', code=2).stderr


def test_the_default_limit_is_told_with_the_first_job_of_a_queue(cli: CommandLine) -> None:
    """On a terminal, once, and only where nobody named a limit; show says it of each job."""
    for words, is_told in (
        (("enqueue", "a", "true"), True),
        (("enqueue", "b", "true"), False),
        (("run", "true"), False),
    ):
        with Terminal(cli, *words) as terminal:
            assert terminal.end() == 0
            assert ("A run is stopped after 5m, the default" in terminal.text()) is is_told
    assert "timeout    5m (default)" in cli("show", "a").stdout
    assert cli.json("show", "a")["timeout_is_default"] is True
    cli("edit", "a", "--set", "timeout=5m")
    assert cli.json("show", "a")["timeout_is_default"] is False
    assert "default" not in cli("show", "a").stdout.partition("timeout")[2].partition("\n")[0]


@pytest.mark.sampled(1)
@pytest.mark.parametrize("words", [("run", "true"), ("enqueue", "--file", "FILE", "--lines")])
def test_whichever_way_the_first_job_comes_its_limit_is_told(cli: CommandLine, words: tuple[str, ...]) -> None:
    """A file of jobs and `run` tell it as `enqueue` does; of a limit of its own, or off a terminal, nothing is told."""
    file = cli.db.parent / "jobs"
    file.write_text("true\ntrue\n")
    typed = [str(file) if word == "FILE" else word for word in words]
    with Terminal(cli, *typed) as terminal:
        assert terminal.end() == 0
        assert "A run is stopped after 5m, the default" in terminal.text()
    other = CommandLine(cli.db.parent / "other")
    assert "stopped after" not in other.process(*typed).stderr
    with Terminal(CommandLine(cli.db.parent / "third"), "run", "true", "--timeout", "5m") as terminal:
        assert terminal.end() == 0
        assert "stopped after" not in terminal.text()


def test_an_id_beside_json_without_one(cli: CommandLine) -> None:
    """An option may name the job that JSON describes."""
    cli("enqueue", "--id", "named", '{"command":"true"}')
    assert [job["id"] for job in cli.jobs()] == ["named"]


def test_json_nested_without_end(cli: CommandLine) -> None:
    """It is refused as what it is, and the program goes on to say so."""
    assert "nested too deeply" in cli("enqueue", '{"a":' * 100_000, code=2).stderr
