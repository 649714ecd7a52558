"""Changes to a job: checked as an enqueue is, and made into the edit that makes them."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from queuectl.core.edit import FIELDS, edit_from, form_of
from queuectl.core.edited import edited, edited_options
from queuectl.core.policy import check_ends
from queuectl.errors import InvalidInput
from queuectl.events.types import NO_OPTIONS, Edited, Expiry, JobOptions, JobSpec, Policy
from tests.property.strategies import brief

NOW_US = 1_767_225_600_000_000
FULL = JobSpec("a", ("rsync", "x"), "mail", -3, 5, 1_500, 1.5, "/srv", {"A": "b"}, NOW_US)

POLICY = Policy(ok_on="2", snooze_on="75", snooze_ms=5, waits_ms=(1, 2))
RULED = JobOptions(policy=POLICY, expiry=Expiry(NOW_US + 9))

values: Mapping[str, st.SearchStrategy[Any]] = {
    "command": st.sampled_from(["true", ["a", "b c"], "é"]),
    "queue": st.sampled_from(["default", "mail"]),
    "priority": st.integers(-5, 5),
    "max_retries": st.integers(0, 5),
    "timeout": st.none() | st.sampled_from([0, 0.5, "90s", "5m"]),
    "backoff_base": st.floats(0, 10),
    "cwd": st.none() | st.sampled_from(["/", "/srv"]),
    "env": st.none() | st.dictionaries(st.sampled_from("AB"), st.text("xy", max_size=2), max_size=2),
    "run_at": st.none() | st.sampled_from(["in 2h", "2026-05-01T00:00:00Z"]),
    "ok_on": st.none() | st.sampled_from([1, "1,3", [3, "1"]]),
    "dead_on": st.none() | st.sampled_from(["65", "64-68,spawn,SIGKILL"]),
    "snooze_on": st.none() | st.sampled_from(["75"]),
    "backoff_max": st.none() | st.integers(0, 5),
    "expire_at": st.none() | st.sampled_from(["2026-05-01T00:00:00Z", "in 2h"]),
    "max_time": st.none() | st.integers(1, 5),
}
changes = st.fixed_dictionaries({}, optional=dict(values))
specs = st.sampled_from(
    [FULL, JobSpec("a", "true"), JobSpec("a", "true", timeout_ms=1, timeout_is_default=True, shell="bash -e")]
)
options = st.sampled_from([NO_OPTIONS, RULED, JobOptions(paused=True)])


def both_after(spec: JobSpec, options: JobOptions, wanted: dict[str, Any]) -> tuple[JobSpec, JobOptions]:
    """Return spec and options after an edit."""
    edit = edit_from(spec, wanted, now_us=NOW_US, options=options)
    return edited(spec, edit), edited_options(options, edit) or NO_OPTIONS


def test_the_shell_of_a_command_line_is_changed() -> None:
    """A shell can be named, and taken away again; a list of words has none to change."""
    spec = JobSpec("a", "true")
    after = edited(spec, edit_from(spec, {"shell": "bash -e"}, now_us=NOW_US))
    assert (after.shell, form_of(after, None)["shell"]) == ("bash -e", "bash -e")
    assert edited(after, edit_from(after, {"shell": None}, now_us=NOW_US)) == spec
    assert edited(after, edit_from(after, {"command": ["true"]}, now_us=NOW_US)).command == ("true",)
    with pytest.raises(InvalidInput, match="a list of words runs without a shell"):
        edit_from(FULL, {"shell": "bash"}, now_us=NOW_US)


@brief
@given(specs, options, changes)
def test_an_edit_changes_what_was_named_and_no_more(spec: JobSpec, options: JobOptions, wanted: dict[str, Any]) -> None:
    """What is not named stays as it is; the form shows what is named, and asking again changes nothing."""
    after, options_after = both_after(spec, options, wanted)
    before_form, form = form_of(spec, spec.run_at_us or 0, options), form_of(after, after.run_at_us or 0, options_after)
    for key in FIELDS:
        if key == "shell" and type(spec.command) is not type(after.command):
            assert (form[key] is None) is isinstance(after.command, tuple)  # a list of words has none
        elif key == "backoff" and "backoff_base" in wanted:
            assert key not in form  # either says how long retries wait
        elif key in ("snooze", "max_snoozes") and wanted.get("snooze_on", "") is None:
            assert key not in form  # nothing is snoozed any more
        elif key == "if_expired" and "expire_at" in wanted:
            assert (key in form) == ("expire_at" in form)  # it is said of a job that expires
        elif key not in wanted:
            assert form.get(key) == before_form.get(key)
        elif wanted[key] is None:
            assert form.get(key) in (None, 0, {}, "/bin/sh")
        elif key in ("ok_on", "dead_on", "snooze_on"):
            assert form[key] == check_ends(key, wanted[key])
        elif not isinstance(wanted[key], str) or key in ("command", "queue", "cwd", "shell"):
            assert form[key] == wanted[key]
    assert both_after(after, options_after, wanted) == (after, options_after)


@brief
@given(specs, options)
def test_a_form_that_is_left_as_it_is_changes_nothing(spec: JobSpec, options: JobOptions) -> None:
    """The form of a job, taken as changes, is an edit that leaves it as it is; what it names is said from then on."""
    form = form_of(spec, spec.run_at_us or 0, options)
    assert both_after(spec, options, form) == (replace(spec, timeout_is_default=False), options)


def test_nothing_named_is_no_edit() -> None:
    """No changes are an edit of nothing."""
    assert edit_from(FULL, {}, now_us=NOW_US) == Edited()


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        ({"id": "b"}, "a job keeps the one it has"),
        ({"colour": 1}, "one of command, queue"),
        ({"unique": "k"}, "unique: found 'k'; expected no change of it: a job keeps its key"),
        ({"unique_for": 5}, "unique_for: found 5; expected an enqueue with the same unique key"),
        ({"if_exists": "refuse"}, "if_exists: found 'refuse'; expected no change of it"),
        ({"mutex": "m"}, "mutex: found 'm'; expected a use of it in its place: use takes \"mutex:NAME\""),
        ({"if_parent_fails": "cancel"}, "if_parent_fails: found 'cancel'; expected no change of it; an empty after"),
        ({"paused": True}, "paused: found True; expected no change of it"),
        ({"command": None}, "command: found nothing"),
        ({"priority": None}, "the key left out"),
        ({"priority": "high"}, "priority: found 'high'"),
        ({"timeout": 5, "timeout_s": 6}, "timeout to be given once"),
        ({"delay_s": 5, "run_at": "in 2h"}, "given once|either a time or a delay"),
        ({"cwd": "here"}, "an absolute path"),
        ({"env": {"A": 1}}, "a text as value"),
        ({"run_at": "soon"}, "run_at: found 'soon'"),
        ({"queue": "a b"}, "queue: found 'a b'"),
    ],
)
def test_what_an_enqueue_would_refuse_an_edit_refuses(wanted: dict[str, Any], says: str) -> None:
    """What an enqueue would refuse, an edit refuses, and an id or an unknown key as well."""
    with pytest.raises(InvalidInput, match=says):
        edit_from(FULL, wanted, now_us=NOW_US)


def test_labels_and_meta_are_changed_whole() -> None:
    """What is named takes the place of all there were, nothing empties them, and what is not named stays."""
    spec, options = JobSpec("a", "true"), JobOptions(True, {"team": "a"}, {"build": 7})

    def after(**changes: Any) -> JobOptions | None:
        return edited_options(options, edit_from(spec, changes, now_us=NOW_US))

    assert after(priority=3) == options
    assert after(labels={"urgent": ""}) == JobOptions(True, {"urgent": ""}, {"build": 7})
    assert after(labels=None) == after(labels={}) == JobOptions(True, None, {"build": 7})
    assert after(labels=None, meta=None) == JobOptions(True)
    assert edited_options(JobOptions(meta={"a": 1}), edit_from(spec, {"meta": {}}, now_us=NOW_US)) is None
    form = form_of(spec, None, options)
    assert (form["labels"], form["meta"]) == ({"team": "a"}, {"build": 7})


@pytest.mark.parametrize(
    ("changes", "told"),
    [({"labels": ["a"]}, "labels: found"), ({"labels": {"a": 1}}, "labels: found"), ({"meta": "x"}, "meta: found")],
)
def test_labels_and_meta_are_checked(changes: dict[str, Any], told: str) -> None:
    """As an enqueue checks them."""
    with pytest.raises(InvalidInput, match=told):
        edit_from(JobSpec("a", "true"), changes, now_us=NOW_US)
