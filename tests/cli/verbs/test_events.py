"""events: the log, by position, time and type, and as it grows."""

import json
import time

import pytest

from tests.cli.conftest import CommandLine
from tests.processes import cpu_s
from tests.waiting import wait_until


@pytest.fixture
def full(cli: CommandLine) -> CommandLine:
    """Return a log of six events: a's life, then a setting."""
    cli("enqueue", "a", "true", "--max-retries", "0")
    cli.kill("a")
    cli("config", "set", "max_retries", "5")
    return cli


def positions(cli: CommandLine, *words: str) -> list[int]:
    """Return the positions of the events chosen."""
    return [event["position"] for event in cli.json("events", *words)]


def test_every_event_is_there_with_its_job(full: CommandLine) -> None:
    """Every event is there, with its job's id, or None for what is about no job."""
    events = full.json("events")
    assert [event["position"] for event in events] == [1, 2, 3, 4, 5, 6]
    assert [event["job"] for event in events] == ["a"] * 5 + [None]


def test_since_and_until_include_what_they_name(full: CommandLine) -> None:
    """--since and --until include the positions they name, and times are taken too."""
    assert positions(full, "--since", "3", "--until", "4") == [3, 4]
    assert positions(full, "--since", "2000-01-01T00:00:00Z") == [1, 2, 3, 4, 5, 6]
    assert positions(full, "--until", "2000-01-01T00:00:00Z") == []
    at = full.json("events")[5]["time"]
    assert positions(full, "--since", at) == [6]


def test_type_chooses_and_refuses_what_is_none(full: CommandLine) -> None:
    """--type chooses, several may be given, and one that is none is refused with the list."""
    assert positions(full, "--type", "failed", "--type", "dead") == [4, 5]
    assert "config_changed" in full("events", "--type", "exploded", code=2).stderr


def test_people_get_one_table(full: CommandLine) -> None:
    """People get one table, and words where there is nothing."""
    lines = full("events").stdout.splitlines()
    assert len(lines) == 7
    assert "max_retries: default -> 5" in lines[6]
    assert full("events", "--since", "99").stderr == "No such events.\n"


def test_many_pages_have_one_title(cli: CommandLine) -> None:
    """A long log has its titles once."""
    cli("enqueue", "--file", "-", "--lines", text="true\n" * 1200)
    shown = cli("events").stdout
    assert shown.count("DETAILS") == 1
    assert len(shown.splitlines()) == 1201


def test_follow_has_those_to_come_as_well(full: CommandLine) -> None:
    """--follow --json gives an object a line, those to come as well."""
    following = full.spawn("events", "--follow", "--json", "--since", "6")
    assert following.stdout is not None
    assert json.loads(following.stdout.readline())["position"] == 6
    full("enqueue", "b", "true")
    assert json.loads(following.stdout.readline())["job"] == "b"
    following.terminate()
    following.communicate(timeout=10)


@pytest.mark.slow
def test_follow_only_some(full: CommandLine) -> None:
    """--follow shows what was chosen alone, begins with the newest so many, and ends after --limit."""
    full("enqueue", "b", "true", "--queue", "mail")
    following = full.spawn("events", "--follow", "--json", "--queue", "mail", "--limit", "2")
    assert following.stdout is not None
    assert json.loads(following.stdout.readline())["job"] == "b"
    full("enqueue", "c", "true")
    full("enqueue", "d", "true", "--queue", "mail")
    assert json.loads(following.communicate(timeout=20)[0])["job"] == "d"
    assert following.returncode == 0
    newest = full.spawn("events", "--follow", "--json", "--last", "1", "--type", "dead")
    assert newest.stdout is not None
    assert json.loads(newest.stdout.readline())["position"] == 5
    newest.terminate()
    newest.communicate(timeout=10)


def test_follow_one_job(full: CommandLine) -> None:
    """A job is followed through its removal into the next job of its id."""
    following = full.spawn("events", "--follow", "--json", "--job", "a", "--since", "5", "--limit", "3")
    assert following.stdout is not None
    assert json.loads(following.stdout.readline())["type"] == "dead"
    full("dlq", "purge", "a")
    full("enqueue", "b", "true")
    full("enqueue", "a", "true")
    shown = following.communicate(timeout=20)[0].splitlines()
    assert [json.loads(line)["type"] for line in shown] == ["removed", "enqueued"]


@pytest.mark.slow
def test_follow_is_quick_and_cheap(full: CommandLine) -> None:
    """An event is shown within a fifth of a second, mostly; waiting for it costs next to nothing."""
    following = full.spawn("events", "--follow", "--json", "--since", "7")
    try:
        assert following.stdout is not None
        delays_s = []
        with full.queue() as queue:
            queue.enqueue("true")
            following.stdout.readline()
            for _ in range(40):
                queue.enqueue("true")
                begun = time.monotonic()
                following.stdout.readline()
                delays_s.append(time.monotonic() - begun)
        assert sorted(delays_s)[len(delays_s) // 2] < 0.2
        assert sorted(delays_s)[len(delays_s) * 95 // 100] < 1.0
        before, begun = cpu_s(following.pid), time.monotonic()
        wait_until(lambda: time.monotonic() - begun > 2)
        assert (cpu_s(following.pid) - before) / (time.monotonic() - begun) < 0.05
    finally:
        following.terminate()
        following.communicate(timeout=10)


def test_a_follower_holds_no_old_page(full: CommandLine) -> None:
    """While someone follows the log and nothing is appended, writes go on without the file growing."""
    following = full.spawn("events", "--follow", "--json", "--since", "6")
    try:
        assert following.stdout is not None
        following.stdout.readline()
        with full.queue() as queue:
            for _ in range(20):
                queue.worker("w").heartbeat()
            before = queue.admin.sizes()["used"]
            for _ in range(400):
                queue.worker("w").heartbeat()
            assert queue.admin.sizes()["used"] - before < 50 * 4096  # each write makes several pages old
    finally:
        following.terminate()
        following.communicate(timeout=10)


def test_events_are_chosen_by_job_queue_and_actor(full: CommandLine) -> None:
    """Events are chosen by job, queue and actor, the first or the newest so many; a job that never was is refused."""
    full("enqueue", "b", "true", "--queue", "mail")
    assert positions(full, "--job", "a") == [1, 2, 3, 4, 5]
    assert positions(full, "--queue", "mail") == [7]
    assert positions(full, "--actor", "w") == [2, 3, 4, 5]
    assert positions(full, "--actor", "w", "--limit", "2") == [2, 3]
    assert positions(full, "--last", "2") == [6, 7]
    assert positions(full, "--last", "2", "--until", "6", "--job", "a") == [4, 5]
    assert "no job 'nobody'" in full("events", "--job", "nobody", code=1).stderr
    assert full.json("events", "--actor", "nobody") == []


@pytest.mark.parametrize(
    "words", [["--follow", "--until", "3"], ["--wrong"], ["--limit", "1", "--last", "1"], ["--last"]]
)
def test_wrong_shape(full: CommandLine, words: list[str]) -> None:
    """An end to what has none, and an option that is none, are usage errors; a place that is none is refused."""
    full("events", *words, code=2)
    assert "since: found 'soon'; expected a time from 1970 on" in full("events", "--since", "soon", code=2).stderr
