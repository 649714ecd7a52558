"""What jobs take along of the environment that they are enqueued from; pure.

It is kept once in the log, under the digest of its entries, and each job refers to it by that. An
entry whose value is None is a variable that was not set there, and so is not to be set for the job.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

from .. import hints
from ..display import shown
from ..errors import InvalidInput
from .comma_list import words_of

ALL: Final = "all"
NONE: Final = "none"
CONFIGURED: Final = "configured"
"""Choices that are no names: everything, nothing, and what the setting `inherit_env` says."""

DIGEST_BYTES: Final = 16
"""Of the SHA-256 of the entries: enough that nobody finds two environments of one digest."""

ENTRIES_BYTES: Final = 65_536
"""The largest environment kept."""

MOST_NAMES_CHARS: Final = 1_000
"""Characters of the longest list of names."""

EnvChoice: TypeAlias = str | Sequence[str]
Entries: TypeAlias = Mapping[str, str | None]

_OWN: Final = "QUEUECTL_"
_OF_THE_SESSION: Final = frozenset({"_", "PWD", "OLDPWD", "SHLVL"})
"""What a shell keeps for itself: it says nothing of how a job is to run, and would make every environment another."""

_NAME: Final = r"[^=\0,\s\ud800-\udfff]+"
_EXPECTED: Final = "names with commas between them, for example PATH,VIRTUAL_ENV, or all, or none"


class Inheritance:
    """What can be taken along of one environment; `kept` are the entries that were, by their digest."""

    def __init__(self, environ: Mapping[str, str], configured: str) -> None:
        self.kept: dict[bytes, Entries] = {}
        self._environ = environ
        self._configured = configured
        self._digests: dict[str, bytes | None] = {}

    def digest(self, choice: EnvChoice) -> bytes | None:
        """Return the digest of what a choice takes along, None where that is nothing; raises InvalidInput."""
        if isinstance(choice, str) and choice in self._digests:
            return self._digests[choice]  # the usual case, in one look
        text = self._configured if choice == CONFIGURED else check_choice(choice)
        found = self._digests[choice if isinstance(choice, str) else text] = self._keep(text)
        return found

    def _keep(self, text: str) -> bytes | None:
        entries = _taken(text, self._environ)
        if not entries:
            return None
        digest = digest_of(entries)
        self.kept[digest] = entries
        return digest


def check_choice(choice: EnvChoice, field: str = "inherit_env") -> str:
    """Return a choice as text, in one way of writing it; raises InvalidInput."""
    if choice in (ALL, NONE):
        return str(choice)
    return ",".join(names_of(choice, field)) or NONE


def names_of(choice: EnvChoice, field: str = "inherit_env") -> list[str]:
    """Return the names in a choice, each once; raises InvalidInput for what cannot be one, or is queuectl's own."""
    if not isinstance(choice, str | list | tuple):
        raise InvalidInput(field, shown(choice), _EXPECTED)
    names = words_of(choice) if isinstance(choice, str) else list(choice)
    for name in names:
        if not isinstance(name, str) or not re.fullmatch(_NAME, name):
            raise InvalidInput(field, shown(name if name else choice), _EXPECTED)
        if name.startswith(_OWN):
            expected = "no variable of queuectl's own; give the job one by `env`"
            raise InvalidInput(field, shown(name), expected, hint=hints.NO_OWN_VARIABLE)
    if sum(map(len, names)) + len(names) > MOST_NAMES_CHARS:
        raise InvalidInput(field, f"{len(names):,} names", f"at most {MOST_NAMES_CHARS:,} characters in all")
    return list(dict.fromkeys(names))


def digest_of(entries: Entries) -> bytes:
    """Return the digest of entries: of each name, = and value, or the name alone, a NUL after it, by name."""
    from hashlib import sha256  # only for who enqueues: it costs a command its start

    texts = (name if value is None else f"{name}={value}" for name, value in sorted(entries.items()))
    joined = "".join(f"{text}\0" for text in texts).encode(errors="surrogateescape")
    if len(joined) > ENTRIES_BYTES:
        raise InvalidInput("inherit_env", f"{len(joined):,} bytes", f"at most {ENTRIES_BYTES:,}; name what is needed")
    return sha256(joined).digest()[:DIGEST_BYTES]


def _taken(choice: str, environ: Mapping[str, str]) -> Entries:
    if choice == NONE:
        return {}
    if choice == ALL:
        return {
            name: value
            for name, value in sorted(environ.items())
            if name not in _OF_THE_SESSION and not name.startswith(_OWN)
        }
    return {name: environ.get(name) for name in sorted(names_of(choice))}
