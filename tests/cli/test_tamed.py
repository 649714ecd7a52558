"""Hostile text in every field, and every verb that shows it, on a terminal of its own."""

import pytest

from queuectl.answers import Captured
from queuectl.worker.output import encode

from .conftest import CommandLine, wait_until
from .terminal import Terminal

HOSTILE = "a\x1b[2J\x1b]0;owned\x07\x9b2J\u202eb\u2066c\u2069\u200f"
BAD = ("\x1b]", "\x1b[2J", "\x07", "\x9b", "\u202e", "\u2066", "\u2069", "\u200f")
VERBS = [
    *(
        "list",
        "list --columns id,command,error,directory,worker",
        "dlq list",
        "dlq show bad",
        "show bad",
        "history bad",
    ),
    *(
        "events",
        "logs bad",
        "logs bad -f",
        "status",
        "worker list",
        "top --once",
        "wait bad",
        "list --json",
        "events --json",
    ),
    *(
        "enqueue --id x\x1b]0;owned\x07 --command true",
        "show \u202ebad",
        "list --state \u202edead",
        "\u202elist",
        "doctor",
    ),
]


@pytest.fixture
def hostile(cli: CommandLine) -> CommandLine:
    """Give a queue with a dead job whose every text is hostile, and a worker on a host of such a name."""
    with cli.queue() as queue:
        queue.enqueue(HOSTILE, id="bad", max_retries=0, env={"A": HOSTILE}, cwd=f"/{HOSTILE}")
        (job,) = queue.claim("w", 1)
        output = Captured(frames=encode(b"o", HOSTILE.encode()) + encode(b"e", HOSTILE.encode()))
        queue.fail(queue.start(job), HOSTILE, return_code=1, output=output)
        queue.worker_started("w2", host=HOSTILE, pid=1, slots=1)
    return cli


@pytest.mark.parametrize("line", VERBS)
def test_what_a_terminal_is_sent(hostile: CommandLine, line: str) -> None:
    """No control of the terminal or of the direction of writing gets through, whatever shows it."""
    with Terminal(hostile, *line.split(" "), columns=400, PAGER="cat") as terminal:
        terminal.end()
        sent = terminal.sent.decode()
    assert sent
    assert not [text for text in BAD if text in sent]


@pytest.mark.parametrize("raw", [False, True])
def test_run_wait(cli: CommandLine, raw: bool) -> None:
    """What run --wait shows is tamed on a terminal, unless its every byte is asked for."""
    command = "printf 'x\\033]0;owned\\007y\\n'"
    with Terminal(cli, "run", "--wait", *(["--raw"] if raw else []), command) as terminal:
        wait_until(lambda: (cli.db / "data.mdb").exists() and cli.json("list"))
        cli.drain()
        assert terminal.end() == 0
    assert (b"\x1b]0;owned\x07" in terminal.sent) == raw
    assert (b"x\\x1b]0;owned\\x07y" in terminal.sent) == (not raw)
