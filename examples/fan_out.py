#!/usr/bin/env python3
"""Run a command on each of many files, and show what the failed ones said.

python examples/fan_out.py 'gzip -t' /usr/share/man/man1/*.gz

Uses the queue of QUEUECTL_DB or of this user, and a worker that runs (or ran) already is no hindrance:
this one leaves when nothing is left to do. Exits 1 where any file failed.
"""

import argparse
import shlex
import subprocess
import sys

from queuectl import JobRequest, JobState, Queue


def main(command: str, files: list[str]) -> int:
    """Enqueue a job a file, have them run, and print what failed."""
    with Queue.open() as queue:
        requests = [JobRequest((*shlex.split(command), file), queue="fan-out", max_retries=0) for file in files]
        ids = queue.enqueue_many(requests, reason=f"{command} on {len(files)} files").ids

        worker = ["worker", "start", "--queue", "fan-out", "--count", "4", "--drain"]
        with subprocess.Popen([sys.executable, "-m", "queuectl", "--db", str(queue.path), *worker], stdout=sys.stderr):
            jobs = queue.wait(ids)

        failed = [(file, job) for file, job in zip(files, jobs, strict=True) if job.state != JobState.COMPLETED]
        for file, job in failed:
            print(f"{file}: {job.error or job.state}")
            print(queue.output_text(job.id, "stderr"), end="")
    print(f"{len(files) - len(failed)} of {len(files)} files are well")
    return 1 if failed else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Run a command on each of many files.")
    parser.add_argument("command", help="the command, with its options, as one word")
    parser.add_argument("files", nargs="+", metavar="FILE")
    asked = parser.parse_args()
    sys.exit(main(asked.command, asked.files))
