"""Files that are not trusted: each is read as it was written or refused in one line, in bounded memory."""

import base64
import gzip
import io
import json
import random
import re
import shutil
import struct
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, get_args, get_type_hints

import msgpack
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from queuectl import Queue
from queuectl.core.event_check import BOUNDS, check_event
from queuectl.core.inherited_env import digest_of
from queuectl.engine.exchange import ERROR_CHARS, TAIL_CHARS
from queuectl.errors import CorruptLog, StoreError
from queuectl.events.append import Append
from queuectl.events.codec import LAYOUTS
from queuectl.events.codec import encode as encode_event
from queuectl.events.types import (
    Cancelled,
    Claimed,
    Completed,
    ConfigChanged,
    Dead,
    DependencyMet,
    Edge,
    Edited,
    Enqueued,
    EnvironmentKept,
    Event,
    Failed,
    JobOptions,
    JobSpec,
    LimitSet,
    Output,
    Recorded,
    Released,
    Removed,
    RetentionApplied,
    Started,
    WorkerStarted,
    WorkerStopped,
)
from queuectl.integrity import data_file_check
from queuectl.integrity.verify import verify
from queuectl.liveness.lock_file import LockFile
from queuectl.retention.segment import Segment, SegmentWriter
from queuectl.store.event_reader import EventReader
from queuectl.store.event_writer import EventWriter
from queuectl.store.store import Store, key_of
from queuectl.system import untrusted
from queuectl.system.untrusted import Malformed
from tests.logs import fill
from tests.property.strategies import brief
from tests.rows import rows_of

HUGE = b"9" * 5000
DEEP = b"[" * 100_000


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return a real file of each kind."""
    place = tmp_path_factory.mktemp("real")
    path = place / "queue"
    fill(path)
    with Queue.open(path, create=False) as queue:
        queue.admin.make_snapshots()
        queue.admin.compact(older_than_s=0)
        queue.admin.backup(str(place / "backup"))
        with (place / "export").open("wb") as file:
            queue.admin.export(file.write, outputs=True)
    verify(path, log_only=True, write_to=place / "checkpoint")
    lock = LockFile(path, "w9", entries=4, lease_s=30)
    lock.launching(0, 7)
    shutil.copyfile(path / "workers" / "w9.lock", place / "lock")
    lock.close()
    [segment] = (path / "archive").iterdir()
    [snapshot] = (path / "snapshots").glob("*.snapshot")
    journal = place / "journal"
    journal.write_text(json.dumps({"aside": "20261126T160000Z", "old": [], "new": ["data.mdb"]}))
    names = ("backup", "export", "checkpoint", "lock", "journal")
    return {"segment": segment, "snapshot": snapshot} | {name: place / name for name in names}


def read(kind: str, contents: list[bytes], place: Path) -> list[dict[str, Any]]:
    """Read files in a process with little memory; returns what became of each."""
    names = []
    for number, content in enumerate(contents):
        names.append(place / f"{kind}{number}")
        names[-1].write_bytes(content)
    (place / "at").mkdir()
    words = [sys.executable, "-m", "tests.hostile", kind, str(place / "at"), *map(str, names)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, (done.returncode, done.stderr)
    return [json.loads(line) for line in done.stdout.splitlines()]


def check_refused(kind: str, contents: list[bytes], place: Path, told: list[str] | None = None) -> None:
    """See each refused in one line of bearable length, with nothing made of it."""
    found = read(kind, contents, place)
    assert [each["is"] for each in found] == ["refused"] * len(contents), found
    for each, words in zip(found, told or [""] * len(contents), strict=True):
        assert words in each["told"]
        assert "\n" not in each["told"]
        assert len(each["told"]) < 600
        assert "new" not in each["left"]


def mutations(content: bytes, seed: int) -> Iterator[bytes]:
    """Yield variants of a file: bits flipped, pieces zeroed, cut, repeated or replaced by what is read as much."""
    chance = random.Random(seed)
    spoils: list[Callable[[int, int], bytes]] = [
        lambda at, _: content[:at] + bytes([content[at] ^ 1 << chance.randrange(8)]) + content[at + 1 :],
        lambda at, end: content[:at] + bytes(end - at) + content[end:],
        lambda at, _: content[:at],
        lambda at, end: content[:end] + content[at:],
        lambda at, end: content[:at] + content[end:],
        lambda at, _: content[:at] + HUGE + content[at:],
        lambda at, _: content[:at] + b"\xdd\xff\xff\xff\xff" + content[at + 5 :],
        lambda at, _: content[:at] + chance.randbytes(8) + content[at + 8 :],
    ]
    for spoil in spoils:
        at = chance.randrange(len(content))
        yield spoil(at, min(len(content), at + chance.choice([1, 8, 100, 5000])))


@pytest.mark.sampled(1)
@pytest.mark.parametrize("kind", ["export", "backup", "segment", "checkpoint", "journal", "lock", "snapshot"])
def test_a_damaged_file_is_read_or_refused(files: dict[str, Path], kind: str, tmp_path: Path) -> None:
    """Whatever bytes of it are others, a reader returns or refuses, in one line and in bounded memory."""
    content = files[kind].read_bytes()
    found = read(kind, [content, *(each for seed in range(4) for each in mutations(content, seed))], tmp_path)
    assert found[0]["is"] == "read"
    assert {each["is"] for each in found} <= {"read", "refused"}, found
    assert all("\n" not in each.get("told", "") for each in found)


@given(st.binary(max_size=200) | st.text(alphabet='[]{}",:0123456789.eE-tfn \\u', max_size=80).map(str.encode))
@brief
def test_any_bytes_are_a_value_or_malformed(content: bytes) -> None:
    """JSON and msgpack are read, or refused by the one error."""
    for reader in (untrusted.json_value, untrusted.json_object, untrusted.msgpack_values):
        with suppress(Malformed):
            reader(content)


def test_values_without_end_are_malformed() -> None:
    """Numbers of many digits, nesting, constants that are no JSON, and values by the million are refused in words."""
    for content, told in (
        (b"[" + HUGE + b"]", "too many digits"),
        (DEEP, "nested too deep"),
        (b"[" * 65 + b"]" * 65, "nested too deep"),
        (b'{"a": NaN}', "holds NaN"),
        (b"[" + b"0," * 1_000_001 + b"0]", "more than 1,000,000 values"),
        (b"\xff\xfe", "no JSON"),
        (b"", "no JSON"),
    ):
        with pytest.raises(Malformed, match=told):
            untrusted.json_value(content)
    for content in (b"\xdd\xff\xff\xff\xff", b"\x91" * 100_000, b"\xc6\xff\xff\xff\xff", b"\x81\x90\x01", b"\xc1"):
        with pytest.raises(Malformed, match="no msgpack"):
            untrusted.msgpack_values(content)


def test_a_hostile_export_is_refused(files: dict[str, Path], tmp_path: Path) -> None:
    """Times that cannot be, numbers without end, nesting, changed frames: refused, each with what is wrong."""
    header, *lines = (json.loads(line) for line in files["export"].read_bytes().splitlines())
    outputs = [index for index, line in enumerate(lines) if "output" in line]

    def spoilt(at: int, **fields: Any) -> bytes:
        told = [header, *lines]
        told[at] = told[at] | fields
        return b"".join(json.dumps(line).encode() + b"\n" for line in told)

    frames = bytearray(base64.b64decode(lines[outputs[0]]["frames"]))
    frames[-1] ^= 1
    plain = spoilt(0)
    contents = {
        "promoted_us": spoilt(0, promoted_us=9223372036854775807),
        "too many digits": plain.replace(b'"promoted_us": ', b'"promoted_us": ' + HUGE, 1),
        "promoted_us is -1": spoilt(0, promoted_us=-1),
        "nested too deep": plain + DEEP,
        "head is": spoilt(0, head=1 << 70),
        "it does not begin": DEEP,
        "SHA-256 does not match": spoilt(outputs[0] + 1, frames=base64.b64encode(frames).decode()),
        "output is": spoilt(outputs[0] + 1, output=[-1, 2]),
        "cut is": spoilt(len(lines), cut=1 << 62),
    }
    contents["nested too deep"] = plain.splitlines(keepends=True)[0] + DEEP + b"\n"
    contents["it does not begin"] = b"{}\n"
    check_refused("export", list(contents.values()), tmp_path, list(contents))


def test_an_event_that_cannot_be_is_refused(tmp_path: Path) -> None:
    """Fields of a wrong kind, times before all time and streams that begin later are refused with their position."""
    spec = JobSpec("a", "true")
    events: dict[str, Recorded] = {
        "Expected `int`, got `str` - at `$.pri`": Recorded(1, 5, 1, 0, "me", Enqueued(replace(spec, priority="x"))),  # type: ignore[arg-type]
        "Expected `str | array`, got `int` - at `$.cmd`": Recorded(
            1, 5, 1, 0, "me", Enqueued(replace(spec, command=7))
        ),  # type: ignore[arg-type]
        "field backoff_base is inf": Recorded(1, 5, 1, 0, "me", Enqueued(replace(spec, backoff_base=float("inf")))),
        "field at_us is -5": Recorded(1, -5, 1, 0, "me", Enqueued(spec)),
        "Expected `str`, got `int` - at `$.a`": Recorded(1, 5, 1, 0, 3, Enqueued(spec)),  # type: ignore[arg-type]
        "it is of stream 9": Recorded(1, 5, 9, 0, "me", Claimed("w", 7)),
        "names itself or a later one": Recorded(1, 5, 1, 1, "me", Enqueued(spec)),
        "as an archive segment": Recorded(
            1, 5, "retention", 0, "me", RetentionApplied(1, 0, 1, 1, bytes(32), "archive/999999999-1-2.seg", bytes(32))
        ),
    }
    contents = []
    for recorded in events.values():
        raw = base64.b64encode(encode_event(recorded, key_of(1))).decode()
        lines: list[dict[str, Any]] = [{"queuectl_export": 1, "head": 1, "digest": ""}, {"position": 1, "raw": raw}]
        contents.append(b"".join(json.dumps(line).encode() + b"\n" for line in lines))
    check_refused("export", contents, tmp_path, list(events))


ENTRIES = {"PATH": "/usr/bin", "VIRTUAL_ENV": None}
ENVIRONMENT = "environment:" + digest_of(ENTRIES).hex()
SPEC = JobSpec("a", "true")
AFTER = (Edge(-1, "ok", "a"),)


def waiting(*after: Edge, if_parent_fails: str | None = None) -> Enqueued:
    """Return that a job was enqueued which waits for others."""
    return Enqueued(SPEC, JobOptions(after=after, if_parent_fails=if_parent_fails))


BEYOND: dict[str, tuple[int | str, Event]] = {
    "priority: found 1099511627776": (1, Enqueued(replace(SPEC, priority=1 << 40))),
    "queue: found ''": (1, Enqueued(replace(SPEC, queue=""))),
    "queue: found 'a\\x00'": (1, Enqueued(replace(SPEC, queue="a\0"))),
    "id: found 0 characters": (1, Enqueued(replace(SPEC, id=""))),
    "id: found 'a\\n'": (1, Enqueued(replace(SPEC, id="a\n"))),
    "command: found a NUL": (1, Enqueued(replace(SPEC, command=("a", "\0")))),
    "max_retries: found -5": (1, Enqueued(replace(SPEC, max_retries=-5))),
    "timeout: found -0.005": (1, Enqueued(replace(SPEC, timeout_ms=-5))),
    "backoff_base: found 1e+308": (1, Enqueued(replace(SPEC, backoff_base=1e308))),
    "cwd: found 'here'": (1, Enqueued(replace(SPEC, cwd="here"))),
    "env: found 'A=B'": (1, Enqueued(replace(SPEC, env={"A=B": "c"}))),
    'shell: found "\'"': (1, Enqueued(replace(SPEC, shell="'"))),
    "run_at: found 4611686018427387904": (1, Enqueued(replace(SPEC, run_at_us=1 << 62))),
    "inherited: found b'x'": (1, Enqueued(replace(SPEC, inherited=b"x"))),
    "labels: found 'a b'": (1, Enqueued(SPEC, JobOptions(labels={"a b": "c"}))),
    "labels: found a = '\\n'": (1, Enqueued(SPEC, JobOptions(labels={"a": "\n"}))),
    "labels: found 17 of them": (1, Enqueued(SPEC, JobOptions(labels={f"k{n}": "" for n in range(17)}))),
    "meta: found 1,032 bytes": (1, Enqueued(SPEC, JobOptions(meta={"a": "x" * 1024}))),
    "meta: found b'x'": (1, Enqueued(SPEC, JobOptions(meta={"a": b"x"}))),
    "use: found an empty list": (1, Enqueued(SPEC, JobOptions(use=()))),
    "unique_for: found no key": (1, Enqueued(SPEC, JobOptions(unique_until_us=7))),
    "after: found an empty list": (1, waiting()),
    "after: found parent 1 of the job at 1": (1, waiting(Edge(1, "ok", "a"))),
    "after: found parent 0 of the job at 1": (1, waiting(Edge(0, "ok", "a"))),
    "after: found parent -1 of the job at 1": (1, waiting(Edge(-1, "ok", "a"))),
    "field parent is 0": (1, DependencyMet(0, "completed")),
    "its parent is 1, which is not before": (1, DependencyMet(1, "completed")),
    "field how is 'pending'": (1, DependencyMet(1, "pending")),
    "limit: found nothing": ("limit:api", LimitSet()),
    "rate: found half": ("limit:api", LimitSet(1, starts=5)),
    "half of one": ("limit:api", LimitSet(period_us=5)),
    "rate: found 6 starts in 5": ("limit:api", LimitSet(starts=6, period_us=5)),
    "rate: found 'user:x'": ("limit:user:x", LimitSet(starts=5, period_us=1_000_000)),
    "environment 78787878787878787878787878787878, which is not": (1, Enqueued(replace(SPEC, inherited=b"x" * 16))),
    "max_retries: found 'abc'": ("config", ConfigChanged("max_retries", None, "abc")),
    "max_retries: found 1.5": ("config", ConfigChanged("max_retries", None, 1.5)),
    "lease_s: found -1e+300": ("config", ConfigChanged("lease_s", None, -1e300)),
    "shell: found 7": ("config", ConfigChanged("shell", None, 7)),
    "inherit_env: found 'A=B'": ("config", ConfigChanged("inherit_env", None, "A=B")),
    "not those whose digest": ("environment:zz", EnvironmentKept(ENTRIES)),
    "its stream is named after": (ENVIRONMENT, EnvironmentKept({"PATH": "/evil"})),
    "'PATH=/usr/bin' is none": (ENVIRONMENT, EnvironmentKept({"PATH=/usr/bin": None, "VIRTUAL_ENV": None})),
    "a ConfigChanged in stream 'worker:w'": ("worker:w", ConfigChanged("max_retries", None, 3)),
    "a WorkerStopped in stream 'config'": ("config", WorkerStopped("drained")),
    "a EnvironmentKept in stream '1'": (1, EnvironmentKept(ENTRIES)),
    "field pid is 4294967296": ("worker:w", WorkerStarted("h", 1 << 32, 1)),
    "worker: found ''": ("worker:", WorkerStopped("drained")),
    "worker: found 'w\\x00'": ("worker:w\0", WorkerStarted("h", 1, 1)),
    "worker: found 'wwwww": ("worker:" + "w" * 300, WorkerStarted("h", 1, 1)),
    "worker: found 'w\\n'": (1, Claimed("w\n", 7)),
    "its archive 'a\\x00": (
        "retention",
        RetentionApplied(1, 0, 1, 1, bytes(32), "a\0/000001-1-2.seg", bytes(32)),
    ),
    "field duration_ms is -5": (1, Completed(2, 1, duration_ms=-5)),
    "field duration_ms is -1": (1, Failed(2, 1, "exit_code", "broken", duration_ms=-1)),
    "field duration_ms is -2": (1, Cancelled(2, 1, -2)),
    "field size_bytes is -1": (1, Completed(2, 1, stdout=Output(-1, bytes(32)))),
    "field sha256 is b'x'": (1, Completed(2, 1, stdout=Output(1, b"x"))),
    "field failure is 'bogus'": (1, Failed(2, 1, "bogus", "broken")),
    "field failure is 'worse'": (1, Dead(1, "worse")),
    "removes a job that is 'pending'": (1, Removed("pending")),
    "field pid is -1": (1, Started(2, 1, "h", -1)),
    "field slots is -3": ("worker:w", WorkerStarted("h", 1, -3)),
    "field slots is 0": ("worker:w", WorkerStarted("h", 1, 0)),
    "queue: found 'a b'": ("worker:w", WorkerStarted("h", 1, 1, ("a b",))),
    "field removed is -1": ("retention", RetentionApplied(1, 0, 1, -1, bytes(32), "a/000001-1-2.seg", bytes(32))),
    "field error is 'eeee": (1, Failed(2, 1, "exit_code", "e" * 1_001)),
    "field stderr_tail is 'tttt": (1, Failed(2, 1, "exit_code", "broken", stderr_tail="t" * 2_001)),
    "field signal is 'SSSS": (1, Failed(2, 1, "signal", "killed", signal="S" * 1_001)),
    "field why is 'cccc": (1, Released(2, "c" * 1_001)),
    "field host is 'hhhh": ("worker:w", WorkerStarted("h" * 1_001, 1, 1)),
    "field key is 'kkkk": ("config", ConfigChanged("k" * 1_001, 1, None)),
    "field old is 'oooo": ("config", ConfigChanged("shell", "o" * 1_001, None)),
    "field retry_at_us is 4611686018427387904": (1, Failed(2, 1, "lost", "gone", retry_at_us=1 << 62)),
}


def stored_with(path: Path, *events: tuple[int | str, Event]) -> Path:
    """Make a queue whose log holds events that no decider decided."""
    Queue.open(path).close()
    with Store.open(path, create=False) as store, store.write() as txn:
        for stream, event in events:
            EventWriter(txn).append([Append(0 if stream == 1 else stream, 0, (event,))], at_us=5, actor="me")
    return path


def test_what_intake_and_settings_refuse_is_refused_of_a_file(tmp_path: Path) -> None:
    """Of an export and of a data file alike, in one line that names it, with nothing made of it."""
    contents = []
    for number, (told, event) in enumerate(BEYOND.items()):
        path = stored_with(tmp_path / f"q{number}", event)
        with pytest.raises(CorruptLog, match=re.escape(told)):
            data_file_check.check(path)
        with Store.open(path, create=False, read_only=True) as store, store.read() as txn:
            raw = base64.b64encode(txn.get("log", key_of(1)) or b"").decode()
        lines: list[dict[str, Any]] = [{"queuectl_export": 1, "head": 1, "digest": ""}, {"position": 1, "raw": raw}]
        contents.append(b"".join(json.dumps(line).encode() + b"\n" for line in lines))
    check_refused("export", contents, tmp_path, list(BEYOND))


def test_every_whole_number_of_an_event_has_bounds() -> None:
    """A new field of an event says what it can be, or is one of a job's, which is checked as it is enqueued."""
    kinds = [layout.type for layout in LAYOUTS if layout.type is not ConfigChanged]  # its values are settings'
    fields = [field for kind in (*kinds, JobOptions, Recorded, Output) for field in get_type_hints(kind).items()]
    numbers = {name for name, hint in fields if hint is int or int in get_args(hint)}
    assert numbers - {*JobSpec.__struct_fields__, "stream"} == {*BOUNDS}


@pytest.mark.parametrize("field", ["actor", "reason"])
def test_who_and_why_are_held_to_their_length(field: str) -> None:
    """Of an event from a file they are as long as a command may say them, and no longer."""
    recorded = Recorded(1, 5, 1, 0, "me", Enqueued(SPEC))
    check_event(replace(recorded, **{field: "x" * 1_000}), lambda stream: 0)
    with pytest.raises(CorruptLog, match=f"its field {field} is 'xxx"):
        check_event(replace(recorded, **{field: "x" * 1_001}), lambda stream: 0)


@pytest.mark.parametrize(
    ("event", "stream"),
    [
        (Failed(2, 1, "exit_code", "e" * ERROR_CHARS, stderr_tail="t" * TAIL_CHARS), 1),
        (Enqueued(replace(SPEC, command="c" * 65_536)), 1),
    ],
)
def test_the_longest_that_is_written_is_taken(event: Event, stream: int) -> None:
    """What a worker records of a failed run, cut as it cuts it, and the longest command there can be."""
    check_event(Recorded(1, 5, 1, 0, "me", event), lambda _: 0)


@pytest.mark.parametrize(
    ("event", "told"),
    [
        (waiting(Edge(8, "ok", "a"), Edge(-8, "any", "b"), if_parent_fails="cancel"), ""),
        (waiting(*(Edge(-1, "notok", f"a{n}") for n in range(100))), ""),
        (waiting(Edge(-9, "ok", "a")), "after: found parent -9 of the job at 9; expected a job before it"),
        (waiting(Edge(9, "ok", "a")), "after: found parent 9"),
        (waiting(Edge(0, "ok", "a")), "after: found parent 0"),
        (waiting(Edge(1 << 62, "ok", "a")), "after: found parent 4611686018427387904"),
        (waiting(Edge(8, "Any", "a")), "after: found 'Any'; expected a kind of ok, any, notok"),
        (waiting(Edge(8, "", "a")), "after: found ''"),
        (waiting(Edge(8, "ok", "")), "id: found 0 characters"),
        (waiting(Edge(8, "ok", "a\n")), "id: found 'a\\n'"),
        (waiting(Edge(8, "ok", "a"), Edge(7, "any", "a")), "after: found 'a' more than once"),
        (waiting(*(Edge(-1, "ok", f"a{n}") for n in range(101))), "after: found 101 jobs"),
        (waiting(Edge(8, "ok", "a"), if_parent_fails="hold"), "if_parent_fails: found 'hold'"),
        (waiting(Edge(8, "ok", "a"), if_parent_fails=""), "if_parent_fails: found ''"),
        (Enqueued(SPEC, JobOptions(if_parent_fails="cancel")), "if_parent_fails: found 'cancel'; expected a job to"),
        (Enqueued(SPEC, JobOptions(unique="k", unique_until_us=7)), ""),
        (LimitSet(1, burst=5), ""),
        (LimitSet(starts=5, period_us=5), ""),
    ],
)
def test_what_a_job_waits_for_lies_before_it(event: Event, told: str) -> None:
    """Of a log from elsewhere: parents by number or by distance, each once and in a known way; so there is no cycle."""
    recorded = Recorded(9, 5, "limit:api" if isinstance(event, LimitSet) else 9, 0, "me", event)
    with pytest.raises(CorruptLog, match=re.escape(told)) if told else nullcontext():
        check_event(recorded, lambda stream: 0)


def test_a_parent_is_met_by_a_job_after_it() -> None:
    """Also where the event that tells of it lies far after both."""
    check_event(Recorded(9, 5, 3, 3, "me", DependencyMet(2, "dead")), lambda stream: 0)
    with pytest.raises(CorruptLog, match="its parent is 3, which is not before the job"):
        check_event(Recorded(9, 5, 3, 3, "me", DependencyMet(3, "dead")), lambda stream: 0)


def test_an_edit_beyond_what_intake_takes_is_refused(tmp_path: Path) -> None:
    """Field by field; an empty directory or shell, and no timeout, are what an edit takes away."""
    with Queue.open(tmp_path / "q") as queue:
        queue.enqueue("true", id="a")
    for fields, told in (
        ({"priority": 1 << 40}, "priority: found"),
        ({"queue": "a b"}, "queue: found 'a b'"),
        ({"max_retries": -5}, "max_retries: found -5"),
        ({"options": JobOptions(labels={"a": "\0"})}, "labels: found"),
        ({"options": JobOptions(meta={"a": [b"x"]})}, "meta: found"),
        ({"options": JobOptions(paused=True)}, "paused: found True"),
        ({"options": JobOptions(unique="k")}, "unique: found 'k'"),
        ({"options": JobOptions(after=AFTER)}, "after: found 1 of them"),
        ({"options": JobOptions(after=(), if_parent_fails="cancel")}, "if_parent_fails: found 'cancel'"),
        ({"options": JobOptions(labels={}, meta={}, use=(), after=(), unique_until_us=0)}, ""),
        ({"cwd": "", "shell": "", "timeout_ms": 0, "run_at_us": 0}, ""),
    ):
        recorded = Recorded(2, 5, 1, 1, "me", Edited(**fields))  # type: ignore[arg-type]
        with pytest.raises(CorruptLog, match=told) if told else nullcontext():
            check_event(recorded, lambda stream: 0)


def test_ids_of_a_newer_unicode_are_taken(tmp_path: Path) -> None:
    """An id with a character that this Python does not know, which a newer one had let in, is restored and imported."""
    check_event(Recorded(1, 5, 1, 0, "me", Enqueued(replace(SPEC, id="a\U0003fffd"))), lambda stream: 0)
    labelled = Enqueued(SPEC, JobOptions(labels={"a": "\U0003fffd"}))
    check_event(Recorded(1, 5, 1, 0, "me", labelled), lambda stream: 0)
    check_event(Recorded(2, 5, 1, 1, "me", Claimed("w\U0003fffd", 7)), lambda stream: 0)


def test_an_environment_is_taken_along_from_before(tmp_path: Path) -> None:
    """A job may take along what is kept before it, also by another batch; not what is kept behind it."""
    kept = (ENVIRONMENT, EnvironmentKept(ENTRIES))
    job = (1, Enqueued(replace(SPEC, inherited=digest_of(ENTRIES))))
    data_file_check.check(stored_with(tmp_path / "good", kept, job))
    with pytest.raises(CorruptLog, match="not kept before it"):
        data_file_check.check(stored_with(tmp_path / "bad", job, kept))


def verified(path: Path) -> list[str]:
    """Return what verify finds wrong with the log."""
    return [problem.what for problem in verify(path, log_only=False).problems]


def test_a_forged_environment_is_told_and_not_run_by(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An enqueue that would take along what a log from elsewhere says under its digest is refused; verify names it."""
    path = stored_with(tmp_path / "q", (ENVIRONMENT, EnvironmentKept({"PATH": "/evil"})))
    with Queue.open(path) as queue:
        queue.admin.replay()
        monkeypatch.setenv("PATH", "/usr/bin")
        monkeypatch.delenv("VIRTUAL_ENV", raising=False)
        with pytest.raises(StoreError, match="was tampered with"):
            queue.enqueue("true", inherit_env=list(ENTRIES))
        assert queue.log.head() == 1
    monkeypatch.undo()
    assert any("not those whose digest" in what for what in verified(path))


@pytest.mark.sampled(1)
@pytest.mark.parametrize("value", ["/usr/bin", "caf\udce9", None])
def test_an_environment_is_kept_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    """Taken along again it is found to be the same, also where it is not UTF-8, or not set."""
    monkeypatch.delenv("TAKEN", raising=False)
    if value is not None:
        monkeypatch.setenv("TAKEN", value)
    with Queue.open(tmp_path / "q") as queue:
        jobs = [queue.enqueue("true", inherit_env="TAKEN") for _ in range(2)]
        assert queue.log.head() == 3
        assert [queue.ui.inherited_env(job) for job in jobs] == [{"TAKEN": value}] * 2
    assert verified(tmp_path / "q") == []


def test_verify_tells_of_an_environment_that_is_nowhere(tmp_path: Path) -> None:
    """A job that takes along what is not kept before it is named by its position."""
    path = stored_with(tmp_path / "q", (1, Enqueued(replace(SPEC, inherited=b"x" * 16))))
    assert any(f"environment {(b'x' * 16).hex()}, which is not kept" in what for what in verified(path))


def tar_of(*members: tuple[tarfile.TarInfo, bytes], format: int = tarfile.GNU_FORMAT) -> bytes:
    """Return a tar that begins as a backup does."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=format) as tar:
        for info, content in [(member("QUEUECTL-BACKUP", 2), b"1\n"), *members]:
            tar.addfile(info, io.BytesIO(content))
    return made.getvalue()


def member(name: str, size: int = 0, **fields: Any) -> tarfile.TarInfo:
    """Return the header of a member."""
    info = tarfile.TarInfo(name)
    info.size = size
    for field, value in fields.items():
        setattr(info, field, value)
    return info


def test_a_hostile_backup_is_refused(files: dict[str, Path], tmp_path: Path) -> None:
    """Sparse and extended members, links, devices, absolute names, duplicates, sizes that lie: each is refused."""
    promises = bytearray(tar_of((member("data.mdb"), b"")))
    header = member("data.mdb", 10 << 30).tobuf(tarfile.GNU_FORMAT)
    pax = tar_of((member("data.mdb", pax_headers={"comment": "x" * 3_000_000}), b""), format=tarfile.PAX_FORMAT)
    sparse = bytearray(member("data.mdb", 512, type=tarfile.GNUTYPE_SPARSE).tobuf(tarfile.GNU_FORMAT))
    sparse[483:495] = b"%011o\0" % (8 << 30)
    sparse[148:156] = b"%06o\0 " % (256 + sum(sparse[:148]) + sum(sparse[156:512]))
    start = tar_of()[:1024]
    long = member("././@LongLink", 8 << 30, type=tarfile.GNUTYPE_LONGNAME).tobuf(tarfile.GNU_FORMAT)
    kinds = {"sym": tarfile.SYMTYPE, "hard": tarfile.LNKTYPE, "dev": tarfile.CHRTYPE, "fifo": tarfile.FIFOTYPE}
    odd = [member("data.mdb", type=kind, linkname="/etc/passwd") for kind in kinds.values()]
    names = [
        "/data.mdb",
        "../data.mdb",
        "outputs/000001/../../x",
        "archive/.hidden",
        "outputs/\u0660\u0660/1-1",
        "lock.mdb",
    ]
    manifest = [b"{}", b'{"members_sha256": ""}', b"[]", DEEP, b'{"head": ' + HUGE + b"}"]
    contents = [
        bytes(promises[:1024]) + header,
        gzip.compress(start + header + bytes(3 << 20)),
        pax,
        start + bytes(sparse) + bytes(1024),
        start + long + bytes(4096),
        *(tar_of((info, b"")) for info in odd),
        *(tar_of((member(name), b"")) for name in names),
        tar_of((member("data.mdb", 1), b"x"), (member("data.mdb", 1), b"y")),
        *(tar_of((member("MANIFEST.json", len(each)), each)) for each in manifest),
        start + member("MANIFEST.json", 8 << 30).tobuf(tarfile.GNU_FORMAT) + bytes(4096),
    ]
    check_refused("backup", contents, tmp_path)


def with_manifest(backup: Path, change: Callable[[dict[str, Any]], object]) -> bytes:
    """Return a backup whose manifest was changed."""
    made = io.BytesIO()
    with tarfile.open(backup) as old, tarfile.open(fileobj=made, mode="w", format=tarfile.GNU_FORMAT) as new:
        for info in old:
            content = old.extractfile(info)
            assert content is not None
            data = content.read()
            if info.name == "MANIFEST.json":
                told = json.loads(data)
                change(told)
                data = json.dumps(told).encode()
                info.size = len(data)
            new.addfile(info, io.BytesIO(data))
    return made.getvalue()


def test_a_manifest_that_none_has_changes_nothing(files: dict[str, Path], tmp_path: Path) -> None:
    """A backup that is sound but for a field of its manifest is refused before anything is in its place."""
    changes: dict[str, Callable[[dict[str, Any]], object]] = {
        "lacks 'files'": lambda told: told.pop("files"),
        "lacks 'format'": lambda told: told.pop("format"),
        "format is 'x'": lambda told: told.update(format="x"),
        "written by a newer queuectl": lambda told: told.update(format=2),
        "queuectl is 7": lambda told: told.update(queuectl=7),
        "time is 'xxx": lambda told: told.update(time="x" * 5_000),
        "time is None": lambda told: told.update(time=None),
        "Invalid isoformat": lambda told: told.update(time="yesterday"),
    }
    contents = [with_manifest(files["backup"], change) for change in changes.values()]
    check_refused("backup", contents, tmp_path, list(changes))


def test_a_journal_moves_only_what_makes_up_a_queue(tmp_path: Path) -> None:
    """One that names anything else, or a place outside, moves nothing."""
    told: list[dict[str, Any]] = [
        {"aside": "../../evil", "old": ["data.mdb"], "new": []},
        {"aside": "20261126T160000Z", "old": ["../../evil"], "new": []},
        {"aside": "20261126T160000Z", "old": [], "new": ["../../evil"]},
        {"aside": 7, "old": [], "new": []},
        {"aside": "20261126T160000Z", "old": 3, "new": []},
        {"old": [], "new": []},
    ]
    found = read("journal", [json.dumps(each).encode() for each in told], tmp_path)
    assert [each["is"] for each in found] == ["refused"] * len(told)
    assert all("restoring/journal.json cannot be read" in each["told"] for each in found)
    assert all(each["left"] == ["evil", "new"] for each in found)


def test_a_segment_is_not_larger_than_segments_are(files: dict[str, Path], tmp_path: Path) -> None:
    """A frame of a few kilobytes that would become gigabytes, and an array that says it has millions, are refused."""
    content = files["segment"].read_bytes()
    bomb = zstandard.ZstdCompressor(write_content_size=True).compress(bytes(200 << 20))
    array = zstandard.ZstdCompressor().compress(b"\xdd\x7f\xff\xff\xff")
    trailer = content[-24:-16] + len(content).to_bytes(8, "big") + content[-8:]
    check_refused("segment", [content + each + trailer for each in (bomb, array)], tmp_path)


def test_a_torn_lock_file_is_read_as_far_as_it_goes(files: dict[str, Path], tmp_path: Path) -> None:
    """Cut anywhere, of endless length, or with more slots than it has room for, it costs no verb its answer."""
    content = files["lock"].read_bytes()
    slots_at = struct.calcsize("<8s64sQQ")
    many = content[:slots_at] + b"\xff" * 8 + content[slots_at + 8 :]
    found = read("lock", [*(content[:size] for size in range(0, len(content), 7)), many, content * 1000], tmp_path)
    assert {each["is"] for each in found} == {"read"}


def test_a_snapshot_is_not_larger_than_snapshots_are(files: dict[str, Path], tmp_path: Path) -> None:
    """One whose content would fill the disk is not used."""
    bomb = zstandard.ZstdCompressor().compress(bytes(500 << 20))
    content = files["snapshot"].read_bytes()
    header = json.loads(content[: content.index(b"\n")])
    header |= {"sha256": sha256(bomb).hexdigest(), "position": 5}
    assert read("snapshot", [json.dumps(header).encode() + b"\n" + bomb], tmp_path) == [{"is": "read"}]


def test_a_real_export_still_comes_in(files: dict[str, Path], tmp_path: Path) -> None:
    """What is checked refuses nothing that queuectl wrote."""
    with files["export"].open("rb") as source:
        Queue.import_export(source, tmp_path / "new")
    assert rows_of(tmp_path / "new", "log") == rows_of(files["export"].parent / "queue", "log")
    with Store.open(tmp_path / "new", create=False) as store, store.read() as txn:
        assert EventReader(txn).cut()


def test_msgpack_of_segments_is_what_msgpack_makes() -> None:
    """Several values one after the other come back as they were."""
    values = [{"a": [1, b"x", "y"]}, 7, None]
    assert untrusted.msgpack_values(b"".join(map(msgpack.packb, values))) == values


# A file that says one thing twice


@pytest.mark.sampled(1)
@pytest.mark.parametrize("key", ["head", "digest", "head_time", "events", "data_bytes", "files", "file_bytes"])
def test_a_manifest_says_what_its_backup_holds(files: dict[str, Path], tmp_path: Path, key: str) -> None:
    """Every count, size and time in it is that of the members and of the log, or the backup is refused by its name."""

    def change(told: dict[str, Any]) -> None:
        told[key] = told[key] + 1 if isinstance(told[key], int) else "00" + told[key][2:]

    check_refused("backup", [with_manifest(files["backup"], change)], tmp_path, [f"its manifest says {key} "])


def test_a_manifest_of_fewer_words_is_read(files: dict[str, Path], tmp_path: Path) -> None:
    """What a manifest leaves out is not held against it."""

    def change(told: dict[str, Any]) -> None:
        for key in ("events", "head_time", "data_bytes", "file_bytes"):
            del told[key]

    assert [each["is"] for each in read("backup", [with_manifest(files["backup"], change)], tmp_path)] == ["read"]


def test_a_key_twice_in_a_manifest_is_refused(files: dict[str, Path], tmp_path: Path) -> None:
    """Of two heads, neither is believed."""
    content = files["backup"].read_bytes()
    assert content.count(b'"head": ') == 1
    twice = re.sub(rb'"queuectl": "([^"]{5})', b'"head": 0,  "x": "', content, count=1)
    check_refused("backup", [twice], tmp_path, ["'head' is there more than once"])


def sealed(segment: Path, footer: Callable[[dict[str, Any]], object]) -> bytes:
    """Return a segment whose footer was changed."""
    content = segment.read_bytes()
    at = int.from_bytes(content[-16:-8], "big")
    told = msgpack.unpackb(zstandard.ZstdDecompressor().decompress(content[at:-24]))
    footer(told)
    frame = zstandard.ZstdCompressor(write_checksum=True, write_content_size=True).compress(msgpack.packb(told))
    return content[:at] + frame + content[-24:]


def test_a_segment_s_footer_says_what_its_blocks_hold(files: dict[str, Path], tmp_path: Path) -> None:
    """A block that begins with another row than the footer says is refused: by that a row is looked for."""
    for number, kind in enumerate(("rows", "outputs", "ids")):

        def change(told: dict[str, Any], kind: str = kind) -> None:
            [block, *_] = [each for each in told["blocks"] if each[0] == kind]
            block[3] = block[3] + 1 if isinstance(block[3], int) else block[3] + "x"

        (tmp_path / str(number)).mkdir()
        check_refused("segment", [sealed(files["segment"], change)], tmp_path / str(number), ["and the footer says"])


def test_a_segment_s_index_names_its_own_events(files: dict[str, Path], tmp_path: Path) -> None:
    """An id in the index under another job's events is refused; it would show their history as its own."""
    found = Segment(files["segment"])
    one, other = [each for each in found.entries() if not each.id.startswith("worker:")][:2]
    writer = SegmentWriter(tmp_path / "forged", found.header)
    writer.rows(list(found.rows()))
    writer.seal([one, other._replace(last=one.last, number=1)])
    check_refused("segment", [(tmp_path / "forged").read_bytes()], tmp_path, [f"is of {other.id!r}, and it is not"])


def test_a_segment_s_name_says_what_it_holds(files: dict[str, Path], tmp_path: Path) -> None:
    """verify names one that was given the name of other positions, from which it is known without being read."""
    path = tmp_path / "q"
    shutil.copytree(files["export"].parent / "queue", path)
    [segment] = (path / "archive").iterdir()
    sequence, first, last = segment.stem.split("-")
    for name in (f"{sequence}-{int(first) + 1}-{last}.seg", f"{sequence}-{first}-{int(last) - 1}.seg"):
        segment = segment.rename(segment.with_name(name))
        assert any("another's name" in what or "its name says" in what for what in verified(path)), name


def test_a_checkpoint_agrees_with_itself(files: dict[str, Path], tmp_path: Path) -> None:
    """More events than positions, a time of no event, a key twice: none was ever written."""
    told = json.loads(files["checkpoint"].read_bytes())
    contents = [json.dumps(told | each).encode() for each in ({"events": told["position"] + 1}, {"time": None})]
    contents.append(b'{"position": 1,' + files["checkpoint"].read_bytes()[1:])
    check_refused("checkpoint", contents, tmp_path)


def test_an_export_s_first_and_last_line_agree_with_the_rest(files: dict[str, Path], tmp_path: Path) -> None:
    """Outputs that the first line says are not there, and an origin that is another log's, are refused."""
    header, *lines = (json.loads(line) for line in files["export"].read_bytes().splitlines())
    assert lines[0]["position"] == 1
    contents = [
        [header | {"outputs": False}, *lines],
        [header, *lines[:-1], lines[-1] | {"origin": "00" * 32}],
    ]
    joined = [b"".join(json.dumps(line).encode() + b"\n" for line in each) for each in contents]
    check_refused("export", joined, tmp_path, ["says that there are none", "its origin is not the digest"])
