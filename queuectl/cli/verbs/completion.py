"""`queuectl completion`: let the shell complete verbs, options, jobs, queues and settings."""

import click

from ..command import Verb
from ..input.param_types import OneOf
from ..output.table import line

SHELLS = ("bash", "zsh", "fish")


@click.command(
    cls=Verb,
    examples=(
        'eval "$(queuectl completion bash)"     # in ~/.bashrc',
        'eval "$(queuectl completion zsh)"      # in ~/.zshrc, after compinit',
        "queuectl completion fish | source      # in ~/.config/fish/config.fish",
    ),
)
@click.argument("shell", type=OneOf(SHELLS), metavar="bash|zsh|fish")
def command(*, shell: str) -> None:
    """Print the script that makes a shell complete what is typed.

    It completes verbs and options, and from the queue the jobs that fit the verb, queues, workers and
    settings. Put one of these lines where your shell reads it at its start.
    """
    from ..input.completion_shells import script

    line(script(shell).rstrip("\n"))
