"""`queuectl demo`: what queuectl does, shown on real jobs."""

import click

from ..command import Verb


@click.command(
    cls=Verb,
    examples=("queuectl demo", "queuectl demo --keep"),
)
@click.option("--keep", is_flag=True, help="Leave the queue there afterwards, and say where.")
def command(*, keep: bool) -> None:
    """Run a few real jobs in a temporary queue, and look at what happened.

    One of them fails for good. Shows each command before what it prints. Nothing of yours is touched.
    """
    from ..demo import run_demo

    run_demo(keep=keep)
