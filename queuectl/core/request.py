"""What users hand in, checked, and made into what the log keeps; pure.

A JobRequest is what someone asked for; an Intake fills in what the configuration says and gives the
JobSpec. Every refusal is an InvalidInput that names the field.
"""

import os
import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final, TypeGuard

from msgspec.structs import replace

from .. import hints
from ..display import shown
from ..errors import InvalidInput
from ..events.types import Command, JobSpec
from ..system.interrupts import own
from .argument_kinds import IN_UTF8, SLOTS, is_slots
from .commands import EnqueueJob
from .inherited_env import DIGEST_BYTES, Inheritance
from .job import JobState
from .job_options import FIRST, NOTHING, options_of
from .job_request import JobRequest
from .policy import base_of
from .settings import Settings, check_value
from .shells import DEFAULT as DEFAULT_SHELL
from .shells import check_shell
from .times import LATEST_US, LONGEST_S, duration_s, log_time_us, when_us

COMMAND_BYTES: Final = 65_536
"""The longest command, and the largest environment: half of what Linux takes as one argument."""

ID_CHARS: Final = 120
"""The longest id: 480 bytes at the most, under LMDB's 511 for a key."""

POLL_S: Final = 1.0
"""How often a worker looks for jobs that nobody rang for, unless told otherwise."""

LEAST_POLL_S: Final = 0.05

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_PRIORITY: Final = 2**31 - 1


def specify(
    request: JobRequest,
    *,
    fresh_id: str,
    settings: Settings,
    now_us: int,
    cwd: str,
    inheritance: Inheritance | None = None,
    wall_us: int | None = None,
) -> EnqueueJob:
    """Check one request and fill it in, as Intake does; raises InvalidInput."""
    return Intake(settings, now_us=now_us, cwd=cwd, inheritance=inheritance, wall_us=wall_us).specify(request, fresh_id)


class Intake:
    """Checks requests, and fills them in from the settings and from what can be inherited.

    `now_us` is the log's time, `wall_us` the machine's: what people name counts from that, and is meant by it.
    What a request asks for like the one before it, beside its id and command, is looked at once.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        now_us: int,
        cwd: str,
        inheritance: Inheritance | None = None,
        wall_us: int | None = None,
    ) -> None:
        self._settings = settings
        self._now_us, self._wall_us = now_us, wall_us
        self._cwd = cwd
        self._inheritance = inheritance
        self._asked: tuple[Any, ...] = ()
        self._kinds: tuple[type, ...] = ()
        self._like = EnqueueJob(JobSpec("", ""))

    def specify(self, request: JobRequest, fresh_id: str) -> EnqueueJob:
        """Return what a request asks for; raises InvalidInput."""
        command, plain, options = request.command, request[2:FIRST], request[FIRST:]
        asked = plain if options == NOTHING else request[2:]
        kinds = (type(command), *map(type, asked))
        if asked != self._asked or kinds != self._kinds or request.meta is not None:  # True equals 1, and is no number
            wall_us = self._now_us if self._wall_us is None else self._wall_us
            more = None if asked is plain else options_of(request, now_us=self._now_us, wall_us=wall_us)
            self._like = EnqueueJob(self._fill(request), more, request.if_exists)
            self._asked, self._kinds = asked, kinds
        job_id = fresh_id if request.id is None else check_id(request.id)
        like = self._like
        return EnqueueJob(replace(like.spec, id=job_id, command=check_command(command)), like.options, like.if_exists)

    def _fill(self, request: JobRequest) -> JobSpec:
        """Return what a request asks for beside its id and command."""
        settings, cwd, own_cwd = self._settings, self._cwd, request.cwd
        wall_us = self._now_us if self._wall_us is None else self._wall_us
        run_at_us = _run_at_us(request, wall_us)
        timeout_s = settings.job_timeout_s if request.timeout is None else _plain_s("timeout", request.timeout)
        max_retries = settings.max_retries if request.max_retries is None else request.max_retries
        own_base = request.backoff_base if request.backoff is None else base_of(request)
        base = settings.backoff_base if own_base is None else own_base
        _check_numbers(request.priority, max_retries, timeout_s, base)
        for name in ("replace", "merge", "paused"):
            if (flag := getattr(request, name)) is not False and flag is not True:
                raise InvalidInput(name, shown(flag), "true or false")
        choice, inheritance = request.inherit_env, self._inheritance
        return JobSpec(
            "",
            "",
            check_queue(request.queue),
            request.priority,
            max_retries,
            max(round(timeout_s * 1000), 1) if timeout_s else None,
            float(base),
            cwd if own_cwd is None and cwd and cwd.isascii() else _check_cwd(own_cwd, cwd),
            None if request.env is None else check_env(request.env) or None,
            run_at_us,
            request.timeout is None and timeout_s != 0,
            _shell_of(request.command, request.shell, settings),
            None if choice is None or inheritance is None else inheritance.digest(choice),
            None if run_at_us is None or self._wall_us is None else _due_us(run_at_us, self._now_us, wall_us),
            request.merge,
        )


def check_spec(spec: JobSpec) -> None:
    """Refuse what no request becomes, of a job that is not from here; raises InvalidInput."""
    check_id(known_here(spec.id))
    check_command(spec.command)
    check_queue(spec.queue)
    timeout_s = 0 if spec.timeout_ms is None else spec.timeout_ms / 1000
    _check_numbers(spec.priority, spec.max_retries, timeout_s, spec.backoff_base)
    for field, at_us in (("run_at", spec.run_at_us), ("due", spec.due_us)):
        if at_us is not None and not 0 <= at_us <= LATEST_US:
            raise InvalidInput(field, shown(at_us), "a time from 1970 to 9999")
    if spec.cwd is not None:
        _check_cwd(spec.cwd, spec.cwd)
    if spec.env is not None:
        check_env(spec.env)
    if spec.shell is not None:
        check_shell(known_here(spec.shell))
    if spec.inherited is not None and len(spec.inherited) != DIGEST_BYTES:
        raise InvalidInput("inherited", shown(spec.inherited), f"a digest of {DIGEST_BYTES} bytes")


def known_here(text: str) -> str:
    """Return a text with a letter for what Python's Unicode does not know: a newer Python may have taken that."""
    if text.isprintable():
        return text
    from unicodedata import category  # seldom wanted

    return "".join("x" if category(char) == "Cn" else char for char in text)


def check_line(field: str, text: str) -> str:
    """Return a text that is told within a line where it is one: printable, at most 1,000 characters."""
    if check_text(field, text).isprintable():
        return text
    raise InvalidInput(field, shown(text[:40]), "one line of printable characters")


def check_worker(worker: str) -> str:
    """Return a worker's id when it can be one: 1 to 200 printable characters."""
    if not isinstance(worker, str) or not 0 < len(worker) <= 200 or not worker.isprintable():
        raise InvalidInput("worker", shown(worker), "1 to 200 printable characters")
    return check_text("worker", worker)


def check_id(job_id: str) -> str:
    """Return an id when it can be one: 1 to 120 printable characters, not led by a dash."""
    if not isinstance(job_id, str) or not 0 < len(job_id) <= ID_CHARS:
        found = f"{len(job_id)} characters" if isinstance(job_id, str) else shown(job_id)
        raise InvalidInput("id", found, f"1 to {ID_CHARS} printable characters")
    if not job_id.isprintable() or job_id[0] in " -" or job_id[-1] == " ":
        raise InvalidInput("id", shown(job_id), "printable characters, no leading dash, no space at an end")
    return job_id


def check_command(command: Command) -> Command:
    """Return a command when it can be run: not empty, no NUL, at most 64 KiB of UTF-8."""
    if type(command) is str and 0 < len(command) <= COMMAND_BYTES and command[0] > " " and command.isascii():  # noqa: SIM102
        if "\0" not in command:
            return command  # the usual case, in one look
    words = (command,) if isinstance(command, str) else command
    if not isinstance(words, tuple) or not all(isinstance(word, str) for word in words):
        raise InvalidInput("command", type(command).__name__, "a line of text or a list of words")
    if not words or not words[0].strip():
        raise InvalidInput("command", "an empty one", 'something to run, for example "echo hi"')
    size = sum(_size("command", word) for word in words) + len(words) - 1
    if size > COMMAND_BYTES:
        raise InvalidInput(
            "command", f"{size:,} bytes", f"at most {COMMAND_BYTES:,}; put it into a script and enqueue that"
        )
    if any("\0" in word for word in words):
        raise InvalidInput("command", "a NUL character", "text without one")
    return _canonical(command) if isinstance(command, str) else tuple(map(_canonical, command))


def check_text(field: str, text: str) -> str:
    """Return a free text when the log can keep it: valid UTF-8, at most 1,000 characters."""
    if not isinstance(text, str):
        raise InvalidInput(field, shown(text), "a text")
    if len(text) > 1000:
        raise InvalidInput(field, f"{len(text):,} characters", "at most 1,000")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidInput(field, shown(text[:40]), IN_UTF8) from None
    return text


_STATES: Final = {"running": JobState.PROCESSING, "canceled": JobState.CANCELLED}
"""What other programs call a state -> the state."""


def check_state(state: str) -> JobState:
    """Return a job's state from its name, or from what other programs call it."""
    word = state.strip().lower() if isinstance(state, str) else ""
    try:
        return _STATES.get(word) or JobState(word)
    except own(ValueError):
        raise InvalidInput("state", shown(state), "one of " + ", ".join(JobState)) from None


def check_count(field: str, count: int) -> int:
    """Return a count when it is a whole number, 0 or more."""
    if type(count) is not int or count < 0:
        raise InvalidInput(field, shown(count), "a whole number, 0 or more")
    return count


def check_slots(slots: int) -> int:
    """Return how many commands run at a time where it is one or more."""
    if not is_slots(slots):
        raise InvalidInput("slots", shown(slots), SLOTS)
    return slots


def check_poll_s(poll_s: float) -> float:
    """Return how often to look for jobs where that is no busy loop; raises InvalidInput."""
    if not is_number(poll_s) or not poll_s >= LEAST_POLL_S:
        expected = f"{LEAST_POLL_S:g} seconds or more; a new job is heard of anyway"
        raise InvalidInput("poll", shown(poll_s), expected)
    return poll_s


def check_queues(queues: Sequence[str] | None) -> tuple[str, ...] | None:
    """Return the queues that a worker is to serve, None being all; raises InvalidInput for a name that can be none.

    An empty list is refused: such a worker would serve nothing, and would be taken for one that serves all.
    """
    if queues is not None and not queues:
        raise InvalidInput("queues", shown(queues), "one or more names; None is all queues")
    return None if queues is None else tuple(map(check_queue, queues))


def check_grace_s(grace_s: float) -> float:
    """Return how long a command has between TERM and KILL where the setting could be that; raises InvalidInput."""
    check_value("grace_s", grace_s)
    return grace_s


def check_lease_s(lease_s: float) -> float:
    """Return a lease's length when it is one: more than 0, at most a day."""
    if not is_number(lease_s) or not 0 < lease_s <= 86_400:
        raise InvalidInput("lease_s", shown(lease_s), "seconds, more than 0, at most 86400")
    return lease_s


def check_queue(queue: str) -> str:
    """Return a queue's name when it can be one: letters, digits, dot, dash, underscore, at most 64."""
    if queue == "default":
        return queue
    return _check_name("queue", queue)


def check_subscription(name: str) -> str:
    """Return a subscription's name when it can be one: as a queue's."""
    return _check_name("subscription", name)


def _check_name(field: str, name: str) -> str:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InvalidInput(field, shown(name), "1 to 64 letters, digits, '.', '_' or '-', led by a letter or digit")
    return name


def _check_numbers(priority: int, max_retries: int, timeout_s: float, base: float) -> None:
    if type(priority) is not int or not -_PRIORITY <= priority <= _PRIORITY:
        raise InvalidInput("priority", shown(priority), f"a whole number from {-_PRIORITY} to {_PRIORITY}")
    if type(max_retries) is not int or not 0 <= max_retries <= 1_000_000:
        raise InvalidInput("max_retries", shown(max_retries), "a whole number from 0 to 1000000")
    if not is_number(timeout_s) or not 0 <= timeout_s <= LONGEST_S:
        raise InvalidInput("timeout", shown(timeout_s), "seconds, 0 for none")
    if not is_number(base) or not 0 <= base <= 1_000_000:
        raise InvalidInput("backoff_base", shown(base), "a number from 0 to 1000000")


def _plain_s(field: str, duration: Any) -> Any:
    """Return a text or a timedelta as seconds, and anything else as it is, for its own check."""
    return duration_s(duration, field=field) if isinstance(duration, str | timedelta) else duration


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether a value is a number; true and false are not."""
    return type(value) is int or type(value) is float


def _due_us(run_at_us: int, now_us: int, wall_us: int) -> int | None:
    """Return when a job is due by the log's time, None where that is as it was asked for."""
    due_us = log_time_us(run_at_us, log_now_us=now_us, wall_now_us=wall_us)
    return None if due_us == run_at_us else min(due_us, LATEST_US)


def _run_at_us(request: JobRequest, now_us: int) -> int | None:
    run_at, delay_s = request.run_at, _plain_s("delay", request.delay)
    if run_at is not None and delay_s is not None:
        raise InvalidInput("delay", "a time as well", "either a time or a delay")
    if run_at is not None:
        return when_us(run_at, now_us=now_us, ahead=True, field="run_at")
    if delay_s is None:
        return None
    if not is_number(delay_s) or not 0 <= delay_s <= LONGEST_S:
        raise InvalidInput("delay", shown(delay_s), "seconds, 0 or more")
    return now_us + round(delay_s * 1_000_000)


def _shell_of(command: Command, shell: str | None, settings: Settings) -> str | None:
    """Return the shell that a command is run by, None where it is the usual one or there is none."""
    if not isinstance(command, str):
        if shell is not None:
            raise InvalidInput("shell", shown(shell), "none: a list of words runs without a shell")
        return None
    wanted = settings.shell if shell is None else check_shell(shell)
    return None if wanted == DEFAULT_SHELL else wanted


def _check_cwd(own: str | os.PathLike[str] | None, current: str) -> str:
    cwd = current if own is None else os.fspath(own) if isinstance(own, os.PathLike) else own
    if own is None and not current:
        raise InvalidInput(
            "cwd", "a current directory that was deleted", "one that is there, or a `cwd`", hint=hints.CWD
        )
    if not isinstance(cwd, str) or not cwd.startswith("/") or "\0" in cwd or _size("cwd", cwd) > 4096:
        raise InvalidInput("cwd", shown(cwd), "an absolute path")
    return _canonical(cwd)


def check_env(env: Mapping[str, str | os.PathLike[str]]) -> dict[str, str]:
    """Return an environment if it can be given to a command: names and texts, at most 64 KiB; raises InvalidInput."""
    if not isinstance(env, Mapping):
        raise InvalidInput("env", type(env).__name__, 'an object of texts, for example {"NAME": "value"}')
    texts = {name: os.fspath(value) if isinstance(value, os.PathLike) else value for name, value in env.items()}
    for name, value in texts.items():
        if not isinstance(name, str) or not name or "=" in name or "\0" in name:
            raise InvalidInput("env", shown(name), "names without '=', not empty")
        if not isinstance(value, str) or "\0" in value:
            raise InvalidInput("env", f"{shown(name)} = {shown(value)}", "a text as value")
    if sum(_size("env", name) + _size("env", value) for name, value in texts.items()) > COMMAND_BYTES:
        raise InvalidInput("env", "more than 64 KiB", f"at most {COMMAND_BYTES:,} bytes in all")
    return {_canonical(name): _canonical(value) for name, value in texts.items()}


def _canonical(text: str) -> str:
    """Return a text as its bytes read: surrogates only where they are not UTF-8."""
    return text if text.isascii() else text.encode(errors="surrogateescape").decode(errors="surrogateescape")


def _size(field: str, text: str) -> int:
    if text.isascii():
        return len(text)
    try:
        return len(text.encode(errors="surrogateescape"))
    except UnicodeEncodeError as error:
        half = f"\\u{ord(text[error.start]):04x}"  # bytes that are not UTF-8, which a system has in names, are no such
        raise InvalidInput(field, shown(text[:40]), f"text that UTF-8 can hold ({half} is half a character)") from None
