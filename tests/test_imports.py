"""Who may import what: arrows between rooms go down only, through doors, and nowhere in a circle."""

import ast
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import queuectl

ROOT = Path(queuectl.__file__).parent
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(ROOT.rglob("*.py"))
}
PAGES = [ROOT.parent / "README.md", *sorted((ROOT.parent / "docs").rglob("*.md"))]

LAYERS = (  # bottom up: what stands in a line imports what stands in the lines before it
    "version display escaping",
    "hints",
    "errors",
    "system",
    "events",
    "core",
    "liveness",
    "store",
    "outputs",
    "projections",
    "queries",
    "engine",
    "history",
    "retention",
    "integrity",
    "transfer",
    "api",
    "queue completion",
    "worker",
    "__init__",
    "web",
    "cli",
    "__main__",
)
DOORS = {  # package -> its modules that others may import; of a package that is not here, all
    "store": "store adopted directory event_reader event_writer log_rows data_file half_made tables writable",
    "projections": "archives children config counts dead edges ended environments ids jobs layout leases lanes limits"
    " marks queues ready rebuild removed row_codec scheduled tags timers unique upgrade views waiting workers",
    "integrity": "verify doctor data_file_check log_check",
    "transfer": "backup restore swap export_log import_log import_jobs foreign_files",
    "worker": "worker printed log_buffer log_lines systemd",
    "web": "server",
    "cli": "main",
}
HOMES = {  # library -> the modules that know it
    "lmdb": "store.*",
    "msgspec": "system.packing events.* core.* projections.* engine.* queries.* cli.output.event_text store.damage",
    "msgpack": "system.packing system.untrusted events.codec events.audit projections.row_codec retention.segment",
    "zstandard": "retention.segment history.snapshot_files transfer.backup_format",
    "click": "cli.*",
    "rich": "cli.*",
    "textual": "cli.top.*",
    "starlette": "web.*",
    "uvicorn": "web.server web.connections",
    "h11": "web.connections",
}
WRITERS = {  # what changes the log -> the modules that import it
    "store.event_writer": "engine.writer",
    "store.log_rows": "transfer.import_log history.branch engine.leaving_streams",
}
WRITES = {"append", "put", "put_many", "delete", "delete_many"}
PURE = "events.types events.codec events.append core.job core.commands core.retry core.decider"
IMPURE = {"time", "datetime", "random", "secrets", "uuid", "os", "sys", "socket", "subprocess", "pathlib"}


@cache
def imports(module: str) -> frozenset[str]:
    """Return what a module imports, anywhere in it: ours with a leading dot, others by their first name."""
    path = MODULES[module]
    package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level:
            base = [*package, ""][: len(package) + 1 - node.level] + (node.module or "").split(".")
            source = ".".join(part for part in base if part)
            inner = {f"{source}.{alias.name}".lstrip(".") for alias in node.names}
            found |= {f".{each}" for each in (inner & {*MODULES}) or {source or "__init__"}}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").split(".")[0])
    return frozenset(found)


def ours(module: str) -> Iterator[str]:
    """Yield the modules of ours that a module imports."""
    yield from (each[1:] for each in sorted(imports(module)) if each[0] == ".")


def room(module: str) -> str:
    """Return the package that a module is in, or the module itself where it is in none."""
    return module.split(".")[0]


def fits(name: str, patterns: str) -> bool:
    """Return whether a module is meant by one of some patterns."""
    return any(fnmatchcase(name, pattern) for pattern in patterns.split())


def test_every_room_has_a_layer() -> None:
    """Each package, and each module outside of one, stands in LAYERS once."""
    rooms = " ".join(LAYERS).split()
    assert sorted(rooms) == sorted({room(module) for module in MODULES})


@pytest.mark.parametrize("module", MODULES)
def test_arrows_go_down(module: str) -> None:
    """A module imports from its own package, or from a layer beneath it, and no other way."""
    layer = {name: number for number, names in enumerate(LAYERS) for name in names.split()}
    wrong = [each for each in ours(module) if room(each) != room(module) and layer[room(each)] >= layer[room(module)]]
    assert wrong == []


@pytest.mark.parametrize("module", MODULES)
def test_packages_are_entered_by_their_doors(module: str) -> None:
    """What a package keeps for itself is imported from within it alone."""
    behind = [
        each
        for each in ours(module)
        if room(each) != room(module) and not fits(each.partition(".")[2] or each, DOORS.get(room(each), "*"))
    ]
    assert behind == []


def test_no_imports_in_a_circle() -> None:
    """No module imports, by whatever way, one that imports it."""
    graph = {module: {each for each in ours(module) if each in MODULES} for module in MODULES}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"in a circle: {' <- '.join(error.args[1])}")


def test_the_architecture_names_what_is_there() -> None:
    """docs/architecture.md says of each room what it is for."""
    page = (ROOT.parent / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([\w./]+)` \|", page.partition("## The rooms")[2].partition("\n## ")[0], re.MULTILINE)
    named = [row.rstrip("/").removesuffix(".py").replace("/", ".") for row in rows]
    rooms = {room(module) for module in MODULES} - {"__init__", "__main__"}
    assert sorted(named) == sorted(rooms)


@pytest.mark.parametrize("package", ["worker", "api"])
def test_the_architecture_names_the_modules_of_large_rooms(package: str) -> None:
    """Of the rooms with many modules side by side, docs/architecture.md says of each what it is for."""
    page = (ROOT.parent / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(\w+)`", page.partition("### Inside `worker/`")[2].partition("\n## ")[0]))
    assert {module.partition(".")[2] for module in MODULES if room(module) == package and "." in module} <= named


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_name_modules_that_are_there(page: Path) -> None:
    """No page, decisions included, names a module that is not there: as a path, or by its dotted name."""
    text = page.read_text(encoding="utf-8")
    paths = set(re.findall(r"`(?:queuectl/)?([a-z_]+(?:/[a-z_]+)+)(?:\.py)?[`:]", text))
    rooms = {room(module) for module in MODULES}
    wrong = {each for each in paths if room(each.replace("/", ".")) in rooms and not is_there(each)}
    first = set(re.findall(r"\bqueuectl\.([a-z_]+)\b", text))
    assert sorted(wrong | (first - rooms - {*queuectl.__all__})) == []


def is_there(path: str) -> bool:
    """Return whether a path without its ending is a module or a package."""
    return path.replace("/", ".") in MODULES or (ROOT / path).is_dir()


@pytest.mark.parametrize(("library", "home"), HOMES.items())
def test_a_library_has_one_home(library: str, home: str) -> None:
    """LMDB, msgspec and click are known to the modules they were taken in for, and to no others."""
    assert {module for module in MODULES if library in imports(module) and not fits(module, home)} == set()


@pytest.mark.parametrize(("writer", "users"), WRITERS.items())
def test_the_log_is_written_by_few(writer: str, users: str) -> None:
    """The unit of work alone appends; only import, branch and retention write rows of the log as they are."""
    assert {module for module in MODULES if f".{writer}" in imports(module)} == {*users.split()}


@pytest.mark.parametrize("module", [each for each in MODULES if room(each) != "store"])
def test_tables_of_the_log_are_written_in_store(module: str) -> None:
    """No room but the store writes to the tables `log` and `streams` past what it has for that."""
    nodes = ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8")))
    calls = [node for node in nodes if isinstance(node, ast.Call) and getattr(node.func, "attr", "") in WRITES]
    tables = [ast.unparse(call.args[0]) for call in calls if call.args]
    assert {"LOG", "STREAMS", "'log'", "'streams'"}.isdisjoint(tables)


@pytest.mark.parametrize("module", PURE.split())
def test_the_core_reads_no_clock_and_does_no_io(module: str) -> None:
    """Time, chance, files and processes are not even imported where it is decided what happens."""
    assert IMPURE.isdisjoint(imports(module))


def test_nothing_names_the_package_from_inside() -> None:
    """Modules of ours import each other relatively, so that these rules see every import."""
    assert [module for module in MODULES if "queuectl" in imports(module)] == []
