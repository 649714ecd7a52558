"""replay: views rebuilt from the log, compared, put in place."""

import pytest

from queuectl.queue import Queue
from tests.cli.conftest import CommandLine


@pytest.mark.parametrize("words", [[], ["--check"]])
def test_a_sound_queue_has_no_differences(cli: CommandLine, words: list[str]) -> None:
    """A sound queue has no differences, swapped or not, and is the same afterwards."""
    cli("enqueue", "a", "true")
    cli.complete("a")
    cli("enqueue", "b", "true")
    before = cli.json("list")
    report = cli.json("replay", *words)
    assert (report["events"], report["differences"], report["swapped"]) == (5, [], not words)
    assert 0 <= report["held_ms"] <= report["duration_s"] * 1000
    assert cli.json("list") == before
    assert "no differences" in cli("replay", *words).stdout


def test_damaged_view(cli: CommandLine) -> None:
    """--check of a view that is not what the log says tells so and exits 1; replay mends it."""
    cli("enqueue", "a", "true")
    with Queue.open(cli.db) as queue, queue._store.write() as txn:
        txn.delete("marks", b"queue default")
    assert cli.json("replay", "--check", code=1)["differences"]
    cli("replay")
    assert cli.json("replay", "--check")["differences"] == []
    assert cli.json("status")["jobs"]["pending"] == 1
