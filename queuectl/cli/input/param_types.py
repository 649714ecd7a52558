"""Options and values that several verbs share; reads words, decides nothing.

A value that cannot be one is refused as the same value in JSON is: exit 2, with the good ones.
"""

import re
from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain
from math import isfinite
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ...core.comma_list import words_of
from ...display import shown
from ...errors import InvalidInput
from ...events.types import Frozen
from . import completions

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

F = TypeVar("F", bound=Callable[..., Any])

_WHOLE = r"[+-]?[0-9]{1,18}"


class LogPoint(Frozen):
    """A place in the log: a position, or a time."""

    position: int | None
    at_us: int | None = None


class JobValue(click.ParamType):  # type: ignore[type-arg]  # in the click of old it takes none
    """The value of an option, read as a job in JSON has it read; what is refused there is refused here."""

    name = "value"

    def __init__(self, read: Callable[[str, str], object]) -> None:
        self._read = read

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read a word. Raises InvalidInput under the option's name."""
        return self._read(self._field(param), value) if isinstance(value, str) else value

    def _field(self, param: click.Parameter | None) -> str:
        """Return what an error calls a parameter: the option as it is typed, or the name of the argument."""
        if isinstance(param, click.Option):
            return max(param.opts, key=len).lstrip("-")
        return param.name if param is not None and param.name else self.name


class Words(JobValue):
    """Several values with commas between them, as a tuple."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read each word. Raises InvalidInput under the option's name."""
        if not isinstance(value, str):
            return value
        return tuple(self._read(self._field(param), word) for word in words_of(value))


class OneOf(JobValue):
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
        word = text.strip().lower()
        if word not in self.words:
            raise InvalidInput(field, shown(text), "one of " + ", ".join(self.words))
        return word


class StateList(OneOf):
    """States of jobs, with commas between them, also in other programs' words."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read a word or several into a tuple of states. Raises InvalidInput."""
        if not isinstance(value, str):
            return value
        return tuple(self._state(self._field(param), word) for word in words_of(value))

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> "list[CompletionItem]":
        """Offer the states that go on after the last comma."""
        before, comma, word = incomplete.rpartition(",")
        offered = super().shell_complete(ctx, param, word)
        for item in offered:
            item.value = f"{before}{comma}{item.value}"
        return offered

    def _state(self, field: str, word: str) -> str:
        from ...core.request import check_state

        try:
            return self._checked(field, str(check_state(word)))
        except InvalidInput:
            raise InvalidInput(field, shown(word), "one of " + ", ".join(self.words)) from None


def joined(ctx: click.Context, param: click.Parameter, given: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """Return the words of an option that may be repeated and has several words each time, as one tuple."""
    return tuple(chain.from_iterable(given))


def now_us() -> int:
    """Return the moment from which times such as `in 2h` count."""
    from ...system.clock import SystemClock

    return SystemClock().now_us()


def _duration_s(field: str, text: str) -> float:
    from ...core.times import parse_duration_s

    return parse_duration_s(text, field=field)


def _time_us(field: str, text: str, *, ahead: bool = True) -> int:
    from ...core.times import is_left_out, parse_time_us

    at_us = parse_time_us(text, now_us=now_us(), ahead=ahead, field=field)
    if ahead and is_left_out(text, at_us):
        from ..output.format import escape, moment
        from ..output.table import note

        note(f"Clocks here are put forward over {escape(text)}; taken for {moment(at_us)}")
    return at_us


def _ago_us(field: str, text: str) -> int:
    from ...core.times import before_us

    return before_us(text, now_us=now_us(), field=field)


def _place(field: str, text: str) -> LogPoint:
    """Read a whole number as a position in the log, anything else as a time that may be past."""
    return (
        LogPoint(int(text))
        if text.isascii() and text.isdecimal() and len(text) < 16
        else LogPoint(None, _time_us(field, text, ahead=False))
    )


def _number(field: str, text: str) -> float:
    from ...core.settings import number_in

    if isfinite(found := number_in(text)):
        return found
    raise InvalidInput(field, shown(text), "a number")


def whole(least: int | None = None, most: int | None = None) -> JobValue:
    """Return the type of a whole number."""
    bounds = "" if least is None else f", {least} or more" if most is None else f" from {least} to {most}"

    def read(field: str, text: str) -> int:
        number = int(text) if re.fullmatch(_WHOLE, text) else None
        if number is None or (least is not None and number < least) or (most is not None and number > most):
            raise InvalidInput(field, shown(text), f"a whole number{bounds}")
        return number

    return JobValue(read)


def _queue(field: str, text: str) -> str:
    from ...core.request import check_queue

    return check_queue(text)


def _text(field: str, text: str) -> str:
    from ...core.request import check_text

    return check_text(field, text)


def _asked_label(field: str, text: str) -> str:
    from ...core.labels import label_filter

    label_filter(text, field=field)
    return text


def _sought(field: str, text: str) -> str:
    if not text:  # mostly a variable that is not set: every job has nothing in it somewhere
        raise InvalidInput(field, shown(text), "a text to look for")
    return _text(field, text)


def _filled(field: str, text: str) -> str:
    if not text:  # as a path it would be the current directory
        raise InvalidInput(field, shown(text), "a name that is not empty")
    return text


duration_s = JobValue(_duration_s)
time_us = JobValue(_time_us)
ago_us = JobValue(_ago_us)
past_us = JobValue(partial(_time_us, ahead=False))
log_point = JobValue(_place)
number = JobValue(_number)
as_of_option = click.option("--as-of", type=log_point, metavar="POS|TIME", help="As it was then: 1200, 5m ago, 17:30.")
sought = JobValue(_sought)
asked_label = JobValue(_asked_label)
filled = JobValue(_filled)
_queue_name, _queue_names, _said = JobValue(_queue), Words(_queue), JobValue(_text)


def queue_option(*names: str, **about: Any) -> Callable[[F], F]:
    """Return a decorator that adds `--queue` to a verb; Tab completes it from the queues that have jobs."""
    if about.get("multiple"):
        about |= {"type": _queue_names, "callback": joined}
    return click.option(
        "--queue", "-q", *names, **{"type": _queue_name} | about, metavar="NAME", shell_complete=completions.queues
    )


def label_option(**about: Any) -> Callable[[F], F]:
    """Return a decorator that adds `--label` to a verb; Tab completes it from the labels that jobs have."""
    return click.option("--label", "labels", multiple=True, **about, shell_complete=completions.labels)


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
reason_option = click.option("--reason", type=_said, metavar="TEXT", help="Why; kept in the log with the change.")
