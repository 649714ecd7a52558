"""`queuectl config`: the settings kept in the store."""

import os
import re
from typing import TYPE_CHECKING, Any

import click

from ...core.settings import KEYS, canonical, variable_of
from ...core.shells import not_here
from ..command import Verb, VerbSet
from ..input import completions
from ..input.param_types import json_option, reason_option
from ..output.format import escape
from ..output.table import Column, document, line, note, table
from ..session import Session, pass_session

if TYPE_CHECKING:
    from ...core.results import ConfigValue
    from ...events.types import Value

COLUMNS = (
    Column("KEY"),
    Column("VALUE", right=True),
    Column("UNIT", spare=1),
    Column("FROM", spare=2),
    Column("MEANING", wide=True, spare=3),
)

_NEGATIVE = re.compile(r"-[.0-9].*|-inf")

UNITS = {"_s": "s", "_bytes": "bytes"}
"""How a key ends -> what its value counts."""

ENVIRONMENT = "environment"

MILLISECONDS = "timeout_ms"
"""The other spelling of job_timeout_s, under which its value is in milliseconds."""


class SetValue(Verb):
    """A verb whose value may be negative: it is not for the parser to refuse, as it would an option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take a negative number as a value, not as an option."""
        ctx.ignore_unknown_options = any(_NEGATIVE.fullmatch(word) for word in args)
        return super().parse_args(ctx, args)


@click.group(cls=VerbSet)
def command() -> None:
    """See and change the settings.

    Hyphens and underscores are alike in a key.
    """


@command.command("get", examples=("queuectl config get backoff_base", "queuectl config get --json"))
@click.argument("key", required=False, shell_complete=completions.keys)
@json_option
@pass_session
def get(session: Session, *, key: str | None, as_json: bool) -> None:
    """Print one setting's value, or all of them."""
    if key is None:
        _print_all(session, as_json)
        return
    name = canonical(key)
    found = session.reading().admin.config()[name]
    told = _document(name, found)
    if key.strip().lower().replace("-", "_") == MILLISECONDS:
        name, told["value"] = MILLISECONDS, round(float(found.value) * 1000)
    if as_json:
        document({"key": name, **told})
    else:
        line(_shown(told["value"]))


@command.command(
    "show",
    examples=("queuectl config show", "QUEUECTL_MAX_RETRIES=5 queuectl config show"),
)
@json_option
@pass_session
def show(session: Session, *, as_json: bool) -> None:
    """Print every setting, and where its value comes from.

    An option counts before the environment (QUEUECTL_MAX_RETRIES and the like, in the process that
    has it), that before the store, and that before the default.
    """
    _print_all(session, as_json)


@command.command(
    "set", cls=SetValue, examples=("queuectl config set max_retries 5", "queuectl config set job-timeout-sec 30")
)
@click.argument("key", shell_complete=completions.keys)
@click.argument("value")
@reason_option
@json_option
@pass_session
def set_value(session: Session, *, key: str, value: str, reason: str | None, as_json: bool) -> None:
    """Set a setting to a value; jobs enqueued from now on take it."""
    name = canonical(key)
    parsed = session.created().admin.config_set(key, value, reason=reason)
    if as_json:
        document({"key": name, "value": parsed, "source": "store"})
    else:
        line(f"{name} = {_shown(parsed)}")
        _warn_overruled(name)
    if name == "shell":
        _warn_not_here(str(parsed))


@command.command(
    "unset",
    examples=("queuectl config unset max_retries",),
)
@click.argument("key", shell_complete=completions.keys)
@reason_option
@json_option
@pass_session
def unset(session: Session, *, key: str, reason: str | None, as_json: bool) -> None:
    """Reset a setting to its default."""
    name = canonical(key)
    session.existing().admin.config_unset(key, reason=reason)
    if as_json:
        document({"key": name, "value": KEYS[name].default, "source": "default"})
    else:
        line(f"{name} = {_shown(KEYS[name].default)} (default)")
        _warn_overruled(name)


def _shown(value: "Value") -> str:
    return escape(value) if isinstance(value, str) else f"{value:.15g}"


def _unit(name: str) -> str:
    return next((unit for ending, unit in UNITS.items() if name.endswith(ending)), "")


def _document(key: str, found: "ConfigValue") -> dict[str, Any]:
    variable = {"variable": variable_of(key, os.environ)} if found.source == ENVIRONMENT else {}
    return {"value": found.value, "source": found.source, **variable}


def _source(key: str, found: "ConfigValue") -> str:
    return f"{found.source} {variable_of(key, os.environ)}" if found.source == ENVIRONMENT else found.source


def _warn_overruled(name: str) -> None:
    variable = variable_of(name, os.environ)
    if value := os.environ.get(variable):
        note(f"Here {variable}={escape(value)} counts before it; unset that to have the queue's.")


def _warn_not_here(shell: str) -> None:
    if (program := not_here(shell)) is not None:
        note(
            f"There is no program {escape(repr(program))} here: unless workers have it, jobs enqueued from now on "
            "fail; queuectl config unset shell"
        )


def _print_all(session: Session, as_json: bool) -> None:
    found = session.reading().admin.config()
    if as_json:
        document({name: _document(name, each) for name, each in found.items()})
        return
    rows = [
        (name, _shown(each.value), _unit(name), _source(name, each), KEYS[name].help) for name, each in found.items()
    ]
    table(COLUMNS, rows)
