"""Configuration keys have one name, several spellings, and values within bounds."""

import pytest

from queuectl.core.settings import KEYS, VARIABLES, Settings, canonical, from_environment, parse
from queuectl.errors import InvalidInput


@pytest.mark.parametrize("name", KEYS)
def test_every_key_is_known_by_its_own_name(name: str) -> None:
    """A key's name, with hyphens or underscores and in any case, means that key."""
    assert {canonical(each) for each in (name, name.replace("_", "-"), name.upper(), f" {name} ")} == {name}


@pytest.mark.parametrize("alias", ["max_retries_default", "max-retries-default"])
def test_max_retries_has_an_alias(alias: str) -> None:
    """The longer spelling of max_retries is the same key."""
    assert parse(alias, "5") == ("max_retries", 5)


@pytest.mark.parametrize(("text", "value"), [("30000", 30), ("1500", 1.5), ("0", 0)])
def test_timeout_ms_is_the_timeout_in_milliseconds(text: str, value: float) -> None:
    """A timeout given in milliseconds is kept in seconds."""
    assert parse("timeout-ms", text) == ("job_timeout_s", value)


@pytest.mark.parametrize("name", ["job_timeout_s", "job-timeout-s", "job_timeout_sec", "JOB-TIMEOUT-SEC"])
def test_the_timeout_may_be_spelled_as_it_was(name: str) -> None:
    """job_timeout_sec, its name in older releases, is the same key, and takes durations."""
    assert parse(name, "1h") == ("job_timeout_s", 3600)


@pytest.mark.parametrize("name", ["", "max retries", "colour", "job_timeout"])
def test_an_unknown_key_is_refused_with_the_good_ones(name: str) -> None:
    """The refusal of a key lists every key there is."""
    with pytest.raises(InvalidInput) as caught:
        canonical(name)
    assert all(key in str(caught.value) for key in KEYS)


@pytest.mark.parametrize(
    ("typed", "meant"), [("max_retry", "max_retries"), ("lease", "lease_s"), ("Lease-ss", "lease_s")]
)
def test_a_mistyped_key_is_told_what_may_be_meant(typed: str, meant: str) -> None:
    """A key that is nearly one of ours is answered with that one."""
    with pytest.raises(InvalidInput, match=rf"; did you mean {meant}\?$"):
        canonical(typed)


TEXTS = {name for name, key in KEYS.items() if key.check is not None}


@pytest.mark.parametrize(
    ("name", "typed", "kept"),
    [
        ("shell", " /bin/bash -o pipefail ", "/bin/bash -o pipefail"),
        ("shell", "'/opt/my shell' -e", "'/opt/my shell' -e"),
        ("inherit-env", " PATH , LANG,PATH", "PATH,LANG"),
        ("inherit_env", "all", "all"),
        ("inherit_env", "none", "none"),
    ],
)
def test_a_key_may_be_a_text(name: str, typed: str, kept: str) -> None:
    """A key that is no number is kept as text, in one way of writing it."""
    assert parse(name, typed) == (canonical(name), kept)


@pytest.mark.parametrize(
    ("name", "typed"),
    [
        *(("shell", text) for text in ("", " ", "-c", "'bash", "a\nb", "x" * 1001, "\udcff")),
        *(("inherit_env", text) for text in ("", "A=B", "A B", "QUEUECTL_DB", "A,QUEUECTL_RUN", "A," * 600 + "A")),
    ],
)
def test_a_text_that_a_key_cannot_be_is_refused(name: str, typed: str) -> None:
    """A shell that is no program, or a name that no variable has, is refused by the key's name."""
    with pytest.raises(InvalidInput) as caught:
        parse(name, typed)
    assert caught.value.field == name


@pytest.mark.parametrize("key", [key for key in KEYS.values() if key.check is None], ids=lambda key: key.name)
def test_the_bounds_of_a_key_belong_to_it(key: object) -> None:
    """The least and the greatest value are taken, and what lies beyond is refused."""
    name, least, most = key.name, key.minimum, key.maximum  # type: ignore[attr-defined]
    assert [parse(name, str(value))[1] for value in (least, most)] == [least, most]
    for beyond in (least - 1, most + 1):
        with pytest.raises(InvalidInput, match=name):
            parse(name, str(beyond))


@pytest.mark.parametrize("text", ["", "abc", "nan", "inf", "-inf", "1e400", "5 s", "0x10", "True", "None"])
@pytest.mark.parametrize("name", ["max_retries", "backoff_base", "timeout_ms"])
def test_what_is_no_number_is_refused(name: str, text: str) -> None:
    """A value that is no finite number is refused, naming the key and the value."""
    with pytest.raises(InvalidInput) as caught:
        parse(name, text)
    assert (caught.value.field, caught.value.found) == (canonical(name), repr(text))


@pytest.mark.parametrize("name", ["max_retries", "output_limit_bytes"])
def test_a_count_is_whole(name: str) -> None:
    """Half a retry or half a byte is refused; a whole number may be written with a point."""
    with pytest.raises(InvalidInput, match="a whole number"):
        parse(name, "2.5")
    assert parse(name, "2.0") == (name, 2)


@pytest.mark.parametrize("name", ["max_retries", "backoff_base", "lease_s", "timeout_ms"])
@pytest.mark.parametrize("text", ["1_000", "\u0663", "\uff11\uff12"], ids=ascii)
def test_a_number_is_in_plain_digits(name: str, text: str) -> None:
    """Underscores and the digits of other scripts, which Python takes, are no number of a setting's."""
    with pytest.raises(InvalidInput, match=canonical(name)):
        parse(name, text)


@pytest.mark.parametrize("name", ["max_retries", "output_limit_bytes"])
def test_a_count_has_no_exponent(name: str) -> None:
    """1e3 is how programs write what is not counted."""
    with pytest.raises(InvalidInput, match="a whole number"):
        parse(name, "1e3")
    assert parse("backoff_base", "1e3") == ("backoff_base", 1000)


def test_whole_values_are_integers_and_others_stay_exact() -> None:
    """A value is an int where it is whole, else the float that was written."""
    assert [type(parse("backoff_base", text)[1]) for text in ("2", "2.0", "1.5")] == [int, int, float]
    assert parse("backoff_base", "1.5")[1] == 1.5


def test_settings_are_the_values_over_the_defaults() -> None:
    """What is configured counts, the rest has its default, and keys of other versions are left alone."""
    assert Settings.of({}) == Settings()
    assert Settings.of({"max_retries": 7, "from_the_future": 1}) == Settings(max_retries=7)


def test_defaults_are_within_their_bounds() -> None:
    """Every default could have been set by hand."""
    assert {name: parse(name, str(key.default))[1] for name, key in KEYS.items()} == {
        name: key.default for name, key in KEYS.items()
    }


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [("lease_s", "1h30m", 5400), ("retention_s", "2d", 172_800), ("job-timeout-sec", "500ms", 0.5)],
)
def test_a_key_in_seconds_takes_a_duration(name: str, text: str, value: float) -> None:
    """What is a time span may be written as one, wherever a setting comes from."""
    assert parse(name, text) == (canonical(name), value)
    variable = VARIABLES[canonical(name)]
    assert from_environment({variable: text}) == {canonical(name): value}


def test_a_variable_counts_under_its_former_name() -> None:
    """The variable of an older release counts as long as the one of today is not set, and refusals name it."""
    former, today = "QUEUECTL_JOB_TIMEOUT_SEC", "QUEUECTL_JOB_TIMEOUT_S"
    assert from_environment({former: "9"}) == from_environment({former: "9", today: ""}) == {"job_timeout_s": 9}
    assert from_environment({former: "9", today: "9"}) == {"job_timeout_s": 9}
    with pytest.raises(InvalidInput, match=former):
        from_environment({former: "soon"})


def test_two_names_of_a_variable_agree() -> None:
    """Where the former name says another thing than the one of today, neither is guessed to be meant."""
    with pytest.raises(InvalidInput, match="QUEUECTL_JOB_TIMEOUT_S: found '7', and '9' in QUEUECTL_JOB_TIMEOUT_SEC"):
        from_environment({"QUEUECTL_JOB_TIMEOUT_SEC": "9", "QUEUECTL_JOB_TIMEOUT_S": "7"})


@pytest.mark.parametrize("name", ["timeout_ms", "max_retries", "backoff_base", "output_limit_bytes"])
def test_only_a_key_in_seconds_takes_a_duration(name: str) -> None:
    """A count, a factor and milliseconds are no time spans of people's."""
    with pytest.raises(InvalidInput, match=canonical(name)):
        parse(name, "5m")
