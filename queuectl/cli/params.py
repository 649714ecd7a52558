"""Options and values that several verbs share; reads words, decides nothing.

A value that cannot be read is a usage error that says what to type.
"""

from collections.abc import Callable
from typing import NamedTuple, TypeVar

import click

from ..errors import InvalidInput

T = TypeVar("T")

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
reason_option = click.option("--reason", metavar="TEXT", help="Why; kept in the log with the change.")


class Place(NamedTuple):
    """A place in the log: a position, or a time."""

    position: int | None
    at_us: int | None = None


def duration_s(text: str) -> float:
    """Read a length of time: `90`, `90s`, `5m`, `1h30m`, `2d`."""
    from ..intake import parse_duration_s

    return _read(parse_duration_s, text)


def time_us(text: str) -> int:
    """Read an ISO 8601 time; without a zone it is local."""
    from ..intake import parse_time_us

    return _read(parse_time_us, text)


def place(text: str) -> Place:
    """Read a whole number as a position in the log, anything else as a time."""
    return Place(int(text)) if text.isdecimal() and len(text) < 16 else Place(None, time_us(text))


def _read(parse: Callable[[str], T], text: str) -> T:
    try:
        return parse(text)
    except InvalidInput as error:
        raise click.BadParameter(f"found {error.found}; expected {error.expected}") from None
