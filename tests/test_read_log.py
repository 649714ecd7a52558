"""The format is told well enough: a reader that knows lmdb, msgpack and docs/log-format.md alone reads all of it."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from queuectl.events.hash_chain import KEPT_EVERY
from tests.cli.conftest import CommandLine, cli
from tests.logs import fill, replace, rewritten, rows_of

READER = Path(__file__).parent.parent / "examples" / "read_log.py"
ALLOWED = {"argparse", "hashlib", "itertools", "json", "lmdb", "msgpack", "sys", "zlib"}

__all__ = ["cli"]


def read(path: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, str(READER), str(path)], capture_output=True, text=True, timeout=20)


@pytest.fixture
def filled(cli: CommandLine) -> CommandLine:
    fill(cli.db)
    return cli


def test_it_is_short_and_knows_nothing_of_ours() -> None:
    """Sixty lines at the most, that import nothing but two libraries and the standard one."""
    text = READER.read_text()
    assert len(text.splitlines()) <= 60
    nodes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    assert names | {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names} == ALLOWED


def test_it_reads_what_queuectl_reads(filled: CommandLine) -> None:
    """Every event has the position, type, actor, reason, stream and cause that `events` prints; the digest is ours."""
    done = read(filled.db)
    assert done.returncode == 0
    ours = filled.json("events")
    theirs = [json.loads(line) for line in done.stdout.splitlines()]
    assert [
        (each["position"], each["y"], each["a"], each.get("r"), each.get("s", each["position"]), each.get("c"))
        for each in theirs
    ] == [
        (each["position"], each["type"], each["actor"], each["reason"], each["stream"], each["cause"]) for each in ours
    ]
    assert [each["d"]["id"] for each in theirs if each["y"] == "enqueued"] == [
        each["data"]["id"] for each in ours if each["type"] == "enqueued"
    ]
    assert filled.json("verify")["head"]["digest"] in done.stderr


def test_it_finds_what_is_damaged(filled: CommandLine) -> None:
    """A flipped byte, a gap and a rewritten event are named."""
    rows = rows_of(filled.db)
    key, value = rows[9]
    kept = len(rows) // KEPT_EVERY * KEPT_EVERY
    for damaged, position in (
        ([*rows[:9], (key, value[:-1] + bytes([value[-1] ^ 1])), *rows[10:]], 10),
        (rows[:19] + rows[20:], 20),
        (rewritten(rows, kept - 1, a="nobody"), kept),
    ):
        replace(filled.db, damaged)
        done = read(filled.db)
        assert (done.returncode, done.stderr) == (1, f"faults at [{position}]\n")
