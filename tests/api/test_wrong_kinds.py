"""Whatever a program hands in, at each argument of each public method: a refusal in words, and nothing in the log."""

import io
import math
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from queuectl import (
    Admin,
    Captured,
    DeadLetters,
    JobRequest,
    LeaseHolder,
    Limits,
    Log,
    Queue,
    QueuectlError,
    Queues,
    Result,
    Ui,
    start_worker,
)
from queuectl.core.argument_kinds import KINDS, kind_of
from queuectl.core.job_filter import Chosen, Filter
from queuectl.display import SHOWN_CHARS, shown
from queuectl.engine.exchange import check_result
from queuectl.errors import InvalidInput
from queuectl.events.types import Output
from queuectl.worker.process import signal_name
from tests.lives import running

PLACES: dict[str, type[Any]] = {
    **{"": Queue, "log.": Log, "admin.": Admin, "dlq.": DeadLetters, "ui.": Ui, "worker.": LeaseHolder},
    **{"limits.": Limits, "queues.": Queues},
}
"""What stands before a method's name -> whose it is."""

METHODS: dict[str, Any] = {
    place + name: method.__func__ if isinstance(method, classmethod | staticmethod) else method
    for place, kind in PLACES.items()
    for cls in reversed(kind.__mro__[:-1])
    for name, method in vars(cls).items()
    if not name.startswith("_") and hasattr(getattr(method, "__func__", method), "__annotations__")
} | {"start_worker": start_worker}


class Silent:
    """What raises whatever it is asked about itself."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Refuse."""
        raise RuntimeError("no")

    __str__ = __repr__


class SilentText(str):
    """A text that does not say what it is."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Refuse."""
        raise RuntimeError("no")


HUGE = 10**5000
"""A whole number that Python does not write."""


POOL: list[Any] = [
    *(HUGE, -HUGE, [HUGE], {HUGE: HUGE}, Silent(), [Silent()], SilentText("text")),
    *(None, True, False, 0, 5, -1, 2**63, -(2**70), 1.5, math.nan, math.inf, -math.inf),
    *("", "text", "a\0b", "\ud800", "x" * 5000, b"bytes", bytearray(b"x")),
    *([], ["text"], [5], [None], ["\ud800"], [[]], (), {}, {"a": 1}, {5: 5}, set(), {"text"}, iter(())),
    *(object(), datetime(2026, 1, 1, tzinfo=UTC), Path("/tmp\0"), io.BytesIO(), print),
]


def signature(name: str) -> dict[str, str]:
    """Return the annotation of each parameter of a method."""
    function = getattr(METHODS[name], "__wrapped__", METHODS[name])
    return {key: text for key, text in function.__annotations__.items() if key != "return"}


PARAMETERS = [(name, parameter) for name in METHODS for parameter in signature(name)]


@pytest.fixture
def queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Queue]:
    monkeypatch.chdir(tmp_path)
    with Queue.open(tmp_path / "q") as opened:
        opened.enqueue_many(["true"] * 4)
        running(opened)
        yield opened


def arguments(queue: Queue, tmp_path: Path, name: str) -> dict[str, Any]:
    """Return what a call of a method cannot do without, right as it is."""
    job = next((job for job in queue.jobs(state="processing") if job.attempts), None)
    if job is None:
        queue.enqueue("true", priority=9)
        job = running(queue)
    run = queue.runs(job.id)[-1]
    (jobs := tmp_path / "jobs.json").write_text("[]")
    known: dict[str, Any] = {
        "job_id": job.id, "job_ids": job.id, "typed": job.id, "job": job, "claimed": [job], "run": run,
        "command": "true", "request": JobRequest("true"), "requests": ["true"],
        "queue": queue if name == "start_worker" else "mail",
        "worker": "w", "host": "h", "pid": 1, "slots": 1, "want": 0, "lease_s": 30.0, "results": [], "why": "why",
        "error": "broken", "where": Filter(), "verb": "cancel",
        "chosen": queue.ui.choose("cancel", Filter(queue="none")),
        "key": "max_retries", "value": 5, "position": 1, "at_us": 5, "after": 0, "timeout_s": 0.01, "stream": 1,
        "name": "reader", "workers": ["w"], "events": [], "file": str(tmp_path / "file"), "into": tmp_path / "into",
        "write": print, "source": io.BytesIO(), "files": [str(jobs)], "format": "jobs-json", "older_than_s": 1e9,
        "actor": "me", "id": "w", "of": job.id, "path": tmp_path / "other",
    }  # fmt: skip
    function = getattr(METHODS[name], "__wrapped__", METHODS[name])
    code, defaults = function.__code__, {*(function.__kwdefaults__ or {})}
    positional = code.co_varnames[: code.co_argcount]
    defaults |= set(positional[len(positional) - len(function.__defaults__ or ()) :])
    every = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    wanted = [each for each in every if each not in (*defaults, "self", "cls")]
    return {each: known[each] for each in wanted}


def call(queue: Queue, name: str, given: dict[str, Any]) -> object:
    """Call a method, and use up what it gives."""
    place, _, plain = name.rpartition(".")
    where = queue.worker("w") if place == "worker" else getattr(queue, place) if place else queue
    method = start_worker if name == "start_worker" else getattr(where, plain)
    found = method(**given)
    if name == "open":
        found.close()
    return list(found) if isinstance(found, Iterator) else found


def test_every_parameter_has_a_kind() -> None:
    """A new parameter is checked too, or says here why it needs no check."""
    unknown = {
        f"{name}({parameter}: {text})"
        for name, parameter in PARAMETERS
        if kind_of(parameter, text := signature(name)[parameter]) == KINDS["Any"]
    }
    told_better = {name for name in unknown if name.partition("(")[2].startswith(("start:", "name:"))}
    assert unknown - told_better == {"edit(changes: Any)"}


@pytest.mark.sampled(27)
@pytest.mark.parametrize(("name", "parameter"), PARAMETERS, ids=lambda each: each)
def test_a_wrong_value_is_refused_in_words(queue: Queue, tmp_path: Path, name: str, parameter: str) -> None:
    """At each argument, whatever is handed in is taken, or refused by an error of ours and leaves no trace."""
    kind = kind_of(parameter, signature(name)[parameter])
    if parameter in ("changes", "follow", "drain") or (name, parameter) == ("start_worker", "queue"):
        return  # told apart below; a worker that is to run for ever is not started here
    for value in POOL:
        given = arguments(queue, tmp_path, name) | {parameter: value}
        if kind.holds(value) and (name in UNENDING or (name, parameter) in COSTLY):
            continue
        refused = refusal(queue, lambda given=given: call(queue, name, given))
        if not kind.holds(value):
            assert isinstance(refused, InvalidInput), f"{name} took {shown(value)} as {parameter}"
            assert refused.field == parameter
    assert queue.admin.replay(check=True).differences == []


def refusal(queue: Queue, act: Callable[[], object]) -> QueuectlError | None:
    """Do something, and give the error of ours that it ended with; nothing of that may be in the log."""
    head = queue.log.head()
    try:
        act()
    except QueuectlError as error:
        refused = error
    else:
        return None
    assert queue.log.head() == head, refused
    assert "\n" not in str(refused)
    assert len(str(refused)) < 6000  # the longest path is 4096 bytes
    return refused


UNENDING = {
    *("start_worker", "run_worker", "subscribe", "log.subscribe", "wait", "wait_all", "log.wait_for_change", "close"),
    "log.missing_history",
}
"""Methods that a right value would keep at it, or that would end the queue."""

COSTLY = {
    *(("worker.fail", "job"), ("worker.complete", "job"), ("worker.release", "job")),
    *(("admin.compact", "archive"), ("admin.backup", "file")),
}


@pytest.mark.sampled(6)
@pytest.mark.parametrize("field", JobRequest._fields)
def test_a_request_is_checked_field_by_field(queue: Queue, field: str) -> None:
    """Whatever a request holds, and however it comes, it is enqueued as the log can keep it, or refused."""
    for value in POOL:
        request = JobRequest("true")._replace(**{field: value})
        key = {"run_at_us": "run_at", "delay_s": "delay"}.get(field, field)
        ways = [
            lambda request=request: queue.ui.enqueue_request(request),
            lambda request=request: queue.enqueue_many([request]),
            lambda key=key, value=value: queue.enqueue_many([{"command": "true", key: value}]),
        ]
        refused = [refusal(queue, way) for way in ways]
        if isinstance(value, bytes | bytearray | io.BytesIO) or value != value or value == math.inf:
            assert all(isinstance(each, InvalidInput) or "line 1" in str(each) for each in refused), (field, value)
    assert queue.admin.replay(check=True).differences == []


@pytest.mark.parametrize("wrong", [[1], ["text"], [None], [("completed",)], "text", 5, {}])
def test_what_is_no_result_is_refused(queue: Queue, wrong: Any) -> None:
    """Results are told from whatever else there is before anything of them is recorded."""
    with pytest.raises(InvalidInput, match="results"):
        queue.worker("w1").exchange(wrong, want=0, lease_s=30)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("field", Result._fields)
def test_a_result_is_checked_field_by_field(queue: Queue, field: str) -> None:
    """What a worker hands in is recorded as the log can keep it, or refused, and then nothing of it is recorded."""
    for value in POOL:
        for kind in ("completed", "failed"):
            queue.enqueue("true", priority=9, max_retries=0)
            result = Result(running(queue), kind)._replace(**{field: value})
            refusal(queue, lambda result=result: queue.worker("w1").exchange([result], want=0, lease_s=30))
            refusal(queue, lambda result=result: queue.worker("w1").recover())
    assert queue.admin.replay(check=True).differences == []


@pytest.mark.parametrize(
    "output",
    [
        Captured(frames="text"),  # type: ignore[arg-type]
        Captured(stderr_tail="\ud800"),
        Captured(stderr_tail="x" * 10_000),
        Captured(stdout=5),  # type: ignore[arg-type]
        Captured(stdout=Output(-1, b"x" * 32)),
        Captured(stderr=Output(1, b"x")),
    ],
)
def test_what_a_run_printed_is_checked(queue: Queue, output: Captured) -> None:
    """Output that is none is refused, naming which part of it."""
    [job] = queue.worker("w").claim()
    refused = refusal(queue, lambda: queue.worker("w").complete(job, output=output))
    assert isinstance(refused, InvalidInput)
    assert refused.field.startswith("output.")


@pytest.mark.sampled(6)
@pytest.mark.parametrize("field", [*JobRequest._fields, "run_at", "timeout", "colour"])
def test_an_edit_is_checked_field_by_field(queue: Queue, field: str) -> None:
    """Whatever a change is to, it is made as the log can keep it, or refused."""
    job = queue.enqueue("true")
    for value in POOL:
        refusal(queue, lambda value=value: queue.edit(job.id, **{field: value}))
    assert queue.admin.replay(check=True).differences == []


@pytest.mark.parametrize("field", Filter._fields)
def test_a_filter_is_checked_field_by_field(queue: Queue, field: str) -> None:
    """Whatever a filter asks for, jobs are found, or it is refused."""
    for value in POOL:
        where = Filter()._replace(**{field: value})
        for act in (queue.jobs, queue.ui.count, lambda where: queue.ui.choose("cancel", where)):
            refusal(queue, lambda act=act, where=where: act(where))
        refusal(queue, lambda where=where: queue.ui.act_on_all(Chosen("cancel", where, [10**9])))


@pytest.mark.parametrize(
    ("act", "field"),
    [
        (lambda queue, job: queue.worker("w").claim(queues=5), "queues"),
        (lambda queue, job: queue.worker(5), "id"),
        (lambda queue, job: queue.enqueue_many(b"true"), "requests"),
        (lambda queue, job: queue.enqueue_many([5]), "request"),
        (lambda queue, job: start_worker(queue, slots=0), "slots"),
        (lambda queue, job: queue.worker("w").started(host="h", pid=1 << 31, slots=1), "pid"),
        (lambda queue, job: start_worker(queue, queues="a mail", drain=True), "queue"),
        (lambda queue, job: start_worker(queue, poll_s=b"1"), "poll_s"),
        (lambda queue, job: queue.enqueue("true", run_at="no such time"), "run_at"),
        (lambda queue, job: queue.job(5), "job_id"),
        (lambda queue, job: queue.worker("w").fail(job, "e", failure="bogus"), "failure"),
        (lambda queue, job: queue.worker("w").complete(job, return_code="0"), "return_code"),
        (lambda queue, job: queue.worker("w").complete(job, duration_ms=-5), "duration_ms"),
        (lambda queue, job: queue.worker("w").complete(job, duration_ms=2**64), "duration_ms"),
        (lambda queue, job: queue.worker("w").complete(replace(job, number="1")), "job"),
        (lambda queue, job: queue.enqueue("true", env=0), "env"),
        (lambda queue, job: queue.enqueue("true", priority=True), "priority"),
        (lambda queue, job: queue.enqueue("true", delay_s=math.nan), "delay_s"),
        (lambda queue, job: queue.remove([b"job"]), "job_ids"),
        (lambda queue, job: queue.wait(job.id, timeout_s=[1]), "timeout_s"),
    ],
)
def test_the_argument_is_named(queue: Queue, act: Callable[[Queue, Any], object], field: str) -> None:
    """A value of the wrong kind is refused by the name of its argument, whatever Python would have made of it."""
    [job] = queue.worker("w").claim()
    refused = refusal(queue, lambda: act(queue, job))
    found = getattr(refused, "error", refused)
    assert isinstance(found, InvalidInput)
    assert found.field == field


class Name(str):
    """A text of a program's own kind."""

    __slots__ = ()


def test_a_text_of_a_program_s_own_kind_is_a_text(queue: Queue) -> None:
    """What is a text to Python is one here, and the log and the views have it as any other."""
    queue.enqueue(Name("true"), id=Name("mine"), queue=Name("mail"), cwd=Name("/"), env={Name("A"): Name("b")})
    assert queue.job(Name("mine")).spec.queue == "mail"
    assert queue.admin.replay(check=True).differences == []


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (5, "5"),
        ("a\n\x1b", r"'a\n\x1b'"),
        (SilentText("text"), "'text'"),
        (10**5000, "a whole number of 16,610 bits"),
        (Silent(), "a Silent that cannot be shown"),
        ([10**5000], "a list that cannot be shown"),
        ("x" * 10**6, f"'{'x' * (SHOWN_CHARS - 1)}... (1,000,002 characters)"),
    ],
    ids=range(7),
)
def test_any_value_is_shown(value: object, expected: str) -> None:
    """What an error shows of a value is short, on one line, and never an error of its own."""
    assert shown(value) == expected


@pytest.mark.parametrize("slots", ["2", 0, -1, True, 10_001, 1.5])
def test_slots_have_one_range(queue: Queue, slots: Any) -> None:
    """Whatever is wrong with a number of slots, the same range is named."""
    with pytest.raises(InvalidInput, match=r"expected a whole number from 1 to 10,000"):
        start_worker(queue, slots=slots)


@pytest.mark.parametrize("name", ["enqueue", "wait", "history", "log.head", "admin.compact", "worker.claim"])
def test_python_s_own_errors_name_the_class_that_there_is(queue: Queue, name: str) -> None:
    """A keyword that a method does not have is told as class Queue's, not as that of a class within."""
    told = f"Queue.{name}".replace("worker.", "worker().")
    with pytest.raises(TypeError, match=rf"^{re.escape(told)}\(\) got an unexpected keyword argument 'colour'"):
        call(queue, name, {"colour": "red"})


def test_a_completed_run_ended_with_0(queue: Queue) -> None:
    """A run is not recorded as completed with the exit code of one that failed; nothing is in the log of it."""
    job = running(queue)
    head = queue.log.head()
    with pytest.raises(InvalidInput, match=r"return_code: found 5; expected 0"):
        queue.worker("w").complete(job, return_code=5)
    assert queue.log.head() == head
    assert queue.worker("w").complete(job, return_code=0).state == "completed"


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        *(
            ({"signal": signal}, "a signal's name, for example SIGTERM")
            for signal in (
                "a\nb\nc",
                "KILL",
                "",
                "sigkill",
                "SIG",
                "SIGKILL\n",
                "\x1b]0;pwn\x07",
                "SIG\u202e",
                "9",
                "SIG" + "A" * 99,
            )
        ),
        *(({"return_code": code}, "0 to 255") for code in (256, 10**15)),
        ({"return_code": -9}, "a whole number, 0 or more"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_how_a_run_ended_is_what_a_process_can_end_with(queue: Queue, wrong: dict[str, Any], expected: str) -> None:
    """A signal's name and an exit code that no process has are refused, and nothing of them enters the log."""
    job = running(queue)
    head = queue.log.head()
    with pytest.raises(InvalidInput, match=f"{next(iter(wrong))}: found .*expected {expected}"):
        queue.worker("w").fail(job, "it broke", failure="signal", **wrong)
    assert queue.log.head() == head


@pytest.mark.parametrize("signal", ["SIGKILL", "SIGRTMIN+3", "SIGRTMAX-1", "SIGUSR1", "signal 70"])
def test_a_signal_is_named_as_workers_name_it(queue: Queue, signal: str) -> None:
    """Whatever a worker of ours calls a signal, others' workers may call it so."""
    run = queue.worker("w").fail(running(queue), "killed", failure="signal", signal=signal).last
    assert run is not None
    assert run.signal == signal


def test_every_signal_of_this_system_has_a_name_that_is_taken(queue: Queue) -> None:
    """What a worker writes of a run that any signal ended is not refused."""
    job = running(queue)
    for number in range(1, 128):
        check_result(Result(job, "failed", None, signal_name(number), "signal", "killed"))


@pytest.mark.parametrize("why", ["bo\ngus", "\x1b[2J", "\u202e"])
def test_why_a_job_was_given_back_is_a_line(queue: Queue, why: str) -> None:
    """Why a job was released, and why a worker ended, is told within a line, so it is one and printable."""
    job = running(queue)
    head = queue.log.head()
    for act in (lambda: queue.worker("w").release(job, why=why), lambda: queue.worker("w").stopped(why)):
        with pytest.raises(InvalidInput, match=r"why: found .*expected one line of printable characters"):
            act()
    assert queue.log.head() == head
