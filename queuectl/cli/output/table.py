"""The one place that prints data: tables, key/value lines, JSON; colour on a terminal only.

Tables are laid out here rather than by rich: importing it takes longer than the rest of a verb, and
a pipe gets the same columns, unboxed and uncut.
"""

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import click

from ..exit_codes import hint, say
from .format import cells, cut, cut_middle, flat

GAP = "  "
LEAST_WIDE = 12
LEAST = 5
"""How narrow a column may become while others can still give way, and at the last."""

LEAST_WHOLE = 20
"""A value up to which a column is kept whole by leaving out others; a third of a wide terminal."""

SCREENFUL = 50
"""How much of a long list people get who did not say how much."""

STATE_COLOURS = {
    "pending": "blue",
    "processing": "cyan",
    "running": "cyan",
    "completed": "green",
    "failed": "yellow",
    "dead": "red",
    "cancelled": "magenta",
    "stopping": "yellow",
    "released": "yellow",
    "snoozed": "yellow",
}


class Column(NamedTuple):
    """A column of a table: `wide` is cut to what the terminal leaves, `paint` gives a cell its colour.

    Where not all fit, those that can be spared go, the one with the highest `spare` first. `always`: it
    is shown though it be empty.
    """

    title: str
    right: bool = False
    wide: bool = False
    paint: Callable[[str], str | None] | None = None
    spare: int = 0
    always: bool = False


def on_terminal() -> bool:
    """Return whether stdout is a terminal."""
    return sys.stdout.isatty()


def coloured() -> bool:
    """Return whether stdout may have colour."""
    return on_terminal() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def state_colour(cell: str) -> str | None:
    """Return the colour of the state a cell begins with."""
    return STATE_COLOURS.get(cell.partition(" ")[0].rstrip(","))


def paint(text: str, colour: str | None, *, bold: bool = False, dim: bool = False) -> str:
    """Return `text` in a colour where stdout may have one."""
    if not text or not (colour or bold or dim) or not coloured():
        return text
    return click.style(text, fg=colour, bold=bold or None, dim=dim or None)


def line(text: str = "") -> None:
    """Print one line of data."""
    # Whether there is colour was decided when it was painted; click would take it out again.
    say(text, color=coloured())


def note(text: str) -> None:
    """Print one line to the person, on stderr, out of the way of the data."""
    hint(text)


def document(value: object) -> None:
    """Print the one JSON document of a verb."""
    from json import dumps

    # ASCII only: a C1 control character in a command must not reach a terminal through JSON either.
    say(dumps(value, indent=2))


def document_of_each(values: Sequence[object], *, is_several: bool) -> None:
    """Print one value as the document, or a list of them if several were asked for."""
    if is_several:
        document(list(values))
    elif values:
        document(values[0])


def json_line(value: object) -> None:
    """Print one JSON object of a stream of them."""
    from json import dumps

    say(dumps(value))


def json_array(values: Iterable[object]) -> None:
    """Print one JSON list, an element a line, without holding it in memory."""
    from json import dumps

    separator = "["
    for value in values:
        say(f"{separator}\n  {dumps(value)}", newline=False)
        separator = ","
    say("[]" if separator == "[" else "\n]")


def pairs(rows: Iterable[tuple[str, str]]) -> None:
    """Print key/value lines; a pair without a value is left out."""
    shown = [(key, value) for key, value in rows if value]
    width = max((len(key) for key, _ in shown), default=0)
    for key, value in shown:
        colour = state_colour(value) if key == "state" else None
        line(f"{paint(key.ljust(width), None, dim=True)}{GAP}{paint(value, colour) if colour else value}")


def paged_table(columns: Sequence[Column], pages: Iterable[Sequence[Sequence[str]]]) -> None:
    """Print a table page by page, without holding it whole; titles come again where other columns are used."""
    before: Sequence[int] | None = None
    for rows in pages:
        used = _used(columns, rows)
        table(columns, rows, titled=used != before)
        before = used


def fits(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> bool:
    """Whether a table has room for every column, with all but the wide ones whole."""
    used = [index for index in range(len(columns)) if any(row[index] for row in rows)]
    return not on_terminal() or _least_width(columns, rows, used, whole=sys.maxsize) <= terminal_width()


def table(
    columns: Sequence[Column],
    rows: Sequence[Sequence[str]],
    *,
    titled: bool = True,
    below: Sequence[str] | None = None,
) -> None:
    """Print aligned columns under their titles; a column that is empty throughout is left out.

    `below` has a line for each row that is printed under it, indented, where it is not empty.
    """
    if on_terminal():
        rows = [[flat(cell) for cell in row] for row in rows]
    used, columns_asked = _used(columns, rows), columns
    columns = [columns[index] for index in used]
    rows = [[row[index] for index in used] for row in rows]
    widths = _widths(columns, rows)
    if titled:
        titles = _aligned([column.title for column in columns], columns, widths)
        line(GAP.join(paint(cell, None, bold=True) for cell in titles).rstrip())
        if left := [column.title for column in columns_asked if column.always and column not in columns]:
            note(f"No room here for {', '.join(left)}; a wider terminal has it, or a pipe")
    for place, row in enumerate(rows):
        shown = zip(row, _aligned(row, columns, widths), columns, strict=True)
        line(GAP.join(_painted(raw, cell, column) for raw, cell, column in shown).rstrip())
        if below and below[place]:
            line(f"{GAP * 2}{cut_middle(flat(below[place]), terminal_width() - 2 * len(GAP))}")


def _used(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> list[int]:
    used = [index for index, column in enumerate(columns) if column.always or any(row[index] for row in rows)]
    if on_terminal():
        width = terminal_width()
        whole = max(LEAST_WHOLE, width // 3)  # one very long value is no reason to spare all other columns
        while _least_width(columns, rows, used, whole=whole) > width:
            spared = max(used, key=lambda index: columns[index].spare)
            if not columns[spared].spare:
                break
            used.remove(spared)
        while len(used) > 1 and _least_width(columns, rows, used, whole=LEAST, wide=LEAST) > width:
            used.pop()
    return used


def _least_width(
    columns: Sequence[Column],
    rows: Sequence[Sequence[str]],
    used: Sequence[int],
    *,
    whole: int,
    wide: int = LEAST_WIDE,
) -> int:
    """Return the width with columns so narrow that one can still read them: the wide ones `wide`, others `whole`."""
    widths = (max(cells(columns[index].title), max((cells(row[index]) for row in rows), default=0)) for index in used)
    fitted = (min(width, wide if columns[index].wide else whole) for index, width in zip(used, widths, strict=True))
    return sum(fitted) + len(GAP) * (len(used) - 1)


def _painted(raw: str, cell: str, column: Column) -> str:
    return paint(cell, column.paint(raw)) if column.paint else cell


def _aligned(row: Sequence[str], columns: Sequence[Column], widths: Sequence[int]) -> list[str]:
    aligned = []
    for cell, column, width in zip(row, columns, widths, strict=True):
        shown = cut(cell, width)
        space = " " * (width - cells(shown))
        aligned.append(space + shown if column.right else shown + space)
    return aligned


def _widths(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> list[int]:
    widths = [
        max(cells(column.title), max((cells(row[index]) for row in rows), default=0))
        for index, column in enumerate(columns)
    ]
    if not on_terminal():
        return widths
    over = sum(widths) + len(GAP) * (len(widths) - 1) - terminal_width()
    wide, every = [index for index, column in enumerate(columns) if column.wide], list(range(len(columns)))
    for candidates, least in ((wide, LEAST_WIDE), (every, LEAST_WIDE), (wide, LEAST), (every, LEAST)):
        over = _narrow(widths, candidates, least, over)
    return widths


def _narrow(widths: list[int], candidates: list[int], least: int, over: int) -> int:
    """Take columns off the widest candidates, evenly, down to `least`; returns what is still too much."""
    while over > 0 and candidates:
        widest = max(candidates, key=widths.__getitem__)
        if widths[widest] <= least:
            break
        next_widest = max((widths[index] for index in candidates if widths[index] < widths[widest]), default=least)
        taken = min(over, max(1, (widths[widest] - max(next_widest, least)) // len(candidates)))
        widths[widest] -= taken
        over -= taken
    return over


def terminal_width() -> int:
    """Return the terminal's columns, or what COLUMNS says."""
    from shutil import get_terminal_size  # slow to import, for what only a terminal needs

    return get_terminal_size().columns
