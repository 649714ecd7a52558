"""What Tab offers, and what it costs nothing to ask: answers from the queue, never an error, never a wait."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from queuectl.cli.input.completion_shells import PATIENCE_S, split
from queuectl.cli.lazy_group import VERBS
from queuectl.core.job_request import JobRequest
from queuectl.core.settings import KEYS
from queuectl.store.store import Store
from tests.cli.conftest import CommandLine
from tests.cli.tty import INTERRUPT, Terminal

PROMPT = "ready> "


def offered(cli: CommandLine, line: str, shell: str = "bash", db: Path | None = None, *, times: int = 5) -> list[str]:
    """Return what a process is that a shell asks on a line, which must be silent beside that.

    It is asked so many times at most while it offers nothing and took so long that it may have given up.
    """
    asks = {"bash": {"COMP_LINE": line, "COMP_POINT": str(len(line)), "COMP_WORDBREAKS": " =:"}}
    typed = line.split(" ")
    words = {"COMP_WORDS": line, "COMP_CWORD": str(len(typed) - 1) if shell == "zsh" else typed[-1]}
    environ = {**os.environ, "QUEUECTL_DB": str(db or cli.db), "_QUEUECTL_COMPLETE": f"{shell}_complete"}
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "queuectl"],
        env=environ | asks.get(shell, words),
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert (done.returncode, done.stderr) == (0, "")
    if times > 1 and not done.stdout.strip() and time.monotonic() - begun > PATIENCE_S:
        return offered(cli, line, shell, db, times=times - 1)
    return [row for row in done.stdout.splitlines() if row]


def plain(cli: CommandLine, line: str) -> set[str]:
    """Return the words that bash is offered."""
    rows = offered(cli, line)
    assert all(row.startswith("plain,") for row in rows)
    return {row.removeprefix("plain,") for row in rows}


def alike(words: set[str]) -> str:
    """Return what a shell puts in where several words fit: how they all begin."""
    return os.path.commonprefix(sorted(words))  # noqa: RUF071 - words, not paths


@pytest.fixture
def jobs(cli: CommandLine) -> CommandLine:
    """Return a queue with jobs in most states, in two queues, and a worker."""
    for name, state in (("done-1", "complete"), ("dead-1", "kill"), ("dead-2", "kill")):
        cli("enqueue", name, "true", "--max-retries", "0")
        getattr(cli, state)(name)
    cli("enqueue", "failed-1", "false")
    cli.kill("failed-1")
    cli("enqueue", "busy-1", "true")
    with cli.queue() as queue:
        queue.worker("w").claim(1, lease_s=3600)
        queue.worker("worker-1").started(host="h", pid=1, slots=1)
        queue.subscribe("mailer")
    cli("enqueue", "wait-1", "true", "--queue", "mail")
    cli("enqueue", "gone-1", "true")
    cli("cancel", "gone-1")
    return cli


EVERY = {"done-1", "dead-1", "dead-2", "failed-1", "busy-1", "wait-1", "gone-1"}


@pytest.mark.sampled(7)
@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("queuectl ", set(VERBS)),
        ("queuectl e", {verb for verb in VERBS if verb.startswith("e")}),
        ("queuectl dlq ", {"list", "show", "retry", "purge"}),
        ("queuectl list --st", {"--state"}),
        ("queuectl show ", EVERY),
        ("queuectl show d", {"done-1", "dead-1", "dead-2"}),
        ("queuectl logs dead-1", {"dead-1"}),
        ("queuectl history x", set()),
        ("queuectl dlq retry ", {"dead-1", "dead-2"}),
        ("queuectl dlq purge dead-1 ", {"dead-2"}),
        ("queuectl dlq show d", {"dead-1", "dead-2"}),
        ("queuectl cancel ", {"failed-1", "busy-1", "wait-1"}),
        ("queuectl wait ", {"failed-1", "busy-1", "wait-1"}),
        ("queuectl retry ", {"failed-1", "dead-1", "dead-2", "done-1", "gone-1"}),
        ("queuectl list --after b", {"busy-1"}),
        ("queuectl list --state ", {"pending", "processing", "completed", "failed", "dead", "cancelled"}),
        ("queuectl list --queue ", {"default", "mail"}),
        ("queuectl worker start --queue m", {"mail"}),
        ("queuectl worker stop ", {"worker-1"}),
        ("queuectl events --type cla", {"claimed"}),
        ("queuectl events --job dead", {"dead-1", "dead-2"}),
        ("queuectl history --tree w", {"wait-1"}),
        ("queuectl subscriptions rewind ", {"mailer"}),
        ("queuectl config set ", set(KEYS)),
        ("queuectl config get max-", {"max-retries"}),
        ("queuectl completion ", {"bash", "zsh", "fish"}),
        ("queuectl nonsense ", set()),
        ("queuectl show --attempt nonsense d", {"done-1", "dead-1", "dead-2"}),
        ("queuectl list --limit many --state d", {"dead"}),
        ("queuectl list --state failed,d", {"failed,dead"}),
        ("queuectl ls --st", {"--state"}),
        ("queuectl l", {"limit", "list", "logs"}),
    ],
)
def test_what_fits(jobs: CommandLine, line: str, words: set[str]) -> None:
    """Verbs, options, and from the queue the jobs that fit the verb, queues, workers, keys and types of events."""
    assert plain(jobs, line) == words


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    ("line", "rows"),
    [
        ("queuectl --db /t", ["dir,/t"]),
        ("queuectl enqueue --cwd ", ["dir,"]),
        ("queuectl enqueue --file ", ["file,"]),
        ("queuectl run -- rsync ", ["file,"]),
        ("queuectl enqueue a -- ", ["file,"]),
        ("queuectl enqueue ", []),
    ],
)
def test_the_shell_offers_its_own_files_where_one_is_to_be_named(jobs: CommandLine, line: str, rows: list[str]) -> None:
    """Where a file or a directory is to be named, the shell is told to offer its own."""
    assert offered(jobs, line) == rows


def test_labels(cli: CommandLine) -> None:
    """Keys, and the labels that go on as typed; behind a = bash takes what follows it alone."""
    for n, labels in enumerate((["team=a", "note=x y"], ["team=b"], ["temp=1"])):
        cli("enqueue", f"j{n}", "true", *(f"--label={label}" for label in labels))
    assert plain(cli, "queuectl list --label te") == {"team=", "team=a", "team=b", "temp=", "temp=1"}
    assert plain(cli, "queuectl enqueue --label team=") == {"a", "b"}
    assert plain(cli, "queuectl cancel --label note=x") == {"x\\ y"}
    assert plain(cli, "queuectl wait --label=tem") == {"temp=", "temp=1"}
    assert offered(cli, "queuectl list --label no-such") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_nothing_goes_wrong_on_the_screen(cli: CommandLine, tmp_path: Path, shell: str) -> None:
    """Without a queue, with one that is none, and for a shell nobody knows, nothing is offered, said or made."""
    assert offered(cli, "queuectl show ", shell) == []
    assert not cli.db.exists()
    (tmp_path / "stranger").mkdir()
    (tmp_path / "stranger" / "data.mdb").write_bytes(b"\0" * 100_000)
    assert offered(cli, "queuectl show ", shell, tmp_path / "stranger") == []
    assert offered(cli, "queuectl show ", "tcsh") == []


def test_db_on_the_line(jobs: CommandLine, tmp_path: Path) -> None:
    """The queue is the one that --db names on the line, as a shell would read it."""
    line = f"queuectl --db {jobs.db} show b"
    assert offered(jobs, line, db=tmp_path / "none") == ["plain,busy-1"]
    os.environ["PLACE"] = str(jobs.db.parent)
    assert offered(jobs, f"queuectl --db $PLACE/{jobs.db.name} show b", db=tmp_path / "none") == ["plain,busy-1"]


def test_nobody_is_waited_for(jobs: CommandLine) -> None:
    """While someone writes to the queue, and while someone keeps everybody out of it, Tab comes back."""
    with Store.open(jobs.db, create=False) as store, store.write():
        assert plain(jobs, "queuectl show b") == {"busy-1"}
    from queuectl.store.directory import alone

    with alone(jobs.db, "test"):
        begun = time.monotonic()
        assert offered(jobs, "queuectl show b", times=1) == []
    assert time.monotonic() - begun < 10


def test_a_store_that_would_have_to_be_written_is_left_alone(cli: CommandLine) -> None:
    """Nothing is made where a queue has only begun to be."""
    cli.db.mkdir()
    (cli.db / "data.mdb").touch()
    assert offered(cli, "queuectl show ") == []
    assert (cli.db / "data.mdb").stat().st_size == 0


def test_no_more_than_can_be_read(cli: CommandLine) -> None:
    """Of thousands at most 50 are offered, and they are alike no further than all are."""
    with cli.queue() as queue:
        queue.enqueue_many([JobRequest("true", id=f"b{n:04d}") for n in range(5000)])
        queue.enqueue("true", id="backup", priority=-1)
    found = plain(cli, "queuectl cancel b")
    assert len(found) == 50
    assert alike(found) == "b"
    assert alike(plain(cli, "queuectl show b0")) == "b0"


@pytest.mark.parametrize(
    ("line", "words", "is_quoted"),
    [
        ("q", ["q"], False),
        ("q ", ["q", ""], False),
        ("q a\\ b", ["q", "a b"], False),
        ("q a\\ ", ["q", "a "], False),
        ("q 'it is ", ["q", "it is "], True),
        ("q \"it's", ["q", "it's"], True),
        ("q 'a' \"b\" c#d", ["q", "a", "b", "c#d"], False),
        ("q x'", ["q", "x"], True),
    ],
)
def test_a_line_is_split_as_bash_does(line: str, words: list[str], is_quoted: bool) -> None:
    """Quotes and backslashes hold words together; the last word is the one under the cursor."""
    assert split(line) == (words, is_quoted)


@pytest.fixture
def bash(jobs: CommandLine, tmp_path: Path) -> Iterator[Terminal]:
    """Yield a real bash that has read the script, and knows queuectl by its name."""
    shell = shutil.which("bash")
    if shell is None:
        pytest.skip("there is no bash")
    jobs("enqueue", "two words: $x", "true")
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "queuectl"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m queuectl "$@"\n')
    program.chmod(0o755)
    environ = {
        "PATH": f"{program.parent}:{os.environ['PATH']}",
        "QUEUECTL_DB": str(jobs.db),
        "PS1": PROMPT,
        "INPUTRC": "/dev/null",
        "TERM": "dumb",
    }
    with Terminal([shell, "--norc", "--noprofile", "-i"], environ) as terminal:
        terminal.expect(PROMPT)
        terminal.type('eval "$(queuectl completion bash)"; bind "set bell-style none"; echo rea"dy"\n')
        terminal.expect("ready\r\n")
        terminal.expect(PROMPT)
        yield terminal
        terminal.type(INTERRUPT)


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("queuectl stat\t", "queuectl status "),
        ("queuectl cancel bu\t", "queuectl cancel busy-1 "),
        ("queuectl dlq ret\tdead-\t", "queuectl dlq retry dead-"),
        ("queuectl show tw\t", "queuectl show two\\ words:\\ \\$x "),
        ("queuectl show two\\ words:\t", "queuectl show two\\ words:\\ \\$x "),
        ("queuectl show 'tw\t", "queuectl show 'two words: $x' "),
        ("queuectl list --state=proc\t", "queuectl list --state=processing "),
        ("true; queuectl show fai\t", "true; queuectl show failed-1 "),
    ],
)
def test_in_a_real_bash(bash: Terminal, typed: str, shown: str) -> None:
    """Tab puts in the rest of the word, quoted as bash needs it, and a blank behind one that is whole."""
    bash.type(typed)
    bash.expect(shown)


def test_a_list_in_a_real_bash(bash: Terminal) -> None:
    """Tab, where several fit, shows them, and what is put in then is run."""
    bash.type("queuectl dlq show dead-\t\t")
    assert "dead-1" in bash.expect("dead-2")
    bash.type("2\n")
    bash.expect("exit code 1")


@pytest.mark.parametrize(
    ("shell", "parts"),
    [
        ("bash", ["complete -o nosort -F _queuectl_completion queuectl", "_QUEUECTL_COMPLETE=bash_complete"]),
        ("zsh", ["#compdef queuectl", "compdef _queuectl_completion queuectl", "_QUEUECTL_COMPLETE=zsh_complete"]),
        ("fish", ["complete --no-files --command queuectl", "_QUEUECTL_COMPLETE=fish_complete"]),
    ],
)
def test_the_script(cli: CommandLine, shell: str, parts: list[str]) -> None:
    """Each shell gets a script of its own that its own parser takes, where it is installed."""
    shown = cli("completion", shell).stdout
    assert [part for part in parts if part not in shown] == []
    if program := shutil.which(shell):
        assert subprocess.run([program, "-n"], input=shown, text=True, timeout=20).returncode == 0


@pytest.mark.parametrize(("shell", "row"), [("zsh", "busy-1"), ("fish", "plain,busy-1")])
def test_other_shells(jobs: CommandLine, shell: str, row: str) -> None:
    """Zsh and fish get their own form of the same words, and the verbs' help beside them."""
    assert row in offered(jobs, "queuectl show b", shell)
    assert any("Show everything about jobs" in each for each in offered(jobs, "queuectl sho", shell))


def test_an_unknown_shell(cli: CommandLine) -> None:
    """Another shell is refused with those there are."""
    assert "one of bash, zsh, fish" in cli("completion", "tcsh", code=2).stderr
