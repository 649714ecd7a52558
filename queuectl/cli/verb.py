"""What every verb's help has in common: examples, as typed, under the options."""

from collections.abc import Sequence
from typing import Any

import click


class Verb(click.Command):
    """A command with examples in its help."""

    def __init__(self, *args: Any, examples: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = tuple(examples)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        write_examples(self.examples, formatter)


class VerbSet(click.Group):
    """A verb with verbs of its own."""

    command_class = Verb


def write_examples(examples: Sequence[str], formatter: click.HelpFormatter) -> None:
    """Write examples under a heading, one a line and none broken."""
    if examples:
        with formatter.section("Examples"):
            for example in examples:
                formatter.write(f"{'':{formatter.current_indent}}{example}\n")
