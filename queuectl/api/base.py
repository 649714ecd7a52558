"""An open queue: what all of its uses stand on."""

from __future__ import annotations  # evaluated, those of so many methods cost a command its start

from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..core.argument_kinds import check_methods
from ..core.job import Job, id_of
from ..core.times import before_us
from ..display import shown_with_kind
from ..errors import InvalidInput
from ..system import host
from ..system.directory_owner import check_trusted

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Sequence

    from ..core.times import Duration
    from ..engine.engine import Engine


_OURS: Final = __name__.partition(".")[0] + "."


class Opened:
    """One use of an open queue: its store, its clock, its engine; arguments are held against the signatures.

    `called` is what errors of Python's call it by.
    """

    def __init_subclass__(cls, called: str = "Queue") -> None:
        if cls.__module__.startswith(_OURS):  # what a program derives has its own signatures
            check_methods(cls, called)

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._store = engine.store
        self._clock = engine.clock


def queue_directory(path: str | os.PathLike[str] | None) -> Path:
    """Return the directory of a queue: as named, or else where this user's lies; raises Untrusted."""
    directory = host.absolute(path if path is not None else host.default_path())
    check_trusted(directory)
    return directory


def ids_of(jobs: Job | str | Iterable[Job | str]) -> list[str]:
    """Return the ids of one job or of several, each a Job or an id; raises InvalidInput for what is neither."""
    named = [jobs] if isinstance(jobs, str | Job) else list(jobs)
    for each in named:
        if not isinstance(each, str | Job):  # one that an iterator had: others were looked at before
            raise InvalidInput("job_ids", shown_with_kind(each), "a job's id, or a Job")
    return list(map(id_of, named))


def paths_of(
    files: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
) -> Sequence[str | os.PathLike[str]]:
    """Return several paths as they are, and one as a list of it."""
    return [files] if isinstance(files, str | PathLike) else files


def once(field: str, value: Duration | None, value_by_old_name: Duration | None) -> Duration | None:
    """Return what was given under either of a parameter's two names; raises InvalidInput if under both."""
    if value is not None and value_by_old_name is not None:
        raise InvalidInput(field, "two", f"{field}, or {field}_s")
    return value_by_old_name if value is None else value


def cut_us(older_than: Duration | None, older_than_s: Duration | None, *, now_us: int) -> int | None:
    """Return the time that an age reaches back to, under either of its two names; None where there is no age.

    Raises InvalidInput under the name that was used.
    """
    age = once("older_than", older_than, older_than_s)
    return (
        None
        if age is None
        else before_us(age, now_us=now_us, field="older_than" if older_than_s is None else "older_than_s")
    )
