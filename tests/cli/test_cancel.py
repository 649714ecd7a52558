"""cancel: keep jobs from running, or have them stopped."""

from .conftest import CommandLine


def test_pending(cli: CommandLine) -> None:
    """A waiting job is cancelled at once, with who and why in the log."""
    cli("enqueue", "a", "true")
    assert cli("cancel", "a", "--reason", "oops").stdout == "Cancelled a\n"
    assert cli.json("show", "a")["state"] == "cancelled"
    last = cli.json("history", "a")[-1]
    assert (last["type"], last["reason"], last["actor"].split("@")[0]) == ("cancelled", "oops", "tester")


def test_processing(cli: CommandLine) -> None:
    """A running job's worker is asked to stop it."""
    cli("enqueue", "a", "true")
    with cli.queue() as queue:
        queue.start(queue.claim("w1")[0])
    assert cli("cancel", "a").stdout == "Asked w1 to stop a\n"
    assert cli.json("history", "a")[-1]["type"] == "cancel_requested"
    assert "asked for" in cli("show", "a").stdout


def test_refused(cli: CommandLine) -> None:
    """One that has ended is refused and stays; the others are cancelled all the same."""
    cli("enqueue", "a", "true")
    cli.complete("a")
    cli("enqueue", "b", "true")
    said = cli("cancel", "a", "b", code=1)
    assert said.stdout == "Cancelled b\n"
    assert "it is completed" in said.stderr
    assert cli.json("show", "a")["state"] == "completed"


def test_json(cli: CommandLine) -> None:
    """--json gives the jobs that were cancelled."""
    cli("enqueue", "a", "true")
    assert [job["state"] for job in cli.json("cancel", "a")] == ["cancelled"]
