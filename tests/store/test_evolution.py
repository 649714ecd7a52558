"""Stores of other releases: newer ones are refused whole, older ones are read, upcast, and brought up to date."""

import gzip
import random
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from zlib import crc32

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from queuectl import JobRequest, Queue
from queuectl.cli.lazy_group import VERBS
from queuectl.errors import CorruptLog, NewerFormat
from queuectl.events import codec
from queuectl.events.codec import LAYOUTS, UPCASTS, decode, encode, unpack_envelope
from queuectl.events.hash_chain import GENESIS, link
from queuectl.events.types import Recorded
from queuectl.projections.layout import VIEWS_VERSION
from queuectl.queries.json_form import event_json, job_json
from queuectl.store.store import Store, key_of
from queuectl.store.tables import FORMAT
from tests.cli.conftest import CommandLine, cli  # noqa: F401 - a fixture
from tests.clocks import FakeClock
from tests.depth import tries
from tests.lives import long_life
from tests.property.strategies import EVENTS, brief, recorded
from tests.rows import rows_of

GOLDEN = Path(__file__).parents[1] / "golden" / "store-v1.mdb.gz"

USES: dict[str, list[str]] = {
    "enqueue": ["x", "true"],
    "run": ["true"],
    "worker": ["start", "--drain"],
    "status": [],
    "list": [],
    "show": ["a"],
    "logs": ["a"],
    "wait": ["a"],
    "dlq": ["list"],
    "retry": ["a"],
    "cancel": ["a"],
    "clear": [],
    "config": ["get"],
    "history": ["a"],
    "events": [],
    "replay": [],
    "subscriptions": ["list"],
    "backup": ["-"],
    "export": [],
    "import": ["--format", "jobs-json", "jobs.json"],
    "migrate": [],
}
"""How each verb is typed; those that are not here do not open the queue that is there, or have tests of their own."""

MIGRATOR = """
import sys
from queuectl import Queue
Queue.migrate(sys.argv[1], progress=lambda done, total: print(done, flush=True))
print("done", flush=True)
"""


def newer_format(path: Path) -> None:
    """Say that a newer release laid the store out."""
    with Store.open(path, create=False) as store, store.write() as txn:
        txn.put("meta", b"format", str(FORMAT + 1).encode())


def newer_views(path: Path) -> None:
    """Say that a newer release laid the views out."""
    with Store.open(path, create=False) as store, store.write() as txn:
        txn.put("meta", b"views", str(VIEWS_VERSION + 1).encode())


def last_event_is(path: Path, **changes: Any) -> None:
    """Let the last event be something else, as a newer release might write it."""
    with Store.open(path, create=False) as store, store.write() as txn:
        key, value = txn.last("log") or (b"", b"")
        txn.put("log", key, sealed(key, unpack_envelope(key, value) | changes))


def sealed(key: bytes, envelope: dict[str, Any]) -> bytes:
    """Return an envelope as stored bytes."""
    payload = msgpack.packb(envelope)
    return crc32(payload, crc32(key)).to_bytes(4, "big") + payload


NEWER: dict[str, Callable[[Path], None]] = {
    "format": newer_format,
    "views": newer_views,
    "type": lambda path: last_event_is(path, y="unheard_of"),
    "version": lambda path: last_event_is(path, v=9),
}


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb in USES])
@pytest.mark.parametrize("what", NEWER)
def test_a_newer_store_is_refused_by_every_verb(cli: CommandLine, what: str, verb: str) -> None:  # noqa: F811
    """Whatever a newer release changed, each verb says so in one line, exits 1, and writes nothing."""
    cli("enqueue", "a", "true")
    NEWER[what](cli.db)
    before = (cli.db / "data.mdb").read_bytes()
    result = cli(verb, *USES[verb], code=1)
    assert "written by a newer queuectl; upgrade it" in result.stderr
    assert (result.stdout, result.stderr.count("\n")) == ("", 1)
    assert (cli.db / "data.mdb").read_bytes() == before


def test_a_newer_event_further_back_is_met_by_who_reads_it(cli: CommandLine) -> None:  # noqa: F811
    """One that is not the last stops reading and replaying the log at its position, with the views untouched."""
    cli("enqueue", "a", "true")
    last_event_is(cli.db, y="unheard_of")
    with Store.open(cli.db, create=False) as store, store.write() as txn:
        value = encode(Recorded(2, 9**15, "config", 0, "x", codec.ConfigChanged("lease_s", None, 9)), key_of(2))
        txn.put("log", key_of(2), value)
    for verb in ("events", "replay", "export"):
        assert "the event type at position 1 is 'unheard_of'" in cli(verb, code=1).stderr
    assert cli.json("status")["jobs"]["pending"] == 1


# -- upcasts: two older versions of each type that never were, and the chain that leads from them


def to_first(data: dict[str, Any]) -> dict[str, Any]:
    """Return what the invented first version held: each value in a list."""
    return {f"was_{name}": [value] for name, value in data.items()}


def first_to_second(data: dict[str, Any]) -> dict[str, Any]:
    """Lead from the first version to the second: values stand by themselves."""
    return {name: value[0] for name, value in data.items()}


def second_to_third(data: dict[str, Any]) -> dict[str, Any]:
    """Lead from the second version to the one of today: names are short."""
    return {name.removeprefix("was_"): value for name, value in data.items()}


SINCE = {layout.name: layout.since for layout in LAYOUTS}
INVENTED = {(name, since - 2): first_to_second for name, since in SINCE.items()} | {
    (name, since - 1): second_to_third for name, since in SINCE.items()
}


def aged(key: bytes, value: bytes, steps: int, **changes: Any) -> bytes:
    """Return a stored event as an older version of its type would have been stored."""
    envelope = unpack_envelope(key, value) | changes
    data = to_first(envelope["d"]) if steps else envelope["d"]
    version = SINCE[envelope["y"]] - steps if steps else envelope["v"]
    envelope |= {"v": version, "d": first_to_second(data) if steps == 1 else data}
    return sealed(key, envelope)


@pytest.mark.sampled(7)
@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: kind.__name__)
@brief
@given(data=st.data())
def test_older_versions_of_any_type_are_read_as_the_one_of_today(kind: type[Any], data: st.DataObject) -> None:
    """An event stored under either older version comes back equal to itself, one step after the other."""
    event = data.draw(recorded(EVENTS[kind]))
    key = key_of(event.position)
    for steps in (0, 1, 2):
        assert decode(key, aged(key, encode(event, key), steps), upcasts=INVENTED) == event


def test_a_version_that_never_was_is_damage() -> None:
    """A version below any that an upcast leads from is told with its position."""
    key = key_of(7)
    event = Recorded(7, 1, 7, 0, "a", codec.Enqueued(codec.JobSpec("a", "true")))
    with pytest.raises(CorruptLog, match="position 7: there never was a version 0 of 'enqueued'"):
        decode(key, aged(key, encode(event, key), 1))


@pytest.mark.parametrize("name", ["enqueued", "failed", "claimed", "config_changed"])
def test_a_store_with_older_versions_opens_replays_and_goes_on(
    queue: Queue, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Views, jobs and events are those of the same store written today; what is added is of today's version."""
    long_life(queue, clock)
    told = [job_json(job) for job in queue.jobs()], [event_json(event) for event in queue.events()]
    queue.close()
    views = rows_of(queue.path)
    digest = GENESIS
    with Store.open(queue.path, create=False) as store, store.write() as txn:
        for number, (key, value) in enumerate(list(txn.scan("log"))):
            is_old = unpack_envelope(key, value)["y"] == name
            value = aged(key, value, number % 2 + 1 if is_old else 0, h=digest)
            txn.put("log", key, value)
            digest = link(digest, value)
        txn.delete("meta", b"views")
    with pytest.raises(CorruptLog, match="there never was"):
        Queue.open(queue.path)
    for step, upcast in INVENTED.items():
        monkeypatch.setitem(UPCASTS, step, upcast)  # type: ignore[arg-type]
    with Queue.open(queue.path, clock=clock) as again:
        assert ([job_json(job) for job in again.jobs()], [event_json(event) for event in again.events()]) == told
        again.enqueue("true", id="next")
        assert again.admin.replay(check=True).differences == []
    with Store.open(queue.path, create=False) as store, store.read() as txn:
        assert unpack_envelope(*(txn.last("log") or (b"", b"")))["v"] == 1
    new = rows_of(queue.path)
    assert new["dead"] == views["dead"]


# -- migrate


@pytest.fixture
def first(cli: CommandLine) -> CommandLine:  # noqa: F811
    """Return the command line on a store of the first layout."""
    cli.db.mkdir(mode=0o700)
    (cli.db / "data.mdb").write_bytes(gzip.decompress(GOLDEN.read_bytes()))
    return cli


def test_migrate_says_what_it_would_do_and_does_it(first: CommandLine) -> None:
    """--check names tables and views, exits 1 and writes nothing; migrate does it; then there is nothing to do."""
    before = (first.db / "data.mdb").read_bytes()
    found = first.json("migrate", "--check", code=1)
    assert [step.partition(":")[0] for step in found["steps"]] == [
        "add the tables that it lacks",
        "make the views anew from the log",
    ]
    assert ["hash chain" in note for note in found["notes"]] == [True]
    assert "To do: make the views anew" in first("migrate", "--check", code=1).stdout
    assert (first.db / "data.mdb").read_bytes() == before
    assert first.json("migrate")["steps"] == found["steps"]
    assert first.json("migrate", "--check")["steps"] == []
    assert "There is nothing to do" in first("migrate").stdout
    assert first.json("replay", "--check")["differences"] == []
    for number in range(9):  # up to position 96, which keeps the digest
        first("enqueue", f"anchor{number}", "true")
    assert first.json("migrate", "--check")["notes"] == []


@pytest.mark.parametrize("verb", ["status", "list", "events"])
def test_a_verb_that_reads_brings_an_old_store_up_to_date(first: CommandLine, verb: str) -> None:
    """Nobody has to migrate: on a store of the first layout a verb that only reads answers, and leaves it current."""
    assert first(verb).stdout
    assert first.json("migrate", "--check")["steps"] == []


def test_migrate_where_there_is_nothing(cli: CommandLine) -> None:  # noqa: F811
    """No queue, and another program's directory, are refused in words, and nothing is made."""
    assert "no queue at" in cli("migrate", code=1).stderr
    cli.db.mkdir()
    (cli.db / "file").touch()
    assert "holds other files" in cli("migrate", "--check", code=1).stderr
    assert [path.name for path in cli.db.iterdir()] == ["file"]


def test_a_migration_killed_at_any_moment_is_completed(tmp_path: Path) -> None:
    """Killed with -9, the views are the old ones or the new ones; the next one, or just opening, completes it."""
    path, chance = tmp_path / "q", random.Random(4)
    with Queue.open(path) as queue:
        queue.enqueue_many([JobRequest("true", f"job{n}") for n in range(25_000)])
        queue.worker("w").complete_many(queue.worker("w").claim(5_000))
        told = queue.jobs(limit=50)
    for round_ in range(max(2, tries(6))):
        with Store.open(path, create=False) as store, store.write() as txn:
            txn.put("meta", b"views", b"1")
        child = subprocess.Popen([sys.executable, "-c", MIGRATOR, str(path)], stdout=subprocess.PIPE)
        assert child.stdout
        child.stdout.readline()
        with suppress(subprocess.TimeoutExpired):
            child.wait(chance.uniform(0, 0.3))
        child.kill()
        child.communicate()
        left = Queue.migrate(path, check=True).steps
        assert [step.partition(":")[0] for step in left] in ([], ["make the views anew from the log"])
        if round_ % 2:
            Queue.migrate(path)
        with Queue.open(path, read_only=True) as queue:
            assert queue.jobs(limit=50) == told
        with Queue.open(path) as queue:
            assert queue.admin.replay(check=True).differences == []
        assert Queue.migrate(path, check=True).steps == []


def test_newer_views_are_refused_by_migrate(tmp_path: Path) -> None:
    """What a newer release laid out is not taken back to an older layout."""
    Queue.open(tmp_path / "q").close()
    newer_views(tmp_path / "q")
    for check in (True, False):
        with pytest.raises(NewerFormat, match="version of the views"):
            Queue.migrate(tmp_path / "q", check=check)
