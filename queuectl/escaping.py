"""Text of others made visible: what could command a terminal, or is no text, shown as an escape sequence; pure."""

from typing import Final

JOINER: Final = "\u200d"


def escape(text: str) -> str:
    """Return a text with control characters and escape sequences shown instead of sent to a terminal."""
    if text.isprintable():
        return text
    return "".join(
        char if char == JOINER and _holds(text[place - 1 : place], text[place + 1 : place + 2]) else _visible(char)
        for place, char in enumerate(text)
    )


def _holds(before: str, after: str) -> bool:
    """Whether a joiner between these holds an emoji together; elsewhere it could hide how wide a text is."""
    from unicodedata import category

    return (
        bool(before and after) and category(after) == "So" and (category(before) in ("So", "Sk") or before == "\ufe0f")
    )


def _visible(char: str) -> str:
    if char.isprintable():
        return char
    if "\udc80" <= char <= "\udcff":  # a byte that is not UTF-8, as os.fsdecode tells it
        return f"\\x{ord(char) - 0xDC00:02x}"
    return char.encode("unicode_escape").decode()
