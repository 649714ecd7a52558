"""What every verb's help has in common: examples, as typed, under the options."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import click


class WithHelp(click.Command):
    """A command with its own --help: to make click's, Python looks for translations first, which costs a start."""

    @cached_property
    def _help(self) -> click.Option:
        return click.Option(
            ["-h", "--help"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_show_help,
            help="Show this message and exit.",
        )

    def get_help_option(self, ctx: click.Context) -> click.Option:
        """Return the option that shows the help."""
        return self._help


def _show_help(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from .exit_codes import say

        say(ctx.get_help(), color=ctx.color)
        ctx.exit()


class Verb(WithHelp):
    """A command with examples in its help."""

    def __init__(self, *args: Any, examples: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = tuple(examples)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the words; a usage error knows whose it is."""
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            error.ctx = error.ctx or ctx
            raise

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        write_examples(self.examples, formatter)


class VerbSet(WithHelp, click.Group):
    """A verb with verbs of its own, whose help shows the first example of each."""

    command_class = Verb

    def __init__(self, *args: Any, examples: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **{"no_args_is_help": False} | kwargs)
        self.own_examples = tuple(examples)

    @property
    def examples(self) -> tuple[str, ...]:
        """Its own, and the first of each of its verbs."""
        below = (command.examples[:1] for command in self.commands.values() if isinstance(command, Verb))
        return (*self.own_examples, *(example for each in below for example in each))

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the verb typed, or say which there are."""
        if not args and not self.invoke_without_command and not ctx.resilient_parsing:
            ctx.fail(f"{ctx.command_path} needs one of {', '.join(self.list_commands(ctx))}")
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb typed, or say which ones come near."""
        typed = self._meant(args[0])
        args = [typed, *args[1:]]
        if typed not in self.commands and not typed.startswith("-"):
            there = self.list_commands(ctx)
            ctx.fail(f"{ctx.command_path} has no {typed!r}{suggestion(typed, there) or '; it has ' + ', '.join(there)}")
        return super().resolve_command(ctx, args)

    def _meant(self, typed: str) -> str:
        """Return the verb that goes by another name in other programs, or what was typed."""
        if typed in self.commands:
            return typed
        return next((verb for verb in ALIASES.get(typed, ()) if verb in self.commands), typed)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        write_examples(self.examples, formatter)


ALIASES = {"ls": ("list", "show"), "ps": ("list",), "rm": ("remove", "delete", "purge", "unset")}
"""What the verbs of a verb are called in other programs -> what they may be called here."""


class ListingSet(VerbSet):
    """A set of verbs that lists where none is typed."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take no verb for the one that lists."""
        if all(word == "--json" for word in args) and not ctx.resilient_parsing:
            args = ["list", *args]
        return super().parse_args(ctx, args)


def suggestion(typed: str, words: Sequence[str], elsewhere: Mapping[str, str] | None = None) -> str:
    """Return a question for what may have been meant: the same under another name, or what looks like it; else ""."""
    if elsewhere and typed in elsewhere:
        return f"; did you mean {elsewhere[typed]}?"
    from difflib import get_close_matches  # only where something was mistyped: it costs a command its start

    matches = get_close_matches(typed, words, n=2)
    return f"; did you mean {' or '.join(matches)}?" if matches else ""


def write_examples(examples: Sequence[str], formatter: click.HelpFormatter) -> None:
    """Write examples under a heading, one a line and none broken."""
    if examples:
        with formatter.section("Examples"):
            for example in examples:
                formatter.write(f"{'':{formatter.current_indent}}{example}\n")
