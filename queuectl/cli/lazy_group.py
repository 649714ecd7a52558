"""The group of all verbs, each imported only when it is typed; knows no verb's insides."""

from importlib import import_module
from os import environ
from typing import TYPE_CHECKING, Any

import click

from ..display import shown
from .command import WithHelp, suggestion, write_examples
from .exit_codes import guarded

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

SECTIONS: dict[str, tuple[str, ...]] = {
    "Enqueue": ("enqueue", "run"),
    "Workers": ("worker",),
    "Look": ("status", "top", "list", "show", "why", "logs", "wait", "dashboard"),
    "Act": ("dlq", "retry", "cancel", "pause", "resume", "queue", "limit", "edit", "remove", "clear", "config"),
    "The log": ("history", "events", "subscriptions", "replay", "snapshot", "verify", "doctor", "compact"),
    "Keep and move": ("backup", "restore", "export", "import", "migrate"),
    "Begin": ("demo", "completion"),
}
"""Heading in the help -> its verbs. Verb `x` is `command` in verbs/x.py."""

EXAMPLES = (
    'queuectl enqueue hello "echo Hello World"',
    "queuectl worker start --drain",
    "queuectl logs hello",
)

ALIASES: dict[str, tuple[str, ...]] = {
    "add": ("enqueue",),
    "ls": ("list",),
    "ps": ("list", "--state", "processing"),
    "log": ("logs",),
    "rm": ("remove",),
    "kill": ("cancel",),
}
"""What verbs are called in other programs -> the words that are meant. They answer as that verb."""

ELSEWHERE = {
    "submit": "enqueue",
    "push": "enqueue",
    "jobs": "list",
    "info": "show",
    "output": "logs",
    "tail": "logs",
    "delete": "remove",
    "restart": "retry",
    "clean": "clear",
    "dead": "dlq list",
    "purge": "dlq purge",
    "workers": "worker list",
    "hold": "pause",
    "release": "resume",
    "freeze": "pause",
    "unpause": "resume",
    "continue": "resume",
    "queues": "queue list",
    "limits": "limit list",
    "group": "limit set",
    "parallel": "limit set",
    "concurrency": "limit set",
    "start": "worker start",
    "stop": "worker stop",
    "get": "config get",
    "help": "--help",
    "version": "--version",
    "set": "config set",
    "unset": "config unset",
}
"""What verbs are called in other programs, or without the verb they belong to -> what it is here."""

CODES = (
    ("0", "done; a reader that leaves early, such as head, is no failure"),
    ("1", "refused or failed, for the reason on stderr"),
    ("2", "a command line of the wrong shape, or a value that cannot be one"),
    ("124", "wait: the time ran out"),
    ("126, 127", "run --wait, logs --follow: the program may not be executed, or is not there"),
    ("130", "interrupted"),
    ("143", "ended by SIGTERM"),
)

VERBS = tuple(verb for verbs in SECTIONS.values() for verb in verbs)


class VerbGroup(WithHelp, click.Group):
    """A click group that finds its commands by name, on demand."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return every verb, in the order of the help."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one verb."""
        if cmd_name not in VERBS:
            return None
        command = import_module(f"{__package__}.verbs.{cmd_name}").command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb typed, or say which ones come near."""
        typed = args[0]
        if typed in ALIASES:
            args = [*ALIASES[typed], *args[1:]]
        elif typed not in VERBS and not typed.startswith("-"):
            ctx.fail(f"no such verb {shown(typed)}{suggestion(typed, VERBS, ELSEWHERE)}")
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> "list[CompletionItem]":
        """Offer verbs and options; the verbs' help is for shells that show it, since it imports them all."""
        from click.shell_completion import CompletionItem

        shows_help = not environ.get("_QUEUECTL_COMPLETE", "").startswith("bash")
        verbs = [verb for verb in VERBS if verb.startswith(incomplete)]
        found = [CompletionItem(verb, help=self._short_help(ctx, verb) if shows_help else None) for verb in verbs]
        return found + click.Command.shell_complete(self, ctx, incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the verbs under their headings."""
        for title, verbs in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(verb, self._short_help(ctx, verb)) for verb in verbs])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write how to begin, and how it ends."""
        write_examples(EXAMPLES, formatter)
        with formatter.section("As elsewhere"):
            formatter.write_text(", ".join(f"{alias} is {' '.join(words)}" for alias, words in ALIASES.items()))
        with formatter.section("Exit codes"):
            formatter.write_dl(CODES)

    def make_context(self, info_name: str | None, args: list[str], **extra: Any) -> click.Context:  # type: ignore[override]
        """Read what stands before the verb, its expected errors told in one line."""
        with guarded():
            return super().make_context(info_name, args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the verb, its expected errors told in one line."""
        with guarded():
            return super().invoke(ctx)

    def _short_help(self, ctx: click.Context, verb: str) -> str:
        command = self.get_command(ctx, verb)
        assert command is not None, "a listed verb has a module"
        return command.get_short_help_str(limit=70)
