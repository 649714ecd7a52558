"""What the codec does with bytes of other versions, and what it leaves out of its own."""

from collections.abc import Callable
from typing import Any
from zlib import crc32

import msgpack
import pytest

from queuectl.errors import CorruptLog, NewerFormat
from queuectl.events.codec import LAYOUTS, Data, Layout, decode, encode, name_of, unpack_envelope
from queuectl.events.types import Claimed, Enqueued, Event, JobOptions, JobSpec, Recorded, Renewed

KEY = (7).to_bytes(8, "big")
CLAIM: Data = {"w": "w1", "exp": 30}


def stored(name: str, version: int, data: Data, **more: Any) -> bytes:
    """Return the bytes of an event as any program could have written them."""
    payload = msgpack.packb({"t": 1000, "y": name, "v": version, "a": "ann", "s": 3, "p": 6, "d": data, **more})
    return crc32(payload, crc32(KEY)).to_bytes(4, "big") + payload


def payload_of(value: bytes) -> Any:
    """Return the map inside stored bytes."""
    return msgpack.unpackb(value[4:])


@pytest.mark.parametrize("read", [decode, unpack_envelope])
def test_a_text_that_is_not_utf8_is_corrupt(read: Callable[[bytes, bytes], Any]) -> None:
    """A str of msgpack's with bytes that are no UTF-8 is damage of the log, told with its position."""
    payload = stored("claimed", 1, {"w": "w~", "exp": 30})[4:].replace(b"w~", b"w\xff")
    value = crc32(payload, crc32(KEY)).to_bytes(4, "big") + payload
    with pytest.raises(CorruptLog, match="position 7"):
        read(KEY, value)


def test_plain_msgpack_is_understood() -> None:
    """An event written by another program with a map of the documented keys decodes."""
    assert decode(KEY, stored("claimed", 1, CLAIM, r="why")) == Recorded(7, 1000, 3, 6, "ann", Claimed("w1", 30), "why")


def test_what_goes_without_saying_is_left_out() -> None:
    """Defaults, a stream that is the event's own position, no `prev` and no reason take no bytes."""
    event = Recorded(7, 1000, 7, 0, "ann", Enqueued(JobSpec("job1", "true")))
    assert payload_of(encode(event, KEY)) == {
        "t": 1000,
        "y": "enqueued",
        "v": 1,
        "a": "ann",
        "d": {"id": "job1", "cmd": "true"},
    }


def test_a_usual_event_is_small() -> None:
    """The event of a usual job takes less than 150 bytes, and a claim less than 120."""
    job = Recorded(
        10**9, 10**15, 10**9, 0, "ann@laptop", Enqueued(JobSpec("k3f9a2", "gzip -t /usr/share/x.gz", cwd="/home/ann"))
    )
    claim = Recorded(10**9, 10**15, 10**8, 10**8, "laptop-4242-k3f9", Claimed("laptop-4242-k3f9", 10**15))
    assert len(encode(job, KEY)) < 150
    assert len(encode(claim, KEY)) < 120


def test_an_unknown_type_stops_with_a_hint() -> None:
    """An event type that is not known means a newer writer, and the message says so."""
    with pytest.raises(NewerFormat, match=r"position 7 is 'no_such'.*written by a newer queuectl"):
        decode(KEY, stored("no_such", 1, {}))


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda each: each.name)
def test_a_newer_version_stops_with_a_hint(layout: Layout) -> None:
    """A version beyond the one known, of any event type, means a newer writer."""
    newer, told = layout.version + 1, f"version of '{layout.name}' at position 7 is"
    with pytest.raises(NewerFormat, match=f"{told} {newer}, this queuectl knows {layout.version}"):
        decode(KEY, stored(layout.name, newer, CLAIM))


def test_a_job_with_options_has_a_version_that_older_releases_refuse() -> None:
    """They would pass options over, and run a paused job; one without any they read as ever."""
    spec, versions = JobSpec("a", "true"), []
    for options in (None, JobOptions(paused=True)):
        event = Recorded(7, 1, 7, 0, "ann", Enqueued(spec, options))
        stored_bytes = encode(event, KEY)
        assert decode(KEY, stored_bytes) == event
        versions.append(unpack_envelope(KEY, stored_bytes)["v"])
    assert versions == [1, 2]


def test_a_key_added_by_a_newer_writer_is_passed_over() -> None:
    """A field that is not known, within a known version, does not hinder reading."""
    assert decode(KEY, stored("claimed", 1, {**CLAIM, "shard": 4}, z="new")).event == Claimed("w1", 30)


@pytest.mark.parametrize("missing", ["w", "exp"])
def test_a_required_field_that_is_missing_is_damage(missing: str) -> None:
    """An event without a field that has no default raises CorruptLog, not a half-built event."""
    data = {key: value for key, value in CLAIM.items() if key != missing}
    with pytest.raises(CorruptLog, match=r"position 7: its bytes are no event \(Object missing required field"):
        decode(KEY, stored("claimed", 1, data))


@pytest.mark.parametrize("missing", ["id", "cmd"])
def test_a_job_without_id_or_command_is_damage(missing: str) -> None:
    """An enqueued event needs at least an id and a command."""
    data = {key: "x" for key in ("id", "cmd") if key != missing}
    with pytest.raises(CorruptLog, match="missing required field"):
        decode(KEY, stored("enqueued", 1, data))


# -- upcasts: versions before the first stand for the older ones that do not exist yet ---------------


def renamed(data: Data) -> Data:
    """Turn version -1, which called the worker `who`, into version 0."""
    return {"w": data["who"], "till": data["till"]}


def in_microseconds(data: Data) -> Data:
    """Turn version 0, whose expiry was in seconds, into version 1."""
    return {"w": data["w"], "exp": data["till"] * 1_000_000}


STEPS = {("claimed", -1): renamed, ("claimed", 0): in_microseconds}


@pytest.mark.parametrize(("version", "data"), [(-1, {"who": "w1", "till": 3}), (0, {"w": "w1", "till": 3})])
def test_an_old_version_is_brought_up_step_by_step(version: int, data: Data) -> None:
    """Each older version goes through every later step once, in order, and the envelope stays as it was."""
    event = decode(KEY, stored("claimed", version, data), upcasts=STEPS)
    assert event == Recorded(7, 1000, 3, 6, "ann", Claimed("w1", 3_000_000))


def test_the_current_version_is_not_upcast() -> None:
    """Data of the current version goes through no step."""
    assert decode(KEY, stored("claimed", 1, CLAIM), upcasts={("claimed", 1): renamed}).event == Claimed("w1", 30)


def test_only_the_steps_of_its_own_type_apply() -> None:
    """Another event type's steps leave an event alone."""
    steps = {**STEPS, ("renewed", 0): lambda data: {"tok": data["token"], "exp": 9}}
    assert decode(KEY, stored("renewed", 0, {"token": 2}), upcasts=steps).event == Renewed(2, 9)


def test_an_event_is_found_damaged_before_it_is_upcast() -> None:
    """No step sees data whose checksum does not match."""
    value = bytearray(stored("claimed", 0, {"w": "w1", "till": 3}))
    value[-1] ^= 1
    with pytest.raises(CorruptLog):
        decode(KEY, bytes(value), upcasts=STEPS)


# -- names --------------------------------------------------------------------------------------------


def test_names_are_explicit_and_never_change() -> None:
    """The names in the log are these, whatever the classes are called."""
    names = (
        "enqueued claimed started renewed completed failed snoozed dead released cancel_requested cancelled requeued "
        "edited removed paused resumed dependency_met limit_set limit_removed config_changed environment_kept "
        "worker_started worker_stopping worker_stopped retention_applied"
    )
    assert " ".join(layout.name for layout in LAYOUTS) == names


def test_every_event_type_has_one_layout_with_distinct_keys() -> None:
    """Each event type is stored by one layout, under a name and keys that occur once."""
    assert {layout.type for layout in LAYOUTS} == set(Event.__args__)
    assert len({layout.name for layout in LAYOUTS}) == len(LAYOUTS)
    for layout in LAYOUTS:
        keys = layout.data.__struct_encode_fields__
        assert len(set(keys)) == len(keys)


def test_an_event_knows_its_name_and_layout() -> None:
    """`name_of` answers for an event as it is stored."""
    event = Claimed("w1", 30)
    assert name_of(event) == "claimed"
