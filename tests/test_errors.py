"""Each error tells in one line what was tried, on what, what was found, and what to do next."""

import ast
import inspect
import re
from pathlib import Path

import pytest

import queuectl
from queuectl import errors
from queuectl.core.inherited_env import names_of
from queuectl.core.job_request import JobRequest
from queuectl.core.request import check_queue, specify
from queuectl.core.settings import Settings
from queuectl.display import shown
from queuectl.errors import QueuectlError
from queuectl.system.interrupts import own, suppress_own

ROOT = Path(queuectl.__file__).parent
CORE = [
    path
    for path in sorted(ROOT.rglob("*.py"))
    if path.relative_to(ROOT).parts[0] not in ("cli", "__main__.py", "hints.py")
]
COMMAND = re.compile(
    rf"queuectl (?:{'|'.join(path.stem for path in sorted((ROOT / 'cli' / 'verbs').glob('[a-z]*.py')))})\b"
)
"""What somebody is told to type."""

OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]+")

EXAMPLES: dict[QueuectlError, tuple[str, ...]] = {
    errors.InvalidInput("priority", "'high'", "a whole number"): ("priority", "'high'", "a whole number"),
    errors.Unusable("position", "9", "one from 1 to 3"): ("position", "9", "from 1 to 3"),
    errors.Unusable("limit", "'x'", "one of a", then="look at it"): ("expected one of a; look at it",),
    errors.InvalidLine(7, errors.InvalidInput("id", "''", "text")): ("line 7", "id:", "nothing was enqueued"),
    errors.InvalidLine(10_007, errors.DuplicateJob("a", "dead"), enqueued=10_000): ("line 10007", "10000 jobs", "'a'"),
    errors.JobNotFound("job9"): ("'job9'", "queuectl list"),
    errors.JobNotFound("", is_numbered=True): ("no job of that number; ", "queuectl list"),
    errors.JobNotFound("job9", removed=True): ("'job9'", "was removed", "queuectl history job9"),
    errors.JobNotFound("job9", archived_in="x.seg"): ("'job9'", "archived in x.seg", "not there"),
    errors.Archived("position 3", 9): ("position 3", "up to position 9 are archived", "earliest state"),
    errors.BadSegment("/a/x.seg", "cut short"): ("/a/x.seg", "cut short", "sound copy"),
    errors.CompactBusy("/q"): ("/q", "another compact", "try again"),
    errors.JobNotFound("jbo9", near=["job9", "job"]): ("'jbo9'", "did you mean job9 or job?"),
    errors.AmbiguousJob("job", ["job1", "job2"], is_all=False): ("'job'", "job1, job2 ...", "type more"),
    errors.DuplicateJob("job9", "failed"): ("cannot enqueue 'job9'", "(failed)", "queuectl show job9"),
    errors.DuplicateJob("job9", "dead"): ("cannot enqueue 'job9'", "(dead)", "--replace"),
    errors.KeyTaken("enqueue", "job9", "k", "failed"): ("key 'k' is held by", "'job9' (failed)", "queuectl wait job9"),
    errors.KeyTaken("retry", "job9", "k", "dead", refused="job8"): ("retry 'job8'", "'job9' (dead)", "remove job9"),
    errors.KeyTaken("replace", "a", "k", "processing", refused="a"): ("replace 'a'", "key 'k' and is processing"),
    errors.DuplicateJob("job9", "failed", replace=True): ("cannot replace 'job9'", "(failed)", "queuectl cancel job9"),
    errors.WrongState("cancel", "job9", "completed", "do this"): ("cannot cancel 'job9'", "completed", "do this"),
    errors.StaleLease("complete", "job9", 12, "w2 holds it"): ("cannot complete 'job9'", "12", "w2 holds it", "drop"),
    errors.Conflict(3, 4, 5): ("stream 3", "position 4", "found 5", "decide again"),
    errors.CheckpointMoved("mailer", 4, 9): ("'mailer'", "position 4", "moved to 9", "subscribe again"),
    errors.IllegalTransition("completed", "dead", 9): ("'completed'", "dead", "position 9", "queuectl replay --check"),
    errors.WaitTimeout(["a", "b"], 1.5): ("1.5 s", "a, b", "wait again"),
    errors.CannotListen("::1", 80, "taken", "name another"): ("::1", "port 80", "taken", "name another"),
    errors.StoreError("cannot read it"): ("cannot read it",),
    errors.EnvironmentMissing("7878"): ("environment 7878", "not there", "queuectl verify"),
    errors.NoQueue("/q"): ("no queue at /q", "queuectl enqueue", "--db"),
    errors.FileDeleted("/q", "lock.mdb"): ("/q", "lock.mdb was deleted", "fuser -v /q/open.lock", "try again"),
    errors.HalfReplaced("/q"): ("/q", "interrupted", "restore --finish"),
    errors.NotYetMade("/q", "/q/restoring", goes_on=False): ("/q", "was killed", "again", "rm -r /q/restoring"),
    errors.LogLost("/q", "is gone", "outputs", "restore FILE"): ("/q", "data.mdb is gone", "outputs", "restore FILE"),
    errors.NotAQueue("/q", "it is a file"): ("/q", "it is a file", "--db"),
    errors.Untrusted("/q", "it belongs to user 5"): ("/q", "user 5", "--trust-directory --db /q"),
    errors.NewerFormat("the store", 2, 1): ("the store is 2", "knows 1", "newer queuectl", "upgrade"),
    errors.CorruptLog(9, "no checksum"): ("position 9", "no checksum", "queuectl verify"),
    errors.WriteFailed("/q", "no space", "free some"): ("/q", "no space", "nothing of this change", "free some"),
    errors.BulkStopped(10_000, 25_000, errors.StoreError("no space")): ("10,000 of 25,000", "no space", "line 10001"),
    errors.ForkedStore("/q", 10, 11): ("/q", "process 10", "fork 11", "open it again"),
}

BUILTIN = {
    errors.InvalidInput: ValueError,
    errors.InvalidLine: ValueError,
    errors.DuplicateJob: ValueError,
    errors.JobNotFound: LookupError,
    errors.AmbiguousJob: LookupError,
    errors.WaitTimeout: TimeoutError,
}
"""Error -> what a caller may catch it by who knows Python alone."""


@pytest.mark.parametrize(("error", "words"), EXAMPLES.items(), ids=lambda value: type(value).__name__)
def test_the_message_is_one_line_with_all_that_matters(error: QueuectlError, words: tuple[str, ...]) -> None:
    """The message names what was tried and found and the next step, in one line without a full stop."""
    message = str(error)
    assert [word for word in words if word not in message] == []
    assert "\n" not in message
    assert not message.endswith(".")


def test_every_error_is_in_the_tree_and_tried_here() -> None:
    """All errors have the one root, and each class has its example above."""
    classes = {each for _, each in inspect.getmembers(errors, inspect.isclass) if each is not QueuectlError}
    assert all(issubclass(each, QueuectlError) for each in classes)
    assert classes == {type(error) for error in EXAMPLES}


def test_what_the_store_cannot_do_is_a_store_error() -> None:
    """Whoever catches StoreError gets every way in which a store fails, and no refusal of a command."""
    of_the_store = {
        "EnvironmentMissing",
        "NoQueue",
        "FileDeleted",
        "HalfReplaced",
        "LogLost",
        "NotYetMade",
        "NotAQueue",
        "Untrusted",
        "NewerFormat",
        "CorruptLog",
        "WriteFailed",
        "ForkedStore",
        "StoreError",
    } | {
        "BulkStopped",
        "BadSegment",
        "CompactBusy",
    }
    assert {type(error).__name__ for error in EXAMPLES if isinstance(error, errors.StoreError)} == of_the_store


def test_fields_are_there_for_programs() -> None:
    """Callers read ids, states, tokens and positions from fields, not from the message."""
    assert errors.DuplicateJob("job9", "dead").job_id == "job9"
    assert errors.InvalidLine(7, errors.JobNotFound("a"), enqueued=3).enqueued == 3
    assert errors.StaleLease("renew", "job9", 12, "x").token == 12
    assert (errors.Conflict("config", 4, 5).stream, errors.Conflict(3, 4, 5).actual) == ("config", 5)


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_what_to_type_stands_apart(error: QueuectlError) -> None:
    """A program may show the message to people who have no command line; the hint is for those who have."""
    assert COMMAND.search(error.message) is None
    assert OPTION.search(error.message) is None
    assert str(error) == (f"{error.message}; {error.hint}" if error.hint else error.message)


def test_what_is_expected_is_in_the_words_of_who_asks() -> None:
    """At a prompt the hint stands in the place of the words for programs, which have the command too."""
    error = errors.Unusable("worker", "'w'", "a worker that has not stopped", hint="one of `queuectl worker list`")
    assert error.message == "worker: found 'w'; expected a worker that has not stopped"
    assert error.at_a_prompt == "worker: found 'w'; expected one of `queuectl worker list`"
    error = errors.Unusable("limit", "'l'", "one of a", then="`queuectl limit list` shows them")
    assert error.message == "limit: found 'l'; expected one of a"
    assert error.at_a_prompt == str(error) == f"{error.message}; `queuectl limit list` shows them"


@pytest.mark.parametrize("path", CORE, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_command_is_named_by_the_hints_alone(path: Path) -> None:
    """No text of the core names a command of the command line, in whatever pieces it is put together."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    said = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}  # docstrings
    texts = [node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr | ast.Constant) and id(node) not in said]
    assert [found[0] for text in texts if (found := COMMAND.search(_plain(text)))] == []


@pytest.mark.parametrize("path", CORE, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_message_names_an_option(path: Path) -> None:
    """What is wrong is told without the options of the command line: these are for the hint."""
    said = [text for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) for text in _messages(call)]
    assert [found[0] for text in said if (found := OPTION.search(text) or re.search(r"\bhints\.", text))] == []


def _messages(call: ast.AST) -> list[str]:
    """Return the source of what an error of ours is made from beside its hint; nothing of another expression."""
    if not isinstance(call, ast.Call):
        return []
    called = ast.unparse(call.func) if isinstance(call.func, ast.Name | ast.Attribute) else ""
    kind = getattr(errors, called, QueuectlError if ".__init__" in called else None)
    if not inspect.isclass(kind) or not issubclass(kind, QueuectlError):
        return []
    names = inspect.signature(kind).parameters
    given = dict(zip(names, call.args, strict=False)) | {each.arg: each.value for each in call.keywords if each.arg}
    return [ast.unparse(value) for name, value in given.items() if name not in ("hint", "then", "restore")]


def test_advice_of_the_command_line_is_a_hint() -> None:
    """A program that shows the message alone shows no option; the command line prints both in one line."""
    for act, says in (
        (check_cwd_of_a_job, "one that is there, or one named with --cwd"),
        (lambda: names_of("QUEUECTL_DB"), "no variable of queuectl's own; give the job one by --env"),
    ):
        with pytest.raises(errors.InvalidInput) as refused:
            act()
        assert "--" not in refused.value.message
        assert refused.value.at_a_prompt.endswith(f"; expected {says}")


def check_cwd_of_a_job() -> None:
    """Ask for a job from a directory that is gone."""
    specify(JobRequest("true"), fresh_id="a", settings=Settings(), now_us=0, cwd="")


def _plain(text: ast.JoinedStr | ast.Constant) -> str:
    parts = text.values if isinstance(text, ast.JoinedStr) else [text]
    return "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in parts)


def test_many_ids_are_not_all_told() -> None:
    """A wait for hundreds of jobs names the first five, and keeps all for programs."""
    error = errors.WaitTimeout([f"job{number}" for number in range(300)], 10)
    assert "job4 ..." in str(error)
    assert "job5" not in str(error)
    assert len(error.job_ids) == 300


def test_strange_ids_cannot_break_the_line() -> None:
    """An id that nobody checked, with a newline or an escape sequence in it, is shown, not obeyed."""
    assert str(errors.JobNotFound("a\nb\x1b[31m")).isprintable()


def test_ids_are_given_as_they_are_typed() -> None:
    """What is advised can be copied to a shell, whatever the id."""
    assert "`queuectl show 'a b'`" in str(errors.DuplicateJob("a b", "pending"))
    assert "`queuectl history 'it'\"'\"'s'`" in str(errors.JobNotFound("it's", removed=True))
    assert "`queuectl show plain-1`" in str(errors.DuplicateJob("plain-1", "pending"))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("id\udcff", r"'id\xff'"),
        ("\\udcff", r"'\\udcff'"),
        ({"A\udc80": "1"}, r"{'A\x80': '1'}"),
        ("\ud800", r"'\ud800'"),
    ],
)
def test_bytes_that_are_no_text_are_shown_as_such(value: object, expected: str) -> None:
    """A byte that is not UTF-8 is shown by its number, as lists show it, and what only looks like one as it is."""
    assert shown(value) == expected


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda value: type(value).__name__)
def test_what_is_wrong_and_what_to_do_are_two_fields(error: QueuectlError) -> None:
    """The line is the message and the hint; no command stands in the message, but where it tells of another error."""
    assert str(error) == (f"{error.message}; {error.hint}" if error.hint else error.message)
    if not isinstance(error, errors.InvalidLine | errors.BulkStopped):
        assert "`" not in error.message.replace("`retention_s`", "")


@pytest.mark.parametrize(("kind", "builtin"), BUILTIN.items())
def test_an_error_is_caught_as_python_s_own(kind: type[QueuectlError], builtin: type[Exception]) -> None:
    """Who knows nothing of our errors catches them by the builtin one that says the same."""
    error = next(each for each in EXAMPLES if type(each) is kind)
    with pytest.raises(builtin) as caught:
        raise error
    assert caught.value is error
    assert str(error) == f"{error}"


@pytest.mark.parametrize("kinds", [(ValueError,), (ValueError, OSError)])
def test_a_refusal_is_not_taken_for_an_error_of_the_system_s(kinds: tuple[type[Exception], ...]) -> None:
    """Code here that expects a ValueError of Python's lets a refusal of ours through, unless it names that."""
    with pytest.raises(errors.InvalidInput):
        refused(*kinds)
    with pytest.raises(errors.InvalidInput), suppress_own(*kinds):
        check_queue("a b")
    assert refused(*kinds, QueuectlError)


def refused(*kinds: type[Exception]) -> bool:
    """Return whether a wrong name is refused by an error that one of these kinds is meant by."""
    try:
        check_queue("a b")
    except own(*kinds):
        return True
    return False
