"""The bytes of projection rows: msgpack arrays. They may change at will, since views are rebuilt."""

from collections.abc import Callable
from typing import Any

import msgpack

from ..errors import StoreError

pack: Callable[[Any], bytes] = msgpack.Packer().pack


def unpack(row: bytes) -> Any:
    """Turn a row into what it holds, arrays as tuples; raises StoreError for one that is damaged."""
    try:
        return msgpack.unpackb(row, use_list=False)
    except (ValueError, msgpack.UnpackException) as error:
        raise damaged(row) from error


def damaged(row: bytes) -> StoreError:
    """Say that a row of a view cannot be read."""
    return StoreError(f"a view is damaged (row {row[:20].hex()}...); the log is not: type `queuectl replay`")
