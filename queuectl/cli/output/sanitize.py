"""What goes to a terminal, made fit for it: text and colours get through, commands to the terminal do not."""

import re
from codecs import getincrementaldecoder

from .format import escape

_UNSAFE = (  # a text, which re compiles when it is first used: it costs a command its start
    r"(\x1b\[[0-9;:]*m)|([\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069])"
)
_BEGUN = r"\x1b(\[[0-9;:]{0,32})?\Z"
_RESET = "\x1b[0m"


def tame(text: str) -> str:
    """Return a text as a terminal may be sent it: the last net, under the verbs, which escape what is others'."""
    return re.sub(_UNSAFE, lambda found: found[1] or escape(found[0]), text)


class Tamed:
    """One stream of a run, piece by piece; a character or colour cut in two by pieces is put together again."""

    def __init__(self, *, colours: bool) -> None:
        self._decoder = getincrementaldecoder("utf-8")("backslashreplace")
        self._colours = colours
        self._begun = ""
        self._is_coloured = False

    def piece(self, content: bytes) -> str:
        """Return a piece as it may be shown; the beginning of an escape sequence waits for the next one."""
        text = self._begun + self._decoder.decode(content)
        begun = re.search(_BEGUN, text)
        self._begun = begun[0] if begun else ""
        return self._shown(text[: len(text) - len(self._begun)])

    def end(self) -> str:
        """Return what still waits, and take back a colour that was left on."""
        text, self._begun = self._begun + self._decoder.decode(b"", final=True), ""
        shown = self._shown(text)
        reset, self._is_coloured = _RESET if self._is_coloured else "", False
        return shown + reset

    def _shown(self, text: str) -> str:
        return re.sub(_UNSAFE, self._replaced, text)

    def _replaced(self, found: re.Match[str]) -> str:
        if found[1] is None:
            return escape(found[0])
        self._is_coloured = self._colours
        return found[0] if self._colours else ""
