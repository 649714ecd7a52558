"""The names of what lies in a queue's directory, each in this one place; messages for people say them as they are."""

from typing import Final

DATA_FILE: Final = "data.mdb"
LMDB_LOCK_FILE: Final = "lock.mdb"
"""LMDB's own two files, with the names that it gives them."""

ARCHIVE: Final = "archive"
"""Segments of events that retention let go of, unless another directory is named for them."""

DOORBELLS: Final = "doorbells"
LOGS: Final = "logs"
OUTPUTS: Final = "outputs"
"""What runs printed, if it is much, or while they run."""

REPLACED: Final = "replaced"
"""Where queues lie whose place another one took."""

SNAPSHOTS: Final = "snapshots"
WORKERS: Final = "workers"
"""A lock file for each worker."""

DIRECTORIES: Final = (OUTPUTS, WORKERS, DOORBELLS, ARCHIVE, SNAPSHOTS, LOGS)

SEGMENT: Final = ".seg"
"""How the name of a sealed segment ends."""

PENDING: Final = ".pending"
PARTIAL: Final = ".partial"
MAKING: Final = ".making-"
NEW: Final = ".new"
"""How the name of what is half made ends (of a snapshot: begins): a segment's, a lock file's or a doorbell's."""
