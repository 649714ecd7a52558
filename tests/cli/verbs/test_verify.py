"""verify: what it prints, what it writes, and what it exits with."""

import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from queuectl.store.store import Store, key_of
from tests.cli.conftest import CommandLine
from tests.cli.output.test_terminal import on_a_terminal
from tests.logs import fill, replace, rewritten, rows_of
from tests.waiting import wait_until


@pytest.fixture
def filled(cli: CommandLine) -> CommandLine:
    fill(cli.db)
    return cli


def test_a_sound_queue_says_up_to_where_it_is(filled: CommandLine) -> None:
    """A sound queue says up to where, with the digest, and exits 0."""
    told = filled.json("verify")
    assert (told["ok"], told["problems"], told["problem_count"]) == (True, [], 0)
    assert list(told["parts"]) == ["file", "log", "outputs", "views"]
    assert (
        f"Sound, up to position {told['head']['position']}, digest {told['head']['digest']}" in filled("verify").stdout
    )
    assert list(filled.json("verify", "--log-only")["parts"]) == ["log"]


LIMITED = """
import resource, sys
from queuectl.cli.main import main
import queuectl.cli.verbs.verify, queuectl.cli.verbs.doctor
limit, most = map(int, (sys.argv.pop(1), sys.argv.pop(1)))
sys.argv[0] = "queuectl"
resource.setrlimit(limit, (most, most))
main()
"""
"""Runs a verb at a limit on its process; what it takes to start Python is had before."""

WHY = "what they are made from is damaged, or could not be looked at"


def test_what_could_not_be_looked_at_is_not_damage(filled: CommandLine) -> None:
    """An event of a newer release is told with what to do about it, and nobody is sent to an old backup."""
    rows = rows_of(filled.db)
    replace(filled.db, rewritten(rows, len(rows), y="unheard_of"))
    told = filled.json("verify", "--log-only", code=1)
    assert [(each["part"], each["is_damage"]) for each in told["problems"]] == [("log", False)]
    said = filled("verify", "--log-only", code=1).stdout
    assert "upgrade this one" in said
    assert "nothing is known to be damaged" in said
    assert "restore" not in said


@pytest.mark.sampled(1)
@pytest.mark.parametrize("verb", ["verify", "doctor"])
@pytest.mark.parametrize(
    ("limit", "most"),
    [
        *((resource.RLIMIT_AS, mib << 20) for mib in (60, 200, 340)),
        *((resource.RLIMIT_DATA, mib << 20) for mib in (24, 32)),
        *((resource.RLIMIT_NOFILE, files) for files in (6, 9, 10)),
        (resource.RLIMIT_FSIZE, 0),
    ],
)
def test_a_limit_on_the_process_is_no_damage(filled: CommandLine, verb: str, limit: int, most: int) -> None:
    """Whatever this process is short of: it ends, and nobody is sent to a backup, a replay or on to verify."""
    command = [sys.executable, "-c", LIMITED, str(limit), str(most), "--db", str(filled.db), verb]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    said = done.stdout + done.stderr
    assert "Traceback" not in said
    assert not [advised for advised in ("restore", "queuectl replay", "type: queuectl verify") if advised in said]
    if verb == "verify" and done.returncode:
        assert "nothing is known to be damaged" in said or done.stderr.startswith("Error: cannot start a process")


def test_a_problem_is_told_with_its_position(filled: CommandLine) -> None:
    """A problem is told with its position, for people and for programs, and exits 1."""
    rows = rows_of(filled.db)
    replace(filled.db, rows[:49] + rows[50:])
    told = filled.json("verify", code=1)
    assert told["problems"] == [
        {"part": "log", "position": 50, "until": None, "what": "it is missing", "is_damage": True}
    ]
    assert "position 50  it is missing" in filled("verify", code=1).stdout


@pytest.mark.slow
def test_damaged_views_are_mended_by_a_replay(filled: CommandLine) -> None:
    """Where only views are wrong the advice is to replay, which mends them; nobody is sent to an old backup."""
    with Store.open(filled.db, create=False) as store, store.write() as txn:
        key, row = next(txn.scan("jobs"))
        txn.put("jobs", key, row[:-1] + bytes([row[-1] ^ 1]))
    told = filled("verify", code=1).stdout
    assert "queuectl replay" in told
    assert "restore" not in told
    filled("replay")
    assert "Sound, up to position" in filled("verify").stdout


@pytest.mark.sampled(1)
@pytest.mark.parametrize("retained", [True, False])
def test_a_damaged_table_of_streams_is_made_anew_from_the_log(cli: CommandLine, tmp_path: Path, retained: bool) -> None:
    """No backup is asked for, and what is said to be typed gives a sound queue with every job that there was."""
    fill(cli.db)
    if not retained:
        cli("compact", "--older-than", "0s")
    jobs, head = cli.json("list", "--limit", "0"), cli.json("verify")["head"]
    with Store.open(cli.db, create=False) as store, store.write() as txn:
        key, last = next(txn.scan("streams"))
        txn.put("streams", key, key_of(int.from_bytes(last, "big") - 1))
    assert {each["part"] for each in cli.json("verify", code=1)["problems"]} == {"streams"}
    said = cli("verify", code=1).stdout
    assert "restore" not in said
    export, anew = (
        re.search(pattern, said) for pattern in ("`queuectl (export FILE)`", "`queuectl --db .* (import FILE)`")
    )
    assert export and anew  # noqa: PT018 - both are in the one line
    file = str(tmp_path / "exported")
    cli(*export[1].replace("FILE", file).split())
    made = CommandLine(tmp_path / "anew")
    made(*anew[1].replace("FILE", file).split())
    shutil.copytree(cli.db / "archive", made.db / "archive") if not retained else None
    assert made.json("verify")["head"] == head
    assert made.json("list", "--limit", "0") == jobs


def test_a_table_of_streams_beside_a_damaged_log_is_no_cause_for_less(filled: CommandLine) -> None:
    """Where events are missing as well a backup is needed: an export would lack them."""
    rows = rows_of(filled.db)
    replace(filled.db, rows[:49] + rows[50:])
    with Store.open(filled.db, create=False) as store, store.write() as txn:
        key, _ = next(txn.scan("streams"))
        txn.delete("streams", key)
    assert "restore a backup" in filled("verify", code=1).stdout


@pytest.mark.slow
def test_a_checkpoint_proves_later_that_nothing_was_changed(filled: CommandLine, tmp_path: Path) -> None:
    """A checkpoint is written, and later proves that nothing was changed or cut, or exits 1 with where."""
    file = str(tmp_path / "checkpoint")
    filled("verify", "--checkpoint", file)
    assert "was changed or cut since" in filled("verify", "--against", file, "--log-only").stdout
    assert filled.json("verify", "--against", file)["against"] == [
        {"file": file, "position": json.loads(Path(file).read_text())["position"]}
    ]
    rows = rows_of(filled.db)
    replace(filled.db, rows[:-2])
    [problem] = [each for each in filled.json("verify", "--against", file, code=1)["problems"] if each["until"]]
    assert (problem["position"], problem["until"]) == (len(rows) - 1, len(rows))


@pytest.mark.parametrize(
    "words",
    [["--against", "/nowhere/c"], ["--checkpoint", "/nowhere/c"], ["--against", "/"], ["--checkpoint", ""]],
    ids=" ".join,
)
def test_wrong_files(filled: CommandLine, words: list[str]) -> None:
    """A checkpoint that cannot be read or written is refused in one line."""
    done = filled("verify", *words, code=1 if words[1] else 2)
    assert done.stderr.startswith("Error: ")
    assert done.stderr.count("\n") == 1


def test_no_queue(cli: CommandLine) -> None:
    """Where there is no queue none is made."""
    assert "no queue at" in cli("verify", code=1).stderr
    assert not cli.db.exists()


@pytest.mark.slow
def test_a_file_cut_short(filled: CommandLine) -> None:
    """It is told without a traceback, by verify and by doctor."""
    os.truncate(filled.db / "data.mdb", (filled.db / "data.mdb").stat().st_size // 2)
    for verb in ("verify", "doctor"):
        done = filled.process(verb)
        assert done.returncode == 1
        assert done.stderr in ("", f"Note: the views were not compared: {WHY}\n")
        assert "Traceback" not in done.stdout


@pytest.mark.slow
def test_a_terminal_has_a_bar_and_a_pipe_nothing_of_it(filled: CommandLine) -> None:
    """A terminal has a bar, a pipe nothing of it."""
    assert "Check" in on_a_terminal(filled, "verify")
    assert filled.process("verify").stderr == ""


@pytest.mark.slow
def test_ctrl_c_ends_it_at_once_and_says_how_far_it_was(cli: CommandLine) -> None:
    """Ctrl-C ends it at once with 130 and a line of how far it was, and the queue is as it was."""
    with cli.queue() as queue:
        for _ in range(20):
            queue.enqueue_many(["true"] * 1000)
    process = cli.spawn("verify", start_new_session=True)
    wait_until(lambda: len(_children(process)) > 0)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(20) == 130
    assert re.fullmatch(r"Interrupted: checking the .*, it begins anew, .*\n", process.communicate()[1])
    assert cli.json("verify")["ok"]


def _children(process: "subprocess.Popen[str]") -> list[str]:
    return Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
