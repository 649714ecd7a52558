"""logs: what each run printed, run by run, and while it runs."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from shutil import which

import pytest

from queuectl.outputs.frames import encode_frame
from tests.cli.conftest import CommandLine
from tests.cli.terminal import Terminal
from tests.waiting import wait_until

FAILS = "echo out $QUEUECTL_ATTEMPT; echo err >&2; exit 3"


def test_heading_for_each_run(cli: CommandLine) -> None:
    """Each attempt has a heading that says when, by whom and how it ended, and its output below."""
    cli("enqueue", "a", FAILS, "--max-retries", "1", "--backoff-base", "0")
    cli.drain()
    lines = cli("logs", "a").stdout.splitlines()
    headings = [line for line in lines if line.startswith("==> ")]
    assert [line.split(",")[0] for line in headings] == ["==> attempt 1", "==> attempt 2"]
    assert all("failed" in line for line in headings)
    assert sorted(lines[1:3]) == ["err", lines[1] if lines[1] != "err" else lines[2]]


def test_streams_and_attempts(cli: CommandLine) -> None:
    """--stdout, --stderr and --attempt choose; an attempt there never was is refused."""
    cli("enqueue", "a", FAILS, "--max-retries", "0")
    cli.drain()
    assert "out" not in cli("logs", "a", "--stderr").stdout
    assert "\nerr\n" not in cli("logs", "a", "--stdout", "--attempt", "1").stdout
    assert cli("logs", "a", "--attempt", "2", code=1).stderr == "Error: attempt: found 2; expected one of 1\n"


def test_runs_are_numbered_through(cli: CommandLine) -> None:
    """After a retry several runs are attempt 1: all of them are shown, each with which run it is."""
    cli("enqueue", "a", FAILS, "--max-retries", "1", "--backoff-base", "0")
    cli.drain()
    cli("dlq", "retry", "a")
    cli.drain()
    shown = cli("logs", "a", "--attempt", "1").stdout.splitlines()
    headings = [line for line in shown if line.startswith("==> ")]
    assert [re.match(r"==> (run \d, )?attempt \d", line)[0] for line in headings] == [  # type: ignore[index]
        "==> attempt 1",
        "==> run 3, attempt 1",
    ]
    assert [(run["run"], run["attempt"]) for run in cli.json("logs", "a")] == [(1, 1), (2, 2), (3, 1), (4, 2)]
    followed = [json.loads(line) for line in cli("logs", "a", "--follow", "--json", code=3).stdout.splitlines()]
    assert [each["run"] for each in followed if each["event"] == "started"] == [1, 2, 3, 4]
    assert "expected one of 1, 2\n" in cli("logs", "a", "--attempt", "5", code=1).stderr


def test_json_has_both_streams_of_each_run_as_text(cli: CommandLine) -> None:
    """--json gives a list of runs with both streams as text, broken bytes escaped."""
    cli("enqueue", "a", r"printf 'a\377b'; echo e >&2")
    cli.drain()
    (run,) = cli.json("logs", "a")
    assert (run["attempt"], run["state"], run["stdout"], run["stderr"]) == (1, "completed", "a\\xffb", "e\n")


def test_bytes_survive(cli: CommandLine) -> None:
    """Output goes out byte for byte, and a heading never hangs on its last line."""
    cli("enqueue", "a", r"printf 'a\377b'", "--max-retries", "0")
    cli.drain()
    assert cli("logs", "a").stdout_bytes.split(b"\n", 1)[1] == b"a\xffb\n"


def test_large_output(cli: CommandLine) -> None:
    """Output too large for the store is there in full."""
    cli("enqueue", "a", "seq 100000")
    cli.drain()
    text = "".join(f"{n}\n" for n in range(1, 100_001))
    assert cli.json("logs", "a")[0]["stdout"] == text


def test_not_run_yet(cli: CommandLine) -> None:
    """A job that has not run has no logs, which is no error."""
    cli("enqueue", "a", "true")
    said = cli("logs", "a")
    assert (said.stdout, said.stderr) == ("", "a has not run yet; it is pending\n")
    assert cli.json("logs", "a") == []


def test_the_logs_of_no_job_are_refused(cli: CommandLine) -> None:
    """The logs of a job that is not there are refused."""
    cli("enqueue", "a", "true")
    cli("logs", "b", code=1)


def test_follow_shows_a_line_while_the_job_runs_and_ends_as_it_did(cli: CommandLine, tmp_path: object) -> None:
    """--follow shows a line while the job still runs, and ends with the job, exiting as it did."""
    gate = cli.db.parent / "gate"
    cli(
        "enqueue", "a", f"echo first; until [ -e {gate} ]; do sleep 0.05; done; echo last; exit 4", "--max-retries", "0"
    )
    worker = cli.spawn("worker", "start", "--drain")
    following = cli.spawn("logs", "a", "--follow")
    assert following.stdout is not None
    seen = [following.stdout.readline(), following.stdout.readline()]
    assert seen[0].startswith("==> attempt 1")
    assert seen[1] == "first\n"
    gate.touch()
    rest, errors = following.communicate(timeout=20)
    assert rest.startswith("last\n==> attempt 1: failed"), errors
    assert following.returncode == 4
    worker.communicate(timeout=20)


def test_follow_of_what_nobody_would_run(cli: CommandLine) -> None:
    """--follow says at once, and once, that no running worker serves the queue of a job that waits."""
    cli("enqueue", "a", "true", "--queue", "mail")
    following = cli.spawn("logs", "a", "--follow")
    assert following.stderr is not None
    assert following.stderr.readline().startswith("No running worker serves queue mail (1 job waits); start one:")
    cli("cancel", "a")
    assert following.communicate(timeout=20)[1] == ""


@pytest.mark.parametrize("state", ["completed", "cancelled"])
def test_follow_of_an_ended_job(cli: CommandLine, state: str) -> None:
    """--follow of a job that has ended shows all and ends at once."""
    cli("enqueue", "a", "echo hi")
    cli("cancel", "a") if state == "cancelled" else cli.drain()
    told = [
        json.loads(line)
        for line in cli("logs", "a", "--follow", "--json", code=int(state == "cancelled")).stdout.splitlines()
    ]
    assert [each["event"] for each in told] == (["started", "output", "ended"] if state == "completed" else [])


def test_follow_across_a_retry(cli: CommandLine) -> None:
    """--follow goes on through the retries of a job."""
    cli("enqueue", "a", "echo hi; exit 1", "--max-retries", "1", "--backoff-base", "0")
    worker = cli.spawn("worker", "start", "--drain")
    following = cli.process("logs", "a", "--follow")
    assert following.stdout.count("hi\n") == 2
    assert following.returncode == 1
    wait_until(lambda: worker.poll() is not None)
    worker.communicate()


@pytest.mark.slow
def test_a_line_is_seen_at_once(cli: CommandLine) -> None:
    """A follower sees each line of a running job within half a second of the moment the command printed it."""
    cli("enqueue", "a", "for n in 1 2 3 4 5 6 7 8 9 10; do date +%s.%N; sleep 0.2; done; exit 3", "--max-retries", "0")
    following = cli.spawn("logs", "a", "--follow")
    worker = cli.spawn("worker", "start", "--drain")
    assert following.stdout is not None
    late = [time.time() - float(line) for line in following.stdout if line[0] != "="]
    assert len(late) == 10
    assert max(late) < 0.5
    following.communicate(timeout=20)
    assert following.returncode == 3
    worker.communicate(timeout=20)


def test_a_follower_reads_only_what_is_new(cli: CommandLine) -> None:
    """A follower that looks again and again reads each byte of a large output once."""
    size, gate = 30_000_000, cli.db.parent / "gate"
    cli("config", "set", "output_limit_bytes", str(10 * size))
    cli("enqueue", "a", f"head -c {size} /dev/zero; until [ -e {gate} ]; do sleep 0.05; done; echo; echo last")
    worker = cli.spawn("worker", "start", "--drain")
    following = cli.spawn("logs", "a", "--follow", stdout=subprocess.PIPE)
    assert following.stdout is not None
    raw = following.stdout.buffer.raw  # type: ignore[attr-defined]
    seen = 0
    while seen < size:
        seen += len(raw.read(1 << 20))
    before = read_bytes(following.pid)
    assert before < 1.5 * size
    wait_until(lambda until=time.monotonic() + 1: time.monotonic() > until)  # type: ignore[misc]  # twenty looks
    assert read_bytes(following.pid) - before < 100_000
    gate.touch()
    rest, _ = following.communicate(timeout=20)
    assert "\nlast\n==> attempt 1: completed" in rest
    worker.communicate(timeout=20)


def read_bytes(pid: int) -> int:
    """Return how much a process has read from files."""
    return int(Path(f"/proc/{pid}/io").read_text().split()[1])


MEASURED = """
import os, sys
from pathlib import Path
from queuectl.cli.main import main
status, end = Path("/proc/self/status"), os._exit
peak = lambda: next(each for each in status.read_bytes().splitlines() if b"VmHWM" in each)
os._exit = lambda code: end(code if os.write(2, peak()) else 1)
sys.argv[0] = "queuectl"
main()
"""


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    "words",
    [[], ["--json"], ["--follow"], ["--follow", "--json"], ["--stderr"], ["--tail", "3"], ["--json", "--tail", "3"]],
)
def test_large_output_needs_little_memory(cli: CommandLine, words: list[str]) -> None:
    """Output of any size is shown in bounded memory, in each form."""
    cli("enqueue", "a", "true")
    with cli.queue() as queue:
        job = queue.worker("w1").start(queue.worker("w1").claim()[0])
        path = queue.worker("w1").output_path(job)
        path.parent.mkdir(parents=True)
        with path.open("wb") as file:
            for _ in range(2000):
                file.write(encode_frame(b"o", b"x" * 65_536))
        queue.worker("w1").complete(job)
    command = [sys.executable, "-c", MEASURED, "--db", str(cli.db), "logs", "a", *words]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=60, check=True)
    assert int(done.stderr.split()[1]) < 64_000, done.stderr  # kB; the output has 131,000


@pytest.mark.slow
def test_characters_cut_in_two_come_whole(cli: CommandLine) -> None:
    """In JSON a character is one, though the command wrote its bytes one by one, and a broken one is escaped."""
    command = r"printf '\303'; sleep 0.3; printf '\251\n'; sleep 0.2; printf '\342\202'"
    cli("enqueue", "a", command)
    worker = cli.spawn("worker", "start", "--drain")
    told = [json.loads(line) for line in cli.process("logs", "a", "--follow", "--json").stdout.splitlines()]
    assert "".join(each["text"] for each in told if each["event"] == "output") == "é\n\\xe2\\x82"
    assert cli.json("logs", "a")[0]["stdout"] == "é\n\\xe2\\x82"
    worker.communicate(timeout=20)


# Several jobs, the last lines, the last run


def test_several_jobs(cli: CommandLine) -> None:
    """Several are shown one after the other, each heading with its job; one not there costs the others nothing."""
    cli("enqueue", "a", "echo one")
    cli("enqueue", "b", "echo two")
    cli.drain()
    lines = cli("logs", "b", "a").stdout.splitlines()
    assert [line.split(",")[0] for line in lines] == ["==> b: attempt 1", "two", "==> a: attempt 1", "one"]
    assert [(run["job"], run["stdout"]) for run in cli.json("logs", "a", "b")] == [("a", "one\n"), ("b", "two\n")]
    done = cli("logs", "a", "nope", "b", code=1)
    assert "no job 'nope'" in done.stderr
    assert "two\n" in done.stdout
    assert "leave the others out" in cli("logs", "a", "b", "--follow", code=2).stderr


@pytest.fixture
def noisy(cli: CommandLine) -> CommandLine:
    """Return a queue with a job whose two runs printed ten lines each, those of the second with a 2."""
    command = "for n in 0 1 2 3 4 5 6 7 8 9; do echo $QUEUECTL_ATTEMPT$n; done; printf end; exit 1"
    cli("enqueue", "a", command, "--max-retries", "1", "--backoff-base", "0")
    cli.drain()
    return cli


@pytest.mark.slow
def test_tail_shows_the_last_lines_of_each_run(noisy: CommandLine) -> None:
    """--tail N shows the last N lines of each run, the one that was not ended among them; in JSON too."""
    lines = noisy("logs", "a", "--tail", "3").stdout.splitlines()
    assert [line for line in lines if not line.startswith("==> ")] == ["18", "19", "end", "28", "29", "end"]
    assert [run["stdout"] for run in noisy.json("logs", "a", "--tail", "2")] == ["19\nend", "29\nend"]
    assert [line[:3] for line in noisy("logs", "a", "--tail", "0").stdout.splitlines()] == ["==>", "==>"]
    assert noisy("logs", "a", "--tail", "99").stdout == noisy("logs", "a").stdout
    assert "tail: found '-1'" in noisy.process("logs", "a", "--tail=-1").stderr


def test_last_shows_the_last_run_alone(noisy: CommandLine) -> None:
    """--last shows the last run alone, with its number."""
    lines = noisy("logs", "a", "--last", "--tail", "1").stdout.splitlines()
    assert [line.split(",")[0] for line in lines] == ["==> attempt 2", "end"]
    assert [run["run"] for run in noisy.json("logs", "a", "--last")] == [2]
    told = [json.loads(line) for line in noisy("logs", "a", "--last", "--follow", "--json", code=1).stdout.splitlines()]
    assert {each["run"] for each in told} == {2}


def test_tail_of_what_goes_on(cli: CommandLine) -> None:
    """With --follow the last lines of what was printed so far are shown, and then all that comes."""
    gate = cli.db.parent / "gate"
    cli("enqueue", "a", f"echo one; echo two; until [ -e {gate} ]; do sleep 0.05; done; echo three; echo four")
    worker = cli.spawn("worker", "start", "--drain")
    wait_until(lambda: "two\n" in cli("logs", "a").stdout)
    following = cli.spawn("logs", "a", "--follow", "--tail", "1")
    assert following.stdout is not None
    assert following.stdout.readline().startswith("==> attempt 1")
    assert following.stdout.readline() == "two\n"
    gate.touch()
    rest, _ = following.communicate(timeout=20)
    assert rest.startswith("three\nfour\n==> attempt 1: completed")
    worker.communicate(timeout=20)


def test_runs_only_given_back_are_left_out(cli: CommandLine) -> None:
    """A run that used no attempt and printed nothing is not shown, and said to be left out, unless asked for."""
    cli("enqueue", "a", "true")
    with cli.queue() as queue:
        queue.worker("w").release(queue.worker("w").start(queue.worker("w").claim()[0]))
        job = queue.worker("w").start(queue.worker("w").claim()[0])
        path = queue.worker("w").output_path(job)
        path.parent.mkdir(parents=True)
        path.write_bytes(encode_frame(b"o", b"begun\n"))
        queue.worker("w").release(job)
        queue.worker("w").complete(queue.worker("w").start(queue.worker("w").claim()[0]))
    done = cli("logs", "a")
    assert done.stderr == "Without the run of a that was given back before anything was printed; --all-runs has all\n"
    headings = [line.split(",")[0] for line in done.stdout.splitlines() if line.startswith("==> ")]
    assert headings == ["==> run 2", "==> run 3"]
    assert [run["run"] for run in cli.json("logs", "a")] == [2, 3]
    for words in (["--all-runs"], ["--attempt", "1"]):
        done = cli("logs", "a", *words)
        assert (done.stdout.count("==> "), done.stderr) == (3, "")
    told = [json.loads(line) for line in cli("logs", "a", "--follow", "--json").stdout.splitlines()]
    assert [each["run"] for each in told if each["event"] == "started"] == [2, 3]


# On a terminal


def lines_of(terminal: Terminal) -> list[str]:
    return [line.replace("\x1b[1m", "") for line in terminal.sent.decode().split("\r\n")]


@pytest.mark.slow
def test_a_pager(cli: CommandLine, tmp_path: Path) -> None:
    """What is longer than the screen goes through PAGER, all of it; not what fits, is followed or piped."""
    pager = tmp_path / "pager"
    pager.write_text("#!/bin/sh\nexec sed 's/^/| /'\n")
    pager.chmod(0o755)
    cli("enqueue", "long", "seq 100")
    cli("enqueue", "short", "seq 5")
    cli.drain()
    for words, is_paged in (
        (["logs", "long"], True),
        (["logs", "short", "long"], True),
        (["logs", "short"], False),
        (["logs", "long", "--tail", "3"], False),
        (["logs", "long", "--follow"], False),
    ):
        with Terminal(cli, *words, PAGER=str(pager)) as terminal:
            assert terminal.end() == 0
            lines = lines_of(terminal)
        assert ("| 1" in lines, "| 100" in lines) == (is_paged, is_paged), words
        assert any(line.startswith("| ") for line in lines) == is_paged
    with Terminal(cli, "logs", "long", PAGER="cat") as terminal:
        assert terminal.end() == 0
        assert "100" in lines_of(terminal)
    piped = cli.process("logs", "long", env=os.environ | {"PAGER": str(pager)})
    assert "| " not in piped.stdout


def test_a_pager_that_is_left(cli: CommandLine) -> None:
    """A pager that ends before it has read all ends the output, which is no failure; one not there is not used."""
    cli("enqueue", "a", "seq 100000")
    cli.drain()
    with Terminal(cli, "logs", "a", PAGER="head -n 3") as terminal:
        assert terminal.end() == 0
        assert [line for line in lines_of(terminal) if line][-2:] == ["1", "2"]
    with Terminal(cli, "logs", "a", "--tail", "100", PAGER="no-such-pager") as terminal:
        assert terminal.end() == 0
        assert "100000" in lines_of(terminal)


@pytest.mark.skipif(which("less") is None, reason="needs less")
def test_less_shows_it_and_leaves_the_terminal_as_it_was(cli: CommandLine) -> None:
    """Unless told otherwise less shows it, and q leaves the terminal as it was."""
    cli("enqueue", "a", "seq 100")
    cli.drain()
    with Terminal(cli, "logs", "a", PAGER="less") as terminal:
        terminal.wait_for("22")
        terminal.type("G")
        terminal.wait_for("100")
        terminal.type("q")
        assert (terminal.end(), terminal.is_sane()) == (0, True)
