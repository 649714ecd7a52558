"""What an export says in words is what its bytes say, or it is refused."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import asdict, replace

from queuectl import Queue
from queuectl.core.times import LATEST_US
from queuectl.errors import StoreError
from queuectl.events.types import Edited, Enqueued, Recorded
from queuectl.queries.json_form import event_json, event_values
from queuectl.transfer.readable_form import difference
from tests.clocks import FakeClock
from tests.golden.cases import CASES
from tests.lives import long_life
from tests.property.strategies import brief, recorded
from tests.rows import rows_of


def line_of(event: Recorded) -> dict[str, Any]:
    """Return the readable fields of an event as an export has them, once read back."""
    told = event_json(event, "job1")
    del told["caused_by"]
    read: dict[str, Any] = json.loads(json.dumps(told))
    return read


def other_than(value: Any) -> Iterator[Any]:
    """Return values of JSON that are not a value."""
    yield from (each for each in (None, "other", 7, [], {"a": 1}) if each != value)
    if type(value) is int:
        yield value + 1
        yield str(value)
        if value in (0, 1):
            yield bool(value)
    elif isinstance(value, bool):
        yield int(value)
    elif isinstance(value, str):
        yield value + " "
    elif isinstance(value, list):
        yield [*value, "x"]
        yield from (value[:-1],) if value else ()
    elif isinstance(value, dict):
        yield value | {"x": "y"}
        yield from (dict(list(value.items())[1:]),) if value else ()


@pytest.mark.parametrize("name", CASES)
def test_each_field_of_each_event_is_compared(name: str) -> None:
    """Whichever field of whichever event is another value: it is named, with either value and the position."""
    event = CASES[name]
    line, job_id = line_of(event), event.event.spec.id if isinstance(event.event, Enqueued) else "job1"
    assert difference(line, event, job_id) is None
    assert set(event_values(event.event)) >= set(line["data"])
    changed = [(field, line | {field: other}) for field in line if field != "data" for other in other_than(line[field])]
    changed += [
        (f"data.{field}", line | {"data": line["data"] | {field: other}})
        for field, value in event_values(event.event).items()
        for other in other_than(line["data"].get(field, value))
    ]
    changed += [("data", line | {"data": other}) for other in (None, 7, "x", [])]
    for field, said in changed:
        found = difference(said, event, job_id)
        assert found is not None, (field, said)
        assert found.startswith(f"the event at position {event.position} says {field} "), found
        assert "\n" not in found


@brief
@given(data=st.data(), event=recorded())
def test_what_is_left_out_says_nothing_and_what_is_changed_differs(data: st.DataObject, event: Recorded) -> None:
    """A line agrees with its event whatever keys it lacks or has beside, and never with one value of another kind."""
    event = within_times(event)
    line = line_of(event)
    job_id = line["job"]
    for field in data.draw(st.sets(st.sampled_from(sorted(line)))):
        del line[field]
    for field in data.draw(st.sets(st.sampled_from(sorted(event_values(event.event)) or ["none"]))):
        line.get("data", {}).pop(field, None)
    assert difference(line | {"of a later release": 1}, event, job_id) is None
    where = data.draw(st.sampled_from([each for each in (line, line.get("data")) if each] or [{"none": 0}]))
    field = data.draw(st.sampled_from(sorted(where)))
    if field not in ("none", "data"):
        where[field] = {"changed": where[field]}
        assert f"says {'' if where is line else 'data.'}{field} " in str(difference(line, event, job_id))


def within_times(event: Recorded) -> Recorded:
    """Return an event with times that a calendar has."""

    def fields_of(each: Any) -> dict[str, int]:
        ends = ("at_us", "until_us")
        return {name: value % LATEST_US for name, value in asdict(each).items() if name.endswith(ends) and value}

    inner: Any = event.event
    if isinstance(inner, Enqueued):
        inner = replace(inner, spec=replace(inner.spec, **fields_of(inner.spec)))
    else:
        inner = replace(inner, **fields_of(inner))
    if isinstance(inner, Enqueued | Edited) and inner.options is not None:
        inner = replace(inner, options=replace(inner.options, **fields_of(inner.options)))
    return replace(event, event=inner, **fields_of(event))


@pytest.fixture
def exported(queue: Queue, clock: FakeClock) -> list[dict[str, Any]]:
    """Return the lines of an export with every event there is."""
    long_life(queue, clock)
    lines = io.BytesIO()
    queue.admin.export(lines.write)
    queue.close()
    return [json.loads(line) for line in lines.getvalue().splitlines()]


def joined(lines: list[dict[str, Any]]) -> bytes:
    """Return an export of lines."""
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def test_an_import_is_refused_at_the_line_that_differs(exported: list[dict[str, Any]], tmp_path: Path) -> None:
    """One line names the line, the event's position and the field; nothing is made, of any type of event."""
    numbers = {line["type"]: number for number, line in enumerate(exported) if "raw" in line}
    assert len(numbers) > 15
    for number in numbers.values():
        line = exported[number]
        field, value = next(iter(line["data"].items()), ("", None))
        said = {"data": line["data"] | {field: f"{value}?"}} if field else {"actor": "somebody"}
        lines = [*exported[:number], line | said, *exported[number + 1 :]]
        with pytest.raises(StoreError) as raised:
            Queue.import_export(io.BytesIO(joined(lines)), tmp_path / "new")
        told = str(raised.value)
        name = f"data.{field}" if field else "actor"
        assert f"line {number + 1}: the event at position {line['position']} says {name} " in told
        assert told.endswith("nothing was imported")
        assert not (tmp_path / "new").exists()


def test_the_job_of_an_event_is_that_of_its_number(exported: list[dict[str, Any]], tmp_path: Path) -> None:
    """An event under another job's id is refused, also where the job was enqueued many events before."""
    number = next(n for n, line in enumerate(exported) if line.get("type") == "claimed")
    line = exported[number]
    ids = {each["job"] for each in exported if each.get("type") == "enqueued"} - {line["job"]}
    for other in [*sorted(ids)[:3], "never seen", None]:
        lines = [*exported[:number], line | {"job": other}, *exported[number + 1 :]]
        with pytest.raises(StoreError, match=f"says job .*, and its raw says '{line['job']}'"):
            Queue.import_export(io.BytesIO(joined(lines)), tmp_path / "new")


def test_a_key_that_is_there_twice_is_refused(exported: list[dict[str, Any]], tmp_path: Path) -> None:
    """Of two values of one key, programs take the first or the last: neither is what was meant."""
    lines = joined(exported).splitlines(keepends=True)
    lines[1] = b'{"actor": "somebody", ' + lines[1][1:]
    with pytest.raises(StoreError, match="line 2: the key 'actor' is there more than once"):
        Queue.import_export(io.BytesIO(b"".join(lines)), tmp_path / "new")


def test_an_export_of_an_earlier_release_comes_in(exported: list[dict[str, Any]], tmp_path: Path) -> None:
    """It lacks the fields that came later, and says of an edit also what stayed as it was."""
    for line in exported:
        if "raw" in line:
            line.pop("cause")
            later = {"timeout_is_default", "shell", "inherited", "due", "merge", "labels", "meta", "policy", "expiry"}
            for later_key in later:
                line["data"].pop(later_key, None)
            if line["type"] == "edited":
                line["data"] = dict.fromkeys(set(Edited.__struct_fields__) - later) | line["data"]
    Queue.import_export(io.BytesIO(joined(exported)), tmp_path / "new")
    bare = [{key: line[key] for key in ("position", "raw")} if "raw" in line else line for line in exported]
    Queue.import_export(io.BytesIO(joined(bare)), tmp_path / "bare")
    assert rows_of(tmp_path / "new") == rows_of(tmp_path / "bare")
