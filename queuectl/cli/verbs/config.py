"""`queuectl config`: the settings kept in the store."""

import re

import click

from ...settings import KEYS, canonical
from ..context import Session, pass_session
from ..params import json_option, reason_option
from ..render import Column, document, line, table
from ..verb import Verb, VerbSet

COLUMNS = (Column("KEY"), Column("VALUE", right=True), Column("UNIT"), Column("FROM"), Column("MEANING", wide=True))

_NEGATIVE = re.compile(r"-[.0-9].*|-inf")

UNITS = {"_s": "s", "_sec": "s", "_bytes": "bytes"}
"""How a key ends -> what its value counts."""

MILLISECONDS = "timeout_ms"
"""The other spelling of job_timeout_sec, under which its value is in milliseconds."""


class SetValue(Verb):
    """A verb whose value may be negative: it is not for the parser to refuse, as it would an option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Let a negative number pass as a value."""
        ctx.ignore_unknown_options = any(_NEGATIVE.fullmatch(word) for word in args)
        return super().parse_args(ctx, args)


@click.group(cls=VerbSet)
def command() -> None:
    """See and change the settings.

    Hyphens and underscores are alike in a key.
    """


@command.command("get", examples=("queuectl config get backoff_base", "queuectl config get --json"))
@click.argument("key", required=False)
@json_option
@pass_session
def get(session: Session, *, key: str | None, as_json: bool) -> None:
    """Print one setting's value, or all of them."""
    if key is None:
        _print_all(session, as_json)
        return
    name = canonical(key)
    found = session.reading().config()[name]
    value = found.value
    if _is_in_milliseconds(key):
        name, value = MILLISECONDS, round(value * 1000)
    if as_json:
        document({"key": name, "value": value, "source": found.source})
    else:
        line(f"{value:.15g}")


@command.command(
    "show",
    examples=("queuectl config show",),
)
@json_option
@pass_session
def show(session: Session, *, as_json: bool) -> None:
    """Print every setting, and where its value comes from."""
    _print_all(session, as_json)


@command.command(
    "set", cls=SetValue, examples=("queuectl config set max_retries 5", "queuectl config set job-timeout-sec 30")
)
@click.argument("key")
@click.argument("value")
@reason_option
@json_option
@pass_session
def set_value(session: Session, *, key: str, value: str, reason: str | None, as_json: bool) -> None:
    """Give a setting a value; jobs enqueued from now on take it."""
    name = canonical(key)
    number = session.created().config_set(key, value, reason=reason)
    if as_json:
        document({"key": name, "value": number, "source": "store"})
    else:
        line(f"{name} = {number:.15g}")


@command.command(
    "unset",
    examples=("queuectl config unset max_retries",),
)
@click.argument("key")
@reason_option
@json_option
@pass_session
def unset(session: Session, *, key: str, reason: str | None, as_json: bool) -> None:
    """Let a setting have its default again."""
    name = canonical(key)
    session.existing().config_unset(key, reason=reason)
    if as_json:
        document({"key": name, "value": KEYS[name].default, "source": "default"})
    else:
        line(f"{name} = {KEYS[name].default:.15g} (default)")


def _is_in_milliseconds(key: str) -> bool:
    return key.strip().lower().replace("-", "_") == MILLISECONDS


def _unit(name: str) -> str:
    return next((unit for ending, unit in UNITS.items() if name.endswith(ending)), "")


def _print_all(session: Session, as_json: bool) -> None:
    found = session.reading().config()
    if as_json:
        document({name: {"value": each.value, "source": each.source} for name, each in found.items()})
        return
    rows = [(name, f"{each.value:.15g}", _unit(name), each.source, KEYS[name].help) for name, each in found.items()]
    table(COLUMNS, rows)
