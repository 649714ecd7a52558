"""What a job says of how its runs end: one form for all that mean the same, and which rule an end meets."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from queuectl.core.job_request import JobRequest
from queuectl.core.policy import (
    NOT_LISTED,
    backoff_text,
    base_of,
    check_ends,
    check_policy,
    policy_form,
    policy_of,
    ruling,
)
from queuectl.core.retry import delay_us
from queuectl.errors import InvalidInput
from queuectl.events.policy import Policy
from tests.property.strategies import brief

WORDS = ("signal", "timeout", "lost", "spawn")
codes = st.sets(st.integers(1, 255), max_size=20)
words = st.sets(st.sampled_from((*WORDS, "SIGKILL", "SIGTERM", "SIGRTMIN+3")), max_size=4)


@pytest.mark.parametrize(
    ("given", "form"),
    [
        ("1", "1"),
        (1, "1"),
        ([3, 1, "2"], "1-3"),
        ((64, "65 - 68", 70), "64-68,70"),
        ("75, 64-70,66-72", "64-72,75"),
        ("TIMEOUT,1,sigkill,lost", "1,timeout,lost,SIGKILL"),
        ("term,SIGRTMIN+3,KILL", "SIGKILL,SIGRTMIN+3,SIGTERM"),
        ("0,1", "1"),
        ("0", None),
    ],
)
def test_what_means_the_same_has_one_form(given: Any, form: str | None) -> None:
    """Codes are sorted and joined to ranges, words and signals follow in an order of their own."""
    assert check_ends("ok_on", given) == form


@brief
@given(codes, words, st.randoms())
def test_the_form_holds_what_was_given_and_is_its_own_form(codes: set[int], words: set[str], random: Any) -> None:
    """In whatever order and portions they come, ends have one form, whose form it is, and no other set has it."""
    given = [*codes, *words]
    random.shuffle(given)
    form = check_ends("dead_on", given) if given else None
    assert form == (check_ends("dead_on", sorted(map(str, given))) if given else None)
    if form is not None:
        assert check_ends("dead_on", form) == form
        policy = Policy(dead_on=form)
        assert {code for code in range(256) if ruling(policy, "exit_code", code, None).by} == codes


@pytest.mark.parametrize(
    ("field", "given"),
    [
        ("dead_on", "0"),
        ("retry_on", "0-3"),
        ("ok_on", "256"),
        ("ok_on", "5-3"),
        ("ok_on", -1),
        ("ok_on", True),
        ("ok_on", 1.5),
        ("ok_on", ""),
        ("ok_on", "tiemout"),
        ("ok_on", "SIGNOPE"),
        ("ok_on", "oom"),
        ("ok_on", ["1", None]),
        ("ok_on", "1;2"),
    ],
)
def test_what_is_no_end_is_refused(field: str, given: Any) -> None:
    """What names no way in which a run can end is refused, by the field's name."""
    with pytest.raises(InvalidInput, match=field):
        check_ends(field, given)


def test_the_first_list_that_names_an_end_counts() -> None:
    """Good, final, a snooze, a failure: in this order, and with a list of what is retried nothing else is."""
    policy = Policy("1-3", "3-5,signal", "5,75,timeout", "75,76,SIGKILL")
    assert ruling(policy, "exit_code", 3, None) == ("ok", "ok_on 1-3")
    assert ruling(policy, "exit_code", 5, None) == ("dead", "dead_on 3-5")
    assert ruling(policy, "exit_code", 75, None) == ("snooze", "snooze_on 75")
    assert ruling(policy, "exit_code", 76, None) == ("retry", "retry_on 76")
    assert ruling(policy, "signal", None, "SIGKILL") == ("dead", "dead_on signal")
    assert ruling(policy, "timeout", 3, "SIGTERM") == ("snooze", "snooze_on timeout")
    assert ruling(policy, "exit_code", 99, None) == ("dead", NOT_LISTED)
    assert ruling(policy, "lost", None, None) == ("dead", NOT_LISTED)
    assert ruling(Policy(dead_on="SIGKILL,signal"), "signal", None, "SIGKILL").by == "dead_on SIGKILL"
    assert ruling(Policy(dead_on="65"), "exit_code", 66, None) == ("retry", None)
    assert ruling(Policy(dead_on="65"), "exit_code", None, None) == ("retry", None)


def test_codes_mean_nothing_by_themselves() -> None:
    """A job that says nothing has no policy, whatever its runs exit with."""
    assert policy_of(JobRequest("true")) is None
    assert policy_of(JobRequest("true", ok_on="0")) is None


@pytest.mark.parametrize(
    ("text", "base", "waits_ms"),
    [
        ("exp:3", 3.0, None),
        ("fixed:30s", None, (30_000,)),
        ("list:1s,10s,1m", None, (1_000, 10_000, 60_000)),
        ("Fixed: 500ms", None, (500,)),
    ],
)
def test_a_backoff_has_three_forms(text: str, base: float | None, waits_ms: tuple[int, ...] | None) -> None:
    """A base, one wait, or some one after another; what is shown can be typed again."""
    request = JobRequest("true", backoff=text)
    policy, found = policy_of(request), base_of(request)
    assert (found, None if policy is None else policy.waits_ms) == (base, waits_ms)
    shown = backoff_text(policy, found or 2)
    again = JobRequest("true", backoff=shown)
    assert (policy_of(again), base_of(again)) == (policy, found)


@pytest.mark.parametrize(
    "asked",
    [
        {"backoff": "linear:10s"},
        {"backoff": "exp:"},
        {"backoff": "exp:two"},
        {"backoff": "fixed:soon"},
        {"backoff": "list:"},
        {"backoff": 5},
        {"backoff": "list:" + ",".join(["1s"] * 101)},
        {"backoff": "exp:2", "backoff_base": 2},
        {"snooze": "5s"},
        {"max_snoozes": 5},
        {"snooze_on": 75, "max_snoozes": -1},
        {"snooze_on": 75, "max_snoozes": True},
        {"snooze_on": 75, "snooze": -1},
        {"backoff_max": "for ever"},
    ],
)
def test_a_policy_that_cannot_be_is_refused(asked: dict[str, Any]) -> None:
    """What a policy cannot hold, or says twice, or of nothing, is refused."""
    with pytest.raises(InvalidInput):
        policy_of(JobRequest("true", **asked))


def test_a_policy_of_a_file_is_held_to_its_one_form() -> None:
    """What is no form that intake makes is refused of an event that comes from elsewhere."""
    check_policy(Policy("1-3", "64,SIGINFO"))  # a signal of another system
    for ends in ("1,2", "3,1", "SIGKILL,timeout", "0", "256"):
        with pytest.raises(InvalidInput):
            check_policy(Policy(dead_on=ends))


def test_a_policy_in_its_form_is_that_policy() -> None:
    """The form of a policy, asked for again, gives the same one."""
    policy = Policy("1-3", "64-78,lost", "75", "signal", 30_500, 7, (1_000, 1_500), 60_000)
    assert policy_of(JobRequest("true", **policy_form(policy))) == policy


def test_a_list_of_waits_stays_at_its_last() -> None:
    """Each attempt has its own wait, those after the list its last; the most and the jitter count as of any."""
    waits = (1_000, 10_000)
    found = [delay_us(attempt, 2, max_delay_s=3600, waits_ms=waits) for attempt in (1, 2, 3, 9)]
    assert found == [1_000_000, 10_000_000, 10_000_000, 10_000_000]
    assert delay_us(2, 2, max_delay_s=5, jitter=1, roll=0.5, waits_ms=waits) == 7_500_000
