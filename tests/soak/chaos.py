"""The workers and enqueuers of a soak, and what is done to them: killed, frozen, replaced.

Knows whom it killed, so that an end which nobody ordered is a trouble to report.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Final

from queuectl.liveness import lock_file
from tests.soak.processes import guardian_of, stands_still
from tests.waiting import wait_until

ROOT: Final = Path(__file__).parents[2]
WORKERS: Final = 3
ENQUEUERS: Final = 2
SLOTS: Final = 4
LEASE_S: Final = 2.0
GRACE_S: Final = 0.5
PAUSE_S: Final = (0.3, 3.0)
"""Between two blows, at the least and at the most."""

BLOWS: Final = {"worker": 4, "guardian": 3, "both": 3, "freeze": 3, "enqueuer": 1}
"""What can happen, and how often in relation."""

GUARDED_WITHIN_S: Final = 10
STOPPED_WITHIN_S: Final = 20
TICK_S: Final = 0.05
TOLD_CHARS: Final = 1500


class Member:
    """A process that the soak started, its output in a file."""

    def __init__(self, words: list[str], log: Path) -> None:
        self.name = log.stem
        self._log = log
        self.is_killed = False
        with log.open("wb") as file:
            self.process = subprocess.Popen(words, cwd=ROOT, stdout=file, stderr=subprocess.STDOUT)

    @property
    def pid(self) -> int:
        """Return its process id."""
        return self.process.pid

    def kill(self) -> None:
        """Kill it."""
        self.is_killed = True
        self.process.kill()

    def trouble(self, *, wants: int | None) -> str | None:
        """Return what is wrong about how it ended; `wants` None: it should not have ended at all."""
        code = self.process.wait()
        if self.is_killed or code == wants:
            return None
        said = self._log.read_text(errors="replace")[-TOLD_CHARS:]
        return f"{self.name} ended with {code}, which nobody wanted; it said: {said}"


class Chaos:
    """A queue under fire. `counts`: how often each thing happened."""

    def __init__(self, home: Path, seed: int) -> None:
        self.db_path, self.journals, self.acknowledged = home / "db", home / "journals", home / "acknowledged"
        self.counts: Counter[str] = Counter()
        self.troubles: list[str] = []
        self._home = home
        self._seed = seed
        self._chance = random.Random(seed)
        self._workers: list[Member] = []
        self._enqueuers: list[Member] = []
        self._frozen: Member | None = None
        self._thaw_at = 0.0
        self.journals.mkdir()
        self.acknowledged.mkdir()

    def rage(self, seconds: float) -> None:
        """Strike at random for as long; then let everything that stands still go on."""
        until = strike_at = time.monotonic() + seconds
        strike_at -= seconds
        while (now := time.monotonic()) < until:
            self._replace_the_dead()
            if self._frozen and now >= self._thaw_at:
                self._thaw()
            if now >= strike_at and self._strike(self._chance.choices([*BLOWS], [*BLOWS.values()])[0]):
                strike_at = now + self._chance.uniform(*PAUSE_S)
            time.sleep(TICK_S)
        self._thaw()

    def calm(self, *, drain_s: float) -> None:
        """Stop those who enqueue, then the workers, and have fresh ones finish what is left."""
        self._replace_the_dead()
        self._await_guardians()
        for members in (self._enqueuers, self._workers):
            for member in members:
                member.process.send_signal(signal.SIGTERM)
            self._await(members, within_s=STOPPED_WITHIN_S)
        self._workers = [self._start_worker("--drain") for _ in range(2)]
        self._await(self._workers, within_s=drain_s)

    def end(self) -> None:
        """Kill whatever is left of those that were started here."""
        for member in self._workers + self._enqueuers:
            member.kill()
            member.process.wait()

    def _replace_the_dead(self) -> None:
        for members, wanted, start in (
            (self._workers, WORKERS, self._start_worker),
            (self._enqueuers, ENQUEUERS, self._start_enqueuer),
        ):
            for member in [each for each in members if each.process.poll() is not None]:
                members.remove(member)
                self._note(member.trouble(wants=None))
                if member is self._frozen:
                    self._frozen = None
            members += [start() for _ in range(wanted - len(members))]

    def _start_worker(self, *options: str) -> Member:
        words = [sys.executable, "-m", "queuectl", "--db", str(self.db_path), "worker", "start", "--count", str(SLOTS)]
        words += ["--lease", f"{LEASE_S}", "--grace", f"{GRACE_S}", *options]
        self.counts["workers started"] += 1
        return Member(words, self._home / f"worker-{self.counts['workers started']}.log")

    def _start_enqueuer(self) -> Member:
        self.counts["enqueuers started"] += 1
        name = f"enqueuer-{self.counts['enqueuers started']}"
        words = [sys.executable, "-m", "tests.soak.enqueuer", str(self.db_path), str(self.journals)]
        words += [str(self.acknowledged / name), f"{self._seed}{self.counts['enqueuers started']:03}"]
        return Member(words, self._home / f"{name}.log")

    def _strike(self, blow: str) -> bool:
        """Do one thing; returns whether it was possible."""
        if blow == "enqueuer":
            self._chance.choice(self._enqueuers).kill()
            done = True
        else:
            worker = self._chance.choice(self._workers)
            if worker.is_killed or worker.process.poll() is not None:
                return False  # it is about to be replaced
            done = self._freeze(worker) if blow == "freeze" else self._kill(worker, blow)
        self.counts[blow] += done
        return done

    def _kill(self, worker: Member, blow: str) -> bool:
        guardian = guardian_of(worker.pid)
        if blow != "worker":
            if guardian is None:
                return False
            with suppress(ProcessLookupError):
                os.kill(guardian, signal.SIGKILL)
        if blow != "guardian":
            worker.kill()
        return True

    def _freeze(self, worker: Member) -> bool:
        """Stop a worker for longer than its leases; not inside a write transaction, which would hold all others up."""
        if self._frozen:
            return False
        os.kill(worker.pid, signal.SIGSTOP)
        wait_until(lambda: stands_still(worker.pid) or worker.process.poll() is not None)
        if not self._can_stand_still(worker.pid):
            os.kill(worker.pid, signal.SIGCONT)
            return False
        self._frozen = worker
        self._thaw_at = time.monotonic() + self._chance.uniform(1.5, 2.5) * LEASE_S
        return True

    def _can_stand_still(self, pid: int) -> bool:
        seen = (lock_file.sighting_of(self.db_path, worker) for worker in lock_file.workers(self.db_path))
        return any(each.writing_since_s is None for each in seen if each is not None and each.pid == pid)

    def _thaw(self) -> None:
        if self._frozen is not None and self._frozen.process.poll() is None:
            os.kill(self._frozen.pid, signal.SIGCONT)
        self._frozen = None

    def _await_guardians(self) -> None:
        """See that each worker has a guardian, also where that was killed."""
        with suppress(AssertionError):
            wait_until(lambda: not self._unguarded(), timeout_s=GUARDED_WITHIN_S)
        for worker in self._unguarded():
            self._note(f"{worker.name}, process {worker.pid}, has no guardian")

    def _unguarded(self) -> list[Member]:
        return [each for each in self._workers if each.process.poll() is None and guardian_of(each.pid) is None]

    def _await(self, members: list[Member], *, within_s: float) -> None:
        until = time.monotonic() + within_s
        for member in members:
            try:
                member.process.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                self._note(f"{member.name}, process {member.pid}, did not end within {within_s:g} s")
                member.kill()
            self._note(member.trouble(wants=0))
        members.clear()

    def _note(self, trouble: str | None) -> None:
        if trouble is not None:
            self.troubles.append(trouble)
