"""The shape of class Queue: few methods, each on the page that a program's author reads."""

import inspect
import re
from pathlib import Path
from typing import Any

import pytest

import queuectl
from queuectl import Admin, DeadLetters, LeaseHolder, Limits, Log, Queue, Queues, Ui

PAGE = Path(queuectl.__file__).parents[1] / "docs" / "python.md"
NAMES = [name for name in dir(Queue) if not name.startswith("_")]
METHODS = [name for name in NAMES if not isinstance(getattr(Queue, name), property)]
MOST = 34


def test_class_queue_can_be_looked_over() -> None:
    """What is for a worker, for whoever keeps the log or shows it, is behind a name of its own."""
    assert len(METHODS) <= MOST
    assert all(inspect.isroutine(getattr(Queue, name)) for name in METHODS)
    assert set(NAMES) - set(METHODS) == {"admin", "dlq", "limits", "log", "queues"}


@pytest.mark.parametrize("name", METHODS)
def test_a_method_of_class_queue_is_documented(name: str) -> None:
    """Each is told on docs/python.md under Queue, with its arguments."""
    told = PAGE.read_text(encoding="utf-8").partition("\n## Queue\n")[2].partition("\n### `queue.")[0]
    assert f"\n- `{name}(" in told


CALLABLES: list[Any] = [
    getattr(kind, name)
    for kind in (Queue, LeaseHolder, Log, Admin, DeadLetters, Limits, Queues, Ui)
    for name in dir(kind)
    if not name.startswith("_") and inspect.isroutine(getattr(kind, name))
]


@pytest.mark.parametrize("method", CALLABLES, ids=lambda each: each.__qualname__)
def test_what_is_told_of_arguments_is_of_those_there_are(method: Any) -> None:
    """A docstring with a section on arguments has each, in order and under its name; one of many arguments has one."""
    taken = [name for name in inspect.signature(method).parameters if name not in ("self", "changes")]
    doc = inspect.getdoc(method) or ""
    told = re.findall(r"^    (\w+): ", doc.partition("\nArgs:\n")[2], re.M)
    assert told in ([], taken)
    assert told or len(taken) < 5
