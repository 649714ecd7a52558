"""The shape of class Queue: few methods, each on the page that a program's author reads."""

import inspect
from pathlib import Path

import pytest

import queuectl
from queuectl import Queue

PAGE = Path(queuectl.__file__).parents[1] / "docs" / "python.md"
METHODS = [name for name in dir(Queue) if not name.startswith("_")]
MOST = 32


def test_class_queue_can_be_looked_over() -> None:
    """What is for a worker, for whoever keeps the log or shows it, is behind a name of its own."""
    assert len(METHODS) <= MOST
    assert all(inspect.isroutine(getattr(Queue, name)) for name in METHODS)


@pytest.mark.parametrize("name", METHODS)
def test_a_method_of_class_queue_is_documented(name: str) -> None:
    """Each is told on docs/python.md under Queue, with its arguments."""
    told = PAGE.read_text(encoding="utf-8").partition("\n## Queue\n")[2].partition("\n### `queue.")[0]
    assert f"\n- `{name}(" in told
