"""What the shell is offered where a job, a queue, a worker or a setting is to be named.

Each function is a parameter's `shell_complete`. They look into the queue named before the verb, read-only.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from ...core.job import JobState

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

Offer = Callable[[click.Context, click.Parameter, str], "list[str] | list[CompletionItem]"]

UNFINISHED = (JobState.PENDING, JobState.PROCESSING, JobState.FAILED)
ENDED_STATES = (JobState.COMPLETED, JobState.DEAD, JobState.CANCELLED)
AGAIN = (JobState.FAILED, JobState.DEAD, JobState.COMPLETED, JobState.CANCELLED)


def jobs(*states: JobState) -> Offer:
    """Offer the jobs in these states, or in any, that were not named already."""

    def offer(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
        from ...completion import job_ids, opened_to_read

        named = ctx.params.get(param.name or "")
        with opened_to_read(_db(ctx)) as txn:
            return job_ids(txn, incomplete, states or None, but=named if isinstance(named, tuple) else ())

    return offer


def queues(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Offer the queues that have jobs."""
    from ...completion import opened_to_read
    from ...completion import queues as named

    with opened_to_read(_db(ctx)) as txn:
        return named(txn, incomplete)


def paused_queues(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Offer the queues that are paused."""
    from ...completion import opened_to_read
    from ...completion import paused_queues as named

    with opened_to_read(_db(ctx)) as txn:
        return named(txn, incomplete)


def labels(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Offer the labels that jobs have, and their keys."""
    from ...completion import labels as found
    from ...completion import opened_to_read

    with opened_to_read(_db(ctx)) as txn:
        return found(txn, incomplete)


def limits(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Offer the limits that are set."""
    from ...completion import limit_names, opened_to_read

    with opened_to_read(_db(ctx)) as txn:
        return limit_names(txn, incomplete)


def if_exists(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Offer what may become of a job whose key another holds."""
    from ...core.unique import IF_EXISTS

    return [each for each in IF_EXISTS if each.startswith(incomplete)]


def workers(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Offer the workers there are."""
    from ...completion import opened_to_read, worker_ids

    with opened_to_read(_db(ctx)) as txn:
        return worker_ids(txn, incomplete)


def subscriptions(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Offer the names under which programs read the log."""
    from ...completion import opened_to_read, subscription_names

    with opened_to_read(_db(ctx)) as txn:
        return subscription_names(txn, incomplete)


def keys(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Offer the keys of the configuration, with the typist's hyphens."""
    from ...core.settings import KEYS

    hyphens = "-" in incomplete
    spelled = (key.replace("_", "-") if hyphens else key for key in KEYS)
    return [key for key in spelled if key.startswith(incomplete)]


def if_expired(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Offer what may become of a job that expires."""
    from ...core.expiry import IF_EXPIRED

    return [word for word in IF_EXPIRED if word.startswith(incomplete)]


def event_types(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Offer the types of events."""
    from ...events.codec import EVENT_NAMES

    return [name for name in EVENT_NAMES if name.startswith(incomplete)]


def directories(ctx: click.Context, param: click.Parameter, incomplete: str) -> "list[CompletionItem]":
    """Complete with directories, which the shell knows."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type="dir")]


def files_behind_dashes(ctx: click.Context, param: click.Parameter, incomplete: str) -> "list[CompletionItem]":
    """Complete the words of a command after `--` with files, which the shell knows."""
    from click.shell_completion import CompletionItem

    return [] if ctx.params.get("argv") is None else [CompletionItem(incomplete, type="file")]


def _db(ctx: click.Context) -> str | None:
    from os.path import expanduser, expandvars

    path: Any = ctx.find_root().params.get("db")
    return expanduser(expandvars(path)) if path else None  # noqa: PTH111 - text in, text out, as the shell does it
