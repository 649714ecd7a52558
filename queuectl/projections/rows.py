"""The bytes of projection rows: msgpack arrays. They may change at will, since views are rebuilt."""

from typing import Any

import msgpack

from ..errors import StoreError
from ..packing import pack
from ..packing import unpack as unpack_value

__all__ = ["damaged", "pack", "unpack"]


def unpack(row: bytes) -> Any:
    """Turn a row into what it holds, arrays as tuples; raises StoreError for one that is damaged."""
    try:
        return unpack_value(row)
    except (ValueError, msgpack.UnpackException) as error:
        raise damaged(row) from error


def damaged(row: bytes) -> StoreError:
    """Say that a row of a view cannot be read."""
    return StoreError(f"a view is damaged (row {row[:20].hex()}...); the log is not: type `queuectl replay`")
