"""Options and values that several verbs share; reads words, decides nothing.

A value that cannot be one is refused as the same value in JSON is: exit 2, with the good ones.
"""

import re
from collections.abc import Callable, Sequence
from math import isfinite
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

from ..errors import InvalidInput, shown
from . import offers

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

F = TypeVar("F", bound=Callable[..., Any])

_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")


def queue_option(*names: str, **about: Any) -> Callable[[F], F]:
    """Give a verb the option that names a queue, which Tab completes from those that have jobs."""
    return click.option("--queue", "-q", *names, metavar="NAME", shell_complete=offers.queues, **about)


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
reason_option = click.option("--reason", metavar="TEXT", help="Why; kept in the log with the change.")


class Place(NamedTuple):
    """A place in the log: a position, or a time."""

    position: int | None
    at_us: int | None = None


class Value(click.ParamType):  # type: ignore[type-arg]  # in the click of old it takes none
    """The value of an option, read as a job in JSON has it read; what is refused there is refused here."""

    name = "value"

    def __init__(self, read: Callable[[str, str], object]) -> None:
        self._read = read

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read a word. Raises InvalidInput under the option's name."""
        field = param.name if param is not None and param.name else self.name
        return self._read(field, value) if isinstance(value, str) else value


class OneOf(Value):
    """One of some words."""

    def __init__(self, words: Sequence[str]) -> None:
        super().__init__(self._checked)
        self.words = words

    def get_metavar(self, *about: Any, **more: Any) -> str:
        """Show the words in the help."""
        return f"[{'|'.join(self.words)}]"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> "list[CompletionItem]":
        """Offer the words that go on as typed."""
        from click.shell_completion import CompletionItem

        return [CompletionItem(word) for word in self.words if word.startswith(incomplete)]

    def _checked(self, field: str, text: str) -> str:
        if text not in self.words:
            raise InvalidInput(field, shown(text), "one of " + ", ".join(self.words))
        return text


class States(OneOf):
    """States of jobs, with commas between them, also in other programs' words."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read a word or several into a tuple of states. Raises InvalidInput."""
        if not isinstance(value, str):
            return value
        field = param.name if param is not None and param.name else self.name
        return tuple(self._state(field, word) for word in value.split(","))

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> "list[CompletionItem]":
        """Offer the states that go on behind the last comma."""
        before, comma, word = incomplete.rpartition(",")
        offered = super().shell_complete(ctx, param, word)
        for item in offered:
            item.value = f"{before}{comma}{item.value}"
        return offered

    def _state(self, field: str, word: str) -> str:
        from ..intake import check_state

        try:
            return self._checked(field, str(check_state(word)))
        except InvalidInput:
            raise InvalidInput(field, shown(word), "one of " + ", ".join(self.words)) from None


def now_us() -> int:
    """Give the moment from which times such as `in 2h` count."""
    from ..clock import SystemClock

    return SystemClock().now_us()


def _duration_s(field: str, text: str) -> float:
    from ..when import parse_duration_s

    return parse_duration_s(text, field=field)


def _time_us(field: str, text: str, *, ahead: bool = True) -> int:
    from ..when import parse_time_us

    return parse_time_us(text, now_us=now_us(), ahead=ahead, field=field)


def _past_us(field: str, text: str) -> int:
    return _time_us(field, text, ahead=False)


def _ago_us(field: str, text: str) -> int:
    return now_us() - int(_duration_s(field.replace("since", "longer_than"), text) * 1_000_000)


def _place(field: str, text: str) -> Place:
    """Read a whole number as a position in the log, anything else as a time that may lie behind."""
    return Place(int(text)) if text.isdecimal() and len(text) < 16 else Place(None, _time_us(field, text, ahead=False))


def _number(field: str, text: str) -> float:
    try:
        if isfinite(found := float(text)):
            return found
    except ValueError:
        pass
    raise InvalidInput(field, shown(text), "a number")


def whole(least: int | None = None, most: int | None = None) -> Value:
    """Give the type of a whole number."""
    bounds = "" if least is None else f", {least} or more" if most is None else f" from {least} to {most}"

    def read(field: str, text: str) -> int:
        number = int(text) if _WHOLE.fullmatch(text) else None
        if number is None or (least is not None and number < least) or (most is not None and number > most):
            raise InvalidInput(field, shown(text), f"a whole number{bounds}")
        return number

    return Value(read)


duration_s = Value(_duration_s)
time_us = Value(_time_us)
ago_us = Value(_ago_us)
past_us = Value(_past_us)
place = Value(_place)
number = Value(_number)
as_of_option = click.option("--as-of", type=place, metavar="POS|TIME", help="As it was then: 1200, 5m ago, 17:30.")
