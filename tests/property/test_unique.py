"""Random lives of jobs with unique keys, held against a model: of each key one job at the most holds it."""

from pathlib import Path
from random import Random
from typing import Any

import pytest

from queuectl import JobRequest, KeyTaken, Queue, WrongState
from queuectl.core.job_filter import filter_of
from tests.clocks import FakeClock
from tests.depth import tries

KEYS = ["a", "b", "c", None]
FOR_S = [None, None, 3, 10]
HOW = [None, "return", "refuse", "replace"]
WAITING = ("pending", "failed")
UNFINISHED = (*WAITING, "processing")
STEPS = 80


class Life:
    """A queue, and of each job that is listed what it was asked, its state, and until when it holds its key."""

    def __init__(self, directory: Path, seed: int) -> None:
        self.random = Random(seed)
        self.clock = FakeClock()
        self.queue = Queue.open(directory / "q", clock=self.clock, actor="life")
        self.models: dict[str, dict[str, Any]] = {}
        self.count = 0

    def step(self) -> None:
        """Do something."""
        acts = [self.enqueue] * 4 + [self.enqueue_many] * 2 + [self.claim] * 3 + [self.end] * 3
        self.random.choice([*acts, self.cancel, self.retry, self.retry, self.retry_all, self.remove, self.pass_time])()

    # What is done

    def request(self) -> dict[str, Any]:
        self.count += 1
        key = self.random.choice(KEYS)
        asked: dict[str, Any] = {"id": f"j{self.count}", "command": f"echo {self.count}", "max_retries": 1}
        if key is not None:
            asked |= {"unique": key, "unique_for": self.random.choice(FOR_S), "if_exists": self.random.choice(HOW)}
        return asked

    def enqueue(self) -> None:
        asked = self.request()
        told = self.expected([asked])
        if told is None:
            with pytest.raises(KeyTaken):
                self.queue.ui.enqueue_or_find(JobRequest(**asked))
            return
        done = self.queue.ui.enqueue_or_find(JobRequest(**asked))
        assert [(done.job.id, done.existing, done.edited)] == told

    def enqueue_many(self) -> None:
        asked = [self.request() for _ in range(self.random.choice([2, 4]))]
        told = self.expected(asked)
        if told is None:
            with pytest.raises(ValueError, match="nothing was enqueued"):
                self.queue.enqueue_many(asked)
            return
        bulk = self.queue.enqueue_many(asked)
        assert bulk.ids == [job_id for job_id, existing, _ in told if not existing]
        assert bulk.existing == tuple(job_id for job_id, existing, edited in told if existing and not edited)
        assert bulk.edited == tuple(job_id for job_id, _, edited in told if edited)

    def claim(self) -> None:
        for job in self.queue.worker("w").claim(lease_s=80_000):
            self.models[job.id]["state"] = "processing"

    def end(self) -> None:
        if not (running := self.of("processing")):
            return
        job, worker = self.queue.job(self.random.choice(running)), self.queue.worker("w")
        verb = self.random.choice(["complete", "fail", "release"])
        if verb == "fail":
            worker.fail(job, "exit code 1", return_code=1)
        else:
            getattr(worker, verb)(job)
        self.models[job.id]["state"] = self.queue.job(job.id).state

    def cancel(self) -> None:
        if waiting := self.of(*WAITING):
            job_id = self.random.choice(waiting)
            self.queue.cancel(job_id)
            self.models[job_id]["state"] = "cancelled"

    def retry(self) -> None:
        if not self.models:
            return
        job_id = self.random.choice(sorted(self.models))
        model = self.models[job_id]
        if model["state"] in ("pending", "processing"):
            with pytest.raises(WrongState):
                self.queue.retry(job_id)
        elif self.holder(model["key"]) not in (None, job_id):
            with pytest.raises(KeyTaken) as refused:
                self.queue.retry(job_id)
            assert refused.value.job_id == self.holder(model["key"])
        else:
            self.queue.retry(job_id)
            model["state"] = "pending"

    def retry_all(self) -> None:
        """Retry the dead: those whose key is free, in the order in which they are gone through."""
        chosen = self.queue.ui.choose("retry", filter_of(state="dead"))
        dead, acted = self.of("dead"), self.queue.ui.act_on_all(chosen)
        assert len(acted.ids) + len(acted.refused) == len(dead)
        for job_id in acted.ids:
            assert self.holder(self.models[job_id]["key"]) in (None, job_id)
            self.models[job_id]["state"] = "pending"
        for job_id in set(dead) - set(acted.ids):
            assert self.holder(self.models[job_id]["key"]) not in (None, job_id)

    def remove(self) -> None:
        if ended := self.of("completed", "dead", "cancelled"):
            job_id = self.random.choice(ended)
            self.queue.remove(job_id)
            del self.models[job_id]

    def pass_time(self) -> None:
        self.clock.advance(self.random.choice([1, 5]))

    # The model

    def of(self, *states: str) -> list[str]:
        return sorted(job_id for job_id, model in self.models.items() if model["state"] in states)

    def holder(self, key: str | None) -> str | None:
        """Look at every job, and return the one that holds a key; there are never two."""
        now_us = self.clock.now_us()
        held = [
            job_id
            for job_id, model in self.models.items()
            if key is not None
            and model["key"] == key
            and (model["state"] in UNFINISHED or (model["until"] or 0) > now_us)
        ]
        assert len(held) <= 1
        return held[0] if held else None

    def expected(self, requests: list[dict[str, Any]]) -> list[tuple[str, bool, bool]] | None:
        """Carry out requests on the model and return what is told of each; None, and nothing, where one is refused."""
        before = {job_id: dict(model) for job_id, model in self.models.items()}
        told = []
        for asked in requests:
            key, held_for, how = asked.get("unique"), asked.get("unique_for"), asked.get("if_exists")
            until = None if held_for is None else self.clock.now_us() + held_for * 1_000_000
            holder = self.holder(key)
            is_edited = how == "replace"
            if holder is None:
                model = {"key": key, "until": until, "state": "pending", "command": asked["command"]}
                self.models[asked["id"]] = model
                told.append((asked["id"], False, False))
                continue
            if how == "refuse" or (is_edited and self.models[holder]["state"] not in WAITING):
                self.models = before
                return None
            if is_edited:
                self.models[holder] |= {"until": until, "command": asked["command"]}
            told.append((holder, True, is_edited))
        return told

    def check(self) -> None:
        """Hold the queue against the model."""
        found = {job.id: job for job in self.queue.jobs()}
        assert found.keys() == self.models.keys()
        for job_id, model in self.models.items():
            job = found[job_id]
            told = {"key": job.unique, "until": job.unique_until_us, "state": job.state, "command": job.command}
            assert told == model


@pytest.mark.parametrize("seed", range(20))
def test_a_key_is_held_by_one_job_and_by_whom_the_model_says(tmp_path: Path, seed: int) -> None:
    """After every step; and the views are those of a replay."""
    for number in range(tries(5)):
        life = Life(tmp_path / str(number), 1000 * number + seed)
        for step in range(STEPS):
            life.step()
            life.check()
            if step % 8 == 0 or step == STEPS - 1:
                assert life.queue.admin.replay(check=True).differences == []
        assert life.queue.admin.replay().differences == []
        life.enqueue()
        life.check()
        life.queue.close()
