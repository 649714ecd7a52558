"""The mark of a run: an entry in the environment of all its processes, which tells whose they are; pure."""

from collections.abc import Mapping
from typing import Final

MARK: Final = "QUEUECTL_RUN"
"""The environment variable that tells which run a process belongs to, wherever it has gone."""

_DIGITS: Final = 18
"""Of a token: fewer than a whole number of 64 bits may have."""


def mark_of(worker: str, token: int) -> str:
    """Return the value that a run's processes carry."""
    return f"{worker}.{token}"


def token_in(mark: str) -> int:
    """Return the token of the run that a mark names, 0 where it names none."""
    token = mark.rpartition(".")[2]
    return int(token) if token.isascii() and token.isdecimal() and len(token) <= _DIGITS else 0


def unmarked(environ: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    """Return an environment for a process that is to outlive the run which starts it."""
    return {name: value for name, value in environ.items() if name != MARK.encode()}
