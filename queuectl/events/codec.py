"""Event to bytes and back, for every version ever written; knows nothing of storage.

A stored event is the CRC-32 of its position (8 bytes, big-endian) and payload, then the payload: a
msgpack map with short keys, so that any language can read it and fields can be added. A field that
equals its default is left out, so a default never changes within a version. docs/log-format.md
tells all of it; tests/golden keeps the bytes of every version.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import cache, reduce
from operator import or_
from typing import Any, Final, Literal
from zlib import crc32

import msgpack
from msgspec import NODEFAULT, MsgspecError, Struct, convert, defstruct
from msgspec.msgpack import Decoder

from ..errors import CorruptLog, NewerFormat
from ..system.interrupts import let_out, own
from ..system.packing import pack_all
from ..system.packing import unpack as _unpack
from .types import (
    Cancelled,
    CancelRequested,
    Claimed,
    Completed,
    ConfigChanged,
    Dead,
    DependencyMet,
    Edited,
    Enqueued,
    EnvironmentKept,
    Event,
    Failed,
    Frozen,
    JobOptions,
    JobSpec,
    LimitRemoved,
    LimitSet,
    Paused,
    Recorded,
    Released,
    Removed,
    Renewed,
    Requeued,
    Resumed,
    RetentionApplied,
    Snoozed,
    Started,
    Stream,
    WorkerStarted,
    WorkerStopped,
    WorkerStopping,
)

_NO_EVENT: Final = (MsgspecError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for bytes that are no event: not the whole of ValueError, which a signal's handler may raise."""

Data = dict[str, Any]
Upcast = Callable[[Data], Data]


class Layout(Frozen):
    """How one type of event is stored: its explicit name, its newest version, and the type of what the event says.

    Versions `since` one differ by what may be there alone. Where it is not, the event has that version: older releases
    know it.
    """

    type: Any
    name: str
    version: int
    data: Any
    since: int


LAYOUTS: tuple[Layout, ...] = tuple(
    Layout(kind, name, 2 if kind in (Enqueued, Edited) else 1, JobSpec if kind is Enqueued else kind, 1)
    for kind, name in (
        (Enqueued, "enqueued"),
        (Claimed, "claimed"),
        (Started, "started"),
        (Renewed, "renewed"),
        (Completed, "completed"),
        (Failed, "failed"),
        (Snoozed, "snoozed"),
        (Dead, "dead"),
        (Released, "released"),
        (CancelRequested, "cancel_requested"),
        (Cancelled, "cancelled"),
        (Requeued, "requeued"),
        (Edited, "edited"),
        (Removed, "removed"),
        (Paused, "paused"),
        (Resumed, "resumed"),
        (DependencyMet, "dependency_met"),
        (LimitSet, "limit_set"),
        (LimitRemoved, "limit_removed"),
        (ConfigChanged, "config_changed"),
        (EnvironmentKept, "environment_kept"),
        (WorkerStarted, "worker_started"),
        (WorkerStopping, "worker_stopping"),
        (WorkerStopped, "worker_stopped"),
        (RetentionApplied, "retention_applied"),
    )
)

UPCASTS: Mapping[tuple[str, int], Upcast] = {}
"""(name, version) -> a pure function from that version's data to the next version's."""

StoredEvent = tuple[bytes, bytes]
"""The key and the bytes of an event, as it lies in a log or in an archive."""

EVENT_NAMES: tuple[str, ...] = tuple(layout.name for layout in LAYOUTS)

_DIGEST_FIELD: Final = b"\xa1h\xc4\x20"
"""What stands before a digest that an event keeps: the key `h`, and that 32 bytes follow."""

_BY_TYPE: Mapping[type[Any], Layout] = {layout.type: layout for layout in LAYOUTS}
_BY_NAME: Mapping[str, Layout] = {layout.name: layout for layout in LAYOUTS}


class Envelope(Struct, omit_defaults=True, gc=False):
    """The map that a stored event is, in the order in which it is stored; its one-letter keys are the stored ones."""

    t: int  # time, microseconds since the epoch
    y: str  # type, by its name in LAYOUTS
    v: int  # version of the type
    a: str  # actor
    d: Any  # data
    s: Stream | None = None  # stream; None: the event begins one, its own position
    p: int = 0  # position of the stream's event before it
    r: str | None = None  # reason
    c: int = 0  # cause
    o: JobOptions | None = None  # options, of an event by which a job came to be
    h: bytes | None = None  # hash: the digest of the log before it, where the event keeps that


class EventHeader(Struct, gc=False):
    """The part of an envelope that has the event's time, type and version, and the digest that it keeps."""

    t: int
    y: str
    v: int
    h: bytes | None = None


class Outline(EventHeader, gc=False):
    """The header, with the event's stream and the position of the one before it there."""

    s: Stream | None = None
    p: int = 0

    def stream_at(self, position: int) -> Stream:
        """Return the stream of the event, which is at a position."""
        return position if self.s is None else self.s


_header: Callable[[Any], EventHeader] = Decoder(EventHeader).decode
_outlined: Callable[[Any], Outline] = Decoder(Outline).decode


def name_of(event: Event) -> str:
    """Return the name an event is stored under."""
    return name_of_type(type(event))


def name_of_type(kind: type[Any]) -> str:
    """Return the name that events of a type are stored under."""
    return _BY_TYPE[kind].name


def encode(recorded: Recorded, key: bytes) -> bytes:
    """Turn a recorded event into the bytes stored under `key`, its position in 8 bytes."""
    return with_checksum(key, payloads_of((recorded,))[0])


def payloads_of(batch: Iterable[Recorded]) -> list[bytes]:
    """Return what is stored of recorded events, but for the checksums; none keeps a digest."""
    envelopes: list[Envelope] = []
    for each in batch:
        event: Any = each.event
        stream: Stream | None = each.stream
        kind: type[Any] = type(event)
        layout, options = _BY_TYPE[kind], None
        version = layout.version
        if version != layout.since and event.options is None and (kind is Enqueued or not _takes_over(event)):
            version = layout.since
        if kind is Enqueued:
            event, options = event.spec, event.options
            if stream == each.position:
                stream = None
        envelopes.append(
            Envelope(
                each.at_us, layout.name, version, each.actor, event, stream, each.prev, each.reason, each.cause, options
            )
        )
    return pack_all(envelopes)


def _takes_over(event: Any) -> bool:
    """Whether an edit is by what somebody else asked, and says what the first version knew nothing of."""
    return not (event.inherited is None and event.merge is None)


def with_checksum(key: bytes, payload: bytes) -> bytes:
    """Return a payload as it is stored under a key."""
    return crc32(payload, crc32(key)).to_bytes(4, "big") + payload


def with_digest(payload: bytes, digest: bytes) -> bytes:
    """Return the payload of an event, which keeps none, with the digest of the log before it as its last field."""
    return bytes((payload[0] + 1,)) + payload[1:] + _DIGEST_FIELD + digest  # the first byte has the number of fields


def decode(key: bytes, value: bytes, *, upcasts: Mapping[tuple[str, int], Upcast] = UPCASTS) -> Recorded:
    """Turn stored bytes into the recorded event.

    Raises CorruptLog when they are not what was written, NewerFormat when this queuectl does not
    know the type or its version.
    """
    return decode_all(((key, value),), upcasts=upcasts)[0]


def decode_all(
    rows: Iterable[tuple[bytes, bytes]], *, upcasts: Mapping[tuple[str, int], Upcast] = UPCASTS
) -> list[Recorded]:
    """Turn rows of the log into the recorded events; raises as decode() does."""
    decode_whole, number_of, recorded = decoder(), int.from_bytes, []
    for key, value in rows:
        position, payload = number_of(key, "big"), value[4:]
        if crc32(payload, crc32(key)) != number_of(value[:4], "big"):
            raise CorruptLog(position, "the checksum does not match")
        try:
            found = decode_whole(payload)
        except _NO_EVENT as error:  # of another version, with a text that is not UTF-8, or no event
            let_out(error)
            found = _decode_slowly(position, payload, upcasts)
        event, stream, prev = found.d, found.s, found.p
        if type(event) is JobSpec:
            event = Enqueued(event, found.o)
        if stream is None:
            stream = position
        if prev >= position > 0:  # whoever follows a stream back would never come to its beginning
            raise CorruptLog(position, "it names itself or a later one as the event of its stream before it")
        recorded.append(Recorded(position, found.t, stream, prev, found.a, event, found.r, found.c))
    return recorded


def unpack_envelope(key: bytes, value: bytes) -> Data:
    """Return the envelope in stored bytes, as docs/log-format.md has it; raises CorruptLog."""
    return _unpacked(int.from_bytes(key, "big"), _payload(key, value))


def header_of(key: bytes, value: bytes) -> EventHeader:
    """Return the header of a stored event without decoding its data; raises CorruptLog or NewerFormat."""
    try:
        found = _header(_payload(key, value))
    except _NO_EVENT as error:
        raise CorruptLog(int.from_bytes(key, "big"), "its bytes are no event") from error
    layout = _BY_NAME.get(found.y)
    if layout is None or not layout.since <= found.v <= layout.version:
        decode(key, value)  # which says what is wrong with it, if anything
    return found


def outline(key: bytes, value: bytes) -> Outline:
    """Return header and stream of a stored event, also of one that a newer release wrote; raises CorruptLog."""
    try:
        return _outlined(_payload(key, value))
    except _NO_EVENT as error:
        raise CorruptLog(int.from_bytes(key, "big"), "its bytes are no event") from error


def _payload(key: bytes, value: bytes) -> bytes:
    payload = value[4:]
    if crc32(payload, crc32(key)).to_bytes(4, "big") != value[:4]:
        raise CorruptLog(int.from_bytes(key, "big"), "the checksum does not match")
    return payload


@cache
def decoder() -> Callable[[bytes], Any]:
    """Return what decodes an envelope with its event, of the current versions; made when it is first needed.

    It raises ValueError for what it does not know; what it returns has all of an Envelope but `y` (kind_of).
    """
    return Decoder(reduce(or_, map(_whole, LAYOUTS))).decode


def name_of_envelope(found: Any) -> str:
    """Return the name of the type of a decoded envelope."""
    kind: str = found.y if isinstance(found, Envelope) else found.__struct_config__.tag
    return kind


def _whole(layout: Layout) -> Any:
    """Return the type of a whole envelope of one type and version."""
    versions = tuple(range(layout.since, layout.version + 1))
    types = Envelope.__annotations__ | {"v": Literal[versions], "d": layout.data}
    defaults = (*(NODEFAULT,) * (len(types) - len(Envelope.__struct_defaults__)), *Envelope.__struct_defaults__)
    fields = [(name, types[name], default) for name, default in zip(types, defaults, strict=True) if name != "y"]
    return defstruct(layout.name, fields, tag_field="y", tag=layout.name, gc=False)


def _decode_slowly(position: int, payload: bytes, upcasts: Mapping[tuple[str, int], Upcast]) -> Envelope:
    try:
        found = convert(_unpacked(position, payload), Envelope)
        layout = _BY_NAME.get(found.y)
        if layout is None:
            raise NewerFormat(f"the event type at position {position}", repr(found.y)[:60], "no such type")
        if not layout.since <= found.v <= layout.version:
            found.d = _upcast(layout, found.v, found.d, position, upcasts)
        found.d = convert(found.d, layout.data)
    except own(AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:  # MsgspecError: a ValueError
        raise CorruptLog(position, f"its bytes are no event ({error})") from error
    return found


def _unpacked(position: int, payload: bytes) -> Data:
    try:
        envelope: Data = _unpack(payload)
    except own(ValueError, TypeError, OverflowError, RecursionError, msgpack.UnpackException) as error:
        raise CorruptLog(position, "its bytes are no event") from error
    return envelope


def _upcast(layout: Layout, version: int, data: Data, position: int, upcasts: Mapping[tuple[str, int], Upcast]) -> Data:
    if version > layout.version:
        raise NewerFormat(f"the version of {layout.name!r} at position {position}", version, layout.version)
    for step in range(version, layout.since):
        if (layout.name, step) not in upcasts:
            raise CorruptLog(position, f"there never was a version {step} of {layout.name!r}")
        data = upcasts[layout.name, step](data)
    return data
