"""A job as text in the user's editor, and back; what was typed is never lost.

The text is JSON with lines of comment. It lies in a file that only the user can read, which is removed
once what it says is done, or where nothing was changed in it.
"""

import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from json import dumps
from pathlib import Path
from typing import Any, TypeVar

import click

from ...errors import InvalidInput, QueuectlError
from ..exit_codes import REFUSED, hint
from ..output.format import escape
from ..output.table import note
from .jobs_file import read_object

T = TypeVar("T")

HINTS = (
    "Change what is wrong, save and close. Left as it is, or emptied, nothing happens.",
    "timeout and delay: seconds, 90s, 5m, 1h30m; timeout 0: none. run_at: 17:30, tomorrow 9am, in 2h; null: at once.",
)
EDITORS = ("sensible-editor", "nano", "vi")


def edit_until_done(form: Mapping[str, Any], heading: str, act: Callable[[dict[str, Any]], T]) -> T:
    """Open a form in the editor, and `act` on what it says then; returns what that gives.

    Where it is refused, and somebody is there, it is opened again; else the refusal names the line, and
    the file that keeps what was typed. Ends the program where nothing was changed.
    """
    text = _text(form, heading)
    file = _file(text)
    while True:
        try:
            _open(file)
            typed = file.read_text(encoding="utf-8")
            if typed == text or not _without_comments(typed).strip():
                file.unlink()
                note("Nothing was changed")
                raise click.exceptions.Exit(REFUSED)
            done = act(_read(typed))
        except (QueuectlError, UnicodeDecodeError) as error:
            if _is_as_it_was(file, text):
                file.unlink()
                raise
            refused = _refusal(error, file)
            if not sys.stdin.isatty() or not isinstance(error, InvalidInput | UnicodeDecodeError):
                raise QueuectlError(f"{refused} (what you typed is in {file})") from None
            note(escape(f"Error: {refused}"))
            _wait_for_enter(file)
            continue
        except KeyboardInterrupt:
            note(escape(f"What you typed is in {file}"))
            raise
        file.unlink(missing_ok=True)
        return done


def changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a form says now that it did not say before; a key that was taken out changes nothing."""
    return {key: value for key, value in after.items() if key not in before or before[key] != value}


def _text(form: Mapping[str, Any], heading: str) -> str:
    lines = [f"# {line}" for line in (escape(heading), *HINTS)]
    told = dumps(form, indent=2, ensure_ascii=False)
    told = re.sub("[\udc80-\udcff]", lambda found: f"\\u{ord(found[0]):04x}", told)  # as JSON itself would have it
    return "\n".join(lines) + "\n" + told + "\n"


def _file(text: str) -> Path:
    handle, name = tempfile.mkstemp(prefix="queuectl-edit-", suffix=".json")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    return Path(name)


def _is_as_it_was(file: Path, text: str) -> bool:
    return file.exists() and file.read_bytes() == text.encode()


def _open(file: Path) -> None:
    """Run the editor to its end; raises QueuectlError where there is none, or it failed."""
    words = _editor()
    # What Ctrl-C means is for the editor to say, which hears it too.
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        code = subprocess.run([*words, str(file)], check=False).returncode
    except OSError as error:
        raise QueuectlError(f"cannot run the editor {words[0]!r}: {error.strerror}; set VISUAL or EDITOR") from None
    finally:
        signal.signal(signal.SIGINT, before)
    if code:
        how = f"with exit code {code}" if code > 0 else f"by signal {-code}"
        raise QueuectlError(f"the editor {words[0]!r} ended {how}, so nothing was changed")


def _editor() -> Sequence[str]:
    from shutil import which

    typed = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    if typed:
        with suppress(ValueError):
            if words := shlex.split(typed):
                return words
        raise QueuectlError(f"cannot run the editor {typed!r}; set VISUAL or EDITOR to a command")
    if not (
        sys.stdin.isatty() and sys.stdout.isatty()
    ):  # these would draw into a pipe; one that was named may be a script
        raise QueuectlError(
            "there is no terminal for an editor; say it by options, or set VISUAL or EDITOR to a command"
        )
    found = next((name for name in EDITORS if which(name)), None)
    if found is None:
        raise QueuectlError("there is no editor; set VISUAL or EDITOR, for example EDITOR=nano")
    return [found]


def _without_comments(typed: str) -> str:
    """Empty the lines of comment: a JSON text cannot begin a line with #, and errors count lines."""
    return re.sub(r"(?m)^\s*#.*$", "", typed)


def _read(typed: str) -> dict[str, Any]:
    return read_object(_without_comments(typed))


def _refusal(error: Exception, file: Path) -> str:
    """Return what was refused, with the line of the key that it is about."""
    if isinstance(error, UnicodeDecodeError):
        return f"byte {error.object[error.start]:#04x} at {error.start + 1} is no UTF-8"
    if not isinstance(error, InvalidInput):
        return str(error)
    typed = file.read_text(encoding="utf-8").splitlines()
    names = {error.field, error.field.removesuffix("_s"), error.found.strip("'")}
    for number, line in enumerate(typed, 1):
        found = re.match(r'\s*[{,]?\s*"([^"]*)"\s*:', line)
        if found and found[1] in names:
            return f"line {number}: {error}"
    return str(error)


def _wait_for_enter(file: Path) -> None:
    hint(f"Enter opens it again; Ctrl-C gives up, and {file} keeps what you typed ", newline=False)
    if not sys.stdin.readline():
        raise KeyboardInterrupt
