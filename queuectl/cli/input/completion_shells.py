"""What a shell asks when Tab is pressed, and the script that makes it ask.

Whatever goes wrong, the shell gets nothing: no error, no traceback, no waiting.
"""

import os
import re
import sys
import time
from _thread import start_new_thread
from shlex import shlex
from typing import NoReturn

import click
from click.shell_completion import CompletionItem, FishComplete, ShellComplete, ZshComplete

VARIABLE = "_QUEUECTL_COMPLETE"
"""The environment variable by which a shell's script asks."""

PATIENCE_S = 1.0
"""After so long nobody waits for an answer: the store may be locked."""

_SPECIAL = re.compile(r"([^\w@%+=:,./~-])")
_ESCAPED = r"\\\1"
_CURSOR = "\x01"

_BASH = """\
%(complete_func)s() {
    local line kind value program
    program=$(type -P -- "$1") || program=%(prog_name)s
    COMPREPLY=()
    while IFS= read -r line; do
        kind=${line%%%%,*} value=${line#*,}
        case $kind in
            dir) compopt -o dirnames 2>/dev/null ;;
            file) compopt -o default 2>/dev/null ;;
            plain) COMPREPLY+=("$value") ;;
        esac
    done < <(COMP_LINE="$COMP_LINE" COMP_POINT="$COMP_POINT" COMP_WORDBREAKS="$COMP_WORDBREAKS" \\
        %(complete_var)s=bash_complete "$program" 2>/dev/null)
}

complete -o nosort -F %(complete_func)s %(prog_name)s 2>/dev/null || complete -F %(complete_func)s %(prog_name)s
"""


class BashComplete(ShellComplete):
    """Bash, by the line as it stands: its own words are cut at each colon, and ids may have colons and spaces."""

    name = "bash"
    source_template = _BASH

    def get_completion_args(self) -> tuple[list[str], str]:
        """Return the whole words before the cursor, and the one that is being typed."""
        words, self._is_quoted = split(os.environ["COMP_LINE"][: int(os.environ["COMP_POINT"])])
        breaks = set() if self._is_quoted else set(":=").intersection(os.environ.get("COMP_WORDBREAKS", ""))
        option, equals, value = words[-1].partition("=")
        if not option.startswith("--") or not equals:
            option, equals, value = "", "", words[-1]
        self._before = "" if "=" in breaks else option + equals
        self._kept = max((value.rfind(each) for each in breaks), default=-1) + 1
        return words[1:-1], words[-1]

    def format_completion(self, item: CompletionItem) -> str:
        """Return a line: what kind it is, and what takes the place of the word as bash sees it."""
        value = self._before + str(item.value)[self._kept :]
        return f"{item.type},{value}" if self._is_quoted else f"{item.type},{_SPECIAL.sub(_ESCAPED, value)}"


def split(line: str) -> tuple[list[str], bool]:
    """Return the words of a line, the last of them unfinished or empty, and whether a quote is open at its end."""
    words: list[str] = []
    is_quoted = False
    lexer = shlex(line + _CURSOR, posix=True)
    lexer.whitespace_split, lexer.commenters = True, ""
    try:
        words += lexer
    except ValueError:  # a quote was not closed
        words.append(lexer.token)
        is_quoted = True
    words[-1] = words[-1].removesuffix(_CURSOR)
    return words, is_quoted


SHELLS: dict[str, type[ShellComplete]] = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}


def script(shell: str) -> str:
    """Return the script that a shell reads at its start."""
    return _asked(shell).source()


def answer(instruction: str) -> NoReturn:
    """Print what may come next on the line that a shell's environment describes, and end this process."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    start_new_thread(_give_up, ())
    try:
        told = _asked(instruction.removesuffix("_complete")).complete()
        sys.stdout.buffer.write(told.encode(errors="surrogateescape") + b"\n")
        sys.stdout.flush()
    except BaseException:  # a shell must not be shown what it cannot use
        os._exit(0)
    os._exit(0)


def _give_up() -> None:
    time.sleep(PATIENCE_S)
    os._exit(0)


def _asked(shell: str) -> ShellComplete:
    from ..app import queuectl

    command: click.Command = queuectl
    return SHELLS[shell](command, {}, "queuectl", VARIABLE)
