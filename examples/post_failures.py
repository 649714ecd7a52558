#!/usr/bin/env python3
"""Post every failed attempt and every dead job to a URL, as JSON: the log as a source for other programs.

python examples/post_failures.py https://hooks.example.org/queue

Begins with what fails from its first start on, and goes on where it left off, also after kill -9: each
event is posted at least once, in order. Its position in the log is kept as the subscription
`post-failures` (see `queuectl subscriptions`). `position` tells the receiver what it has seen already.
"""

import argparse
import json
import sys
import time
import urllib.request

from queuectl import Queue, event_json

LONGEST_WAIT_S = 60.0


def main(url: str) -> None:
    """Follow the log for ever."""
    with Queue.open() as queue, queue.subscribe("post-failures", start="now") as batches:
        for batch in batches:
            for recorded in batch:
                told = event_json(recorded, queue.log.job_id_of(recorded.stream))
                if told["type"] in ("failed", "dead"):
                    post(url, told)
                    batches.ack(recorded.position)  # on disk, so that a kill repeats one post rather than a batch


def post(url: str, told: dict[str, object]) -> None:
    """Post until it is taken, waiting longer each time."""
    request = urllib.request.Request(url, json.dumps(told).encode(), {"Content-Type": "application/json"})
    wait_s = 0.1
    while True:
        try:
            with urllib.request.urlopen(request, timeout=10):
                return
        except OSError as error:
            print(f"cannot post position {told['position']}: {error}; next try in {wait_s:.1f} s", file=sys.stderr)
            time.sleep(wait_s)
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)


if __name__ == "__main__":
    try:
        parser = argparse.ArgumentParser(description="Post what fails to a URL, each failure at least once.")
        parser.add_argument("url")
        main(parser.parse_args().url)
    except KeyboardInterrupt:
        sys.exit(130)
