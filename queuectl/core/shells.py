"""Shells: how one is named, whether it is here, and how a command line is handed to it."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from ..display import shown
from ..errors import InvalidInput
from ..system.interrupts import own

DEFAULT: Final = "/bin/sh"

MOST_SHELL_CHARS: Final = 1_000
"""Characters of the longest shell, its options among them."""

_TAKES_DASHES: Final = frozenset({"sh", "bash", "dash", "ash", "ksh", "ksh93", "mksh", "oksh", "yash", "zsh"})
"""Shells to which `--` ends the options, so that a command may begin with a dash; to others it would be the command."""

_EXAMPLE: Final = "a program and its options, for example bash, or /bin/bash -o pipefail"


def check_shell(text: object, field: str = "shell") -> str:
    """Return a shell when it can be one: a program's name or path, and options after it, quoted as at a shell."""
    if not isinstance(text, str) or not 0 < len(text) <= MOST_SHELL_CHARS or not text.isprintable():
        raise InvalidInput(field, shown(text), _EXAMPLE)
    words = _split(text)
    if not words or not words[0] or words[0].startswith("-"):
        raise InvalidInput(field, shown(text), _EXAMPLE)
    if words[-1] == "-c":
        rest = text.strip().removesuffix("-c").rstrip()
        raise InvalidInput(field, shown(text), f"it without the -c, which is put there anyway: {shown(rest)}")
    return text.strip()


@lru_cache(64)
def words_before(shell: str) -> Sequence[str]:
    """Return the words that run a command line in a shell, which comes after them as one word."""
    words = _split(shell) or [shell]
    names = {word.rpartition("/")[2] for word in words}  # the shell may come after busybox, env or nice
    return (*words, "-c") if names.isdisjoint(_TAKES_DASHES) else (*words, "-c", "--")


def not_here(shell: str) -> str | None:
    """Return the program of a shell where this process would not find it, else None.

    A worker may have another PATH. One named from a job's own directory is not looked for.
    """
    from shutil import which  # only where a shell is configured or looked into

    program = words_before(shell)[0]
    is_from_there = "/" in program and not program.startswith("/")
    return None if is_from_there or which(program) is not None else program


def _split(text: str) -> list[str]:
    """Split a text into words as a shell does; none where a quotation does not end."""
    if not any(char in text for char in "'\"\\"):
        return text.split()
    from shlex import split  # only for what is quoted: it costs a command its start

    try:
        return split(text)
    except own(ValueError):
        return []
