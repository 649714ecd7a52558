"""Values to msgpack and back, texts that are not UTF-8 among them: the bytes that a system has in names and words.

Inside Python such a text tells each byte that is not UTF-8 by a surrogate (os.fsdecode). msgpack's str is
UTF-8, so it is packed as an extension of type 1, which holds its bytes; every other text stays a str.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import IO, Any, Final

import msgpack
from msgspec import to_builtins
from msgspec.msgpack import Encoder

BYTES_OF_TEXT: Final = 1
"""The extension type of a text that is not UTF-8."""

_USUAL: Final[tuple[tuple[type, Callable[[Any], Any]], ...]] = (
    (str, str.__str__),
    (bytes, bytes),
    (int, int),
    (float, float),
)


def _plain(value: Any) -> Any:
    """Return a value of a program's own kind of text, bytes or number as one of the usual kind."""
    for kind, usual in _USUAL:
        if isinstance(value, kind):
            return usual(value)
    raise TypeError(f"a {type(value).__name__} cannot be packed")


_encode: Final[Callable[[Any], bytes]] = Encoder(enc_hook=_plain).encode


def pack(value: Any) -> bytes:
    """Turn a value into msgpack."""
    try:
        return _encode(value)
    except UnicodeEncodeError:  # the one text in millions
        packed: bytes = msgpack.packb(_coded(to_builtins(value, builtin_types=(bytes,), enc_hook=_plain)))
        return packed


def pack_all(values: Sequence[Any]) -> list[bytes]:
    """Turn values into msgpack, each by itself."""
    try:
        return list(map(_encode, values))
    except UnicodeEncodeError:
        return list(map(pack, values))


def text_of(code: int, data: bytes) -> Any:
    """Return the text that an extension stands for."""
    return data.decode(errors="surrogateescape") if code == BYTES_OF_TEXT else msgpack.ExtType(code, data)


unpack: Final[Callable[[bytes], Any]] = partial(msgpack.unpackb, ext_hook=text_of)
"""Turn msgpack into its value, arrays as lists; raises as msgpack does."""


def unpacked(stream: IO[bytes]) -> Iterator[Any]:
    """Yield values as they come out of an unbuffered stream; one that is cut short at its end is left out."""
    return iter(msgpack.Unpacker(stream, use_list=False, strict_map_key=False, ext_hook=text_of, max_buffer_size=0))


def _coded(value: Any) -> Any:
    if isinstance(value, str):
        data = value.encode(errors="surrogateescape")
        return value if value.isascii() or _is_utf8(value) else msgpack.ExtType(BYTES_OF_TEXT, data)
    if isinstance(value, Mapping):
        return {_coded(key): _coded(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_coded(each) for each in value]
    return value


def _is_utf8(text: str) -> bool:
    try:
        return bool(text.encode())
    except UnicodeEncodeError:
        return False
