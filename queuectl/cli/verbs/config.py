"""`queuectl config`: the settings kept in the store."""

import click

from ...settings import KEYS, canonical
from ..context import Session, pass_session
from ..params import json_option, reason_option
from ..render import Column, document, line, table
from ..verb import VerbSet

COLUMNS = (Column("KEY"), Column("VALUE", right=True), Column("FROM"), Column("MEANING", wide=True))


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
    found = session.existing().config()[name]
    if as_json:
        document({"key": name, "value": found.value, "source": found.source})
    else:
        line(f"{found.value:.15g}")


@command.command(
    "show",
    examples=("queuectl config show",),
)
@json_option
@pass_session
def show(session: Session, *, as_json: bool) -> None:
    """Print every setting, and where its value comes from."""
    _print_all(session, as_json)


@command.command("set", examples=("queuectl config set max_retries 5", "queuectl config set job-timeout-sec 30"))
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


def _print_all(session: Session, as_json: bool) -> None:
    found = session.existing().config()
    if as_json:
        document({name: {"value": each.value, "source": each.source} for name, each in found.items()})
        return
    table(COLUMNS, [(name, f"{each.value:.15g}", each.source, KEYS[name].help) for name, each in found.items()])
