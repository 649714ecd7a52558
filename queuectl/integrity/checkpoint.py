"""Checkpoints: small files that say what the log was, to prove later that nothing up to there was changed or cut."""

import json
from pathlib import Path
from typing import Final, NamedTuple

from .. import hints
from ..core.times import time_json
from ..display import shown
from ..errors import InvalidInput, Unusable
from ..system.files import is_below, obstacle, scratch_path, sweep_scratch, whole_file
from ..system.interrupts import own
from ..system.untrusted import Malformed, json_object_of, whole_number

KIND: Final = "queuectl checkpoint"
VERSION: Final = 1
SIZE_BYTES: Final = 64 << 10
"""More than a checkpoint has."""


class Checkpoint(NamedTuple):
    """The position of the log's last event, the chain's digest there, its time, and how many events the store held."""

    position: int
    digest: bytes
    at_us: int
    events: int


def write(path: Path, checkpoint: Checkpoint, *, queue: Path) -> None:
    """Write a checkpoint of a queue in one go: a reader finds the file as it was, or all of the new one."""
    document = {
        "kind": KIND,
        "version": VERSION,
        "position": checkpoint.position,
        "digest": checkpoint.digest.hex(),
        "time": time_json(checkpoint.at_us) if checkpoint.position else None,
        "events": checkpoint.events,
    }
    if not path.name:
        raise InvalidInput("checkpoint", shown(str(path)), "the name of a file")
    if kind := obstacle(path):
        raise Unusable("checkpoint", shown(str(path)), f"a file, or the name of a new one ({kind} is there)")
    sweep_scratch(path.parent)
    try:
        with whole_file(path, scratch_path(path.parent), is_named=not is_below(path, queue)) as file:
            file.write(json.dumps(document).encode() + b"\n")
    except own(OSError) as error:
        raise Unusable("checkpoint", shown(str(path)), f"a file that can be written ({error.strerror})") from error


def read(path: Path) -> tuple[int, bytes]:
    """Return the position and the digest of a checkpoint; raises InvalidInput where the file is none."""
    expected = hints.A_CHECKPOINT
    try:
        document = json_object_of(path, limit_bytes=SIZE_BYTES)
        position, digest = whole_number(document["position"], "position"), bytes.fromhex(document["digest"])
        whole_number(document.get("events", 0), "events", most=position)
        if "time" in document and (document["time"] is None) != (position == 0):
            raise Malformed("its time is that of the last event")
    except own(OSError) as error:
        raise Unusable("against", shown(str(path)), f"{expected} ({error.strerror})") from error
    except own(ValueError, KeyError, TypeError) as error:
        raise Unusable("against", shown(str(path)), expected) from error
    if document.get("kind") != KIND or len(digest) != 32:
        raise Unusable("against", shown(str(path)), expected)
    if document.get("version") != VERSION:
        raise Unusable("against", shown(str(path)), f"{expected}, of version {VERSION}")
    return position, digest
