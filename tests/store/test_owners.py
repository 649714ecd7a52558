"""Root in another user's queue: whatever it makes there is that user's, who goes on with every verb."""

import ast
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from tempfile import mkdtemp

import pytest

import queuectl
from queuectl import Queue
from queuectl.liveness.lock_file import LockFile
from queuectl.system import files
from queuectl.system.wakeup import Doorbell
from tests.another_user import run

OWNER, GROUP = 4242, 4343

VERBS = """
config set grace_s 2
enqueue big-{n} "seq 30000"
enqueue bad-{n} false --max-retries 0
worker start --drain --detach
wait big-{n} --timeout 20
worker start --drain
enqueue waits-{n} true --delay 1h
edit waits-{n} --set priority=3
cancel waits-{n}
list
show big-{n}
history big-{n}
logs big-{n}
status
snapshot
replay
verify --checkpoint {q}/checkpoint-{n}
export {q}/export-{n}.jsonl
backup {q}/backup-{n}.tar
replay --until 5 --into {q}/branch-{n}
dlq list
dlq retry bad-{n}
worker start --drain
compact --older-than 0s
enqueue more-{n} true
worker start --drain
compact --older-than 0s --archive {q}/../kept-{n}
compact --shrink
verify
restore {q}/backup-{n}.tar --force
enqueue again-{n} true
worker start --drain
remove again-{n}
migrate
export - --no-outputs
""".strip().splitlines()

FEW = """
enqueue big-{n} "seq 30000"
worker start --drain --detach
wait big-{n} --timeout 20
worker start --drain
config set grace_s 2
status
snapshot
replay
export {q}/export-{n}.jsonl
backup {q}/backup-{n}.tar
compact --older-than 0s
verify
restore {q}/backup-{n}.tar --force
enqueue again-{n} true
worker start --drain
""".strip().splitlines()


@pytest.fixture
def home() -> Iterator[Path]:
    """Yield a directory of another user's, which that user can reach."""
    if os.geteuid():
        pytest.skip("only root can work in another user's directory")
    place = Path(mkdtemp(prefix="queuectl-owner-"))
    place.chmod(0o711)
    own = place / "home"
    own.mkdir(mode=0o700)
    os.chown(own, OWNER, GROUP)
    yield own
    shutil.rmtree(place)


def strangers(place: Path) -> list[str]:
    """Return what lies in a directory and is not its owner's, or not its group's."""
    return [str(each) for each in place.rglob("*") if (each.lstat().st_uid, each.lstat().st_gid) != (OWNER, GROUP)]


@pytest.mark.parametrize("verbs", [FEW, pytest.param(VERBS, marks=pytest.mark.slow)], ids=["few", "all"])
def test_what_root_makes_in_a_queue_is_its_owners(home: Path, verbs: list[str]) -> None:
    """Each verb that makes something leaves nothing of root's there, and its owner goes on with each: 70 runs, 10 s."""
    path = home / "q"
    try:
        run(OWNER, GROUP, path, ["enqueue first true"])
    except PermissionError as error:
        pytest.skip(f"needs the right to make mount namespaces ({error})")
    for number, user in enumerate((0, OWNER)):
        run(user, GROUP, path, [line.format(q=path, n=number) for line in verbs])
        assert strangers(home) == []
    there = {each.suffix or each.name for each in home.rglob("*")}
    assert there >= {".lock", ".seg", ".snapshot", ".mdb", ".tar", ".jsonl", ".log", "outputs"}


def test_what_a_running_worker_has_is_its_owners(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bell, by which the owner wakes it, and the lock file, by which the owner sees it; and those half made."""
    monkeypatch.setenv("QUEUECTL_TRUST_DIRECTORY", str(home))
    with Queue.open(home), closing(Doorbell(home, "w")), closing(LockFile(home, "w", entries=1, lease_s=3)):
        assert (home / "doorbells" / "w.fifo").is_fifo()
        assert strangers(home) == []
        with files.whole_file(home / "whole", home / "draft"), files.scratch_directory(home, is_named=False):
            assert strangers(home) == []


@pytest.mark.parametrize("put", [os.symlink, os.link])
@pytest.mark.parametrize("name", ["mkfifo", "mkdir"])
def test_nothing_is_given_away_through_what_took_its_place(
    home: Path, monkeypatch: pytest.MonkeyPatch, name: str, put: Callable[[Path, str], None]
) -> None:
    """A link that the owner puts where root has just made something is not followed, and no other's file is given."""
    precious = home.parent / "precious"
    precious.write_text("root's")
    precious.chmod(0o644)
    monkeypatch.setattr(os, name, lambda path, mode: put(precious, path))
    act = {"mkfifo": files.open_new_pipe, "mkdir": files.make_private}[name]
    with pytest.raises(OSError, match=r"took its place|[Ll]inks|Not a directory"):
        act(home / "made")
    found = precious.stat()
    assert (found.st_uid, stat.S_IMODE(found.st_mode), precious.read_text()) == (0, 0o644, "root's")


def test_what_is_not_roots_is_not_given_away(home: Path) -> None:
    """A new queue in another user's directory, and what root writes there for itself, stay root's."""
    Queue.open(home / "new" / "q").close()
    with files.whole_file(home / "export", home / "draft", is_named=True):
        pass
    roots = [home / "new", home / "new" / "q", home / "new" / "q" / "data.mdb", home / "export"]
    assert {each.stat().st_uid for each in roots} == {0}


MAKERS = frozenset(
    {"mkdir", "mkfifo", "mknod", "makedirs", "mkdtemp", "mkstemp", "copyfile", "copytree", "copy2", "symlink_to"}
)
ELSEWHERE = frozenset({"system/files.py", "cli/demo.py", "cli/input/editor.py"})
"""Where something is made that is in no queue's directory: temporary files; and where everything else is made."""


def test_everything_is_made_in_one_place() -> None:
    """No module but `files` makes a file, directory or pipe: what is made otherwise would not be the owner's."""
    root = Path(queuectl.__file__).parent
    found = {
        f"{path.relative_to(root)}:{call.lineno}"
        for path in root.rglob("*.py")
        if str(path.relative_to(root)) not in ELSEWHERE
        for call in ast.walk(ast.parse(path.read_text()))
        if isinstance(call, ast.Call) and _makes(call)
    }
    assert found == set()


def _makes(call: ast.Call) -> bool:
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    if name not in {*MAKERS, "open", "copy", "write_text", "write_bytes"}:
        return False
    words = ast.unparse(call)
    modes = [*call.args, *(each.value for each in call.keywords if each.arg == "mode")]
    is_for_writing = any(isinstance(each, ast.Constant) and str(each.value)[:1] in ("w", "x", "a") for each in modes)
    return (
        name in MAKERS
        or (name == "open" and "fileobj=" not in words and (is_for_writing or "O_CREAT" in words))
        or (name == "copy" and "compact" in words)
        or (name in ("write_text", "write_bytes") and "/proc/" not in words and not words.startswith("formatter."))
    )
