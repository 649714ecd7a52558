"""The Python API: what is public is there, says what it does, and its examples run."""

import ast
import doctest
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import queuectl
from queuectl import Queue, QueuectlError
from tests.docs import load

PAGE = load("api")
README = Path(__file__).parents[2] / "README.md"
PUBLIC = {name: getattr(queuectl, name) for name in queuectl.__all__}
WORDS = re.compile(r"\w+")


def names_of(kind: type[Any]) -> Iterator[tuple[str, Any]]:
    """Yield what a class, or a class of ours that it is made of, defines."""
    for base in kind.__mro__:
        if base.__module__.startswith("queuectl."):
            yield from vars(base).items()


def callables() -> dict[str, Any]:
    """Return each public function, and each public method and property of a public class."""
    found = {name: each for name, each in PUBLIC.items() if inspect.isfunction(each)}
    for owner, kind in PUBLIC.items():
        for name, each in names_of(kind) if inspect.isclass(kind) else ():
            each = getattr(each, "__func__", each)  # of a class or static method
            if not name.startswith("_") and (inspect.isfunction(each) or isinstance(each, property)):
                found[f"{owner}.{name}"] = each
    return found


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_name_says_what_it_is(name: str) -> None:
    """Each has a docstring of its own, which begins with a sentence."""
    text = PUBLIC[name].__doc__ or ""
    assert text.split("\n\n")[0].rstrip().endswith("."), text
    assert not text.startswith(f"{name}("), "that is what a named tuple says where nobody did"


@pytest.mark.parametrize("name", callables())
def test_a_public_method_says_what_it_does(name: str) -> None:
    """Each begins with one imperative sentence on a line of its own; a property with what it is."""
    each = callables()[name]
    first = (each.__doc__ or "").split("\n\n")[0].strip()
    assert re.fullmatch(r"[A-Z][^\n]*\.", first), first
    if not isinstance(each, property):
        assert not re.search(r"(s|ing|ed)$", first.split()[0]) or first.split()[0] == "Bring", first


@pytest.mark.parametrize("name", [name for name, each in callables().items() if not isinstance(each, property)])
def test_a_parameter_says_what_it_means(name: str) -> None:
    """Each parameter is spoken of by its name: in the docstring, or for all methods in that of its class."""
    told = set(WORDS.findall(inspect.getdoc(callables()[name]) or ""))
    told |= set(WORDS.findall(inspect.getdoc(Queue) or ""))
    if not name.startswith("Queue."):
        told |= {"recorded"}  # an event, as its type says
    assert set(inspect.signature(callables()[name]).parameters) - told - {"self", "cls"} == set()


def test_an_error_that_is_raised_is_public() -> None:
    """Each error that a docstring says is raised can be imported from queuectl."""
    from queuectl import errors

    ours = {name for name, each in vars(errors).items() if inspect.isclass(each) and issubclass(each, QueuectlError)}
    for name, each in callables().items():
        assert ours & set(WORDS.findall(each.__doc__ or "")) <= set(PUBLIC), name


def test_the_page_has_every_public_name() -> None:
    """Each name, and each method of Queue, is in docs/python.md; no address or path of this machine is."""
    page = PAGE.page()
    assert all(f"`{name}" in page for name in PUBLIC if name != "Queue")
    names = {name: "" if isinstance(each, property) else "(" for name, each in callables().items()}
    assert all(
        f"{name.removeprefix('Queue.')}{end}" in page for name, end in names.items() if name.startswith("Queue.")
    )
    assert " at 0x" not in page


@pytest.mark.parametrize("kind", [Queue])
def test_the_example_of_a_class(kind: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands in the docstring as an example runs, and gives what it says."""
    monkeypatch.chdir(tmp_path)
    (test,) = [each for each in doctest.DocTestFinder(recurse=False).find(kind, kind.__name__) if each.examples]
    results = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test)
    assert results.attempted > 0
    assert results.failed == 0


@pytest.mark.parametrize("page", ["README.md", "docs/python.md"])
def test_the_examples_of_the_pages(page: str, tmp_path: Path) -> None:
    """The Python of the README and of docs/python.md runs as it stands, each by itself, with a worker beside it."""
    text = (README.parent / page).read_text()
    blocks = re.findall(r"((?:^    .*\n|^\n)+)", text, re.M)
    code = [block for block in blocks if block.strip().startswith(("from queuectl", "import asyncio"))]
    assert code
    scripts = [re.sub(r"^    ", "", block, flags=re.M) for block in code]
    environment = {"QUEUECTL_DB": str(tmp_path / "q"), "PATH": "/usr/bin:/bin"}
    environment["PYTHONPATH"] = ":".join(path for path in sys.path if path)
    Queue.open(tmp_path / "q").close()
    with subprocess.Popen([sys.executable, "-m", "queuectl", "worker", "start"], env=environment, stdout=-3) as worker:
        try:
            for script in scripts:
                command = [sys.executable, "-c", script]
                done = subprocess.run(
                    command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=30
                )
                assert done.returncode == 0, done.stderr
        finally:
            worker.terminate()


def test_type_checkers_know_the_names_that_there_are() -> None:
    """What stands for type checkers in queuectl/__init__.py is what its table has, from the same modules."""
    [block] = [
        each
        for each in ast.parse(Path(queuectl.__file__).read_text()).body
        if isinstance(each, ast.If) and ast.unparse(each.test) == "TYPE_CHECKING"
    ]
    told = {name.name: each.module for each in block.body if isinstance(each, ast.ImportFrom) for name in each.names}
    assert told == queuectl._HOME_OF
    assert queuectl.__all__ == sorted(told)
