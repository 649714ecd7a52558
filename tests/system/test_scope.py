"""What `scope` makes serves `with`, and nothing that asks its type for the two ends."""

import ast
from contextlib import ExitStack
from pathlib import Path

import pytest

import queuectl
from queuectl.store.directory import COMPACT_LOCK, lock

TREES = [ast.parse(page.read_text(encoding="utf-8")) for page in Path(queuectl.__file__).parent.rglob("*.py")]


def made_by_scope() -> set[str]:
    """Return the names of the functions that `scope` makes."""
    functions = [each for tree in TREES for each in ast.walk(tree) if isinstance(each, ast.FunctionDef)]
    return {each.name for each in functions if "scope" in map(ast.unparse, each.decorator_list)}


def given_to_stacks() -> set[str]:
    """Return the names of what is called for an ExitStack to enter."""
    calls = [each for tree in TREES for each in ast.walk(tree) if isinstance(each, ast.Call)]
    given = [each.args[0] for each in calls if getattr(each.func, "attr", "") == "enter_context"]
    return {ast.unparse(each.func).rpartition(".")[2] for each in given if isinstance(each, ast.Call)}


def test_an_exit_stack_cannot_enter_a_scope(tmp_path: Path) -> None:
    """An ExitStack asks the type for the two ends, which are each scope's own."""
    with ExitStack() as held, pytest.raises(TypeError):
        held.enter_context(lock(tmp_path / COMPACT_LOCK, wait=True))


def test_no_scope_is_given_to_an_exit_stack() -> None:
    """So none is given one anywhere."""
    assert "lock" in made_by_scope()
    assert "closing" in given_to_stacks()
    assert made_by_scope() & given_to_stacks() == set()
