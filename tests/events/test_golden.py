"""The bytes of every event ever written decode to what was meant, and are still written the same."""

import pytest
from msgspec import NODEFAULT
from msgspec.structs import fields

from queuectl.events.codec import LAYOUTS, decode, encode, name_of
from queuectl.events.types import Enqueued
from tests.golden import add
from tests.golden.cases import CASES

GOLDEN = add.read()


def test_every_event_type_has_golden_bytes() -> None:
    """Each type is kept once with its optional fields left out, and each that has some once with all set."""
    names = {layout.name for layout in LAYOUTS}
    assert {name.partition("-")[0] for name in CASES} == names
    with_options = {
        layout.name for layout in LAYOUTS if any(each.default is not NODEFAULT for each in fields(layout.data))
    }
    assert {name.removesuffix("-full") for name in CASES if name.endswith("-full")} >= with_options


def test_cases_and_bytes_belong_together() -> None:
    """No case lacks its bytes, and no bytes lack the value that they must decode to."""
    assert set(GOLDEN) == set(CASES)
    assert all(name.split("-")[0] == name_of(event.event) for name, event in CASES.items())


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_bytes_decode_to_what_was_meant(name: str) -> None:
    """Stored bytes give the very event, down to the types of its fields."""
    event = CASES[name]
    decoded = decode(event.position.to_bytes(8, "big"), GOLDEN[name])
    assert decoded == event
    assert repr(decoded) == repr(event)


@pytest.mark.parametrize("name", GOLDEN)
def test_events_are_still_written_the_same(name: str) -> None:
    """Encoding the event gives the stored bytes; a new layout needs a new version instead."""
    event = CASES[name]
    assert encode(event, event.position.to_bytes(8, "big")).hex() == GOLDEN[name].hex()


def test_full_cases_set_every_field() -> None:
    """The last case called full leaves no optional field at its default, except one that stands for another."""
    for layout in LAYOUTS:
        cases = [CASES[name] for name in CASES if name.startswith(f"{layout.name}-full")]
        if not cases or layout.name == "config_changed":
            continue
        event = cases[-1].event
        data = event.spec if isinstance(event, Enqueued) else event
        assert all(getattr(data, each.name) != each.default for each in fields(layout.data)), layout.name


def test_adding_changes_nothing_that_is_there() -> None:
    """The script that adds golden bytes leaves a complete file as it is."""
    before = add.GOLDEN.read_bytes()
    assert add.add() == []
    assert add.GOLDEN.read_bytes() == before
