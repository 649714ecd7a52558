"""Values as text for people: escaped, measured, cut; times and durations. Prints nothing."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from ...core.labels import label_text
from ...escaping import JOINER
from ...escaping import escape as escape  # the verbs take all that makes text from here

ELLIPSIS = "…"


def command_text(command: str | Sequence[str]) -> str:
    """Return a command as one would type it, on one line."""
    if isinstance(command, str):
        return escape(command)
    from shlex import join

    return escape(join(command))


def labels_text(labels: Mapping[str, str]) -> str:
    """Return labels as one would type them, on one line."""
    return command_text([label_text(key, value) for key, value in labels.items()])


def flat(text: str) -> str:
    """Return a text with its emoji taken apart: terminals differ in how wide those are that a joiner holds."""
    return text if text.isascii() else text.translate(_APART)


_APART = {ord(JOINER): None, 0xFE0F: None}


def cells(text: str) -> int:
    """Count the terminal columns that `text` fills, at the most."""
    if text.isascii():
        return len(text)
    return sum(map(_size(), text))


def cut(text: str, width: int) -> str:
    """Shorten `text` to `width` columns, with an ellipsis where something is missing."""
    if cells(text) <= width:
        return text
    if text.isascii():
        return text[: width - 1] + ELLIPSIS
    size, filled = _size(), 0
    for place, char in enumerate(text):
        filled += size(char)
        if filled > width - 1:
            return text[:place].rstrip() + ELLIPSIS
    return text


def cut_middle(text: str, width: int) -> str:
    """Shorten `text` to `width` columns in its middle: an error begins with who says it, and ends with the cause."""
    if cells(text) <= width:
        return text
    head = cut(text, width // 3)
    return head + cut_front(text, width - cells(head) + len(ELLIPSIS)).removeprefix(ELLIPSIS)


def cut_front(text: str, width: int) -> str:
    """Shorten `text` to `width` columns from its front: of an error the last words are the cause."""
    if cells(text) <= width:
        return text
    size, filled = _size(), 0
    for place in range(len(text) - 1, -1, -1):
        filled += size(text[place])
        if filled > width - 1:
            return ELLIPSIS + text[place + 1 :].lstrip()
    return text


def _size() -> Callable[[str], int]:
    from rich.cells import get_character_cell_size as size

    # Terminals differ in how wide the letters of flags and the tones of skin are: two columns at the most.
    return lambda char: 2 if _LETTERS[0] <= char <= _LETTERS[1] or _TONES[0] <= char <= _TONES[1] else size(char)


_LETTERS, _TONES = ("\U0001f1e6", "\U0001f1ff"), ("\U0001f3fb", "\U0001f3ff")


def moment(at_us: int | None, *, short: bool = False) -> str:
    """Return a time in the local zone; `short` leaves out the date when it is today's."""
    if at_us is None:
        return ""
    try:
        at = datetime.fromtimestamp(at_us / 1_000_000)
    except (OverflowError, ValueError, OSError):
        return f"{at_us} µs"
    if short and at.date() == datetime.now().date():
        return f"{at:%H:%M:%S}"
    return f"{at:%Y-%m-%d %H:%M:%S}"


def coarse(length_s: float) -> str:
    """Return a length of time that goes on, in whole seconds and the two largest units."""
    return duration(max(1, round(length_s)))


def duration(length_s: float) -> str:
    """Return a length of time in its two largest units."""
    if length_s < 1:
        return f"{length_s * 1000:.0f}ms"
    if length_s < 60:
        return f"{length_s:.3g}s"
    whole = int(length_s)
    for unit, size, lesser, part in (("d", 86400, "h", 3600), ("h", 3600, "m", 60), ("m", 60, "s", 1)):
        if whole >= size:
            rest = whole % size // part
            return f"{whole // size}{unit}{rest}{lesser}" if rest else f"{whole // size}{unit}"
    return f"{whole}s"


def size(count: int) -> str:
    """Return a number of bytes in the unit that fits."""
    power = min(4, max(0, count.bit_length() - 1) // 10)
    return f"{count / 1024**power:.1f} {'KMGT'[power - 1]}iB" if power else f"{count} B"


def plural(count: int, noun: str) -> str:
    """Return a count with its noun."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
