"""Which labels and which meta a job can have, and which labels a filter can ask for."""

from collections import OrderedDict
from enum import StrEnum
from typing import Any

import pytest

from queuectl import InvalidInput, JobRequest
from queuectl.core.job_filter import Filter, filter_of
from queuectl.core.labels import MOST_LABELS, check_labels, check_meta, has_labels, label_filter
from queuectl.core.request import Intake
from queuectl.core.settings import Settings
from queuectl.events.types import JobOptions


class Team(StrEnum):
    A = "a"


def nested(levels: int) -> Any:
    """Return objects within each other."""
    found: Any = {}
    for _ in range(levels - 1):
        found = {"a": found}
    return found


@pytest.mark.parametrize(
    "labels",
    [
        {},
        {"team": "a", "0": "", "app.example.com/part-of_it": "größe \N{SNOWMAN} = 7"},
        {"k" * 63: "v" * 63},
        {f"k{n}": "v" for n in range(MOST_LABELS)},
        OrderedDict(a=Team.A),
    ],
)
def test_labels_that_a_job_can_have(labels: dict[str, str]) -> None:
    """They are kept as they are given, in a mapping of their own."""
    found = check_labels(labels)
    assert found == labels
    assert found is not labels


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        ("team=a", "labels: found 'team=a' (str); expected an object of texts"),
        ([("team", "a")], r"labels: found [('team', 'a')] (list)"),
        ({f"k{n}": "v" for n in range(MOST_LABELS + 1)}, "labels: found 17 of them; expected at most 16"),
        *(({key: "v"}, "led by a letter or digit, as key") for key in ("", "a=b", "-a", "a b", "é", "k" * 64, 7)),
        ({"a": 7}, "labels: found a = 7 (int); expected a text as value"),
        ({"a": None}, "a text as value"),
        *(
            ({"a": value}, "printable characters as value")
            for value in ("v" * 64, "a\nb", "\x1b[31m", "\u202e", "\udcff")
        ),
    ],
)
def test_labels_that_no_job_can_have(labels: Any, told: str) -> None:
    """What cannot be found again, or would command a terminal, is refused by the argument's name."""
    with pytest.raises(InvalidInput) as refused:
        check_labels(labels)
    assert told in str(refused.value)
    assert refused.value.field == "labels"


@pytest.mark.parametrize(
    "meta",
    [
        {},
        {"build": 7, "ok": True, "of": [None, 1.5, {"é": "\0\x1b"}], "": ""},
        {"a": "x" * (1024 - len('{"a":""}'))},
        {"a": "é" * 508},
        nested(16),
        {"least": -(2**63), "most": 2**63 - 1},
    ],
)
def test_meta_that_a_job_can_have(meta: dict[str, Any]) -> None:
    """It is whatever JSON object has at most 1 KiB, and is kept as a copy."""
    found = check_meta(meta)
    assert found == meta
    assert found is not meta


def test_what_stands_for_json_becomes_it() -> None:
    """Tuples and a program's own texts come back from the log as JSON has them, and so they are at once."""
    assert repr(check_meta(OrderedDict(a=(1, (2,)), b=Team.A))) == "{'a': [1, [2]], 'b': 'a'}"


@pytest.mark.parametrize(
    ("meta", "told"),
    [
        ("{}", "meta: found '{}' (str); expected an object as in JSON"),
        ([], "an object as in JSON"),
        ({"a": "x" * 1024}, "meta: found 1,032 bytes as JSON; expected at most 1,024"),
        (nested(17), "at most 16 levels"),
        ({"a": {1: 2}}, "meta: found 1 (int); expected texts as keys"),
        ({"\ud800": 1}, "texts as keys"),
        ({"a": "\ud800"}, "text that UTF-8 can hold"),
        *(({"a": value}, "what JSON has") for value in (float("nan"), float("inf"), 2**63, b"x", {1}, object())),
    ],
)
def test_meta_that_no_job_can_have(meta: Any, told: str) -> None:
    """What is no JSON object, or a long one, is refused by the argument's name."""
    with pytest.raises(InvalidInput) as refused:
        check_meta(meta)
    assert told in str(refused.value)
    assert refused.value.field == "meta"


def test_each_job_has_the_meta_it_was_given() -> None:
    """Requests that Python holds for equal, as 1 and true are, or that share a mapping which changes, stay apart."""
    intake = Intake(Settings(), now_us=0, cwd="/")
    shared: dict[str, Any] = {"a": 1}
    told = [repr(intake.specify(JobRequest("true", meta=shared), "x").options)]
    shared["a"] = 2
    told += [
        repr(intake.specify(JobRequest("true", meta=meta), "x").options) for meta in (shared, {"a": True}, {"a": 1.0})
    ]
    assert told == [repr(JobOptions(meta={"a": value})) for value in (1, 2, True, 1.0)]


def test_labels_a_filter_asks_for() -> None:
    """A text, several or a mapping say the same; a key alone asks for any value of it."""
    wanted = (("team", "a"), ("urgent", None))
    assert label_filter(["team=a", "urgent", "team=a"]) == label_filter({"team": "a", "urgent": None}) == wanted
    assert label_filter("a=b=c") == (("a", "b=c"),)
    assert label_filter("a=") == (("a", ""),)
    assert filter_of(labels="team=a") == Filter(labels=(("team", "a"),))
    assert not filter_of(labels="team").is_counted


@pytest.mark.parametrize("labels", [[], {}, "", ["team=a", "=b"], [7], {"a": 7}, {7: "a"}, "a\n", "a=\n"])
def test_labels_a_filter_cannot_ask_for(labels: Any) -> None:
    """Nor none of them: a program may have computed the list, and all jobs would be meant."""
    with pytest.raises(InvalidInput, match="labels: found"):
        label_filter(labels)


@pytest.mark.parametrize(
    ("wanted", "fits"),
    [
        ("team", True),
        ("team=a", True),
        (["team=a", "note="], True),
        ("team=b", False),
        ("no", False),
        (["team", "no"], False),
    ],
)
def test_a_job_fits_that_has_them_all(wanted: Any, fits: bool) -> None:
    """Each label asked for is there, with this value where one is asked for; a job without labels fits none."""
    found = label_filter(wanted)
    assert found is not None
    assert has_labels({"team": "a", "note": ""}, found) is fits
    assert not has_labels(None, found)
