"""What `queuectl verify` found, gathered from the process that looked; opens no store itself."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from ..core.progress import PartProgress
from ..errors import QueuectlError
from ..store.directory import refuse_irregular
from ..store.half_made import refuse_no_queue
from ..system import subprocess_task
from ..system.disk_space import is_lock_without_room
from ..system.shortage import unseen
from . import checkpoint
from .checkpoint import Checkpoint

LISTED_AT_MOST: Final = 1_000
"""Problems that are told one by one; of more only the number is known."""


class VerifyFindings(NamedTuple):
    """A problem: in which part, at which position of the log (None: at none), or somewhere from there to `until`.

    `is_damage` is False where it only could not be looked at, by this process or this release.
    """

    part: str
    position: int | None
    until: int | None
    what: str
    is_damage: bool = True


class Verified(NamedTuple):
    """What was checked and found. `parts` has for each part that was gone through its figures, `seconds` among them.

    `problem_count` counts the problems, of which `problems` has the first LISTED_AT_MOST. `head` is None
    where the log could not be read to its end.
    """

    parts: dict[str, dict[str, Any]]
    problems: list[VerifyFindings]
    problem_count: int
    notes: list[str]
    head: Checkpoint | None
    against: dict[str, int]

    @property
    def is_sound(self) -> bool:
        """Whether all was looked at, and nothing was wrong."""
        return self.problem_count == 0


def verify(
    path: Path,
    *,
    log_only: bool = False,
    against: Sequence[Path] = (),
    write_to: Path | None = None,
    progress: PartProgress | None = None,
) -> Verified:
    """Check the queue in a directory, in a process of its own, and tell what is wrong.

    `log_only` leaves out the file's structure, the outputs and the views. `against`: checkpoints that
    the log must agree with. `write_to`: where to write one, if nothing is wrong. `progress` is called
    with the part, how much is done, and of how much where that is known. Raises NoQueue, InvalidInput, StoreError.
    """
    refuse_irregular(path)
    refuse_no_queue(path)
    known = {str(file): checkpoint.read(file) for file in against}
    places = {file: position for file, (position, _) in known.items()}
    gathered = _Gathered(path, progress)
    watched: dict[str, str] = {}
    for file, (position, digest) in known.items():
        if position and watched.setdefault(str(position), digest.hex()) != digest.hex():
            gathered.add("against", position, 0, f"the checkpoint {file} and another disagree about the chain there")
    options: dict[str, Any] = {"path": str(path), "log_only": log_only, "against": watched}
    if ending := subprocess_task.run("verify", options, gathered.hear):
        gathered.ended(ending)
    elif not gathered.parts and not gathered.count:
        gathered.add("file", 0, 0, unseen("the process said nothing"), is_damage=False)
    gathered.compare(places)
    if write_to is not None:
        _write(write_to, gathered, path)
    return Verified(gathered.parts, gathered.problems, gathered.count, gathered.notes, gathered.head, places)


class _Gathered:
    """The messages heard so far."""

    def __init__(self, path: Path, progress: PartProgress | None) -> None:
        self._path = path
        self.parts: dict[str, dict[str, Any]] = {}
        self.problems: list[VerifyFindings] = []
        self.count = 0
        self.notes: list[str] = []
        self.head: Checkpoint | None = None
        self.is_digest_known = False
        self._unproven: list[int] = []
        self._progress = progress
        self._part, self._done = "file", 0

    def hear(self, message: subprocess_task.Message) -> None:
        """Take one message."""
        kind = message["is"]
        if kind == "progress":
            self._part, self._done = message["part"], message["done"]
            if self._progress:
                self._progress(message["part"], message["done"], message["total"])
        elif kind == "problem":
            is_damage = message["is_damage"]
            self.add(message["part"], message["position"], message["until"], message["what"], is_damage=is_damage)
        elif kind == "more":
            self.count += message["problems"]
        elif kind == "note":
            self.notes.append(message["what"])
        elif kind == "ended":
            if message["part"] != self._part:
                self._part, self._done = message["part"], 0
            self.ended(subprocess_task.Ending(message["how"], message["is_damage"], message["hindrance"]))
        elif kind == "part":
            figures = {key: value for key, value in message.items() if key not in ("is", "part")}
            self.parts[message["part"]] = figures
        else:
            self.is_digest_known = message["digest"] is not None
            digest = bytes.fromhex(message["digest"] or "")
            self.head = Checkpoint(message["position"], digest, message["at_us"], message["events"])
            self._unproven = message["unproven"]

    def add(self, part: str, position: int, until: int, what: str, *, is_damage: bool = True) -> None:
        """Count a problem, and keep it while there are not too many."""
        self.count += 1
        if len(self.problems) < LISTED_AT_MOST:
            self.problems.append(
                VerifyFindings(part, position or None, until if until > position else None, what, is_damage)
            )

    def ended(self, ending: subprocess_task.Ending) -> None:
        """Find where the process that looked came to its end."""
        if not ending.is_damage or is_lock_without_room(self._path):
            self.add(self._part, 0, 0, unseen(ending, ending.hindrance), is_damage=False)
            return
        if self._part != "log":
            self.add(self._part, 0, 0, ending.how)
            return
        last = [self._done]
        again = subprocess_task.run(
            "locate", {"path": str(self._path), "after": self._done}, lambda row: last.append(row["position"])
        )
        what = ending.how if again else f"{ending.how}, here or after it"
        self.add("log", (last[-1] if again else self._done) + 1, 0, what)

    def compare(self, positions: dict[str, int]) -> None:
        """Add a problem for each checkpoint that the log could not be compared with."""
        for file, position in positions.items():
            if self.head is None and position:
                self.add(
                    "against", 0, 0, f"the log could not be read as far as the checkpoint {file} ({position}) goes"
                )
            elif position in self._unproven and self.count == 0:
                missing = "retention let events go, and the archive is not there as it was"
                what = f"nothing can be proven up to the checkpoint {file}: {missing}"
                self.add("against", position, 0, what)


def _write(path: Path, gathered: _Gathered, queue: Path) -> None:
    if gathered.count:
        gathered.notes.append(f"no checkpoint was written to {path}, since something is wrong")
    elif gathered.head is None or not gathered.is_digest_known:
        raise QueuectlError(f"cannot write a checkpoint to {path}: the chain's digest at the head is not known")
    else:
        checkpoint.write(path, gathered.head, queue=queue)
