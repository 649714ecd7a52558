"""What a verb does with a path at which there is something else than it needs: it says what, and leaves it there."""

import os
import socket
from pathlib import Path

import pytest

from tests.cli.conftest import CommandLine

WRITERS = {
    "backup": ["backup", "{path}"],
    "backup --force": ["backup", "--force", "{path}"],
    "export": ["export", "{path}"],
    "export --force": ["export", "--force", "{path}"],
    "verify --checkpoint": ["verify", "--checkpoint", "{path}"],
    "import --rejects": ["import", "--format", "jobs-json", "{jobs}", "--rejects", "{path}"],
}


def bound(path: Path) -> None:
    """Leave a socket behind at a path."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(path))  # a socket's name is to be short


KINDS = {
    "a directory": Path.mkdir,
    "a named pipe": os.mkfifo,
    "a socket": bound,
    "a link": lambda path: path.symlink_to(path.with_name("precious")),
}


@pytest.mark.sampled(7)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("verb", WRITERS)
def test_no_file_takes_the_place_of_something_else(cli: CommandLine, tmp_path: Path, verb: str, kind: str) -> None:
    """A pipe, a device, a socket, a directory or a link is named and stays as it was, also with --force."""
    cli("enqueue", "a", "true")
    (tmp_path / "jobs.json").write_text('[{"id": "b", "command": "true"}]')
    KINDS[kind](tmp_path / "there")
    before = (tmp_path / "there").lstat()
    words = {"path": tmp_path / "there", "jobs": tmp_path / "jobs.json"}
    refused = cli(*(word.format(**words) for word in WRITERS[verb]), code=1)
    assert kind in refused.stderr
    assert refused.stderr.count("\n") == 1
    after = (tmp_path / "there").lstat()
    assert (after.st_ino, after.st_mode) == (before.st_ino, before.st_mode)
    assert not (tmp_path / "precious").exists()
    assert [job["id"] for job in cli.jobs()] == ["a"]


@pytest.mark.parametrize("kind", [*KINDS, "a loop"])
def test_what_is_no_sqlite_file_is_called_what_it_is(cli: CommandLine, tmp_path: Path, kind: str) -> None:
    """What is there is not told as missing; a link is followed, and one to nothing is no file."""
    path = tmp_path / "there"
    KINDS.get(kind, lambda path: path.symlink_to(path))(path)
    told = {"a link": "there is no such file", "a loop": "Too many levels of symbolic links"}
    refused = cli("import", "--format", "sqlite-jobs", str(path), code=1)
    assert f"cannot import {path}: {told.get(kind, f'it is {kind}; ')}" in refused.stderr
