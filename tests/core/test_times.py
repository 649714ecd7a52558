"""Times and durations as people write them mean what they would say they mean, on every clock."""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from queuectl.core.times import LATEST_US, is_left_out, parse_duration_s, parse_time_us, time_us
from queuectl.errors import InvalidInput

HOUR_US = 3_600_000_000
NEW_YEAR_US = 1_767_225_600_000_000  # 2026-01-01T00:00:00Z
NOW = "2026-11-24T12:00:00Z"  # a Tuesday; 13:00 in Berlin
BERLIN = "CET-1CEST,M3.5.0,M10.5.0/3"
ZONES = ["UTC", BERLIN, "EST5EDT,M3.2.0,M11.1.0", "<+1245>-12:45<+1345>,M9.5.0/2:45,M4.1.0/3:45"]


def at(text: str, *, ahead: bool = True, now: str = NOW) -> int:
    """Read a time, as somebody who looks ahead from NOW unless told otherwise."""
    return parse_time_us(text, now_us=time_us(datetime.fromisoformat(now)), ahead=ahead)


def refusal(do: Callable[[], object]) -> InvalidInput:
    """Return the refusal that something meets with, after seeing that it is one line."""
    with pytest.raises(InvalidInput) as caught:
        do()
    assert "\n" not in str(caught.value)
    return caught.value


@pytest.fixture(scope="module", params=ZONES)
def in_a_zone(request: pytest.FixtureRequest) -> Iterator[None]:
    yield from in_zone(request.param)


@pytest.fixture
def in_berlin() -> Iterator[None]:
    yield from in_zone(BERLIN)


def in_zone(zone: str) -> Iterator[None]:
    """Let local time be that of a zone meanwhile."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", zone)
        time.tzset()
        yield
    time.tzset()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("0", 0), ("1.5", 1.5), ("90s", 90), ("5m", 300), ("1h30m", 5400), ("2d", 172_800), ("500ms", 0.5),
     ("1.5h", 5400), (" 5M ", 300), ("1m500ms", 60.5), ("1d1h1m1s1ms", 90_061.001),
     ("5 m", 300), ("1h 30m", 5400), ("2 hours 1 minute", 7260), ("1w", 604_800), ("90 secs", 90)],
)  # fmt: skip
def test_a_duration_is_read(text: str, seconds: float) -> None:
    """Plain seconds, or numbers with units one after another."""
    assert parse_duration_s(text) == pytest.approx(seconds, abs=1e-9)


@pytest.mark.parametrize(
    "text", ["", " ", "-5", "5x", "m", "1h30", "1.m", ".5", "1e3", "nan", "inf", "36601d", "9" * 400], ids=repr
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    """A sign, an unknown unit, a number without one behind the first, more than 100 years: refused."""
    assert refusal(lambda: parse_duration_s(text)).field == "duration"


def test_a_duration_of_many_digits_is_refused_quickly() -> None:
    """A long run of digits costs no more than reading it."""
    begun = time.process_time()
    refusal(lambda: parse_duration_s("1" * 60_000 + "x"))
    assert time.process_time() - begun < 1


@pytest.mark.parametrize(
    ("text", "at_us"),
    [("2026-01-01T00:00:00Z", NEW_YEAR_US), ("2026-01-01T00:00:00.000001Z", NEW_YEAR_US + 1),
     ("2026-01-01T01:00:00+01:00", NEW_YEAR_US), ("2025-12-31 19:00:00-05:00", NEW_YEAR_US),
     ("20260101T000000Z", NEW_YEAR_US), ("1970-01-01T00:00:00Z", 0), ("9999-12-31T23:59:59Z", LATEST_US),
     (" 2026-01-01T00:00:00Z ", NEW_YEAR_US)],
)  # fmt: skip
def test_a_time_with_a_zone_is_exact(text: str, at_us: int) -> None:
    """A time that names its zone means one moment, to the microsecond."""
    assert at(text) == at_us


@pytest.mark.usefixtures("in_berlin")
@pytest.mark.parametrize(
    ("text", "utc"),
    [("2026-01-01T01:00:00", "2026-01-01T00:00:00Z"), ("2026-07-01T02:00:00.000007", "2026-07-01T00:00:00.000007Z"),
     ("2026-01-01", "2025-12-31T23:00:00Z"), ("2026-03-29T03:00", "2026-03-29T01:00Z")],
)  # fmt: skip
def test_a_time_without_a_zone_is_local(text: str, utc: str) -> None:
    """A time that names no zone is that of the caller's own clock, summer time included."""
    assert at(text) == at(utc)


@pytest.mark.parametrize(
    "text",
    ["", "soon", "ago", "in", "5 ago", "in 5m ago", "10", "24:00", "10:60", "13pm", "0am", "10:00 monday",
     "yesterday 5", "monda", "tomorrow 9am 10am", "5m", "in 9999999d", "99999999d ago", "x" * 100_000,
     "2026-13-01", "2026-02-30", "2026-01-01T25:00", "1969-12-31T23:59:59Z", "0001-01-01", "1767225600",
     "9999-12-31T23:59:59-12:00", "2026-01-01T00:00:00Q", "\ud800"],
    ids=repr,
)  # fmt: skip
def test_what_is_no_time_is_refused(text: str) -> None:
    """A date that does not exist, or lies before 1970 or behind 9999, is refused."""
    assert refusal(lambda: at(text)).field == "time"


@pytest.mark.parametrize(
    "moment",
    [datetime(2026, 1, 1, 0, 0, 0, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 58, 999_999, tzinfo=UTC),
     datetime(2026, 1, 1, 5, 45, 0, 123_457, tzinfo=timezone(timedelta(hours=5, minutes=45)))],
)  # fmt: skip
def test_a_moment_loses_no_microsecond(moment: datetime) -> None:
    """Turning a moment into microseconds and back gives the same moment, where a float would not."""
    assert datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=time_us(moment)) == moment


@pytest.mark.usefixtures("in_berlin")
def test_an_hour_that_comes_twice_can_be_told_apart() -> None:
    """In the hour that the clocks repeat, `fold` says which is meant."""
    first = datetime(2026, 10, 25, 2, 30)
    assert time_us(first.replace(fold=1)) - time_us(first) == 3_600_000_000


@pytest.mark.parametrize(("moment", "hours"), [(datetime.min, 1), (datetime.max, -1)])
def test_a_moment_beyond_the_calendar_is_refused(moment: datetime, hours: int) -> None:
    """A moment that has no name in UTC is refused rather than breaking something."""
    zone = timezone(timedelta(hours=hours))
    assert refusal(lambda: time_us(moment.replace(tzinfo=zone))).field == "time"


@pytest.mark.usefixtures("in_berlin")
@pytest.mark.parametrize(
    ("text", "ahead", "behind"),
    [("now", "11-24T13:00", None), ("in 2h", "11-24T15:00", None), ("5m ago", "11-24T12:55", None),
     ("in 1 h 30 min", "11-24T14:30", None), ("yesterday", "11-23T00:00", None),
     ("yesterday 17:30", "11-23T17:30", None), ("today 8:15pm", "11-24T20:15", None),
     ("tomorrow 9am", "11-25T09:00", None),
     ("Tomorrow at 9 AM", "11-25T09:00", None), ("tomorrow noon", "11-25T12:00", None),
     ("2026-11-20 9am", "11-20T09:00", None),
     ("12am", "11-25T00:00", "11-24T00:00"),
     ("10:00", "11-25T10:00", "11-24T10:00"), ("17:30:15", "11-24T17:30:15", "11-23T17:30:15"),
     ("13:00", "11-25T13:00", "11-24T13:00"), ("13:00:00.5", "11-24T13:00:00.5", "11-23T13:00:00.5"),
     ("monday 10:00", "11-30T10:00", "11-23T10:00"), ("tuesday 10:00", "12-01T10:00", "11-24T10:00"),
     ("tue 17:00", "11-24T17:00", "11-17T17:00"), ("fri", "11-27T00:00", "11-20T00:00")],
)  # fmt: skip
def test_a_time_is_read_from_now(text: str, ahead: str, behind: str | None) -> None:
    """What several moments answer to is the next to one who looks ahead and the last to one who looks back."""
    assert at(text) == at(f"2026-{ahead}")
    assert at(text, ahead=False) == at(f"2026-{behind or ahead}")


@pytest.mark.usefixtures("in_berlin")
def test_a_night_with_an_hour_twice_or_not_at_all() -> None:
    """In the hour that comes twice both moments count; a time that is left out is read as if clocks went on."""
    first, second = at("2026-10-25T00:30Z"), at("2026-10-25T01:30Z")
    assert at("2:30", now="2026-10-25T00:00Z") == first
    assert at("2:30", now="2026-10-25T00:45Z") == second
    assert at("2:30", now="2026-10-25T01:00Z", ahead=False) == first
    assert at("2:30", now="2026-10-25T05:00Z", ahead=False) == second
    assert at("2:30", now="2026-03-29T00:00Z") == at("2026-03-29T03:30")
    assert at("yesterday 10:00", now="2026-10-26T10:00Z") == at("2026-10-25T10:00")


@pytest.mark.usefixtures("in_a_zone")
@given(now_us=st.integers(100 * HOUR_US, 2**51), hour=st.integers(0, 23), minute=st.integers(0, 59))
def test_a_time_of_day_is_the_nearest_one(now_us: int, hour: int, minute: int) -> None:
    """In every zone the next 10:00 is ahead, the last is not, and both are within a day and an hour."""
    text = f"{hour}:{minute:02}"
    ahead = parse_time_us(text, now_us=now_us, ahead=True)
    behind = parse_time_us(text, now_us=now_us, ahead=False)
    assert now_us < ahead <= now_us + 25 * HOUR_US
    assert now_us - 25 * HOUR_US < behind <= now_us
    assert parse_time_us(text, now_us=ahead, ahead=False) == ahead


@given(now_us=st.integers(HOUR_US, 2**51), seconds=st.integers(0, 3600))
def test_a_distance_is_exact(now_us: int, seconds: int) -> None:
    """`in` and `ago` count from now, to the second, both ways alike."""
    for ahead in (True, False):
        assert parse_time_us(f"in {seconds}s", now_us=now_us, ahead=ahead) == now_us + seconds * 1_000_000
        assert parse_time_us(f"{seconds} seconds ago", now_us=now_us, ahead=ahead) == now_us - seconds * 1_000_000


@given(at_us=st.integers(0, LATEST_US), ahead=st.booleans())
def test_what_is_printed_can_be_typed(at_us: int, ahead: bool) -> None:
    """A time as JSON prints it is read as the same moment."""
    text = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at_us)).isoformat()
    assert parse_time_us(text, now_us=0, ahead=ahead) == at_us


@given(parts=st.lists(st.tuples(st.integers(0, 999), st.sampled_from(["d", "h", "m", "s"])), min_size=1, max_size=4))
def test_the_parts_of_a_duration_add_up(parts: list[tuple[int, str]]) -> None:
    """A duration is the sum of its parts, with or without spaces between them."""
    total = sum(parse_duration_s(f"{number}{unit}") for number, unit in parts)
    assert parse_duration_s("".join(f"{number}{unit}" for number, unit in parts)) == pytest.approx(total)
    assert parse_duration_s(" ".join(f"{number} {unit}" for number, unit in parts)) == pytest.approx(total)


@given(text=st.text(max_size=40) | st.from_regex(r"[0-9a-z: .+-]{0,20}", fullmatch=True), ahead=st.booleans())
def test_any_text_is_read_or_refused(text: str, ahead: bool) -> None:
    """Whatever is typed, nothing else comes of it than a moment, a duration or a refusal."""
    with suppress(InvalidInput):
        assert 0 <= at(text, ahead=ahead) <= LATEST_US
    with suppress(InvalidInput):
        assert parse_duration_s(text) >= 0


@pytest.mark.parametrize("text", ["2027-03-28 02:30", "2027-03-28T02:30:15.5", "2027-03-28 2:30am"])
@pytest.mark.usefixtures("in_berlin")
def test_a_time_that_clocks_leave_out_is_told(text: str) -> None:
    """Whether clocks here ever show a time is known, however it is written; with a zone it is shown."""
    assert is_left_out(text, parse_time_us(text, now_us=0, ahead=True))
    others = (text.replace("03-28", "03-29"), text.replace("03-28", "10-31"))
    for other in (*others, "2027-03-28T02:30Z", "2027-03-28", "now", "in 2h", "noon", "tomorrow 9am"):
        assert not is_left_out(other, parse_time_us(other, now_us=10**15, ahead=True)), other
