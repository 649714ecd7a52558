"""What a job sees: the shell that runs it, and an environment made of its worker's and of what it took along."""

import json
import os
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from shutil import which
from typing import Any

import pytest

from queuectl import Queue
from tests.cli.conftest import CommandLine
from tests.rows import rows_of
from tests.workers import LiveWorker

PRINT = f"{sys.executable} -c 'import json, os; print(json.dumps(dict(os.environ)))'"


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    monkeypatch.delenv("QUEUECTL_DB", raising=False)
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))
    return CommandLine(tmp_path / "q")


def seen_by(cli: CommandLine, job_id: str, **environ: str) -> dict[str, Any]:
    """Run a job with a worker of its own environment, and give the one that the job saw."""
    done = cli.process("worker", "start", "--drain", env={**os.environ, **environ})
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(cli("logs", job_id).stdout.partition("\n")[2])
    return found


def enqueue(cli: CommandLine, *words: str, **environ: str) -> None:
    done = cli.process("enqueue", *words, env={**os.environ, **environ})
    assert done.returncode == 0, done.stderr


def test_python_is_the_one_that_was_meant(cli: CommandLine, tmp_path: Path) -> None:
    """A program is the one that the command line at which it was enqueued would have run, with or without a shell."""
    for name in ("ours", "theirs"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "tool").write_text(f"#!/bin/sh\necho {name}\n")
        (tmp_path / name / "tool").chmod(0o755)
    ours, theirs = (f"{tmp_path / name}:{os.environ['PATH']}" for name in ("ours", "theirs"))
    enqueue(cli, "shell", "tool", PATH=ours)
    enqueue(cli, "argv", "--", "tool", PATH=ours)
    enqueue(cli, "none", "--inherit-env", "none", "--", "tool", PATH=ours)
    with cli.queue() as queue:
        queue.enqueue(["tool"], id="python")
    assert cli.process("worker", "start", "--drain", env={**os.environ, "PATH": theirs}).returncode == 0
    told = {job_id: cli("logs", job_id).stdout.splitlines()[-1] for job_id in ("shell", "argv", "none", "python")}
    assert told == {"shell": "ours", "argv": "ours", "none": "theirs", "python": "theirs"}


def test_what_is_laid_over_what(cli: CommandLine) -> None:
    """The worker's environment, under what was taken along, under --env, under queuectl's own."""
    enqueue(
        *(cli, "a", PRINT, "--inherit-env", "A,B,C,GONE", "--env", "B=env", "--env", "QUEUECTL_JOB_ID=no"),
        **{"A": "here", "B": "here", "C": "", "OTHER": "here"},
    )
    seen = seen_by(cli, "a", A="worker", B="worker", GONE="worker", OTHER="worker", PLAIN="worker")
    assert {name: seen.get(name) for name in ("A", "B", "C", "GONE", "OTHER", "PLAIN", "QUEUECTL_JOB_ID")} == {
        "A": "here", "B": "env", "C": "", "GONE": None, "OTHER": "worker", "PLAIN": "worker", "QUEUECTL_JOB_ID": "a"
    }  # fmt: skip
    shown = cli("show", "a").stdout
    assert "inherits     A=here\n" in shown
    assert "inherits     GONE (not set)\n" in shown
    assert cli.json("show", "a")["inherited"] == {"A": "here", "B": "here", "C": "", "GONE": None}


def test_a_virtual_environment_of_the_worker_is_not_the_job_s(cli: CommandLine) -> None:
    """By default PATH and VIRTUAL_ENV go together: what was not set where the job was typed is not set for it."""
    enqueue(cli, "a", PRINT)
    enqueue(cli, "b", PRINT, VIRTUAL_ENV="/venv")
    assert "VIRTUAL_ENV" not in seen_by(cli, "a", VIRTUAL_ENV="/worker")
    assert json.loads(cli("logs", "b").stdout.partition("\n")[2])["VIRTUAL_ENV"] == "/venv"


def test_all_leaves_out_what_is_the_session_s_own(cli: CommandLine) -> None:
    """`all` takes everything but what a shell keeps for itself, and never what is queuectl's."""
    enqueue(
        cli, "a", "true", "--inherit-env", "all", SHLVL="9", OLDPWD="/", QUEUECTL_RUN="x", QUEUECTL_GRACE_S="1", A="1"
    )
    names = set(cli.json("show", "a")["inherited"])
    assert {"A", "PATH"} <= names
    assert not names & {"SHLVL", "OLDPWD", "PWD", "_"}
    assert not [name for name in names if name.startswith("QUEUECTL_")]


def test_it_is_kept_once(cli: CommandLine) -> None:
    """However many jobs take the same along, the log has it once, beside each job no more than its digest."""
    lines = cli.db.parent / "jobs"
    lines.write_text("true\n" * 50)
    for _ in range(2):
        enqueue(cli, "--file", str(lines), "--lines")
    enqueue(cli, "other", "true", PATH="/other")
    kinds = [event["type"] for event in cli.json("events")]
    assert (kinds.count("environment_kept"), kinds.count("enqueued")) == (2, 101)
    assert kinds[0] == "environment_kept"
    assert len({job["inherited_env"] for job in cli.json("list", "--limit", "200")}) == 2
    digest = cli.json("show", "other")["inherited_env"]
    assert "PATH VIRTUAL_ENV" in cli("history", f"environment:{digest}").stdout


def test_where_it_is_said(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The option counts before the job's own JSON says nothing, that before the variable, the store and the default."""
    cli("config", "set", "inherit_env", "A")
    monkeypatch.setenv("A", "1")
    monkeypatch.setenv("B", "2")
    cli("enqueue", "store", "true")
    cli("enqueue", '{"id": "json", "command": "true", "inherit_env": ["B"]}')
    cli("enqueue", '{"id": "null", "command": "true", "inherit_env": null}')
    cli("enqueue", '{"id": "none", "command": "true", "inherit_env": "none"}')
    monkeypatch.setenv("QUEUECTL_INHERIT_ENV", "B,A")
    cli("enqueue", "variable", "true")
    told = {job_id: cli.json("show", job_id)["inherited"] for job_id in ("store", "json", "null", "none", "variable")}
    assert told == {
        "store": {"A": "1"},
        "json": {"B": "2"},
        "null": {"A": "1"},
        "none": {},
        "variable": {"A": "1", "B": "2"},
    }
    assert cli("config", "get", "inherit_env").stdout == "B,A\n"


def test_from_python_nothing_is_taken_unless_asked(queue_of_two: Queue) -> None:
    """A program says what its jobs take along; `configured` is what the command line would."""
    assert queue_of_two.ui.inherited_env(queue_of_two.job("none")) == {}
    assert set(queue_of_two.ui.inherited_env(queue_of_two.job("configured"))) == {"PATH", "VIRTUAL_ENV"}


@pytest.fixture
def queue_of_two(tmp_path: Path) -> Iterator[Queue]:
    with Queue.open(tmp_path / "q") as queue:
        queue.enqueue("true", id="none")
        queue.enqueue("true", id="configured", inherit_env="configured")
        yield queue


def test_it_goes_wherever_the_queue_goes(queue_of_two: Queue, tmp_path: Path) -> None:
    """Replay, the past, a backup, an export, a branch and retention all have what jobs took along."""
    queue = queue_of_two
    kept = dict(queue.ui.inherited_env(queue.job("configured")))
    assert queue.admin.replay(check=True).differences == []
    queue.admin.replay()
    with queue.as_of(queue.log.head()) as past:
        assert dict(queue.ui.inherited_env(past.job("configured"))) == kept
    queue.admin.backup(tmp_path / "backup.tar.gz")
    Queue.restore(str(tmp_path / "backup.tar.gz"), tmp_path / "restored")
    with (tmp_path / "lines").open("wb") as file:
        queue.admin.export(file.write)
    with (tmp_path / "lines").open("rb") as lines:
        Queue.import_export(lines, tmp_path / "imported")
    assert rows_of(tmp_path / "imported") == rows_of(queue.path)
    queue.admin.branch(tmp_path / "branch", queue.log.head())
    for job in queue.jobs():
        queue.cancel(job.id)
    assert queue.admin.compact(older_than_s=0).jobs == 2
    queue.enqueue("true", id="after", inherit_env="configured")
    assert dict(queue.ui.inherited_env(queue.job("after"))) == kept
    assert [
        each.event for each in queue.events() if each.stream == f"environment:{queue.job('after').spec.inherited.hex()}"
    ]
    assert queue.admin.replay(check=True).differences == []
    assert queue.admin.verify().problems == []
    for copy in ("restored", "imported", "branch"):
        with Queue.open(tmp_path / copy, create=False) as other:
            assert dict(other.ui.inherited_env(other.job("configured"))) == kept


SHELLS = (
    *("/bin/sh", "sh", "bash", "/bin/dash", "bash -o pipefail", "'/bin/bash' -e", "env bash", "nice dash -e"),
    *("zsh", "zsh -f", "fish", "fish --no-config", "env fish", "busybox sh", "busybox ash -e", "ksh", "yash"),
)


@pytest.mark.sampled(1)
@pytest.mark.parametrize("shell", SHELLS)
def test_a_command_line_may_begin_with_a_dash(cli: CommandLine, tmp_path: Path, shell: str) -> None:
    """In whichever shell, it is no option of the shell's."""
    program = next(word for word in shlex.split(shell) if word not in ("env", "nice"))
    if which(program) is None:
        pytest.skip(f"needs {program}")
    (tmp_path / "-tool").write_text("#!/bin/sh\necho $1\n")
    (tmp_path / "-tool").chmod(0o755)
    cli(
        "enqueue",
        "--id",
        "a",
        "--command=-tool ran",
        "--shell",
        shell,
        "--env",
        f"PATH={tmp_path}:{os.environ['PATH']}",
    )
    cli.drain()
    assert cli("logs", "a").stdout.splitlines()[-1] == "ran"


def test_the_shell_is_the_one_named(cli: CommandLine) -> None:
    """By --shell, by the job's JSON or by the setting; what was enqueued before keeps the one it has."""
    cli("enqueue", "before", "echo $0")
    cli("config", "set", "shell", "bash -o pipefail")
    cli("enqueue", "set", "false | true")
    cli("enqueue", "option", "echo $0", "--shell", "dash")
    cli("enqueue", '{"id": "json", "command": "[[ a == a ]] && echo yes", "shell": "/bin/bash"}')
    cli("enqueue", "gone", "true", "--shell", "/no/such/shell", "--max-retries", "0")
    cli("enqueue", "words", "--", "echo", "hi")
    cli("edit", "set", "--set", "max_retries=0")
    cli.drain()
    told = {job["id"]: (job["state"], job["shell"]) for job in cli.json("list")}
    assert told == {
        "before": ("completed", "/bin/sh"),
        "set": ("dead", "bash -o pipefail"),
        "option": ("completed", "dash"),
        "json": ("completed", "/bin/bash"),
        "gone": ("dead", "/no/such/shell"),
        "words": ("completed", None),
    }
    assert cli.json("show", "gone")["last_error"] == (
        "cannot start: no such program '/no/such/shell', "
        "the job's shell (--shell, or the setting shell, when it was enqueued)"
    )
    assert "shell      dash" in cli("show", "option").stdout
    assert ", by dash" in cli("history", "option").stdout


def test_a_program_that_takes_its_command_directly_is_a_shell_too(cli: CommandLine) -> None:
    """What is no shell of the usual kind gets the command right behind -c: other languages, fish."""
    cli("enqueue", "a", "print(1 + 1)", "--shell", sys.executable)
    cli.drain()
    assert cli("logs", "a").stdout.splitlines()[-1] == "2"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("enqueue", "a", "true", "--shell", ""), "shell: found ''"),
        (("enqueue", "a", "true", "--shell", "-x"), "shell: found '-x'"),
        (("enqueue", "a", "--shell", "bash", "--", "true"), "shell: found 'bash'; expected none"),
        (("enqueue", "a", "true", "--inherit-env", "A=B"), "inherit_env: found 'A=B'"),
        (("enqueue", "a", "true", "--inherit-env", "QUEUECTL_RUN"), "no variable of queuectl's own"),
        (("enqueue", '{"command": "true", "inherit_env": 5}'), "inherit_env: found 5"),
        (("config", "set", "shell", "'bash"), "shell: found"),
    ],
)
def test_what_can_be_no_shell_or_variable_is_refused(cli: CommandLine, words: tuple[str, ...], says: str) -> None:
    """What can be no shell, or no name of a variable, is refused by name, and nothing is enqueued."""
    assert says in cli(*words, code=2).stderr
    assert not cli.db.exists() or cli.json("status")["head"] == 0


def test_an_environment_that_is_too_large_is_refused(cli: CommandLine) -> None:
    """More than 64 KiB is refused, and says what to do."""
    done = cli.process(*("enqueue", "a", "true", "--inherit-env", "all"), env={**os.environ, "LARGE": "x" * 100_000})
    assert done.returncode == 2
    assert "name what is needed" in done.stderr
    assert cli.json("status")["head"] == 0


def test_an_environment_in_a_worker_of_its_own(queue_of_two: Queue) -> None:
    """A worker reads an environment once, and each job that took it along has it."""
    queue_of_two.enqueue_many([{"command": "exec env", "inherit_env": ["HOME"], "id": f"e{n}"} for n in range(5)])
    worker = LiveWorker(queue_of_two.path, slots=2, drain=True)
    assert worker.exit_code() == 0
    for n in range(5):
        assert f"HOME={os.environ.get('HOME', '')}".encode() in queue_of_two.output_bytes(
            queue_of_two.runs(f"e{n}")[-1]
        )
