"""On the command line a time limit, a delay and a time to wait for go by the names that they have in a program."""

import json

import pytest

from queuectl.core.job_request import OTHER_NAMES

from .conftest import CommandLine

pytestmark = pytest.mark.real_clock

FIRST_OF_2099 = "2099-01-01T00:00:00Z"
SAID = {
    "timeout": "1h", "timeout_s": 3600, "delay": "1h", "delay_s": 3600,
    "run_at": FIRST_OF_2099, "at": FIRST_OF_2099, "run_at_us": 4_070_908_800_000_000,
}  # fmt: skip


def test_every_name_is_tried() -> None:
    """A new one is tried here too."""
    assert SAID.keys() == {*OTHER_NAMES, *OTHER_NAMES.values()}


@pytest.mark.parametrize("name", SAID)
def test_a_name_is_taken_in_json_in_a_file_and_by_an_edit(cli: CommandLine, name: str) -> None:
    """Each of the names, at each door."""
    said = {"command": "true", name: SAID[name]}
    cli("enqueue", json.dumps({"id": "word", **said}))
    cli("enqueue", "--file", "-", text=json.dumps({"id": "line", **said}))
    cli("enqueue", "edited", "true")
    cli("edit", "edited", "--set", f"{name}={SAID[name]}")
    plain = OTHER_NAMES.get(name, name)
    for job in (cli.json("show", job_id) for job_id in ("word", "line", "edited")):
        assert (job["timeout_s"] == 3600) == (plain == "timeout")
        assert (job["run_at"] > job["created_at"]) == (plain != "timeout")
        assert job["run_at"].startswith("2099-01-01T00:00:00") == (plain == "run_at")


@pytest.mark.parametrize("name", OTHER_NAMES)
def test_a_line_s_own_name_counts_before_the_option(cli: CommandLine, name: str) -> None:
    """Options are for jobs that do not say otherwise, by whichever name."""
    cli(
        "enqueue",
        "--file",
        "-",
        "--timeout",
        "5",
        "--at",
        "2098-01-01",
        text=json.dumps({"id": "a", "command": "true", name: SAID[name]}),
    )
    job = cli.json("show", "a")
    assert (job["timeout_s"] == 5) == (OTHER_NAMES[name] != "timeout")
    assert job["run_at"].startswith("2098") == (OTHER_NAMES[name] == "timeout")
