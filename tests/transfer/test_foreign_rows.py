"""What a row of another queue means here: names, states, numbers, times; what cannot be taken is said."""

from datetime import datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from queuectl.core.times import time_us
from queuectl.errors import InvalidInput
from queuectl.transfer.foreign_rows import ForeignKind, foreign_job
from tests.property.strategies import thorough


def told(row: dict[str, Any], default: ForeignKind = ForeignKind.WAITING) -> Any:
    """Read a row."""
    return foreign_job({"command": "true", **row}, default=default)


@pytest.mark.parametrize("name", ["max_retries", "maxRetries", "MAX_RETRIES", "max-retries", "Max Retries"])
def test_names_are_read_whatever_their_case(name: str) -> None:
    """Case and separators of a field's name do not count."""
    assert told({name: 7}).request.max_retries == 7


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        ({}, ForeignKind.WAITING),
        ({"state": "pending"}, ForeignKind.WAITING),
        ({"status": "Queued"}, ForeignKind.WAITING),
        ({"state": "in-progress"}, ForeignKind.RUNNING),
        ({"state": "failed", "attempts": 1, "max_retries": 3}, ForeignKind.FAILED),
        ({"state": "failed", "attempts": 3, "max_retries": 3}, ForeignKind.FAILED),
        ({"state": "failed", "attempts": 4, "max_retries": 3}, ForeignKind.DEAD),
        ({"state": "failed", "attempts": 0, "max_retries": 0}, ForeignKind.FAILED),
        ({"state": "failed", "attempts": 1, "max_retries": 0}, ForeignKind.DEAD),
        ({"state": "failed", "max_retries": 0}, ForeignKind.DEAD),
        ({"state": "failed", "max_retries": 1}, ForeignKind.FAILED),
        ({"state": "failed", "attempts": 2, "max_attempts": 3}, ForeignKind.FAILED),
        ({"state": "failed", "attempts": 3, "max_attempts": 3}, ForeignKind.DEAD),
        ({"state": "failed", "attempts": 0, "max_attempts": 1}, ForeignKind.FAILED),
        ({"state": "failed", "attempts": 1, "max_attempts": 1}, ForeignKind.DEAD),
        ({"state": "failed", "max_attempts": 1}, ForeignKind.DEAD),
        ({"state": "dead", "attempts": 1, "max_attempts": 3}, ForeignKind.DEAD),
        ({"state": "failed"}, ForeignKind.DEAD),
        ({"state": "success"}, ForeignKind.COMPLETED),
        ({"state": "canceled"}, ForeignKind.CANCELLED),
        ({"state": "dlq"}, ForeignKind.DEAD),
    ],
)
def test_a_failed_job_waits_while_it_had_attempts_left(row: dict[str, Any], kind: ForeignKind) -> None:
    """A failed job waits here where it had attempts left, and is dead where it had none or had no such thing."""
    assert told(row).kind == kind


def test_without_a_state_it_is_what_its_file_says() -> None:
    """A row of a dead letter file is dead without saying so."""
    assert told({}, ForeignKind.DEAD).kind is ForeignKind.DEAD


@pytest.mark.parametrize(
    ("value", "us"),
    [
        (1893456000, 1893456000_000000),
        ("1893456000", 1893456000_000000),
        (1893456000.5, 1893456000_500000),
        (1893456000000, 1893456000_000000),
        (1893456000000000, 1893456000_000000),
        ("2030-01-01T00:00:00Z", 1893456000_000000),
        ("2030-01-01 00:00:00", 1893456000_000000),
        ("2030-01-01T01:00:00+01:00", 1893456000_000000),
    ],
)
def test_times_come_in_iso_8601_or_since_1970(value: Any, us: int) -> None:
    """Times come in ISO 8601, by UTC where no zone is named, or as seconds, milli- or microseconds since 1970."""
    run_at = told({"next_run_at": value}).request.run_at
    assert isinstance(run_at, datetime)
    assert time_us(run_at) == us


def test_numbers_come_as_text_too() -> None:
    """What a spreadsheet or a shell made text of is read as the number that it is; max_attempts is one more."""
    job = told({"priority": "-5", "attempts": "2", "max_attempts": 4.0, "timeout": "90s", "exit_code": "1"})
    assert job.request[3:6] == (-5, 3, 90.0)
    assert (job.attempts, job.return_code) == (2, 1)


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ({"state": "weird"}, "state"),
        ({"priority": "high"}, "priority"),
        ({"priority": 1.5}, "priority"),
        ({"attempts": -1}, "attempts"),
        ({"attempts": True}, "attempts"),
        ({"attempts": float("nan")}, "attempts"),
        ({"timeout": "soon"}, "timeout"),
        ({"run_at": "soon"}, "run_at"),
        ({"env": "x=1"}, "env"),
        ({"command": None}, "command"),
        ({"command": {"a": 1}}, "command"),
    ],
)
def test_a_value_that_cannot_be_read_is_refused(row: dict[str, Any], field: str) -> None:
    """A value is never guessed at: the field is named."""
    with pytest.raises(InvalidInput) as caught:
        told(row)
    assert caught.value.field == field


def test_labels_and_meta_that_a_job_can_have_are_taken() -> None:
    """As objects or as texts of JSON; what else these names mean elsewhere is listed as it is."""
    job = told({"labels": {"team": "a"}, "metadata": '{"build": 7}'})
    assert (job.request.labels, job.request.meta, job.unmapped) == ({"team": "a"}, {"build": 7}, {})
    row = {"labels": ["red", "blue"], "Meta": "x" * 9, "metadata": {"a": "b" * 2000}}
    job = told(row)
    assert (job.request.labels, job.request.meta, job.unmapped) == (None, None, row)
    assert told({"labels": {"a b": "c"}, "meta": {}}).unmapped == {"labels": {"a b": "c"}, "meta": {}}


def test_what_has_no_place_is_listed() -> None:
    """Fields that nobody knows, and a second name of one that is known, are unmapped; empty ones are nothing."""
    job = told({"color": "red", "cmd": "false", "tag": None, "note": ""})
    assert job.unmapped == {"color": "red", "cmd": "false"}


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.binary(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
NAMES = st.sampled_from(
    [
        *("id", "command", "state", "attempts", "max_retries", "max_attempts", "priority", "queue", "timeout"),
        *("timeout_ms", "run_at", "cwd", "env", "error", "return_code", "duration", "duration_ms", "output"),
        *("stderr", "created_at", "worker", "other"),
    ]
)


@thorough
@example(row={"error": [b""], "command": 0})
@example(row={"command": "true", "duration": -3})
@example(row={"command": "true", "duration": 2**62})
@given(row=st.dictionaries(NAMES, VALUES, max_size=8))
def test_any_row_is_read_or_refused(row: dict[str, Any]) -> None:
    """Whatever stands in a row, it is refused in words, or read as the log can keep it, no field forgotten."""
    try:
        job = foreign_job(row, default=ForeignKind.WAITING)
    except InvalidInput:
        return
    assert set(job.unmapped) <= set(row)
    assert job.duration_ms is None or 0 <= job.duration_ms < 2**63
    assert ("other" in job.unmapped) == (row.get("other") not in (None, ""))


def test_a_row_has_the_names_that_a_job_is_enqueued_by() -> None:
    """Each is taken but a delay, of which nobody knows since when it counts: that is reported."""
    for name in ("run_at", "at", "run_at_us"):
        run_at = told({name: 1_893_456_000_000_000}).request.run_at
        assert isinstance(run_at, datetime)
        assert time_us(run_at) == 1_893_456_000_000_000
    assert [told({name: 90}).request.timeout for name in ("timeout", "timeout_s")] == [90, 90]
    assert told({"delay": 5, "delay_s": 6}).unmapped == {"delay": 5, "delay_s": 6}
