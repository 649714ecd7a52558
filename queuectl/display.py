"""How values and words of others are shown in messages: on one line, cut, with nothing that commands a terminal."""

SHOWN_CHARS = 100
"""How much of a value an error shows."""

_NAME_CHARS = 4096
"""The longest path that Linux opens."""


def shown(value: object, *, most: int = SHOWN_CHARS) -> str:
    """Return what a value looks like, on one line and cut after `most` characters, whatever it is; never raises.

    A program's own class may raise where it is asked, and Python does for a whole number of over 4,300 digits.
    """
    kind = type(value)
    try:
        text = str.__repr__(value) if issubclass(kind, str) else repr(value)
    except Exception:
        if issubclass(kind, int):
            return f"a whole number of {int.bit_length(value):,} bits"  # type: ignore[arg-type]  # it is one
        return f"a {kind.__name__} that cannot be shown"
    if "\\udc" in text:  # a byte that is not UTF-8, as os.fsdecode tells it: shown as everywhere else
        import re  # only for what is seldom so

        text = re.sub(r"(?<!\\)\\udc([89a-f][0-9a-f])", r"\\x\1", text)
    cut = text if len(text) <= most else f"{text[:most]}... ({len(text):,} characters)"
    return cut if cut.isprintable() else "".join(char if char.isprintable() else "?" for char in cut)


def named(name: str) -> str:
    """Return the name of a file as it is where it is printable and no longer than one can be, else as shown() does."""
    return name if name.isprintable() and len(name) <= _NAME_CHARS else shown(name)


def shown_with_kind(value: object) -> str:
    """Return what a value looks like and of what type it is; never raises."""
    return f"{shown(value)} ({type(value).__name__})"


def as_typed(word: str) -> str:
    """Return a word as it is typed at a shell, on one line and without a character that could command a terminal."""
    from shlex import quote  # only where there is something to say: it costs a command its start

    return quote(word) if word.isprintable() else f"$'{''.join(map(_as_typed_in_dollar_quotes, word))}'"


def _as_typed_in_dollar_quotes(char: str) -> str:
    if char.isprintable():
        return f"\\{char}" if char in "\\'" else char
    return "".join(f"\\x{byte:02x}" for byte in char.encode(errors="surrogateescape"))
