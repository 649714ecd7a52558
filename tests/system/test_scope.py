"""What `scope` makes serves `with`, and nothing that asks its type for the two ends."""

import ast
from contextlib import ExitStack
from pathlib import Path

import pytest

import queuectl
from queuectl.store.directory import COMPACT_LOCK, lock


@pytest.fixture(scope="module")
def nodes() -> list[ast.AST]:
    """Return all nodes of the source of all modules."""
    pages = Path(queuectl.__file__).parent.rglob("*.py")
    return [node for page in pages for node in ast.walk(ast.parse(page.read_text(encoding="utf-8")))]


def made_by_scope(nodes: list[ast.AST]) -> set[str]:
    """Return the names of the functions that `scope` makes."""
    functions = [each for each in nodes if isinstance(each, ast.FunctionDef)]
    return {each.name for each in functions if "scope" in map(ast.unparse, each.decorator_list)}


def given_to_stacks(nodes: list[ast.AST]) -> set[str]:
    """Return the names of what is called for an ExitStack to enter."""
    calls = [each for each in nodes if isinstance(each, ast.Call)]
    given = [each.args[0] for each in calls if getattr(each.func, "attr", "") == "enter_context"]
    return {ast.unparse(each.func).rpartition(".")[2] for each in given if isinstance(each, ast.Call)}


def test_an_exit_stack_cannot_enter_a_scope(tmp_path: Path) -> None:
    """An ExitStack asks the type for the two ends, which are each scope's own."""
    with ExitStack() as held, pytest.raises(TypeError):
        held.enter_context(lock(tmp_path / COMPACT_LOCK, wait=True))


def test_no_scope_is_given_to_an_exit_stack(nodes: list[ast.AST]) -> None:
    """So none is given one anywhere."""
    made, given = made_by_scope(nodes), given_to_stacks(nodes)
    assert "lock" in made
    assert "closing" in given
    assert made & given == set()
