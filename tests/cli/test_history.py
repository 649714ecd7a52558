"""history: all that ever happened to a job."""

from .conftest import CommandLine


def test_json(cli: CommandLine) -> None:
    """Every event is there in order: position, time, type, job, who, what."""
    cli("enqueue", "a", "true", "--max-retries", "0")
    cli.kill("a", "it broke")
    events = cli.json("history", "a")
    assert [event["type"] for event in events] == ["enqueued", "claimed", "started", "failed", "dead"]
    assert [event["position"] for event in events] == [1, 2, 3, 4, 5]
    assert {event["job"] for event in events} == {"a"}
    assert (events[0]["actor"].split("@")[0], events[1]["actor"]) == ("tester", "w")
    assert events[3]["data"]["error"] == "it broke"


def test_text(cli: CommandLine) -> None:
    """People get a line an event, what came from the job escaped."""
    cli("enqueue", "a", "true", "--max-retries", "0", "--reason", "nightly")
    cli.kill("a", "it \x1b[31mbroke")
    lines = cli("history", "a").stdout.splitlines()
    assert lines[0].split() == ["POS", "TIME", "GAP", "EVENT", "WHO", "DETAILS"]
    assert "because: nightly" in lines[1]
    assert "it \\x1b[31mbroke, no retry left" in lines[4]
    assert "after 1 attempt," in lines[5]


def test_earlier_jobs_of_the_id(cli: CommandLine) -> None:
    """A removed job's history is still told, and stands before that of the next job of its id."""
    cli("enqueue", "a", "true")
    cli("cancel", "a")
    cli("clear", "--state", "cancelled")
    assert [event["type"] for event in cli.json("history", "a")] == ["enqueued", "cancelled", "removed"]
    cli("enqueue", "a", "false")
    assert [event["type"] for event in cli.json("history", "a")] == ["enqueued", "cancelled", "removed", "enqueued"]


def test_unknown(cli: CommandLine) -> None:
    """An id that never was is refused."""
    cli("enqueue", "a", "true")
    cli("history", "b", code=1)
