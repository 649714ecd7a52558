"""subscriptions: who reads the log how far, set back and forgotten."""

from tests.cli.conftest import CommandLine


def subscribe(cli: CommandLine, name: str, *, start: int) -> None:
    """Make a subscription behind a position."""
    with cli.queue() as queue:
        queue.subscribe(name, start=start)


def test_each_is_listed_with_how_far_behind_it_is(cli: CommandLine) -> None:
    """Each is listed with its position and how far behind it is, with and without `list`; words where there is none."""
    cli("enqueue", "a", "true")
    assert cli("subscriptions").stderr.startswith("No subscriptions; ")
    assert cli.json("subscriptions") == []
    subscribe(cli, "mailer", start=0)
    subscribe(cli, "mirror", start=1)
    mailer, mirror = cli.json("subscriptions")
    assert mailer.keys() == {"name", "position", "lag", "lag_s", "moved_at", "may_lack"}
    assert (mailer["name"], mailer["position"], mailer["lag"], mailer["may_lack"]) == ("mailer", 0, 1, False)
    assert (mirror["position"], mirror["lag"], mirror["lag_s"]) == (1, 0, 0)
    lines = cli("subscriptions").stdout.splitlines()
    assert lines[0].split() == ["NAME", "POSITION", "BEHIND", "FOR", "MOVED"]
    assert lines[0].split() == cli("subscriptions", "list").stdout.splitlines()[0].split()
    assert lines[1].split()[:3] == ["mailer", "0", "1"]


def test_a_rewind_is_seen_and_goes_back_only(cli: CommandLine) -> None:
    """A rewind is told and seen; forward, to what is no position, or of nobody is refused."""
    cli("enqueue", "a", "true")
    subscribe(cli, "mailer", start=1)
    assert "from 0 to 1" in cli("subscriptions", "rewind", "mailer", "2", code=1).stderr
    assert cli("subscriptions", "rewind", "mailer", "0").stdout == "Rewound mailer to 0\n"
    assert cli.json("subscriptions", "rewind", "mailer", "0") == {"name": "mailer", "position": 0}
    assert cli.json("subscriptions")[0]["lag"] == 1
    cli("subscriptions", "rewind", "mailer", "soon", code=2)
    cli("subscriptions", "rewind", "mailer", code=2)
    assert "one of `queuectl subscriptions`" in cli("subscriptions", "rewind", "nobody", "0", code=1).stderr


def test_what_is_removed_is_off_the_list(cli: CommandLine) -> None:
    """What is removed is off the list; nobody cannot be."""
    cli("enqueue", "a", "true")
    subscribe(cli, "mailer", start=0)
    assert cli("subscriptions", "remove", "mailer").stdout == "Removed subscription mailer\n"
    assert cli.json("subscriptions") == []
    cli("subscriptions", "remove", "mailer", code=1)
    cli("subscriptions", "remove", "a\x1b[31m", code=2)
    cli("subscriptions", "wrong", code=2)
