"""What users hand in is refused with its field's name, or becomes exactly what the log keeps."""

import json
import math
from collections.abc import Callable
from typing import Any

import pytest

from queuectl.core.job_mapping import request_from_mapping
from queuectl.core.job_request import JobRequest
from queuectl.core.request import COMMAND_BYTES, Intake, check_id, check_queue, check_text, specify
from queuectl.core.settings import Settings
from queuectl.core.shells import check_shell
from queuectl.core.times import LATEST_US
from queuectl.errors import InvalidInput
from queuectl.events.types import JobSpec

NOW_US = 1_800_000_000_000_000
NEW_YEAR_US = 1_767_225_600_000_000  # 2026-01-01T00:00:00Z


def spec_of(request: JobRequest, *, settings: Settings = Settings(), cwd: str = "/here") -> JobSpec:
    """Make a request into a spec at NOW_US."""
    return specify(request, fresh_id="fresh", settings=settings, now_us=NOW_US, cwd=cwd).spec


def spec_of_json(**keys: Any) -> JobSpec:
    """Read a request as JSON and make it into a spec."""
    return spec_of(request_from_mapping(json.loads(json.dumps({"command": "true", **keys})), now_us=NOW_US))


def refusal(do: Callable[[], object]) -> InvalidInput:
    """Return the refusal that something meets with, after seeing that it is one line."""
    with pytest.raises(InvalidInput) as caught:
        do()
    assert "\n" not in str(caught.value)
    return caught.value


def test_a_bare_command_gets_all_defaults() -> None:
    """A request of no more than a command is filled in from the settings, the directory and a fresh id."""
    assert spec_of(JobRequest("true")) == JobSpec(
        "fresh", "true", "default", 0, 3, 300_000, 2.0, "/here", None, None, True
    )


def test_json_says_all_that_a_job_can_be() -> None:
    """Every key of the contract is read into its field."""
    spec = spec_of_json(
        command=["rsync", "-a", "my dir"], id="job1", queue="mail", priority=-5, max_retries=0, timeout=1.5,
        backoff_base=1.5, cwd="/srv", env={"A": "1"}, run_at="2026-01-01T00:00:00Z",
    )  # fmt: skip
    command = ("rsync", "-a", "my dir")
    assert spec == JobSpec("job1", command, "mail", -5, 0, 1500, 1.5, "/srv", {"A": "1"}, NEW_YEAR_US)


def test_json_takes_durations_as_numbers_or_text() -> None:
    """A timeout or a delay may be seconds or written with a unit; null is as if the key were not there."""
    assert spec_of_json(timeout_s="1h30m").timeout_ms == 5_400_000
    assert spec_of_json(delay="500ms").run_at_us == NOW_US + 500_000
    assert spec_of_json(delay=2.5, id=None, timeout=None, env=None) == spec_of_json(delay="2.5s")


def test_json_takes_times_as_people_write_them() -> None:
    """A time in a job may be a distance from now, or a time of day: the next one."""
    assert spec_of_json(run_at="in 2h").run_at_us == NOW_US + 7_200_000_000
    assert NOW_US < (spec_of_json(at="17:30").run_at_us or 0) <= NOW_US + 25 * 3_600_000_000


def test_the_settings_count_where_a_job_says_nothing() -> None:
    """Retries, timeout and backoff come from the settings unless the job has its own."""
    settings = Settings(max_retries=9, job_timeout_s=0, backoff_base=1.5)
    spec = spec_of(JobRequest("true"), settings=settings)
    assert (spec.max_retries, spec.timeout_ms, spec.backoff_base) == (9, None, 1.5)
    own = JobRequest("true", max_retries=0, timeout=0.5, backoff_base=0)
    spec = spec_of(own, settings=settings)
    assert (spec.max_retries, spec.timeout_ms, spec.backoff_base) == (0, 500, 0.0)


@pytest.mark.parametrize(
    ("timeout_s", "kept"), [(0, None), (0.0, None), (1, 1000), (1.001, 1001), (0.0004, 1), (4.35, 4350)]
)
def test_a_timeout_is_kept_to_the_millisecond(timeout_s: float, kept: int | None) -> None:
    """Only 0 is no timeout: a shorter one than a millisecond is one, and none loses a millisecond to rounding."""
    assert spec_of(JobRequest("true", timeout=timeout_s)).timeout_ms == kept


@pytest.mark.parametrize(("delay_s", "wait_us"), [(0, 0), (1, 1_000_000), (0.000001, 1), (4.35, 4_350_000)])
def test_a_delay_is_kept_to_the_microsecond(delay_s: float, wait_us: int) -> None:
    """A delay counts from now, exactly."""
    assert spec_of(JobRequest("true", delay=delay_s)).run_at_us == NOW_US + wait_us


@pytest.mark.parametrize(
    "command", ["true", " true", "a\nb", "naïve \U0001f44b", "x" * COMMAND_BYTES, "a\n" * (COMMAND_BYTES // 2), "-"]
)
def test_a_command_is_kept_as_it_was_written(command: str) -> None:
    """A line of up to 64 KiB, printable or not, comes through untouched; so does a list of words."""
    assert spec_of_json(command=command).command == command
    assert spec_of_json(command=[command]).command == (command,)


def test_words_may_be_empty_behind_the_first() -> None:
    """An empty argument is one like any other."""
    assert spec_of_json(command=["printf", "%s", ""]).command == ("printf", "%s", "")


@pytest.mark.parametrize(
    "command",
    ["", " ", "\n\t", "a\0b", "x" * 2**20, "ü" * (COMMAND_BYTES // 2 + 1), "a\ud800", [], ["", "a"], ["a", 1],
     [["a"]], ["a", "b\0"], ["x" * COMMAND_BYTES, "y"], 7, True, {"a": 1}, None],
    ids=lambda command: repr(command)[:20],
)  # fmt: skip
def test_a_command_that_cannot_run_is_refused(command: Any) -> None:
    """Empty, a megabyte long, with a NUL, not text: such a command is refused by its name, in few words."""
    error = refusal(lambda: spec_of_json(command=command))
    assert error.field == "command"
    assert len(str(error)) < 300


@pytest.mark.parametrize("job_id", ["a", "job-1", "nächtlich 7", "\U0001f44b" * 120, "a/b:c"])
def test_a_printable_id_is_taken(job_id: str) -> None:
    """An id may be any 1 to 120 printable characters, spaces inside too."""
    assert check_id(job_id) == job_id


@pytest.mark.parametrize(
    "job_id",
    ["", "x" * 121, "a\nb", "a\0", "\x1b[31m", "a\u202eb", "a\u200bb", "\ud800", "-rf", " a", "a ", "a\u00a0b"],
    ids=repr,
)
def test_an_id_that_cannot_be_typed_or_shown_is_refused(job_id: str) -> None:
    """Control characters, invisible ones, a leading dash, an outer space or too great a length are refused."""
    assert refusal(lambda: check_id(job_id)).field == "id"
    assert refusal(lambda: spec_of_json(id=job_id)).field == "id"


@pytest.mark.parametrize("queue", ["default", "a", "A-1_b.c", "x" * 64])
def test_a_plain_queue_name_is_taken(queue: str) -> None:
    """Letters, digits, dot, dash and underscore make a queue's name."""
    assert check_queue(queue) == queue


@pytest.mark.parametrize("queue", ["", "x" * 65, "a b", "-a", ".a", "a\n", "a\0b", "ü", "a/b"], ids=repr)
def test_another_queue_name_is_refused(queue: str) -> None:
    """A queue's name that a shell or a key could take for something else is refused."""
    assert refusal(lambda: spec_of_json(queue=queue)).field == "queue"


NUMBERS = {
    "priority": [2**31, -(2**31), 1.0, "1", True, math.nan],
    "max_retries": [-1, 1_000_001, 2.0, "2", False, math.inf],
    "timeout": [-1, -0.001, math.nan, math.inf, 1e300, True, "soon", "-5", []],
    "timeout_s": [-1, math.nan, "", "5 m x"],
    "backoff_base": [-1, 1_000_001, math.nan, -math.inf, "2", True],
    "delay": [-1, math.nan, math.inf, 1e300, True, "later", "1x"],
}


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, bad in NUMBERS.items() for value in bad], ids=repr)
def test_a_number_out_of_range_or_of_another_kind_is_refused(key: str, value: Any) -> None:
    """Negative, not finite, too large, text, true and false: no such value passes for a number."""
    error = refusal(lambda: spec_of_json(**{key: value}))
    assert error.field in (key, key.removesuffix("_s"), "duration")


@pytest.mark.parametrize(
    ("field", "bad"),
    [("timeout", True), ("timeout", "soon"), ("delay", math.nan), ("run_at", True), ("run_at", -1), ("run_at", b"now"),
     ("run_at", LATEST_US + 1), ("priority", True), ("max_retries", 1.5), ("cwd", 5), ("env", ["A"]), ("id", 7),
     ("queue", None), ("command", ["echo"])],
)  # fmt: skip
def test_a_program_is_held_to_the_same_rules(field: str, bad: Any) -> None:
    """A request built in Python with a wrong type is refused like one read from JSON."""
    request = JobRequest("true")._replace(**{field: bad})
    assert refusal(lambda: spec_of(request)).field == field


@pytest.mark.parametrize("cwd", ["", "relative/path", "~", "/a\0b", "/" + "x" * 4096, "/\ud800", 7])
def test_a_directory_that_cannot_be_is_refused(cwd: Any) -> None:
    """A working directory is an absolute path that the system can hold."""
    assert refusal(lambda: spec_of_json(cwd=cwd)).field == "cwd"


def test_a_directory_whose_name_is_no_text_is_refused() -> None:
    """A caller's own directory is kept byte for byte; one that stands for no bytes is refused."""
    assert spec_of(JobRequest("true"), cwd="/tmp/\udcff").cwd == "/tmp/\udcff"
    assert refusal(lambda: spec_of(JobRequest("true"), cwd="/tmp/\ud800")).field == "cwd"


@pytest.mark.parametrize(
    "env",
    [[], "A=1", {"": "1"}, {"A=B": "1"}, {"A\0": "1"}, {"A": "\0"}, {"A": 1}, {"A": None}, {"A\nB": 1},
     {"A": "x" * COMMAND_BYTES}, {"A": "\ud800"}],
    ids=lambda env: repr(env)[:20],
)  # fmt: skip
def test_an_environment_that_cannot_be_is_refused(env: Any) -> None:
    """Names without '=' and texts without NUL, 64 KiB in all, make an environment."""
    assert refusal(lambda: spec_of_json(env=env)).field == "env"


def test_an_empty_environment_is_none() -> None:
    """An environment that adds nothing is not kept."""
    assert spec_of_json(env={}).env is None


@pytest.mark.parametrize("key", ["comand", "Command", "timeout_ms", "state", ""])
def test_an_unknown_key_is_refused_with_the_known_ones(key: str) -> None:
    """A key that nobody reads is refused rather than passed over, and the refusal lists those there are."""
    error = refusal(lambda: spec_of_json(**{key: 1}))
    assert (error.field, error.found) == ("key", repr(key))
    assert all(known in error.expected for known in ("command", "max_retries", "run_at"))


def test_a_job_without_a_command_is_refused() -> None:
    """An object that says everything but what to run is refused."""
    assert refusal(lambda: request_from_mapping({"id": "a"}, now_us=NOW_US)).field == "command"


@pytest.mark.parametrize("pair", [{"timeout": 1, "timeout_s": 2}, {"at": "2026-01-01", "run_at": "2026-01-01"}])
def test_two_spellings_of_one_key_are_refused(pair: dict[str, Any]) -> None:
    """One thing said twice is refused: neither wins silently."""
    assert "once" in refusal(lambda: spec_of_json(**pair)).expected


def test_a_time_and_a_delay_are_refused_together() -> None:
    """A job runs at a time or after a delay, not both."""
    assert refusal(lambda: spec_of_json(run_at="2026-01-01", delay=5)).field == "delay"


@pytest.mark.parametrize("text", ["x" * 1001, "\ud800", "a\udcff"], ids=lambda text: repr(text)[:10])
def test_a_reason_that_the_log_cannot_keep_is_refused(text: str) -> None:
    """A free text is valid UTF-8 of bounded length, and its field is named."""
    assert refusal(lambda: check_text("reason", text)).field == "reason"
    assert check_text("reason", "weil's grün ist") == "weil's grün ist"


def test_what_only_equals_the_request_before_it_is_looked_at() -> None:
    """Requests that ask alike are checked once; one whose values are equal and of another kind is not like them."""
    intake = Intake(Settings(), now_us=NOW_US, cwd="/")
    assert intake.specify(JobRequest("true", priority=1), "a").spec.priority == 1
    assert intake.specify(JobRequest("false", id="b", priority=1), "x").spec == JobSpec(
        "b", "false", priority=1, timeout_ms=300_000, cwd="/", timeout_is_default=True
    )
    with pytest.raises(InvalidInput, match="priority: found True"):
        intake.specify(JobRequest("true", priority=True), "c")
    with pytest.raises(InvalidInput, match="a list of words runs without a shell"):
        Intake(Settings(), now_us=NOW_US, cwd="/").specify(JobRequest(("true",), shell="bash"), "d")


@pytest.mark.parametrize("shell", ["python3 -c", "bash -c", "/bin/bash -o pipefail -c ", "busybox sh '-c'"])
def test_a_shell_comes_without_its_last_option(shell: str) -> None:
    """The -c that every shell is called with is not named with it, and the refusal says what to type."""
    with pytest.raises(InvalidInput, match=r"shell: found .*; expected it without the -c, which is put there anyway"):
        check_shell(shell)
    assert check_shell("bash -c -e") == "bash -c -e"
    assert check_shell("python3") == "python3"
