"""Administration of an open queue: replayed, proven, copied, cut, and configured."""

from __future__ import annotations  # evaluated, those of so many methods cost a command its start

import os
import time
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.settings import canonical, parse
from ..engine.unit_of_work import settings_of
from ..errors import InvalidInput
from .base import Opened, cut_us, paths_of
from .parts import (
    as_of,
    background,
    backup,
    branch,
    compact,
    export_log,
    foreign_files,
    import_jobs,
    jobs,
    policy,
    rebuild,
    verify,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..core.argument_kinds import ImportFormat
    from ..core.results import ConfigValue
    from ..core.settings import Settings
    from ..core.times import Duration, When
    from ..events.types import Value
    from ..history.branch import Branch
    from ..history.snapshot_files import Snapshot
    from ..integrity.verify import Verified
    from ..projections.rebuild import ReplayReport
    from ..retention.background import BackgroundCompactor
    from ..retention.policy import Compacted
    from ..transfer.backup import BackedUp
    from ..transfer.export_log import Exported
    from ..transfer.import_jobs import Adopted


class Admin(Opened, called="Queue.admin"):
    """`queue.admin`: a queue rebuilt, proven, copied, cut and configured."""

    def replay(self, *, check: bool = False, progress: Callable[[int, int], None] | None = None) -> ReplayReport:
        """Rebuild every view from the log beside the live ones and compare; unless `check`, swap them in.

        `progress` is called with the events applied and the events in all. Raises what stops it, with the
        views as they were: CorruptLog, NewerFormat or IllegalTransition, which name the position, or
        StoreError where another replay is at work.
        """
        begun = time.monotonic()
        rebuilt = rebuild.rebuild(self._store, swap=not check, progress=progress)
        took_s = time.monotonic() - begun
        return rebuild.ReplayReport(rebuilt.events, rebuilt.differences, rebuilt.swapped, took_s, rebuilt.held_s)

    def snapshots(self) -> list[Snapshot]:
        """Return the snapshots that `as_of` can begin from, by position."""
        return as_of.usable(self._store)

    def make_snapshots(
        self, *, with_head: bool = True, progress: Callable[[int, int], None] | None = None
    ) -> list[Snapshot] | None:
        """Make the snapshots that are missing, `with_head` one of the head too; None where another process does.

        Raises StoreError where one cannot be written.
        """
        return as_of.make_snapshots(self._store, with_head=with_head, progress=progress)

    def are_snapshots_due(self) -> bool:
        """Return whether the log has grown enough since the last snapshot, as `snapshot_events` says."""
        return as_of.are_snapshots_due(self._store)

    def delete_snapshots(self) -> int:
        """Delete every snapshot, which is no loss; returns how many there were."""
        return as_of.delete_snapshots(self._store)

    def branch(
        self,
        into: str | os.PathLike[str],
        position: int | None = None,
        *,
        at: When | None = None,
        progress: Callable[[int, int], None] | None = None,
        at_us: int | None = None,
    ) -> Branch:
        """Make a second queue in a new directory as this one was at a position, or else `at` a time.

        Args:
            into: The new directory.
            position: The position of an event in the log.
            at: A time that has passed.
            progress: Called with the events copied and to be copied.
            at_us: The same as `at`, in microseconds since the epoch.

        Raises InvalidInput where the directory is there already, what `Queue.as_of` raises for the moment, and
        StoreError.
        """
        moment = as_of.moment_named(
            self._store, position, at=at, at_us=at_us, now_us=self._clock.now_us(), field="until"
        )
        return branch.branch(self._store, moment, Path(into), progress)

    def verify(
        self,
        *,
        log_only: bool = False,
        against: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] = (),
        write_to: str | os.PathLike[str] | None = None,
    ) -> Verified:
        """Check the log and all that hangs on it, in a process of its own.

        Args:
            log_only: Leave out the file's structure, the outputs and the views.
            against: Files of checkpoints to hold the log against, or one.
            write_to: Where to write a checkpoint if nothing is wrong.

        Raises InvalidInput for a file that is none.
        """
        files = [Path(each) for each in paths_of(against)]
        into = None if write_to is None else Path(write_to)
        return verify.verify(self._store.path, log_only=log_only, against=files, write_to=into)

    def backup(
        self,
        file: str | os.PathLike[str],
        *,
        force: bool = False,
        progress: Callable[[str, int, int | None], None] | None = None,
    ) -> BackedUp:
        """Write a backup to a file (`-`: to stdout), checked, while others go on; `force` replaces one that is there.

        `progress` is called with what goes on, and the bytes done of all. Raises StoreError.
        """
        return backup.back_up(self._store, os.fspath(file), force=force, progress=progress)

    def export(
        self,
        write: Callable[[bytes], object],
        *,
        outputs: bool = True,
        progress: Callable[[int, int | None], None] | None = None,
    ) -> Exported:
        """Write the log, and with `outputs` what runs printed, as JSON lines; raises CorruptLog or StoreError.

        `write` is called with each line. `progress` is called with the position done, and the last.
        """
        return export_log.export(
            self._store, write, now_us=self._clock.now_us(), with_outputs=outputs, progress=progress
        )

    def import_jobs(
        self,
        files: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
        *,
        format: ImportFormat,
        tables: Sequence[str] = (),
        skip_existing: bool = False,
        waiting_only: bool = False,
        partly: bool = False,
        dry_run: bool = False,
        reason: str | None = None,
        progress: Callable[[int, int | None], None] | None = None,
    ) -> Adopted:
        """Take in the jobs of another queue: a jobs.json and its dlq.json, or tables of a SQLite file.

        Args:
            files: One file, or two.
            format: What they are.
            tables: The tables of a SQLite file to take; none is `jobs`.
            skip_existing: Leave out jobs whose id is taken.
            waiting_only: Leave out jobs that have ended.
            partly: Report rows that cannot be taken; without it they refuse all.
            dry_run: Only tell.
            reason: Kept in the log with each.
            progress: Called with the rows done, and all, or None where that is not known.

        Raises ImportRefused for rows that cannot be taken, StoreError for files that cannot be read.
        """
        if not (names := [os.fspath(each) for each in paths_of(files)]):
            raise InvalidInput("files", "none", "one or two")
        wanted = import_jobs.WantedJobs(skip_existing, waiting_only, partly, dry_run)
        opened = (
            foreign_files.json_rows(names[0], names[1] if len(names) > 1 else None)
            if format == "jobs-json"
            else foreign_files.sqlite_rows(names[0], tables)
        )
        with opened as rows:
            source = " and ".join(Path(name).name for name in names)
            return import_jobs.adopt(self._engine, rows, source, wanted, reason=reason, progress=progress)

    def compact(
        self,
        *,
        older_than: Duration | None = None,
        keep_dead: bool = False,
        archive: str | os.PathLike[str] | None = None,
        dry_run: bool = False,
        progress: Callable[[Compacted], None] | None = None,
        reason: str | None = None,
        older_than_s: Duration | None = None,
    ) -> Compacted:
        """Let the events of jobs go that ended so long ago, into archive segments in a directory; workers may go on.

        Args:
            older_than: How long ago.
            keep_dead: Leave the dead letter queue as it is.
            archive: The directory; None is the queue's own.
            dry_run: Only tell what would go.
            progress: Called with what went so far; what it raises stops it there, and nothing is lost.
            reason: Kept in the log with it.
            older_than_s: The same as `older_than`.

        Raises InvalidInput where neither is given, CompactBusy or StoreError.
        """
        before_us = cut_us(older_than, older_than_s, now_us=self._engine.now_us())
        if before_us is None:
            raise InvalidInput("older_than", "none", "how long ago a job must have ended, for example 30d")
        self._engine.writer.catch_up()
        with self._store.read() as txn:
            rule = policy.Rule(jobs.position_at(txn, before_us), keep_dead)
        if dry_run:
            steps = policy.plan(self._store, rule)
        else:
            place = None if archive is None else Path(archive)
            steps = compact.Retention(self._engine, rule, place, limits=policy.Limits(), reason=reason).steps()
        done = policy.Compacted(rule.upto)
        with closing(steps):
            for done in steps:
                if progress:
                    progress(done)
        return done

    def background_compactor(self, actor: str) -> BackgroundCompactor:
        """Return the background compactor, which lets old events go step by step as `retention_s` says."""
        return background.BackgroundCompactor(self._engine, actor)

    def settings(self) -> Settings:
        """Return the settings that count now, here; raises InvalidInput for a bad one in the environment."""
        with self._store.read() as txn:
            return settings_of(txn, self._engine.environ)

    def config(self) -> dict[str, ConfigValue]:
        """Return every setting's value and where it comes from; raises as settings() does."""
        with self._store.read() as txn:
            return jobs.settings(txn, self._engine.environ)

    def config_get(self, key: str) -> Value:
        """Return the value of the setting `key`; raises InvalidInput with the list of keys."""
        return self.config()[canonical(key)].value

    def config_set(self, key: str, value: str | float | timedelta, *, reason: str | None = None) -> Value:
        """Set a configuration key to a value; raises InvalidInput with the list of good ones."""
        plain = str(value.total_seconds() if isinstance(value, timedelta) else value)
        name, parsed = parse(key, plain)
        with self._engine.unit(reason=reason) as unit:
            unit.configure(name, parsed)
        return parsed

    def config_unset(self, key: str, *, reason: str | None = None) -> None:
        """Let a configuration key have its default again; raises InvalidInput with the list of keys."""
        name = canonical(key)
        with self._engine.unit(reason=reason) as unit:
            unit.configure(name, None)

    def check_there(self) -> None:
        """Raise NoQueue where the directory no longer holds the store that is open."""
        self._store.check_there()

    def sizes(self) -> dict[str, int]:
        """Return the bytes of the store: `used` by data, in the `map` reserved, of the `file`."""
        return self._store.sizes()
