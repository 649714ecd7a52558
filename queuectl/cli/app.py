"""The group of all verbs and its global options.

Holds no verb: each lives in verbs/ and is imported when it is typed. What data looks like is
output/table.py's and output/format.py's, what an error exits with is exit_codes.py's.
"""

from functools import partial

import click

from ..system.lock_wait import listen
from ..version import __version__
from .input.completions import directories
from .input.param_types import filled
from .lazy_group import VerbGroup
from .session import Session


def _show_version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if not value or ctx.resilient_parsing:
        return
    from .exit_codes import say

    say(f"queuectl {__version__}")
    ctx.exit()


def _tell_of_wait(told: str) -> None:
    from .exit_codes import hint

    hint(told)


@click.group(
    cls=VerbGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--db",
    type=filled,
    metavar="PATH",
    shell_complete=directories,
    help="The data directory. Default: $QUEUECTL_DB, or the one of this user.",
)
@click.option("--trust-directory", is_flag=True, help="Use it though it is another user's, or others may write to it.")
@click.option(
    "--version", "-V", is_flag=True, expose_value=False, is_eager=True, callback=_show_version, help="Say which."
)
@click.pass_context
def queuectl(ctx: click.Context, db: str | None, trust_directory: bool) -> None:
    """Queue shell commands and run them in the background, with no server.

    A JOB is named by its id, or by the beginning of it, three characters or more, where no other
    job's id begins so.
    """
    listen(_tell_of_wait)
    ctx.call_on_close(partial(listen, None))
    ctx.obj = session = Session(db)
    ctx.call_on_close(session.close)
    if trust_directory:
        from ..system.directory_owner import trust

        trust(session.directory())
    if ctx.invoked_subcommand is None:
        from .output.welcome import welcome

        welcome(session)
