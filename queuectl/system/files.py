"""Private files and directories, written whole or not at all, under any umask, on disk when it says so.

Everything in a queue's directory is made here, and belongs to that directory's owner, also where root made it: the
owner could not use it otherwise. No last part of a path is followed where it is a link: what lies in a queue's
directory may have been put there by somebody else. Knows nothing of queues. Imports little: workers' smallest
processes use it too.
"""
# pathlib is what the docstring promises not to load:
# ruff: noqa: PTH102, PTH108, PTH208, PTH118, PTH119, PTH120

import errno
import fcntl
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Final

from .interrupts import own, suppress_own

FILE_MODE: Final = 0o600
DIRECTORY_MODE: Final = 0o700

NEW_S: Final = 60
"""What is younger may be on its way between its making and its locking."""

SCRATCH: Final = ".queuectl-scratch-"
"""How names begin that nobody chooses: of what is half made or for a while, in directories that are the user's own."""

NAME_BYTES: Final = 255
"""How long the name of a file may be, on the file systems there are."""

_KINDS: Final = {
    stat.S_IFDIR: "a directory",
    stat.S_IFLNK: "a link",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}

_SCRATCH_BYTES: Final = 8
_SAFE: Final = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY

StrPath = str | os.PathLike[str]


def make_private(directory: StrPath, *, is_named: bool = False, like: StrPath | None = None) -> None:
    """Make a directory, and those above it that are missing, for one user alone; one that is there is left as it is.

    It belongs to the owner of the directory that it is `like`, else to the owner of the one that it is made in.
    `is_named`: a user named it. Then it may be a link to a directory, and if it is `like` none it is this user's own.
    Raises OSError, also if something else is there.
    """
    path = os.fspath(directory)
    try:
        os.mkdir(path, DIRECTORY_MODE)
    except FileNotFoundError:
        above = _above(path)
        if is_directory(above):  # /proc, say, where nothing can be made
            raise
        make_private(above, is_named=is_named, like=like)
        make_private(path, is_named=is_named, like=like)
    except FileExistsError:
        if not is_named and stat.S_ISLNK(os.lstat(path).st_mode):
            raise NotADirectoryError(errno.ENOTDIR, f"{path} is a link; see who put it there", path) from None
        if not is_directory(path):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path) from None
    else:
        fd = _open_made(path, _DIRECTORY, DIRECTORY_MODE, is_named=is_named)
        try:
            if like is not None:
                _give_to_owner(fd, like)
        finally:
            os.close(fd)
        flush_directory(_above(path))


def open_private(path: StrPath, flags: int) -> int:
    """Open a regular file of a queue's, made for one user alone if there is none and `flags` say O_CREAT.

    Returns its descriptor. Raises OSError, also if a link, a pipe or a device is there.
    """
    if flags & os.O_CREAT:
        with suppress(FileExistsError):
            return _make(path, flags)
        if flags & os.O_EXCL:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), os.fspath(path))
    return _regular(os.open(path, flags & ~os.O_CREAT | _SAFE), path)


def open_new_pipe(path: StrPath) -> int:
    """Make a named pipe for one user alone, and return a descriptor to read and write it; raises OSError."""
    os.mkfifo(path, FILE_MODE)
    try:
        return _open_made(path, os.O_RDWR, FILE_MODE)
    except BaseException:
        remove_file(path)
        raise


@contextmanager
def new_file(path: StrPath, *, is_named: bool = False) -> Iterator[IO[bytes]]:
    """Make a file for one user alone and yield it to be written to; raises FileExistsError if something is there.

    `is_named`: a user named this path, so the file belongs to this user even if the directory is another's.
    """
    with os.fdopen(_make(path, os.O_WRONLY, is_named=is_named), "wb") as file:
        yield file


@contextmanager
def whole_file(path: StrPath, draft: StrPath, *, is_named: bool = False) -> Iterator[IO[bytes]]:
    """Yield a new file under the name `draft`, which takes its own once all of it is on disk; else it is removed.

    `is_named` is as for new_file(). Raises FileExistsError where another's draft is there, which stays.
    """
    with new_file(draft, is_named=is_named) as file:
        try:
            _keep_from_sweep(file.fileno())
            yield file
            file.flush()
            os.fsync(file.fileno())
            rename(draft, path)
        except BaseException:
            remove_file(draft)
            raise


def link_or_copy(old: StrPath, new: StrPath) -> None:
    """Hard-link a file that nobody changes under a second name, or copy it if it cannot be linked."""
    try:
        os.link(old, new)
    except (FileNotFoundError, FileExistsError):
        raise
    except own(OSError):
        from shutil import copyfileobj  # seldom wanted

        with open(old, "rb") as source, new_file(new) as copy:  # noqa: PTH123
            copyfileobj(source, copy)


def rename(old: StrPath, new: StrPath) -> None:
    """Rename a file or directory, replacing what is there, and flush both directories."""
    os.rename(old, new)  # noqa: PTH104
    above = _above(new)
    flush_directory(above)
    if (before := _above(old)) != above:
        flush_directory(before)


def exists(path: StrPath) -> bool:
    """Whether there is something at a path, and no link that leads nowhere; raises OSError if that cannot be seen."""
    try:
        os.stat(path)  # noqa: PTH116 - os.path.exists() takes the error of a signal's handler for "no", as the next do
    except (FileNotFoundError, NotADirectoryError):
        return False
    except own(OSError) as error:
        if error.errno != errno.ELOOP:
            raise
        return False
    return True


def is_entry(path: StrPath) -> bool:
    """Whether a directory has something of this name, links that lead nowhere too, as far as it can be seen."""
    try:
        os.lstat(path)
    except own(OSError):
        return False
    return True


def other_kind(path: StrPath, *, follow: bool = True) -> str:
    """Return what is at a path in words where that is no regular file, else ""; raises OSError if there is nothing.

    A link is what it leads to, unless it is not to be followed.
    """
    return _KINDS.get(stat.S_IFMT(os.stat(path, follow_symlinks=follow).st_mode), "")  # noqa: PTH116


def obstacle(path: StrPath) -> str:
    """Return what is at a path in words where a new file cannot take its place: no file replaces a pipe or a device."""
    with suppress_own(OSError):
        return other_kind(path, follow=False)
    return ""


def is_directory(path: StrPath) -> bool:
    """Whether there is a directory at a path, or a link to one, as far as it can be seen."""
    try:
        return stat.S_ISDIR(os.stat(path).st_mode)  # noqa: PTH116
    except own(OSError):
        return False


def remove_file(path: StrPath) -> None:
    """Remove a file if it is there and may be removed."""
    with suppress_own(OSError):
        os.unlink(path)


def flush(path: StrPath) -> None:
    """Flush the content of a file that was written to disk."""
    fd = open_private(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def flush_directory(path: StrPath) -> None:
    """Flush the names in a directory to disk."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except PermissionError:  # a parent that may not be read: this user did not make an entry in it now
        return
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def flush_all(directory: StrPath) -> None:
    """Flush a directory to disk with all files and directories in it."""
    for place, _, names in os.walk(directory):
        for name in names:
            flush(os.path.join(place, name))
        flush_directory(place)


@contextmanager
def in_use(directory: StrPath) -> Iterator[None]:
    """Keep a directory from being swept away, as left behind by somebody, while it is being filled."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        _keep_from_sweep(fd)
        yield
    finally:
        os.close(fd)


def _keep_from_sweep(fd: int) -> None:
    """Show that somebody is at it; where there are no locks, what is half made is not taken for left behind either."""
    with suppress_own(OSError):
        fcntl.flock(fd, fcntl.LOCK_EX)


def scratch_path(parent: StrPath) -> str:
    """Return a path in a directory that may be the user's own, for what is half made; sweep_scratch() knows it."""
    return os.path.join(parent, SCRATCH + os.urandom(_SCRATCH_BYTES).hex())


@contextmanager
def scratch_directory(parent: StrPath | None = None, *, is_named: bool = True) -> Iterator[str]:
    """Make a directory to work in, which goes with all in it at the end; None is where temporary files are.

    One that was given another name meanwhile stays. `is_named` is as for make_private(). Raises OSError.
    """
    if parent is None:
        parent = _temporary_place()
    sweep_scratch(parent)
    path = scratch_path(parent)
    os.mkdir(path, DIRECTORY_MODE)
    try:
        os.close(_open_made(path, _DIRECTORY, DIRECTORY_MODE, is_named=is_named))
        with in_use(path):
            yield path
    finally:
        _remove_all(path)


def _temporary_place() -> str:
    from tempfile import gettempdir  # slow to import, for what is seldom wanted

    try:
        return gettempdir()
    except FileNotFoundError:
        told = (
            "there is no directory for temporary files; set TMPDIR to one that may be written to, on a disk with room"
        )
        raise FileNotFoundError(errno.ENOENT, told) from None


def sweep_scratch(parent: StrPath) -> None:
    """Remove what processes that were killed left in a directory that may be the user's own: what has such a name."""
    for path in left_behind(parent, SCRATCH, ""):
        word = os.path.basename(path).removeprefix(SCRATCH)
        if len(word) == 2 * _SCRATCH_BYTES and not word.strip("0123456789abcdef"):
            _remove_all(path)


def sweep(directory: StrPath, suffix: str) -> None:
    """Remove what processes that were killed left half made: nobody has it locked, and it is not new.

    For directories that are queuectl's own: whatever has such a name goes.
    """
    for path in left_behind(directory, "", suffix):
        _remove_all(path)


def _remove_all(path: str) -> None:
    if is_directory(path):
        from shutil import rmtree  # only where there is something to remove: it costs a start

        rmtree(path, ignore_errors=True)
    else:
        remove_file(path)


def left_behind(directory: StrPath, prefix: str, suffix: str) -> list[str]:
    """Return what is half made under such names by processes that are gone, as far as this user's own."""
    try:
        names = [name for name in os.listdir(directory) if name.startswith(prefix) and name.endswith(suffix)]
    except own(OSError):
        return []
    return [path for name in names if is_left(path := os.path.join(directory, name))]


def is_left(path: StrPath) -> bool:
    """Return whether something half made is left by a process that is gone: unlocked, not new, this user's own."""
    try:
        found = os.lstat(path)
        if found.st_uid != os.geteuid() or time.time() - found.st_mtime < NEW_S:
            return False
        if stat.S_ISFIFO(found.st_mode):
            return True
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except own(OSError):
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except own(OSError):
        return False
    finally:
        os.close(fd)
    return True


def is_below(path: StrPath, directory: StrPath) -> bool:
    """Return whether a file would lie in a directory or below it, wherever links lead to."""
    above, top = (os.path.realpath(each) for each in (_above(path), directory))
    return above == top or above.startswith(top.rstrip("/") + "/")


def is_file_name(word: str, *, suffix: str = "") -> bool:
    """Whether a word with a suffix can name a file in a directory, and nothing outside of it."""
    if word in ("", ".", "..") or "/" in word or "\0" in word:
        return False
    try:
        return len(os.fsencode(word + suffix)) <= NAME_BYTES
    except UnicodeEncodeError:
        return False


def _make(path: StrPath, flags: int, *, is_named: bool = False) -> int:
    fd = os.open(path, flags | _SAFE | os.O_CREAT | os.O_EXCL, FILE_MODE)
    os.fchmod(fd, FILE_MODE)  # what the umask took away
    if not is_named:
        _give_to_owner(fd, _above(path))
    return fd


def _open_made(path: StrPath, flags: int, mode: int, *, is_named: bool = False) -> int:
    """Open a directory or a pipe that was just made, unless something took its place, and give it mode and owner."""
    try:
        fd = os.open(path, flags | _SAFE)
    except PermissionError:  # the umask took this user's own right, which root does without
        os.chmod(path, mode)  # noqa: PTH101
        fd = os.open(path, flags | _SAFE)
    try:
        if flags != _DIRECTORY and not stat.S_ISFIFO(os.fstat(fd).st_mode):
            raise OSError(errno.EINVAL, "something else took its place", os.fspath(path))
        os.fchmod(fd, mode)
        if not is_named:
            _give_to_owner(fd, _above(path))
    except BaseException:
        os.close(fd)
        raise
    return fd


def _give_to_owner(fd: int, directory: StrPath) -> None:
    """Change the owner of what root made to that of the directory."""
    if os.geteuid() == 0:
        found = os.stat(directory)  # noqa: PTH116
        if found.st_uid and os.fstat(fd).st_uid == 0:
            with suppress_own(OSError):  # a file system without owners
                os.fchown(fd, found.st_uid, found.st_gid)


def _above(path: StrPath) -> str:
    return os.path.dirname(os.path.abspath(path))  # noqa: PTH100


def _regular(fd: int, path: StrPath) -> int:
    if stat.S_ISREG(os.fstat(fd).st_mode):
        return fd
    os.close(fd)
    raise OSError(errno.EINVAL, "it is no regular file", os.fspath(path))
