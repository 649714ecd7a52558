"""A handler of signals may raise, at a time limit or Ctrl-C, wherever a thread writes: nobody is kept out by that."""

import subprocess
import sys
from pathlib import Path

import pytest

RAISED = """
import random, signal, sys, threading
from queuectl import Queue
error = {"TimeoutError": TimeoutError, "KeyboardInterrupt": KeyboardInterrupt}[sys.argv[2]]
def handle(*_):
    raise error
random.seed(1)
with Queue.open(sys.argv[1]) as queue:
    queue.complete_many(queue.claim("w", 1))
    acts = [lambda: queue.enqueue("true"), lambda: queue.complete_many(queue.claim("w", 3)),
            lambda: queue.config_set("max_retries", 1)]
    for act in acts:
        act()  # what is loaded at the first call is loaded
    signal.signal(signal.SIGALRM, handle)
    raised = count = 0
    while raised < 600:
        count += 1
        try:
            signal.setitimer(signal.ITIMER_REAL, random.uniform(0.00001, 0.0006))
            acts[count % 3]()
        except error:
            raised += 1
        while True:
            try:
                signal.setitimer(signal.ITIMER_REAL, 0)
                break
            except error:
                raised += 1
        if count % 100 == 0:
            other = threading.Thread(target=queue.enqueue, args=("echo other",), daemon=True)
            other.start()
            other.join(10)
            assert not other.is_alive(), "another thread cannot write any more"
    assert queue.replay(check=True).differences == []
print("done", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("error", ["TimeoutError", "KeyboardInterrupt"])
def test_nobody_is_kept_out_where_a_handler_raised(tmp_path: Path, error: str) -> None:
    """After hundreds of writes that were broken off, other threads and another process write at once."""
    words = [sys.executable, "-c", RAISED, str(tmp_path / "q"), error]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"done\n"
            write = "import sys, queuectl\nwith queuectl.Queue.open(sys.argv[1]) as queue: queue.enqueue('true')"
            subprocess.run([sys.executable, "-c", write, str(tmp_path / "q")], timeout=30, check=True)
        finally:
            process.kill()
            assert process.stderr is not None
            told = process.stderr.read().decode()
    assert told == ""


GROWN = """
import random, signal, subprocess, sys, time
from pathlib import Path
from queuectl import lmdbfile
from queuectl.store import Store

GROWER = '''
import sys
from pathlib import Path
from queuectl.store import Store
with Store.open(Path(sys.argv[1]), create=False) as store, store.write() as txn:
    txn.put("jobs", b"large", b"x" * (16 << 20))
'''
def handle(*_):
    raise TimeoutError
def write():
    with store.write() as txn:
        txn.put("jobs", b"small", b"1")
def read():
    with store.read() as txn:
        txn.get("jobs", b"small")
def typical_s(act):
    took = []
    for _ in range(20):
        begun = time.perf_counter()
        act()
        took.append(time.perf_counter() - begun)
    return sorted(took)[10]

lmdbfile.MAP_SIZE = 8 << 20
random.seed(1)
with Store.open(Path(sys.argv[1]), create=True) as store:
    acts = [(act, typical_s(act)) for act in (write, read, read)]
    signal.signal(signal.SIGALRM, handle)
    raised = count = 0
    while raised < 1500:
        count += 1
        act, seconds = acts[count % 3]
        try:
            signal.setitimer(signal.ITIMER_REAL, random.uniform(0.00001, 1.2 * seconds))
            act()
        except TimeoutError:
            raised += 1
        while True:
            try:
                signal.setitimer(signal.ITIMER_REAL, 0)
                break
            except TimeoutError:
                raised += 1
    subprocess.run([sys.executable, "-c", GROWER, sys.argv[1]], check=True)
    read()
    write()
"""


def test_the_map_can_grow_where_a_handler_raised(tmp_path: Path) -> None:
    """After over a thousand reads and writes that were broken off, what another process enlarged is mapped anew."""
    words = [sys.executable, "-c", GROWN, str(tmp_path / "q")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
