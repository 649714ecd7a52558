"""`queuectl completion`: let the shell complete verbs, options, jobs, queues and settings."""

import click

from ..params import OneOf
from ..render import line
from ..verb import Verb

SHELLS = ("bash", "zsh", "fish")


@click.command(
    cls=Verb,
    examples=(
        'eval "$(queuectl completion bash)"     # in ~/.bashrc',
        'eval "$(queuectl completion zsh)"      # in ~/.zshrc, behind compinit',
        "queuectl completion fish | source      # in ~/.config/fish/config.fish",
    ),
)
@click.argument("shell", type=OneOf(SHELLS), metavar="bash|zsh|fish")
def command(*, shell: str) -> None:
    """Print the script that makes a shell complete what is typed.

    It completes verbs and options, and from the queue the jobs that fit the verb, queues, workers and
    settings. Put one of these lines where your shell reads it at its start.
    """
    from ..completing import script

    line(script(shell).rstrip("\n"))
