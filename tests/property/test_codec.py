"""The codec gives back what it was given, and notices every change to its bytes."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import NODEFAULT
from msgspec.structs import fields, replace

from queuectl.errors import CorruptLog
from queuectl.events.codec import LAYOUTS, decode, encode, unpack_envelope
from queuectl.events.types import Enqueued, Recorded
from tests.property.strategies import EVENTS, brief, recorded, thorough


def key_of(event: Recorded) -> bytes:
    """Return the key an event is stored under."""
    return event.position.to_bytes(8, "big")


def test_every_stored_type_has_a_strategy() -> None:
    """The properties below are tried on every event type the codec knows."""
    assert set(EVENTS) == {layout.type for layout in LAYOUTS}


@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: kind.__name__)
@brief
@given(data=st.data())
def test_what_is_encoded_is_decoded_the_same(kind: type[Any], data: st.DataObject) -> None:
    """An event of any type comes back equal, and of the same types down to its last field."""
    event = data.draw(recorded(EVENTS[kind]))
    back = decode(key_of(event), encode(event, key_of(event)))
    assert back == event
    assert repr(back) == repr(event)


@brief
@given(event=recorded())
def test_encoding_is_stable(event: Recorded) -> None:
    """The same event gives the same bytes each time, also after a round trip."""
    value = encode(event, key_of(event))
    assert encode(event, key_of(event)) == value
    assert encode(decode(key_of(event), value), key_of(event)) == value


@thorough
@given(event=recorded(), where=st.integers(0), mask=st.integers(1, 255))
def test_a_changed_byte_is_noticed(event: Recorded, where: int, mask: int) -> None:
    """Whichever byte of a stored event is changed, and however, decoding raises CorruptLog."""
    value = bytearray(encode(event, key_of(event)))
    value[where % len(value)] ^= mask
    with pytest.raises(CorruptLog) as caught:
        decode(key_of(event), bytes(value))
    assert caught.value.position == event.position


@brief
@given(event=recorded(), mask=st.integers(1, 2**64 - 1))
def test_an_event_in_the_wrong_place_is_noticed(event: Recorded, mask: int) -> None:
    """The bytes of an event under any key but its own raise CorruptLog."""
    key = (event.position ^ mask).to_bytes(8, "big")
    if mask >= 2**32:  # a checksum of 32 bits only notices all changes within 32 neighbouring bits
        key = (event.position ^ mask >> 32).to_bytes(8, "big")
    with pytest.raises(CorruptLog):
        decode(key, encode(event, key_of(event)))


@brief
@given(event=recorded(), length=st.integers(0))
def test_a_cut_event_is_noticed(event: Recorded, length: int) -> None:
    """An event cut short at any length raises CorruptLog."""
    value = encode(event, key_of(event))
    with pytest.raises(CorruptLog):
        decode(key_of(event), value[: length % len(value)])


@brief
@given(event=recorded(), more=st.binary(min_size=1, max_size=8))
def test_bytes_behind_an_event_are_noticed(event: Recorded, more: bytes) -> None:
    """An event with bytes added to its end raises CorruptLog."""
    with pytest.raises(CorruptLog):
        decode(key_of(event), encode(event, key_of(event)) + more)


DEFAULTS = [
    (layout.type, field.name) for layout in LAYOUTS for field in fields(layout.data) if field.default is not NODEFAULT
]


def anew(value: Any) -> Any:
    """Return a value that equals a default: another object, where Python has more than one of it."""
    made = {str: lambda: "".join([*value]), float: lambda: float(repr(value)), int: lambda: int(str(value))}
    return made.get(type(value), lambda: value)()


@pytest.mark.parametrize(("kind", "name"), DEFAULTS, ids=lambda each: each if isinstance(each, str) else each.__name__)
@brief
@given(data=st.data())
def test_a_value_that_equals_its_default_is_not_stored(kind: type[Any], name: str, data: st.DataObject) -> None:
    """Of every field with a default, whichever object it is, so that an event's bytes are told by its values."""
    event = data.draw(EVENTS[kind])
    said = event.spec if kind is Enqueued else event
    [field] = [each for each in fields(said) if each.name == name]
    said = replace(said, **{name: anew(field.default)})
    kept = Recorded(int("1"), 5, 1, int("0"), "me", Enqueued(said) if kind is Enqueued else said, cause=int("0"))
    stored = unpack_envelope(key_of(kept), encode(kept, key_of(kept)))
    assert field.encode_name not in stored["d"]
    assert {"p", "c"}.isdisjoint(stored)
