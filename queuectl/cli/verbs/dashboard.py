"""`queuectl dashboard`: the queue as a web page, served from here until Ctrl-C."""

from typing import TYPE_CHECKING

import click

from ..command import Verb
from ..exit_codes import hint
from ..input.param_types import filled, json_option, whole
from ..output.format import escape
from ..output.table import json_line, line, note
from ..session import Session, pass_session

if TYPE_CHECKING:
    from ...queue import Queue
    from ...web.server import Site


@click.command(
    cls=Verb,
    examples=(
        "queuectl dashboard",
        "queuectl dashboard --open --port 0",
        "queuectl dashboard --read-only",
        "queuectl dashboard --host 0.0.0.0",
    ),
)
@click.option(
    "--host", type=filled, default="127.0.0.1", metavar="ADDRESS", help="Where to listen.  [default: 127.0.0.1]"
)
@click.option(
    "--port", "-p", type=whole(0, 65535), default=8000, metavar="N", help="0 is any free one.  [default: 8000]"
)
@click.option(
    "--token",
    envvar="QUEUECTL_DASHBOARD_TOKEN",
    metavar="TEXT",
    help="What visitors must bring; else $QUEUECTL_DASHBOARD_TOKEN. Off this machine there is always one.",
)
@click.option("--read-only", is_flag=True, help="Only look: nothing can be changed from the page.")
@click.option("--open", "opens", is_flag=True, help="Open it in the browser.")
@json_option
@pass_session
def command(
    session: Session, *, host: str, port: int, token: str | None, read_only: bool, opens: bool, as_json: bool
) -> None:
    """Show the queue as a web page, live.

    Whoever can open it can run commands as you, unless --read-only is given: you and root, or where
    there is a token, whoever has that. Exits 0 on SIGTERM, 130 on Ctrl-C.
    """
    from ...system.host import user_at_host
    from ...web.server import open_site, serve

    queue = session.acting(f"dashboard:{user_at_host()}", read_only=read_only)
    site = open_site(host, port, token=token, read_only=read_only)
    serve(queue, site, announce=lambda: _announce(queue, site, opens=opens, as_json=as_json))


def _announce(queue: "Queue", site: "Site", *, opens: bool, as_json: bool) -> None:
    if not site.is_private:
        able = "see all jobs and what they print" if site.rules.is_read_only else "run commands as you"
        hint(
            f"Warning: whoever reaches {escape(site.host)} port {site.port} and has the token can {able}; "
            "it crosses the network unencrypted, so prefer `ssh -L` to the default address"
        )
    if as_json:
        json_line({"url": site.url, "host": site.host, "port": site.port, "token": site.rules.token})
    else:
        line(f"{escape(str(queue.path))} is at {site.url}")
        note("Ctrl-C stops it.")
    if opens:
        click.launch(site.url)
