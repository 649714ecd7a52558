"""What commands print, through real workers: bounded in the worker's memory and on disk, and true to the byte."""

import os
import re
import shutil
import signal
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from queuectl import Queue
from queuectl.events.types import Completed
from queuectl.worker.printed import frames_of, shown_content
from tests.lives import state_of
from tests.processes import is_alive, pid_in
from tests.waiting import wait_until
from tests.workers import StartWorker

GB = 1 << 30
MB = 1 << 20


def printed(queue: Queue, job_id: str) -> bytes:
    """Return what the last run of a job printed, with its cuts."""
    return b"".join(map(shown_content, frames_of(queue, queue.runs(job_id)[-1])))


def memory(pid: int, what: str) -> int:
    """Return a measure of a process's memory, in bytes: RssAnon, VmRSS, or VmHWM, the most VmRSS has ever been."""
    found = re.search(rf"{what}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


@pytest.mark.slow
def test_a_gigabyte_leaves_memory_flat(queue: Queue, start: StartWorker) -> None:
    """A command that prints a gigabyte costs its worker no memory; its head, its tail and how much was cut are kept."""
    worker = start()
    queue.enqueue("echo warm", id="warm")
    wait_until(lambda: state_of(queue, "warm") == "completed")
    resident, anonymous = memory(worker.process.pid, "VmRSS"), memory(worker.process.pid, "RssAnon")
    peaks: list[int] = []

    def is_over() -> bool:
        peaks.append(memory(worker.process.pid, "RssAnon"))
        return state_of(queue, "large") == "completed"

    queue.enqueue(f"echo first; head -c {GB} /dev/zero; echo last", id="large")
    wait_until(is_over, timeout_s=100)
    assert max(peaks) - anonymous < 16 * MB
    assert memory(worker.process.pid, "VmHWM") - resident < 16 * MB
    (path,) = (each for each in queue.path.glob("outputs/*/*"))
    limit = queue.admin.settings().output_limit_bytes
    assert limit // 2 < path.stat().st_size < limit + 100
    output = printed(queue, "large")
    assert output.startswith(b"first\n\0\0\0")
    assert output.endswith(b"\0\0\0last\n")
    cut = re.search(rb"\n\[\.\.\. (\d+) bytes cut \.\.\.]\n", output)
    assert cut is not None
    assert len(output) - len(cut[0]) + int(cut[1]) == GB + len("first\nlast\n")


@pytest.mark.sampled(2)
@pytest.mark.parametrize("size", [1, 255, 8000, 9000, 300_000])
def test_any_bytes_survive(queue: Queue, start: StartWorker, tmp_path: Path, size: int) -> None:
    """Whatever bytes a command prints on either stream, small or large, are kept to the byte, with their digest."""
    data = (bytes(range(256)) * (size // 256 + 1))[-size:]
    broken = ("ä".encode() * (size // 2 + 1))[1 : size + 1]
    (tmp_path / "data").write_bytes(data)
    (tmp_path / "broken").write_bytes(broken)
    queue.enqueue(("cat", str(tmp_path / "data")), id="binary")
    queue.enqueue(f"cat {tmp_path}/broken >&2", id="broken")
    assert start(drain=True, slots=2).exit_code() == 0
    assert (printed(queue, "binary"), printed(queue, "broken")) == (data, broken)
    completed = queue.history("binary")[-1].event
    assert isinstance(completed, Completed)
    assert completed.stdout is not None
    assert (completed.stdout.size_bytes, completed.stdout.sha256) == (size, sha256(data).digest())


def test_a_torrent_from_the_background_holds_no_slot(queue: Queue, start: StartWorker, tmp_path: Path) -> None:
    """A child in the background that prints without end neither holds its job's slot nor fills memory or disk."""
    queue.enqueue(f"yes & echo $! > {tmp_path}/child; echo done", id="a")
    queue.enqueue("true", id="next")
    worker = start(drain=True)
    assert worker.exit_code() == 0, worker.said()
    child = pid_in(tmp_path / "child")
    try:
        assert [state_of(queue, job_id) for job_id in ("a", "next")] == ["completed"] * 2
        assert b"done\n" in printed(queue, "a")
        assert len(printed(queue, "a")) < 11 * MB  # `output_limit_bytes`, however late the end is noticed
    finally:
        if is_alive(child):
            os.kill(child, signal.SIGKILL)


def test_a_torrent_is_stopped_in_time(queue: Queue, start: StartWorker) -> None:
    """A command that prints as fast as it can is stopped at its time limit, while another beside it is looked after."""
    queue.admin.config_set("output_limit_bytes", MB)  # which it prints in that time on a busy machine too
    queue.enqueue("trap '' TERM; yes", id="loud", timeout_s=0.5, max_retries=0)
    queue.enqueue("for n in 1 2 3; do echo $n; sleep 0.1; done", id="quiet")
    assert start(drain=True, slots=2, grace_s=0.2).exit_code() == 0
    last = queue.job("loud").last
    assert last is not None
    assert (last.error, last.signal) == ("timed out after 0.5 s", "SIGKILL")
    assert last.duration_ms is not None
    assert last.duration_ms < 5000
    assert b" bytes cut ...]" in printed(queue, "loud")
    assert printed(queue, "quiet") == b"1\n2\n3\n"


def test_silence_costs_no_file(queue: Queue, start: StartWorker) -> None:
    """Jobs that print nothing, however long they run, leave neither files nor directories nor rows."""
    for n, command in enumerate(["true", "exit 3", "sleep 0.4", "kill -9 $$"]):
        queue.enqueue(command, id=f"job{n}", max_retries=0)
    assert start(drain=True, slots=4).exit_code() == 0
    assert not (queue.path / "outputs").exists()
    assert [printed(queue, f"job{n}") for n in range(4)] == [b""] * 4


def test_a_job_enqueues_another(queue: Queue, start: StartWorker, tmp_path: Path) -> None:
    """A command that types a bare `queuectl enqueue` reaches the queue that it is from, and knows its own job."""
    installed = shutil.which("queuectl", path=str(Path(sys.executable).parent))
    command = 'queuectl enqueue "$QUEUECTL_JOB_ID-$QUEUECTL_ATTEMPT-$QUEUECTL_QUEUE" "echo mine"'
    assert installed is not None
    path = f"{Path(installed).parent}:{os.environ['PATH']}"
    queue.enqueue(command, id="a", queue="mail", env={"PATH": path, "QUEUECTL_DB": "/elsewhere"}, cwd=str(tmp_path))
    assert start(drain=True).exit_code() == 0
    assert printed(queue, "a") == b"Enqueued a-1-mail\n"
    assert printed(queue, "a-1-mail") == b"mine\n"
    assert [job.id for job in queue.jobs(state="completed")] == ["a-1-mail", "a"]


@pytest.mark.skipif(not shutil.which("strace"), reason="needs strace to see what is flushed")
def test_large_output_is_on_disk_before_its_run_is_recorded(queue: Queue, tmp_path: Path) -> None:
    """The file and its name are flushed, and only then the commit that says there is such output."""
    queue.enqueue("head -c 20000 /dev/zero")
    trace = tmp_path / "trace"
    worker = [sys.executable, "-m", "queuectl", "--db", str(queue.path), "worker", "start", "--drain"]
    traced = subprocess.run(["strace", "-f", "-y", "-e", "fsync,fdatasync", "-o", trace, *worker], check=False)
    if traced.returncode and not trace.exists():
        pytest.skip("processes may not be traced here")
    flushed = re.findall(r"f(?:data)?sync\(\d+<([^>]*)>", trace.read_text())
    [path] = queue.path.glob("outputs/*/*")
    named = flushed.index(str(path.parent), flushed.index(str(path)))
    commits = [each for each in flushed[named:] if each.endswith("data.mdb")]
    assert len(commits) >= 2, "the run's end, and the worker's"


def test_merged_streams_are_one_in_exact_order(queue: Queue, start: StartWorker) -> None:
    """With `merge` all is stdout, in the very order of the writes, whatever was written to which stream how often."""
    lines = "".join(f"echo {n}{' >&2' if n % 3 else ''}; " for n in range(40))
    queue.enqueue(lines, id="merged", merge=True)
    queue.enqueue("echo no > /dev/stderr; exit 3", id="failed", merge=True, max_retries=0)
    start(drain=True).exit_code()
    assert printed(queue, "merged") == b"".join(b"%d\n" % n for n in range(40))
    [run] = queue.runs("merged")
    assert queue.output_bytes(run, "stdout") == printed(queue, "merged")
    assert printed(queue, "failed") == b"no\n"
    failed = queue.job("failed").last
    assert failed is not None
    assert failed.error == "exit code 3"
