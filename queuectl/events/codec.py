"""Event to bytes and back, for every version ever written; knows nothing of storage.

A stored event is the CRC-32 of its position (8 bytes, big-endian) and payload, then the payload: a
msgpack map with short keys, so that any language can read it and fields can be added. A field that
equals its default is left out, so a default never changes within a version. docs/log-format.md
tells all of it; tests/golden keeps the bytes of every version.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from zlib import crc32

import msgpack

from ..errors import CorruptLog, NewerFormat
from ..packing import pack
from ..packing import unpack as _unpack
from .types import (
    Cancelled,
    CancelRequested,
    Claimed,
    Completed,
    ConfigChanged,
    Dead,
    Edited,
    Enqueued,
    EnvironmentKept,
    Event,
    Failed,
    JobSpec,
    Output,
    Recorded,
    Released,
    Removed,
    Renewed,
    Requeued,
    RetentionApplied,
    Started,
    WorkerStarted,
    WorkerStopped,
    WorkerStopping,
)

Data = dict[str, Any]
Upcast = Callable[[Data], Data]

_NOTHING = object()  # equal to no value
_new = tuple.__new__  # builds a NamedTuple from a tuple, past its slower constructor


class Layout(NamedTuple):
    """How one event type is stored: explicit name, current version, and its fields' short keys.

    The keys stand in the order of the fields: the required ones, then those that have `defaults`
    and may be left out. `unstored` has for each key the value that is not written.
    """

    type: type[Any]
    name: str
    version: int
    keys: tuple[str, ...]
    required: tuple[str, ...]
    optional: tuple[str, ...]
    defaults: tuple[Any, ...]
    unstored: tuple[Any, ...]


def _layout(cls: type[Any], name: str, keys: str, fields_of: type[Any] | None = None) -> Layout:
    fields = fields_of or cls
    names = tuple(keys.split())
    assert len(names) == len(fields._fields), f"{name}: one key a field"
    defaults = tuple(fields._field_defaults.values())
    count = len(names) - len(defaults)
    return Layout(cls, name, 1, names, names[:count], names[count:], defaults, (_NOTHING,) * count + defaults)


LAYOUTS: tuple[Layout, ...] = (
    _layout(Enqueued, "enqueued", "id cmd q pri max tmo base cwd env run dt sh inh due mrg", JobSpec),
    _layout(Claimed, "claimed", "w exp"),
    _layout(Started, "started", "tok n host pid"),
    _layout(Renewed, "renewed", "tok exp"),
    _layout(Completed, "completed", "tok n ms rc out err"),
    _layout(Failed, "failed", "tok n why msg rc sig ms retry out err tail"),
    _layout(Dead, "dead", "n why"),
    _layout(Released, "released", "tok why"),
    _layout(CancelRequested, "cancel_requested", "tok"),
    _layout(Cancelled, "cancelled", "tok n ms out err"),
    _layout(Requeued, "requeued", "n"),
    _layout(Edited, "edited", "cmd q pri max tmo base cwd env run sh due"),
    _layout(Removed, "removed", "state rep"),
    _layout(ConfigChanged, "config_changed", "key old new"),
    _layout(EnvironmentKept, "environment_kept", "env"),
    _layout(WorkerStarted, "worker_started", "host pid slots queues"),
    _layout(WorkerStopping, "worker_stopping", "now"),
    _layout(WorkerStopped, "worker_stopped", "why"),
    _layout(RetentionApplied, "retention_applied", "upto from to n chain arc sha dead"),
)

UPCASTS: Mapping[tuple[str, int], Upcast] = {}
"""(name, version) -> a pure function from that version's data to the next version's."""

NAMES: tuple[str, ...] = tuple(layout.name for layout in LAYOUTS)

_BY_TYPE: Mapping[type[Any], Layout] = {layout.type: layout for layout in LAYOUTS}
_BY_NAME: Mapping[str, Layout] = {layout.name: layout for layout in LAYOUTS}


def name_of(event: Event) -> str:
    """Give the name an event is stored under."""
    return _BY_TYPE[type(event)].name


def layout_of(kind: type[Any]) -> Layout:
    """Give how a type of event is stored."""
    return _BY_TYPE[kind]


def encode(recorded: Recorded, key: bytes, chain: bytes | None = None) -> bytes:
    """Turn a recorded event into the bytes stored under `key`, its position in 8 bytes.

    `chain` is the digest of the log before it, where the event is to keep that.
    """
    position, at_us, stream, prev, actor, event, reason, cause = recorded
    layout = _BY_TYPE[type(event)]
    fields: Any = event.spec if type(event) is Enqueued else event
    if layout.defaults:
        data = {k: value for k, value, default in zip(layout.keys, fields, layout.unstored) if value != default}  # noqa: B905
    else:
        data = dict(zip(layout.keys, fields))  # noqa: B905 - strict costs as much again, and _layout has checked
    envelope: Data = {"t": at_us, "y": layout.name, "v": layout.version, "a": actor, "d": data}
    if stream != position:
        envelope["s"] = stream
    if prev:
        envelope["p"] = prev
    if reason is not None:
        envelope["r"] = reason
    if cause:
        envelope["c"] = cause
    if chain is not None:
        envelope["h"] = chain
    payload = pack(envelope)
    return crc32(payload, crc32(key)).to_bytes(4, "big") + payload


def decode(key: bytes, value: bytes, *, upcasts: Mapping[tuple[str, int], Upcast] = UPCASTS) -> Recorded:
    """Turn stored bytes into the recorded event.

    Raises CorruptLog when they are not what was written, NewerFormat when this queuectl does not
    know the type or its version.
    """
    position = int.from_bytes(key, "big")
    envelope = unpack(key, value)
    try:
        get = envelope.get
        layout = _BY_NAME.get(envelope["y"])
        if layout is None:
            raise NewerFormat(f"the event type at position {position}", repr(envelope["y"])[:60], "no such type")
        data = envelope["d"]
        if envelope["v"] != layout.version:
            data = _upcast(layout, envelope["v"], data, position, upcasts)
        event = _build(layout, data, position)
        prev = get("p", 0)
        if prev >= position > 0:  # whoever follows a stream back would never come to its beginning
            raise CorruptLog(position, "it names itself or a later one as the event of its stream before it")
        fields = (position, envelope["t"], get("s", position), prev, envelope["a"], event, get("r"), get("c", 0))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise CorruptLog(position, "its bytes are no event") from error
    return _new(Recorded, fields)


def unpack(key: bytes, value: bytes) -> Data:
    """Give the envelope in stored bytes, as docs/log-format.md has it; raises CorruptLog."""
    payload = value[4:]
    if crc32(payload, crc32(key)).to_bytes(4, "big") != value[:4]:
        raise CorruptLog(int.from_bytes(key, "big"), "the checksum does not match")
    try:
        envelope: Data = _unpack(payload)
    except (ValueError, TypeError, OverflowError, RecursionError, msgpack.UnpackException) as error:
        raise CorruptLog(int.from_bytes(key, "big"), "its bytes are no event") from error
    return envelope


def _build(layout: Layout, data: Data, position: int) -> Event:
    try:
        fields = (*map(data.__getitem__, layout.required), *map(data.get, layout.optional, layout.defaults))
    except KeyError as missing:
        raise CorruptLog(position, f"{layout.name!r} lacks a required field, {missing}") from None
    if layout.type is Enqueued:
        return _new(Enqueued, (_new(JobSpec, fields),))
    event: Any = _new(layout.type, fields)
    return _with_outputs(event) if "out" in data or "err" in data else event  # type: ignore[no-any-return]


def _with_outputs(event: Any) -> Any:
    outputs = {field: Output(*value) for field in ("stdout", "stderr") if (value := getattr(event, field)) is not None}
    return event._replace(**outputs)


def _upcast(layout: Layout, version: int, data: Data, position: int, upcasts: Mapping[tuple[str, int], Upcast]) -> Data:
    if version > layout.version:
        raise NewerFormat(f"the version of {layout.name!r} at position {position}", version, layout.version)
    for step in range(version, layout.version):
        if (layout.name, step) not in upcasts:
            raise CorruptLog(position, f"there never was a version {step} of {layout.name!r}")
        data = upcasts[layout.name, step](data)
    return data
