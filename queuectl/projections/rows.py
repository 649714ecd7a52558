"""The bytes of projection rows: msgpack arrays. They may change at will, since views are rebuilt."""

from collections.abc import Callable
from functools import partial
from typing import Any

import msgpack

pack: Callable[[Any], bytes] = msgpack.Packer().pack
unpack: Callable[[bytes], Any] = partial(msgpack.unpackb, use_list=False)
