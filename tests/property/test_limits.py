"""Random lives of jobs that use limits, held against a look at every job in order: who fits runs, and nobody else."""

from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest

from queuectl import InvalidInput, Job, Queue
from tests.clocks import FakeClock
from tests.depth import tries

USES = [["api"], ["api=2"], ["gpu=2"], ["gpu"], ["user:a"], ["user:b"], ["user:c", "api"], ["mutex:m"]]
USES += [["api", "gpu=3"], ["mutex:m", "gpu"], ["user:a", "api", "gpu"], []]
CAPS = {"api": 3, "gpu": 4, "user": 2, "user:a": 3, "queue:other": 3}
STEPS = 60

Model = dict[str, Any]


class Life:
    """A queue with limits, and what waits and runs in it, by number."""

    def __init__(self, directory: Path, seed: int) -> None:
        self.random = Random(seed)
        self.clock = FakeClock()
        self.queue = Queue.open(directory / "q", clock=self.clock, actor="life")
        self.queue.admin.config_set("overtake_s", 1_000_000)
        self.caps: dict[str, int] = {}
        self.models: dict[int, Model] = {}
        self.running: dict[int, Job] = {}
        self.promoted_us = 0
        for name in ("api", "gpu", "user"):
            self.set_cap(name, CAPS[name])

    def set_cap(self, name: str, cap: int) -> None:
        self.queue.limits.set(name, running=cap)
        self.caps[name] = cap

    def step(self) -> None:
        """Do something."""
        acts = [self.enqueue, self.enqueue, self.enqueue, self.claim, self.claim, self.end, self.end, self.limit]
        self.random.choice([*acts, self.remove_limit, self.edit, self.pass_time, self.pause_queue])()

    def enqueue(self) -> None:
        use, queue = self.random.choice(USES), self.random.choice(["default", "other"])
        priority, delay = self.random.choice([0, 0, 1]), self.random.choice([0, 0, 0, 3])
        asked = {"queue": queue, "priority": priority, "delay": delay, "max_retries": 1}
        if not all(map(self.could_run, units_of(use).items())):
            with pytest.raises(InvalidInput):
                self.queue.enqueue("true", use=use, **asked)
            return
        job = self.queue.enqueue("true", use=use, **asked)
        self.models[job.number] = {"id": job.id, "queue": queue, "priority": priority, "use": units_of(use)}
        self.models[job.number]["due"] = self.clock.now_us() + delay * 1_000_000

    def claim(self) -> None:
        only, count = self.random.choice([None, None, "default", "other"]), self.random.choice([1, 2, 5])
        expected = self.next_to_run(count, only)
        claimed = self.queue.worker("w").claim(count, queues=None if only is None else [only], lease_s=80_000)
        assert [job.number for job in claimed] == expected
        self.running |= {job.number: job for job in claimed}

    def end(self) -> None:
        if not self.running:
            return
        number = self.random.choice(sorted(self.running))
        job, worker = self.running.pop(number), self.queue.worker("w")
        verb = self.random.choice(["complete", "fail", "release", "cancel"])
        if verb == "complete":
            worker.complete(job)
        elif verb == "release":
            worker.release(job)
        elif verb == "cancel":
            self.queue.cancel(job.id)
            worker.release(job)
        else:
            worker.fail(job, "exit code 1", return_code=1)
        after = self.queue.job(job.id)
        if after.state in ("pending", "failed"):
            self.models[number]["due"] = after.due_us
        else:
            del self.models[number]

    def limit(self) -> None:
        name = self.random.choice(sorted(CAPS))
        self.set_cap(name, self.random.randint(0, CAPS[name]))

    def remove_limit(self) -> None:
        name = self.random.choice(["user:a", "queue:other", "api"])
        if name in self.caps:
            self.queue.limits.remove(name, force=True)
            del self.caps[name]
        else:
            with pytest.raises(InvalidInput):
                self.queue.limits.remove(name)

    def edit(self) -> None:
        waiting = sorted(self.models.keys() - self.running.keys())
        if not waiting:
            return
        number, use = self.random.choice(waiting), self.random.choice(USES)
        if all(map(self.could_run, units_of(use).items())):
            self.queue.edit(self.models[number]["id"], use=use)
            self.models[number]["use"] = units_of(use)

    def pass_time(self) -> None:
        self.clock.advance(self.random.choice([1, 5]))

    def pause_queue(self) -> None:
        self.queue.queues.pause("other")
        expected = self.next_to_run(3, None, without="other")
        claimed = self.queue.worker("w").claim(3, lease_s=80_000)
        assert [job.number for job in claimed] == expected
        self.running |= {job.number: job for job in claimed}
        self.queue.queues.resume("other")

    # The model

    def cap(self, name: str) -> int | None:
        """Return how many units there are, None for any number: of a limit that is not set none."""
        limit = name.partition(":")[0]
        if limit == "mutex":
            return 1
        if limit == "queue":
            return self.caps.get(name)
        return self.caps.get(name, self.caps.get(limit, 0))

    def could_run(self, use: tuple[str, int]) -> bool:
        """Whether a use is accepted: it is set, and has so many units, or none at all for now."""
        name, units = use
        is_set = name.startswith("mutex:") or name in self.caps or name.partition(":")[0] in self.caps
        cap = self.cap(name)
        return is_set and (cap in (None, 0) or units <= (cap or 0))

    def in_use(self) -> Counter[str]:
        """Return what running jobs use, and how many there are of each queue."""
        found: Counter[str] = Counter()
        for number in self.running:
            model = self.models[number]
            found.update(model["use"] | {f"queue:{model['queue']}": 1})
        return found

    def next_to_run(self, count: int, only: str | None, without: str = "") -> list[int]:
        """Look at every job in order, and take those that fit."""
        in_use, chosen, now_us = self.in_use(), list[int](), self.clock.now_us()
        for number in sorted(self.models, key=lambda number: (-self.models[number]["priority"], number)):
            model = self.models[number]
            if number in self.running or model["due"] > now_us or only not in (None, model["queue"]):
                continue
            wanted = model["use"] | {f"queue:{model['queue']}": 1}
            caps = {name: self.cap(name) for name in wanted}
            if model["queue"] == without or len(chosen) == count:
                continue
            if all(cap is None or in_use[name] + wanted[name] <= cap for name, cap in caps.items()):
                chosen.append(number)
                in_use.update(wanted)
        return chosen


def units_of(texts: list[str]) -> dict[str, int]:
    """Return what is counted of each use, and how many units."""
    return {text.partition("=")[0]: int(text.partition("=")[2] or 1) for text in texts}


@pytest.mark.parametrize("seed", range(40))
def test_who_fits_runs_in_order_and_nobody_else(tmp_path: Path, seed: int) -> None:
    """After every step what is used is what runs, and the views are those of a replay."""
    for number in range(tries(5)):
        life = Life(tmp_path / str(number), 1000 * number + seed)
        for step in range(STEPS):
            life.step()
            used, in_use = {state.name: state.used for state in life.queue.limits.list()}, life.in_use()
            assert used == {name: in_use[name] for name in used}
            if step % 4 == 0 or step == STEPS - 1:
                assert life.queue.admin.replay(check=True).differences == []
        assert life.queue.admin.replay().differences == []
        life.claim()
        life.queue.close()
