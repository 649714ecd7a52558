"""Who may import what: each module of queuectl only knows what lies beneath it."""

import ast
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

import queuectl

ROOT = Path(queuectl.__file__).parent
CORE = "errors display events.types job commands retry decider"
VIEWS_OF_ALL = "errors display events.* job store projections.*"
QUEUE = (  # and its values: what commands, workers and the dashboard stand on
    "queue amending filtering surroundings answers documents settings shells inheriting intake kinds errors"
    " display clock events.types events.codec job job_mapping when commalist writable"
)

BY_ALL = "interrupts"
ALLOWED = {  # module -> what of ours it may import beside BY_ALL; the first row that fits counts
    "files|commalist|interrupts": "",
    "untrusted": "display errors",
    "trust": "errors",
    "halfmade": "directory errors files",
    "errors": "display",
    "later": "errors",
    "display|escaping|boot|drainer|events.types|retry|events.__init__|projections.__init__": "",
    "job|commands|decider": CORE,
    "events.lmdb_log": "errors events.* store tables",
    "events.validity": "errors events.types kinds when",
    "events.*": "errors events.* packing",
    "clock": "boot",
    "mark|version": "",
    "lock_wait": "errors lock_holder",
    "lock_holder": "boot escaping processes",
    "surroundings": "errors mark",
    "when": "display errors",
    "hindrance": "",
    "directory": "errors files hindrance lock_wait scope",
    "copying": "directory environment errors",
    "tables": "errors files lmdbfile",
    "datafile": "directory errors files halfmade hindrance lmdbfile tables",
    "log_end": "errors tables",
    "environment": "datafile directory errors files gate lmdbfile lock_wait log_end scope tables",
    "gate": "scope",
    "scope": "",
    "lmdbfile": "directory errors files lock_wait scope surroundings txnlocks",
    "writable": "lmdbfile",
    "registry": "directory environment errors gate halfmade scope tables",
    "txnlocks": "errors lock_wait",
    "packing": "",
    "shells|kinds": "display errors",
    "inheriting": "display commalist errors",
    "settings": "display errors events.types inheriting shells when",
    "lockfile": "boot files",
    "doorbell": "files",
    "processes": "boot",
    "leftovers": "boot lockfile mark processes",
    "guardian": "boot lockfile leftovers processes",
    "command_parent": "processes",
    "diskspace": "",
    "damage": "errors",
    "transaction": "environment errors tables",
    "store": "copying damage directory diskspace environment errors gate later registry scope tables transaction",
    "projections.rebuild": f"apart surroundings {VIEWS_OF_ALL}",
    "projections.runner|projections.folding|projections.walking": VIEWS_OF_ALL,
    "projections.comparing": "store projections.*",
    "projections.rows": "errors packing store",
    "projections.environments": "errors events.types store projections.rows",
    "projections.layout": "errors store tables",
    "projections.marks": "errors store projections.rows",
    "projections.*": "events.types job store projections.rows",
    "intake": "display errors events.types inheriting job kinds settings shells when",
    "job_mapping": "display errors events.types intake when",
    "answers": "display errors events.types job",
    "amending": "display errors events.types intake job_mapping settings shells when",
    "filtering": "display commalist errors intake job when",
    "listing": f"filtering presence reading {VIEWS_OF_ALL}",
    "documents": "answers events.types events.codec job shells when",
    "outputs": "store",
    "presence": "job projections.leases projections.workers store",
    "logtime": "clock store when",
    "due_times": "job when",
    "engine": f"logtime presence {CORE} {VIEWS_OF_ALL} clock settings intake doorbell scope when",
    "settling|reading": "answers due_times kinds settings boot lockfile presence commands engine outputs surroundings"
    f" {VIEWS_OF_ALL}",
    "job_wait": f"answers filtering listing {VIEWS_OF_ALL}",
    "family": f"answers job reading {VIEWS_OF_ALL}",
    "selecting": f"reading {VIEWS_OF_ALL}",
    "subscriptions": "display answers clock errors events.* intake store",
    "snapshots": "directory errors files store untrusted",
    "branching": f"answers asof files outputs surroundings {VIEWS_OF_ALL}",
    "asof": f"answers due_times when files filtering intake listing reading settings snapshots {VIEWS_OF_ALL}",
    "overview": f"answers due_times presence reading {VIEWS_OF_ALL}",
    "group_commit": "engine store",
    "enqueuing": "answers clock commands engine group_commit inheriting intake job_mapping outputs settings"
    f" surroundings {VIEWS_OF_ALL}",
    "matching": "errors intake projections.* store",
    "candidates": "errors job projections.* store subscriptions surroundings",
    "acting": f"amending answers commands engine filtering listing outputs {VIEWS_OF_ALL}",
    "takeover": f"answers boot engine leftovers lockfile presence surroundings {VIEWS_OF_ALL}",
    "segment": "display errors files kinds untrusted",
    "archive": "errors events.types events.codec segment untrusted",
    "expiry": f"answers {VIEWS_OF_ALL}",
    "retention": f"answers archive archived directory files engine expiry outputs segment {VIEWS_OF_ALL}",
    "archived": f"answers archive reading segment {VIEWS_OF_ALL}",
    "retaining": f"answers later engine expiry reading retention settings {VIEWS_OF_ALL}",
    "shrinking": "answers datafile directory errors files halfmade",
    "limits": "errors events.* inheriting intake job settings",
    "soundness": "apart datafile errors events.* hindrance limits projections.archives store",
    "backupfile": "display errors files untrusted",
    "installing": "directory errors files untrusted",
    "backup": "answers backupfile errors files outputs soundness store surroundings version when",
    "restore": "answers backup backupfile errors files installing soundness",
    "exporting": f"answers archived documents outputs version when {VIEWS_OF_ALL}",
    "readable": "display documents errors events.types untrusted",
    "importing": f"answers exporting files installing limits outputs readable soundness untrusted log_check"
    f" {VIEWS_OF_ALL}",
    "migrating": f"answers datafile tables {VIEWS_OF_ALL}",
    "foreign": "display errors intake untrusted when",
    "foreignfiles": "errors foreign untrusted",
    "adopting": f"answers engine foreign foreignfiles intake outputs settings surroundings {VIEWS_OF_ALL}",
    "queue": f"face.* clock intake later settings surroundings {VIEWS_OF_ALL}",
    "face.*": f"face.* answers clock commands due_times engine group_commit intake kinds logtime settings surroundings"
    f" {VIEWS_OF_ALL} outputs presence enqueuing acting settling reading overview takeover family matching selecting"
    " subscriptions trust later verification adopting backup exporting foreignfiles importing installing migrating"
    " restore filtering job_wait listing when asof snapshots branching"
    " archived expiry retaining retention shrinking weighing worker.output",
    "weighing": "",
    "apart": "errors hindrance lock_wait packing",
    "checkpoint": "display errors files untrusted when",
    "tracing": "errors events.audit events.codec events.lmdb_log events.types store",
    "provenance": f"archive archived hindrance segment {VIEWS_OF_ALL}",
    "inherited": "errors events.lmdb_log events.types inheriting store",
    "findings": "errors events.audit hindrance",
    "output_check": "events.audit findings hindrance outputs store weighing",
    "log_check": "directory errors events.audit events.codec events.lmdb_log events.types findings inherited"
    " output_check provenance store tables tracing weighing",
    "views_check": "errors events.audit files findings projections.layout projections.rebuild store",
    "verify_task": "apart datafile directory errors events.audit events.lmdb_log findings hindrance log_check store"
    " views_check",
    "verification": "apart checkpoint directory diskspace errors halfmade hindrance",
    "doctor": "display apart clock directory diskspace due_times errors files halfmade hindrance events.lmdb_log job"
    " lmdbfile lockfile logtime projections.* reading settings shells store writable",
    "worker.libc": "surroundings",
    "worker.package": "asof settling takeover",
    "worker.*": f"{QUEUE} escaping boot command_parent doorbell files guardian leftovers lockfile mark processes"
    " worker.*",
    "cli.verbs.dashboard": f"{QUEUE} cli.* web.server",
    "cli.*": f"{QUEUE} escaping asof candidates doctor due_times files lock_wait trust mark"
    " verification version __init__ cli.* worker.*",
    "web.looking": f"{QUEUE} version web.*",
    "web.printed": "answers queue worker.output worker.printed",
    "web.answering": f"{QUEUE} untrusted web.*",
    "web.*": f"{QUEUE} web.*",
    "__init__|__main__": "*",
}
HOMES = {
    "lmdb": "store|transaction|log_end|environment|tables|datafile|lmdbfile|copying",
    "msgspec": "packing|commands|decider|documents|due_times|engine|intake|job|limits|presence|cli.story"
    "|events.audit|events.codec|events.types|events.validity|projections.*",
    "msgpack": "packing|events.codec|events.audit|projections.rows|segment|untrusted",
    "zstandard": "segment|snapshots",
    "click": "cli.*",
    "rich": "cli.*",
    "textual": "cli.top.*",
    "starlette": "web.*",
    "uvicorn": "web.server|web.connections",
    "h11": "web.connections",
}
IMPURE = {"time", "datetime", "random", "secrets", "uuid", "os", "sys", "socket", "subprocess", "pathlib"}
MODULES = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in sorted(ROOT.rglob("*.py"))}


def fits(name: str, patterns: str) -> bool:
    """Return whether a module is meant by patterns; a package's own name means what is in it too."""
    names = {name, f"{name}.__init__"}
    return any(fnmatchcase(each, pattern) for each in names for pattern in patterns.replace("|", " ").split())


def imports(module: str) -> Iterator[str]:
    """Yield what a module imports, anywhere in it: ours with a leading dot, others by their first name."""
    package = module.split(".")[:-1]
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) + 1 - node.level] + (node.module or "").split(".")
            source = ".".join(part for part in base if part)
            inner = [f"{source}.{alias.name}".lstrip(".") for alias in node.names]
            yield from ({f".{each}" for each in inner if each in MODULES} or {f".{source or '__init__'}"})
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").split(".")[0]


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_what_lies_beneath_it(module: str) -> None:
    """A module of ours imports no other than the table allows it."""
    rules = [allowed for modules, allowed in ALLOWED.items() if fits(module, modules)]
    assert rules, f"say in ALLOWED what {module} may import"
    assert [each for each in imports(module) if each[0] == "." and not fits(each[1:], f"{BY_ALL} {rules[0]}")] == []


def test_every_module_has_a_room() -> None:
    """docs/architecture.md says of each module what it is for, by its name or by its directory's."""
    table = (ROOT.parent / "docs" / "architecture.md").read_text(encoding="utf-8").partition("## The rooms")[2]
    rows = re.findall(r"^\| (`.*?) \|", table.partition("\n## ")[0], re.MULTILINE)
    rooms = {each.replace("/", ".") for row in rows for each in re.findall(r"`([\w/*]+)`", row)}
    patterns = " ".join(f"{room}*" if room.endswith(".") else room for room in rooms)
    assert [name for name in MODULES if "__" not in name and not fits(name, patterns)] == []


@pytest.mark.parametrize(("library", "home"), HOMES.items())
def test_a_library_has_one_home(library: str, home: str) -> None:
    """LMDB, msgspec and click are known to the modules they were taken in for, and to no others."""
    users = {module for module in MODULES if library in imports(module)}
    assert {user for user in users if not fits(user, home)} == set()


@pytest.mark.parametrize("module", [*CORE.split(), "events.codec", "events.log"])
def test_the_core_reads_no_clock_and_does_no_io(module: str) -> None:
    """Time, chance, files and processes are not even imported where it is decided what happens."""
    assert IMPURE.isdisjoint(imports(module))


def test_nothing_names_the_package_from_inside() -> None:
    """Modules of ours import each other relatively, so that these rules see every import."""
    assert [module for module in MODULES if "queuectl" in imports(module)] == []
