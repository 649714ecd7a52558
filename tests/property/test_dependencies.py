"""Random lives of jobs that wait for each other, held against a model that knows who may run."""

from pathlib import Path
from random import Random
from typing import Any

import pytest

from queuectl import InvalidLine, Job, JobRequest, Queue, WrongState
from tests.clocks import FakeClock
from tests.depth import tries

STEPS = 70
KINDS = ["", "", "", ":any", ":notok"]
ENDED = ("completed", "dead", "cancelled")

Model = dict[str, Any]


class Life:
    """A queue, and what its jobs are and wait for, by number."""

    def __init__(self, directory: Path, seed: int) -> None:
        self.random = Random(seed)
        self.clock = FakeClock()
        self.queue = Queue.open(directory / "q", clock=self.clock, actor="life")
        self.models: dict[int, Model] = {}
        self.held: dict[int, Job] = {}
        self.made = 0

    def step(self) -> None:
        """Do something."""
        acts = [self.enqueue] * 3 + [self.bulk, self.claim, self.claim, self.end, self.end, self.end, self.cancel]
        self.random.choice([*acts, self.retry, self.remove, self.free, self.replace])()

    def named(self) -> str:
        self.made += 1
        return f"job{self.made}"

    def parents(self) -> list[tuple[int, str]]:
        """Choose some jobs and how they are to end."""
        some = self.random.sample(sorted(self.models), min(len(self.models), self.random.choice([0, 1, 1, 2])))
        return [(number, self.random.choice(KINDS)) for number in some]

    def enqueue(self) -> None:
        parents, word = self.parents(), self.random.choice([None, "hold", "cancel"])
        word = word if parents else None
        after = [f"{self.models[number]['id']}{kind}" for number, kind in parents]
        job = self.queue.enqueue("true", id=self.named(), after=after, if_parent_fails=word, max_retries=0)
        self.born(job.number, job.id, dict(parents), word)

    def bulk(self) -> None:
        """Enqueue some at once, each after some of those before it in the same batch."""
        ids = [self.named() for _ in range(self.random.choice([2, 4]))]
        chosen: list[dict[str, str]] = []
        requests = []
        for place, job_id in enumerate(ids):
            before = self.random.sample(ids[:place], min(place, self.random.choice([1, 2])))
            chosen.append({each: self.random.choice(KINDS) for each in before})
            after = [f"{each}{kind}" for each, kind in chosen[-1].items()]
            requests.append(JobRequest("true", id=job_id, after=after, max_retries=0))
        self.queue.enqueue_many(requests)
        numbers = {job_id: self.queue.job(job_id).number for job_id in ids}
        for job_id, parents in zip(ids, chosen, strict=True):
            self.born(numbers[job_id], job_id, {numbers[each]: kind for each, kind in parents.items()}, None)

    def claim(self) -> None:
        count = self.random.choice([1, 3])
        expected = [n for n in sorted(self.models) if self.may_run(n)][:count]
        claimed = self.queue.worker("w").claim(count, lease_s=80_000)
        assert [job.number for job in claimed] == expected
        for job in claimed:
            self.held[job.number] = job
            self.models[job.number]["state"] = "processing"

    def end(self) -> None:
        if not self.held:
            return
        number = self.random.choice(sorted(self.held))
        job, worker = self.held.pop(number), self.queue.worker("w")
        verb = self.random.choice(["complete", "complete", "fail", "release"])
        if verb == "complete":
            worker.complete(job)
            self.ended(number, "completed")
        elif verb == "fail":
            worker.fail(job, "exit code 1", return_code=1)
            self.ended(number, "dead")
        else:
            worker.release(job)
            self.models[number]["state"] = "pending"

    def cancel(self) -> None:
        waiting = [n for n, model in self.models.items() if model["state"] == "pending"]
        if waiting:
            number = self.random.choice(waiting)
            self.queue.cancel(self.models[number]["id"])
            self.ended(number, "cancelled")

    def retry(self) -> None:
        """Run one again: what it waits for still it goes on to wait for, and those that wait for it may yet run."""
        over = [n for n, model in self.models.items() if model["state"] in ENDED]
        if over:
            number = self.random.choice(over)
            if not self.is_of_use(number):
                with pytest.raises(WrongState):
                    self.queue.retry(self.models[number]["id"])
                return
            self.queue.retry(self.models[number]["id"])
            self.models[number]["state"] = "pending"
            self.tell()

    def is_of_use(self, number: int) -> bool:
        """Whether a retry neither waits for one that is gone, nor is cancelled again at once."""
        model = self.models[number]
        for parent, kind in model["unmet"].items():
            if parent not in self.models:
                return False
            state = self.models[parent]["state"]
            if state in ENDED and (kind == ":notok" if state == "completed" else kind == "" and model["cancels"]):
                return False
        return True

    def remove(self) -> None:
        """A job that others wait for stays."""
        over = [n for n, model in self.models.items() if model["state"] in ENDED]
        if not over:
            return
        number = self.random.choice(over)
        if self.children(number):
            with pytest.raises(WrongState):
                self.queue.remove(self.models[number]["id"])
        else:
            self.queue.remove(self.models[number]["id"])
            del self.models[number]

    def free(self) -> None:
        waiting = [n for n, model in self.models.items() if model["state"] == "pending" and model["unmet"]]
        if waiting:
            number = self.random.choice(waiting)
            self.queue.edit(self.models[number]["id"], after=None)
            self.models[number]["unmet"] = {}

    def replace(self) -> None:
        """Use the id of a removed or an ended job again: whoever waited for the earlier one has nothing of it."""
        over = [n for n, model in self.models.items() if model["state"] in ENDED and not self.children(n)]
        if over:
            number = self.random.choice(over)
            job = self.queue.enqueue("true", id=self.models.pop(number)["id"], replace=True, max_retries=0)
            self.born(job.number, job.id, {}, None)

    # The model

    def born(self, number: int, job_id: str, parents: dict[int, str], word: str | None) -> None:
        cancels = word == "cancel"
        self.models[number] = {"id": job_id, "state": "pending", "unmet": parents, "cancels": cancels}
        self.tell()

    def ended(self, number: int, state: str) -> None:
        self.models[number]["state"] = state
        self.tell()

    def tell(self) -> None:
        """Tell children of their parents' ends until nothing changes."""
        changed = True
        while changed:
            changed = False
            for model in self.models.values():
                for parent, kind in list(model["unmet"].items()):
                    state = self.models[parent]["state"] if parent in self.models else ""
                    if model["state"] != "pending" or state not in ENDED:
                        continue
                    fails = state != "completed"
                    if kind == ":any" or fails == (kind == ":notok"):
                        del model["unmet"][parent]
                    elif not fails or model["cancels"]:
                        model["state"] = "cancelled"
                    else:
                        continue
                    changed = True

    def children(self, number: int) -> list[int]:
        return [n for n, model in self.models.items() if number in model["unmet"] and model["state"] not in ENDED]

    def may_run(self, number: int) -> bool:
        return self.models[number]["state"] == "pending" and not self.models[number]["unmet"]

    def check(self) -> None:
        """Compare the queue with the model."""
        found = {job.number: job for job in self.queue.jobs()}
        assert {n: str(job.state) for n, job in found.items()} == {n: m["state"] for n, m in self.models.items()}
        for number, model in self.models.items():
            if model["state"] == "pending":
                assert {edge.parent for edge in found[number].unmet} == set(model["unmet"])
        blocked = sum(model["state"] == "pending" and bool(model["unmet"]) for model in self.models.values())
        assert self.queue.status().waiting["dependency"] == blocked


@pytest.mark.parametrize("seed", range(40))
def test_who_waits_for_nobody_runs_and_nobody_else(tmp_path: Path, seed: int) -> None:
    """After every step each job is in the state that its parents' ends have left it in, and a replay finds the same."""
    for number in range(tries(5)):
        life = Life(tmp_path / str(number), 1000 * number + seed)
        for step in range(STEPS):
            life.step()
            life.check()
            if step % 5 == 0:
                assert life.queue.admin.replay(check=True).differences == []
        assert life.queue.admin.replay().differences == []
        life.check()
        life.queue.close()


def test_a_parent_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """So is one of a later line, and the job itself."""
    with Queue.open(tmp_path / "q") as queue:
        for after in ("nosuch", "self", "later"):
            requests = [JobRequest("true", id="self", after=after), JobRequest("true", id="later")]
            with pytest.raises(InvalidLine, match="after: found"):
                queue.enqueue_many(requests)
        assert queue.jobs() == []
