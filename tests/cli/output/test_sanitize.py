"""Hostile text in every field, and every verb that shows it, on a terminal of its own."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import queuectl
from queuectl import Queue
from queuectl.core.results import Captured
from queuectl.events.append import Append
from queuectl.events.types import NEW_STREAM, Enqueued, JobSpec, WorkerStarted
from queuectl.outputs.frames import encode_frame
from queuectl.store.event_writer import EventWriter
from tests.cli.conftest import CommandLine
from tests.cli.terminal import Terminal
from tests.cli.test_every_verb import PLAIN
from tests.waiting import wait_until

HOSTILE = "a\x1b[2J\x1b]0;owned\x07\x9b2J\u202eb\u2066c\u2069\u200f\x1b[31m"
VISIBLE = re.compile(r"\\x1b\[2J|\\u001b\[2J", re.I)
"""How a part of it is shown: for people, and in JSON."""

OWN = re.compile(r"\x1b\[(?:[0-9;]*m|\?25[hl]|2K|1A|K)")
"""Colours, and what a progress bar needs."""

BAD = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
LINES = """
enqueue --id new --command true
enqueue --id x{h} --command true
enqueue --id new --queue q{h} --command true
enqueue --id new --cwd /{h} --command {h}
enqueue --id new --env {h}={h} -- {h}
enqueue --id new --shell {h} --command true
enqueue --file {f}
enqueue --file {file}
run --replace --id bad --command {h}
run --id {h} --command true
worker list
worker start --drain --queue default
worker stop {h}
status
status --queue {h}
top --once
list
list --columns id,command,error,directory,worker
list --columns {h}
list --state {h}
show bad
show {h}
why bad
why {h}
logs bad
logs {h}
wait bad
wait dead{h}
dashboard --port {h}
dlq list
dlq purge
dlq purge dead{h} --yes
dlq retry
dlq retry dead{h}
dlq show bad
retry bad
retry dead{h}
cancel waits
cancel idle{h}
cancel {h}
cancel --queue {h} --yes
pause waits
pause idle{h}
resume waits
resume {h}
queue
queue list
queue pause default --reason {h}
queue pause {h}
queue resume {h}
limit
limit list
limit show held
limit show {h}
limit set held --running 2 --reason {h}
limit set {h} --running 2
limit remove {h}
edit waits --set command={h}
edit waits --set {h}=1
edit idle{h} --priority 3
remove bad
remove dead{h}
remove {h}
clear --dry-run
config get shell
config get {h}
config set shell {h}
config set {h} 1
config show
config unset {h}
history bad
events
events --type {h}
subscriptions list
subscriptions remove {h}
subscriptions rewind {h} 1
replay
replay --until {h}
replay --until 3 --into {f}
snapshot
snapshot delete {h}
snapshot list
verify
verify --against {f}
verify --checkpoint {f}
doctor
compact --older-than 0s
compact --older-than 0s --archive {f}
compact --shrink
backup {f}
backup {file}
restore {f}
restore {file}
export
export {file}
import {f}
import {file}
migrate
completion {h}
demo {h}
{h}
--{h}
""".strip().splitlines()

SILENT = {
    "enqueue --id new --command true": "the id",
    "enqueue --id new --cwd /{h} --command {h}": "the id",
    "enqueue --id new --env {h}={h} -- {h}": "the id",
    "enqueue --file {file}": "the number of the line that is no JSON",
    "run --replace --id bad --command {h}": "the id",
    "wait bad": "the id and the exit code",
    "retry bad": "the id",
    "remove bad": "the id",
    "cancel waits": "the id",
    "pause waits": "the id",
    "resume waits": "the id",
    "queue pause default --reason {h}": "the queue's name, which is checked",
    "limit set held --running 2 --reason {h}": "the limit's name, which is checked",
    "edit waits --set command={h}": "that the command was that before",
    "dlq purge": "what to name",
    "dlq retry": "what to name",
    "config get shell": "a value, which is checked when it is set",
    "config show": "values, which are checked when they are set",
    "subscriptions list": "names of subscriptions, which are checked when they are made",
    "replay": "numbers",
    "snapshot": "numbers",
    "snapshot list": "numbers and times",
    "verify": "numbers, where nothing is wrong",
    "compact --shrink": "sizes",
    "migrate": "numbers and the version of the format",
}
"""Lines that show nothing hostile, and what they show."""

NEVER = {"config show", "migrate", "snapshot list", "subscriptions list"}
"""Verbs that have nothing hostile to show, for the reasons above."""


@pytest.fixture
def hostile(tmp_path: Path) -> Iterator[CommandLine]:
    """Yield a queue whose every text is hostile, its directory's name too: a dead job, one that waits, a worker."""
    cli = CommandLine(tmp_path / f"db{HOSTILE}")
    with cli.queue() as queue:
        _add_names(queue)
        queue.worker("w").complete(queue.worker("w").start(queue.worker("w").claim(1)[0]))
        queue.worker("w").fail(queue.worker("w").start(queue.worker("w").claim(1)[0]), HOSTILE)
        queue.enqueue(HOSTILE, id="bad", max_retries=0, env={"A": HOSTILE}, cwd=f"/{HOSTILE}")
        (job,) = queue.worker("w").claim(1, queues=["default"])
        output = Captured(frames=encode_frame(b"o", HOSTILE.encode()) + encode_frame(b"e", HOSTILE.encode()))
        queue.worker("w").fail(queue.worker("w").start(job), HOSTILE, return_code=1, output=output)
        queue.enqueue([HOSTILE, HOSTILE], id="gone", shell=None, reason=HOSTILE)
        queue.cancel("gone", reason=HOSTILE)
        queue.worker("w2").started(host=HOSTILE, pid=1, slots=1)
        queue.queues.pause("held", reason=HOSTILE)
        queue.limits.set("held", running=1, reason=HOSTILE)
        queue.enqueue(HOSTILE, id="runs", max_retries=0)
        queue.enqueue(HOSTILE, id="waits", queue="later", delay_s=3600)
    (tmp_path / f"file{HOSTILE}").write_text(HOSTILE)
    yield cli
    cli.close()


def _add_names(queue: Queue) -> None:
    """Add jobs and a worker of names that are refused everywhere, as a log of another's making may have them."""
    specs = [
        JobSpec(f"{name}{HOSTILE}", "true", f"{name}{HOSTILE}", max_retries=0) for name in ("done", "dead", "idle")
    ]
    worker = WorkerStarted(HOSTILE, 1, 1, (f"idle{HOSTILE}",))
    with queue._store.write() as txn:
        made = [Append(NEW_STREAM, 0, (Enqueued(spec),)) for spec in specs]
        EventWriter(txn).append([*made, Append(f"worker:w{HOSTILE}", 0, (worker,))], at_us=1, actor=HOSTILE)
    queue.admin.replay()


@pytest.mark.sampled(4)
@pytest.mark.parametrize("line", LINES)
def test_what_a_terminal_is_sent(hostile: CommandLine, line: str) -> None:
    """No control of the terminal or of the direction of writing gets through; what is to be seen is, made visible."""
    place = hostile.db.parent
    words = [
        word.format(h=HOSTILE, f=place / f"new{HOSTILE}", file=place / f"file{HOSTILE}") for word in line.split(" ")
    ]
    with Terminal(hostile, *words, columns=400, rows=200, PAGER="cat", USER=HOSTILE) as terminal:
        terminal.end()
        sent = terminal.sent.decode()
    assert sent
    plain = OWN.sub("", sent)
    assert not BAD.findall(plain), sent
    assert (VISIBLE.search(plain) is None) == (line in SILENT), sent


def test_no_verb_is_left_out() -> None:
    """Each verb there is has a line above that shows something hostile, unless it has nothing of that kind to show."""
    telling = {_verb_of(line) for line in LINES if line not in SILENT}
    assert set(PLAIN) - telling == NEVER
    assert set(SILENT) <= set(LINES)


def _verb_of(line: str) -> str | None:
    """Return the verb of a line, the longest that it begins with."""
    return max((verb for verb in PLAIN if f"{line} ".startswith(f"{verb} ")), key=len, default=None)


PRINTERS = {
    "cli/exit_codes.py": "where all that verbs print goes",
    "cli/output/progress.py": "what is told above a bar, tamed",
    "cli/input/completion_shells.py": "what a shell reads",
    "cli/crash.py": "words of its own",
    "worker/log_buffer.py": "what reporting has tamed, and numbers of lines",
    "transfer/backup.py": "a backup to stdout, which is refused on a terminal",
    "store/copy.py": "the data of a copy, and its error, to the parent process",
}
"""Modules that write to a stream, and what keeps them from sending a terminal what is others'."""


def test_nothing_else_prints() -> None:
    """No module but those named writes to stdout or stderr by itself, past what makes a text fit for a terminal."""
    root = Path(queuectl.__file__).parent
    found = {
        str(path.relative_to(root))
        for path in root.rglob("*.py")
        if any(map(_prints, (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))))
    }
    assert found == set(PRINTERS)


def _prints(call: ast.Call) -> bool:
    words = ast.unparse(call.func)
    to_stream = re.fullmatch(r"click\.(echo|secho|prompt|confirm|echo_via_pager)|print|input|.*\.console\.print", words)
    return bool(
        to_stream
        or re.match(r"sys\.(__)?std(out|err)(__)?\.(buffer\.)?write", words)
        or (words in ("os.write", "os.writev") and ast.unparse(call.args[0]) in ("1", "2"))
        or any(getattr(each, "attr", "") == "buffer" and ast.unparse(each) == "sys.stdout.buffer" for each in call.args)
    )


@pytest.mark.parametrize("raw", [False, True])
def test_run_wait(cli: CommandLine, raw: bool) -> None:
    """What run --wait shows is tamed on a terminal, unless its every byte is asked for."""
    command = "printf 'x\\033]0;owned\\007y\\n'"
    with Terminal(cli, "run", "--wait", *(["--raw"] if raw else []), command) as terminal:
        wait_until(cli.jobs)
        cli.drain()
        assert terminal.end() == 0
    assert (b"\x1b]0;owned\x07" in terminal.sent) == raw
    assert (b"x\\x1b]0;owned\\x07y" in terminal.sent) == (not raw)
