"""Keeping a queue's log: replayed, looked back on, proven, copied, moved and cut."""

from __future__ import annotations  # evaluated, those of so many methods cost a command its start

import os
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ..display import shown_with_kind
from ..errors import InvalidInput
from ..system.lazy import Later

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import IO

    from ..history import as_of, branch
    from ..history.branch import Branch
    from ..history.snapshot_files import Snapshot
    from ..integrity import verify
    from ..integrity.verify import Verified
    from ..projections import rebuild, upgrade
    from ..projections.rebuild import ReplayReport
    from ..projections.upgrade import Migrated
    from ..retention import background, compact, policy, shrink
    from ..retention.background import Retaining
    from ..retention.policy import Compacted
    from ..retention.shrink import Shrunk
    from ..transfer import backup, export_log, foreign_files, import_jobs, import_log, restore, swap
    from ..transfer.backup import BackedUp
    from ..transfer.export_log import Exported
    from ..transfer.import_jobs import Adopted
    from ..transfer.restore import Restored
else:
    import_jobs = Later("transfer.import_jobs")
    as_of = Later("history.as_of")
    backup = Later("transfer.backup")
    branch = Later("history.branch")
    policy = Later("retention.policy")
    export_log = Later("transfer.export_log")
    foreign_files = Later("transfer.foreign_files")
    import_log = Later("transfer.import_log")
    swap = Later("transfer.swap")
    upgrade = Later("projections.upgrade")
    rebuild = Later("projections.rebuild")
    restore = Later("transfer.restore")
    background = Later("retention.background")
    compact = Later("retention.compact")
    shrink = Later("retention.shrink")
    verify = Later("integrity.verify")


from .base import directory_of
from .reads import Looking


class Keeping(Looking):
    """What is done with the log as a whole."""

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

    def as_of(
        self,
        position: int | None = None,
        *,
        at_us: int | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> as_of.Past:
        """Return the queue as it was behind the event at a position, or at a time in microseconds; close it after use.

        `progress` is called with the events folded and to be folded. Raises InvalidInput for a moment
        before the log begins or still to come, Archived where retention has taken out its events.
        """
        with self._store.read() as txn:
            moment = as_of.moment_at(txn, position, at_us, self._clock.now_us())
        return as_of.Past(self._store, moment, progress)

    def branch(
        self,
        into: str | os.PathLike[str],
        position: int | None = None,
        *,
        at_us: int | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> Branch:
        """Make a second queue in a new directory as this one was at a position or a time.

        `progress` is called with the events copied and to be copied, `into` is that directory. Raises
        InvalidInput where the directory is there already, what `as_of` raises for the moment, and
        StoreError.
        """
        with self._store.read() as txn:
            moment = as_of.moment_at(txn, position, at_us, self._clock.now_us())
        return branch.branch(self._store, moment, Path(into), progress)

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

    def verify(self, *, log_only: bool = False, against: Sequence[Path] = (), write_to: Path | None = None) -> Verified:
        """Check the log and all that hangs on it, in a process of its own; `against` are files of checkpoints.

        `log_only` leaves out the file's structure, the outputs and the views. `write_to` is where to
        write a checkpoint if nothing is wrong. Raises InvalidInput for a file that is none.
        """
        files = [Path(each) for each in against]
        into = None if write_to is None else Path(write_to)
        return verify.verify(self.path, log_only=log_only, against=files, write_to=into)

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

    @classmethod
    def restore(
        cls,
        file: str | os.PathLike[str],
        path: str | os.PathLike[str] | None = None,
        *,
        force: bool = False,
        progress: Callable[[str, int, int | None], None] | None = None,
    ) -> Restored:
        """Restore the backup in a `file` (`-`: from stdin) as the queue in a directory.

        One that is there is replaced only with `force`, and kept aside. Raises StoreError.
        """
        return restore.restore(directory_of(path), os.fspath(file), force=force, progress=progress)

    @classmethod
    def finish_restore(cls, path: str | os.PathLike[str] | None = None) -> bool:
        """End a restore or an import that was interrupted while it moved in; returns whether there was one.

        Raises StoreError where there is no queue, and one was killed before it moved in.
        """
        return swap.finish(directory_of(path))

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

    @classmethod
    def import_export(
        cls,
        source: IO[bytes],
        path: str | os.PathLike[str] | None = None,
        *,
        name: str = "the export",
        progress: Callable[[str, int, int | None], None] | None = None,
    ) -> Exported:
        """Import the export in `source` into the queue in a directory, which must be empty or new, all or nothing.

        `name` is what errors call it. Raises InvalidInput, StoreError.
        """
        if not isinstance(name, str):
            raise InvalidInput("name", shown_with_kind(name), "a text")
        return import_log.import_export(directory_of(path), source, name, progress=progress)

    def import_jobs(
        self,
        files: Sequence[str],
        *,
        format: Literal["jobs-json", "sqlite-jobs"],
        tables: Sequence[str] = (),
        skip_existing: bool = False,
        waiting_only: bool = False,
        partly: bool = False,
        dry_run: bool = False,
        reason: str | None = None,
        progress: Callable[[int, int | None], None] | None = None,
    ) -> Adopted:
        """Take in the jobs of another queue: a jobs.json and its dlq.json, or tables of a SQLite file.

        `format` says what the `files` are. `skip_existing` leaves out jobs whose id is taken, `waiting_only`
        those that have ended; `dry_run` only tells. `partly`: rows that cannot be taken are reported; without
        it they refuse all. Raises
        QueuectlError for them, StoreError for files that cannot be read.
        """
        if not files:
            raise InvalidInput("files", "none", "one or two")
        wanted = import_jobs.Wanted(skip_existing, waiting_only, partly, dry_run)
        opened = (
            foreign_files.json_rows(files[0], files[1] if len(files) > 1 else None)
            if format == "jobs-json"
            else foreign_files.sqlite_rows(files[0], tables)
        )
        with opened as rows:
            source = " and ".join(Path(file).name for file in files)
            return import_jobs.adopt(self._engine, rows, source, wanted, reason=reason, progress=progress)

    @classmethod
    def migrate(
        cls,
        path: str | os.PathLike[str] | None = None,
        *,
        check: bool = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> Migrated:
        """Bring the store in a directory up to this release; `check`: only tell what that takes.

        To open it does the same. `progress` is called with the events done, and all. Raises NoQueue,
        NotAQueue, NewerFormat or StoreError.
        """
        directory = directory_of(path)
        return upgrade.needed(directory) if check else upgrade.migrate(directory, progress=progress)

    def compact(
        self,
        *,
        older_than_s: float,
        keep_dead: bool = False,
        archive: str | os.PathLike[str] | None = None,
        dry_run: bool = False,
        progress: Callable[[Compacted], None] | None = None,
        reason: str | None = None,
    ) -> Compacted:
        """Let the events of jobs go that ended `older_than_s` ago, into archive segments in a directory.

        Workers may run meanwhile. `keep_dead` leaves the dead letter queue as it is. `archive` None: the
        queue's own. `dry_run` tells what would go. `progress` hears what went so far; what it raises stops
        it there, and nothing is lost. Raises CompactBusy or StoreError.
        """
        before_us = self._engine.now_us() - int(older_than_s * 1_000_000)
        rule = policy.Rule(self.position_at(before_us), keep_dead)
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

    def retaining(self, actor: str) -> Retaining:
        """Return what lets old events go step by step as `retention_s` says; a worker calls it now and then."""
        return background.Retaining(self._engine, actor)

    @staticmethod
    def shrink(path: str | os.PathLike[str] | None = None, *, check: bool = False) -> Shrunk:
        """Return the space of what was let go back to the disk; nobody may have the queue open, not even the caller.

        `check`: only look whether that could be done now. Raises NoQueue or StoreError.
        """
        return shrink.shrink(directory_of(path), check=check)
