"""What a worker is started with, before it is one."""

from typing import Any

import pytest

from queuectl import InvalidInput, Queue, start_worker


@pytest.mark.parametrize(
    "wrong",
    [
        {"slots": 0},
        {"queues": []},
        {"queues": ["a b"]},
        {"poll_s": 0.0},
        {"lease_s": 0},
        {"lease_s": 86_401},
        {"grace_s": 86_401},
        {"reason": "x" * 1_001},
    ],
    ids=str,
)
def test_a_value_that_cannot_be_is_refused_before_anything_is_written(queue: Queue, wrong: dict[str, Any]) -> None:
    """No such worker is said or recorded to have begun, and the refusal names the argument."""
    told: list[Any] = []
    with pytest.raises(InvalidInput) as refused:
        start_worker(queue, drain=True, report=lambda lines: told.extend(lines), **wrong)
    assert refused.value.field in (name := next(iter(wrong))) or name in refused.value.field
    assert (told, queue.log.head()) == ([], 0)
