"""What a row of another queue's jobs means here; pure.

Names of fields and states differ from tool to tool: those in use are listed here, once. A field
that is not listed is never guessed at: it is reported.
"""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, NamedTuple

from ..core.job_request import JobRequest, instant_of
from ..core.labels import check_labels, check_meta
from ..core.request import check_text
from ..core.retry import is_exhausted
from ..core.settings import number_in
from ..core.times import LONGEST_S, Instant, parse_duration_s
from ..display import shown, shown_with_kind
from ..errors import InvalidInput
from ..system.interrupts import own
from ..system.untrusted import Malformed, json_value

ERROR_CHARS: Final = 1_000
"""The longest error kept in an event."""

Fields = Mapping[str, Any]


class ForeignKind(StrEnum):
    """What a foreign state amounts to."""

    WAITING = "waiting"
    RUNNING = "running"
    FAILED = "failed"
    COMPLETED = "completed"
    DEAD = "dead"
    CANCELLED = "cancelled"


class ForeignJob(NamedTuple):
    """A job as another queue had it. `kept_as_text` is what the log can keep only as words; `notes` how it was read."""

    request: JobRequest
    kind: ForeignKind
    attempts: int
    error: str | None
    return_code: int | None
    duration_ms: int | None
    stdout: str | None
    stderr: str | None
    kept_as_text: list[str]
    notes: list[str]
    unmapped: dict[str, Any]


_NAMES: Final[Mapping[str, str]] = {
    "id": "id job_id uuid task_id",
    "command": "command cmd shell_command command_line shell exec argv",
    "state": "state status job_state job_status",
    "attempts": "attempts attempt attempt_count attempts_made tries retry_count",
    "max_retries": "max_retries retry_limit max_retry_count retries_max",
    "max_attempts": "max_attempts attempts_max max_tries",
    "priority": "priority prio pri",
    "queue": "queue queue_name group topic",
    "timeout": "timeout timeout_s timeout_sec timeout_seconds time_limit timeout_secs",
    "timeout_ms": "timeout_ms timeout_millis",
    "run_at": "run_at at run_at_us scheduled_at scheduled_for next_run_at next_retry_at next_attempt_at available_at "
    "not_before due_at run_after eta execute_at",
    "cwd": "cwd working_dir working_directory workdir directory",
    "env": "env envs environment",
    "backoff_base": "backoff_base",
    "labels": "labels",
    "meta": "meta metadata",
    "error": "last_error error error_message failure_reason failed_reason failed_error last_err err",
    "return_code": "return_code exit_code exit_status rc last_exit_code",
    "duration_ms": "duration_ms",
    "duration": "duration duration_s duration_seconds elapsed",
    "stdout": "output stdout last_output",
    "stderr": "stderr error_output",
    "created_at": "created_at created enqueued_at inserted_at submitted_at added_at",
    "updated_at": "updated_at updated modified_at",
    "started_at": "started_at last_started_at picked_up_at claimed_at locked_at reserved_at",
    "finished_at": "finished_at processed_at completed_at ended_at failed_at died_at moved_at moved_to_dlq_at",
    "worker": "worker worker_id locked_by claimed_by picked_by",
}
"""Field -> the names it goes by; case and separators do not count: maxRetries is max_retries."""

_READ_IF_FITTING: Final[Mapping[str, Callable[[Any], dict[str, Any]]]] = {"labels": check_labels, "meta": check_meta}
"""Fields by whose names other tools mean many things -> what takes those that can be a job's here."""

_FIELD_OF: Final = {name.replace("_", ""): field for field, names in _NAMES.items() for name in names.split()}

_STATES: Final[Mapping[ForeignKind, str]] = {
    ForeignKind.WAITING: "pending queued waiting new enqueued ready scheduled delayed available todo stashed created",
    ForeignKind.RUNNING: "processing running in_progress inprogress active started claimed locked executing",
    ForeignKind.FAILED: "failed retry retrying retryable error errored",
    ForeignKind.COMPLETED: "completed complete done success succeeded successful finished ok",
    ForeignKind.DEAD: "dead dlq dead_letter deadletter discarded exhausted buried permanently_failed",
    ForeignKind.CANCELLED: "cancelled canceled aborted killed revoked",
}
_KIND_OF: Final = {word: kind for kind, words in _STATES.items() for word in words.split()}

_KEPT_AS_TEXT: Final = ("created_at", "updated_at", "started_at", "finished_at", "worker")
"""Fields that the log has no place for, since its times are when something was recorded: they are kept as words."""


def foreign_job(row: Fields, *, default: ForeignKind) -> ForeignJob:
    """Read a row; `default` is what it is where it has no state. Raises InvalidInput."""
    fields, unmapped = _sorted_out(row)
    notes: list[str] = []
    max_retries = _max_retries(fields, notes)
    attempts = _whole(fields, "attempts")
    kind = _kind(fields, default, attempts, max_retries, notes)
    return ForeignJob(
        _request(fields, max_retries, notes),
        kind,
        attempts or 0,
        _error(fields, notes),
        _whole(fields, "return_code", least=None),
        _duration_ms(fields),
        _text(fields, "stdout"),
        _text(fields, "stderr"),
        [f"{field.removesuffix('_at')} there {str(fields[field])[:60]}" for field in _KEPT_AS_TEXT if field in fields],
        notes,
        unmapped,
    )


def foreign_kind(row: Fields) -> ForeignKind | None:
    """Return what a row's state amounts to, None where it has none or an unknown one."""
    fields, _ = _sorted_out(row)
    return _KIND_OF.get(_plain(str(fields.get("state", ""))))


def foreign_id(row: Fields) -> str | None:
    """Return a row's id as text, where it has one."""
    fields, _ = _sorted_out(row)
    return None if "id" not in fields else str(fields["id"])


def _sorted_out(row: Fields) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the values of known fields, and those of the others; what is empty is neither."""
    fields: dict[str, Any] = {}
    unmapped: dict[str, Any] = {}
    for name, value in row.items():
        if value is None or value == "":
            continue
        field = _FIELD_OF.get(_plain(str(name)).replace("_", ""))
        if field is not None and field in _READ_IF_FITTING:
            value = _fitting(field, value)
        if field is None or field in fields or value is None:  # a second name of a field already taken
            unmapped[str(name)] = row[name]
        else:
            fields[field] = value
    return fields, unmapped


def _plain(word: str) -> str:
    return word.strip().lower().replace("-", "_").replace(" ", "_")


def _kind(
    fields: Fields, default: ForeignKind, attempts: int | None, max_retries: int | None, notes: list[str]
) -> ForeignKind:
    if "state" not in fields:
        return default
    word = _plain(str(fields["state"]))
    kind = _KIND_OF.get(word)
    if kind is None:
        raise InvalidInput(
            "state",
            shown(fields["state"]),
            "a state such as pending, failed, completed or dead; docs/backup.md lists them",
        )
    if kind is ForeignKind.RUNNING:
        notes.append("was running there: waits here, and runs again")
    if kind is not ForeignKind.FAILED:
        return kind
    made = 1 if attempts is None else attempts  # it failed, so it ran
    if max_retries is not None and not is_exhausted(made, max_retries):
        notes.append(f"was {word} there with attempts left: waits here")
        return ForeignKind.FAILED
    notes.append(f"was {word} there with no attempts left: dead here")
    return ForeignKind.DEAD


def _request(fields: Fields, max_retries: int | None, notes: list[str]) -> JobRequest:
    if "command" not in fields:
        raise InvalidInput("command", "nothing", "a command; docs/backup.md lists the names it may go by")
    command = fields["command"]
    queue = fields.get("queue", "default")
    if "cwd" not in fields:
        notes.append("has no directory: runs in the one of this import")
    timeout_s = _seconds(fields, "timeout")
    if "timeout_ms" in fields and timeout_s is None:
        timeout_s = (_seconds(fields, "timeout_ms") or 0) / 1000
    return JobRequest(
        tuple(command) if isinstance(command, list) else _as_text("command", command),
        None if "id" not in fields else _as_text("id", fields["id"]),
        _as_text("queue", queue),
        _whole(fields, "priority", least=None) or 0,
        max_retries,
        timeout_s,
        _seconds(fields, "backoff_base"),
        None if "cwd" not in fields else _as_text("cwd", fields["cwd"]),
        _env(fields),
        _time(fields, notes),
        labels=fields.get("labels"),
        meta=fields.get("meta"),
    )


def _max_retries(fields: Fields, notes: list[str]) -> int | None:
    retries, attempts = _whole(fields, "max_retries"), _whole(fields, "max_attempts")
    if retries is None and attempts is not None:
        notes.append("max_attempts N is max_retries N - 1 here")
        return max(0, attempts - 1)
    return retries


def _error(fields: Fields, notes: list[str]) -> str | None:
    error = _text(fields, "error")
    if error is not None and len(error) > ERROR_CHARS:
        notes.append(f"its error was cut to {ERROR_CHARS:,} characters")
        return error[:ERROR_CHARS]
    return error


def _text(fields: Fields, field: str) -> str | None:
    value = fields.get(field)
    if value is None:
        return None
    if isinstance(value, bytes):
        value = _from_bytes(value)
    text = value if isinstance(value, str) else json.dumps(value, default=shown)
    check_text(field, text[:ERROR_CHARS])
    return text


def _from_bytes(value: bytes) -> str:
    return value.decode(errors="replace")


def _as_text(field: str, value: Any) -> str:
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise InvalidInput(field, shown(value[:40]), "UTF-8 text") from None
    if isinstance(value, str):
        return value
    if type(value) is int:
        return str(value)
    raise InvalidInput(field, shown_with_kind(value), "a text")


def _whole(fields: Fields, field: str, *, least: int | None = 0) -> int | None:
    value = fields.get(field)
    if value is None:
        return None
    number = _number(field, value)
    if number != int(number) or (least is not None and number < least):
        raise InvalidInput(field, shown(value), "a whole number" + ("" if least is None else f", {least} or more"))
    return int(number)


def _number(field: str, value: Any) -> float:
    try:
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            raise ValueError
        text = str(value).strip()
        is_exact = isinstance(value, int) or (text.isascii() and text.lstrip("+-").isdecimal())
        number = int(value) if is_exact else number_in(text)
        if number != number or abs(number) > 2**62:
            raise ValueError
    except own(ValueError):
        raise InvalidInput(field, shown(value), "a number") from None
    return number


def _seconds(fields: Fields, field: str) -> float | None:
    value = fields.get(field)
    if value is None:
        return None
    if isinstance(value, str) and not value.strip().replace(".", "", 1).isdecimal():
        return parse_duration_s(value, field=field)
    return _number(field, value)


def _duration_ms(fields: Fields) -> int | None:
    if "duration_ms" in fields:
        return _whole(fields, "duration_ms")
    seconds = _seconds(fields, "duration")
    if seconds is not None and not 0 <= seconds <= LONGEST_S:
        raise InvalidInput("duration", shown(fields["duration"]), "seconds, 0 or more")
    return None if seconds is None else round(seconds * 1000)


def _from_json(value: Any) -> Any:
    """Return the value in a text of JSON, and anything else as it is; raises ValueError."""
    if not isinstance(value, (str, bytes)):
        return value
    return json_value(value.encode(errors="surrogateescape") if isinstance(value, str) else value)


def _fitting(field: str, value: Any) -> dict[str, Any] | None:
    """Return what a job here can have of a field, None where the value is nothing of that kind."""
    try:
        return _READ_IF_FITTING[field](_from_json(value)) or None
    except (InvalidInput, Malformed):
        return None


def _env(fields: Fields) -> dict[str, str] | None:
    value = fields.get("env")
    try:
        value = _from_json(value)
    except own(ValueError):
        raise InvalidInput("env", shown(value)[:80], "an object of texts") from None
    if value is not None and not isinstance(value, dict):
        raise InvalidInput("env", type(value).__name__, "an object of texts")
    return value or None


def _time(fields: Fields, notes: list[str]) -> Instant | None:
    value = fields.get("run_at")
    if value is None:
        return None
    if not isinstance(value, str) or value.strip().replace(".", "", 1).isdecimal():
        number = _number("run_at", value)
        scale = next(scale for limit, scale in _SCALES if abs(number) < limit)
        return instant_of("run_at", int(number * scale))
    try:
        moment = datetime.fromisoformat(value.strip())
    except own(ValueError):
        raise InvalidInput("run_at", shown(value), "ISO 8601, or seconds since 1970") from None
    if moment.tzinfo is None:
        notes.append("its time has no zone: read as UTC")
        moment = moment.replace(tzinfo=UTC)
    return moment


_SCALES: Final[tuple[tuple[float, float], ...]] = ((1e11, 1e6), (1e14, 1e3), (1e17, 1), (float("inf"), 1e-3))
"""A number of a time below the first is in seconds, then milli-, micro- and nanoseconds; by what each becomes µs."""
