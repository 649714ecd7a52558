"""Add the golden bytes of new cases; never changes a line that is there.

Run as `python -m tests.golden.add` from the top of the source tree.
"""

from pathlib import Path

from queuectl.events.codec import encode
from tests.golden.cases import CASES

GOLDEN = Path(__file__).with_name("events-v1.txt")


def read() -> dict[str, bytes]:
    """Return the stored bytes of each case."""
    rows = (line.split() for line in GOLDEN.read_text().splitlines() if line and not line.startswith("#"))
    return {name: bytes.fromhex(value) for name, value in rows}


def add() -> list[str]:
    """Append the cases that have no line yet, and give their names."""
    missing = [name for name in CASES if name not in read()]
    with GOLDEN.open("a") as file:
        for name in missing:
            event = CASES[name]
            file.write(f"{name} {encode(event, event.position.to_bytes(8, 'big')).hex()}\n")
    return missing


if __name__ == "__main__":
    print("added:", ", ".join(add()) or "nothing")
