"""Many jobs at once: which ones, how many, and not without being asked."""

import threading

import pytest

from queuectl import JobRequest
from queuectl.queue import Queue
from tests.cli.conftest import CommandLine
from tests.cli.tty import INTERRUPT, Terminal


@pytest.fixture
def lived(cli: CommandLine) -> CommandLine:
    """Return a queue with two dead, one completed, one cancelled and three pending jobs, m in each id of queue mail."""
    with cli.queue() as queue:
        for job_id in ("dead", "deadm", "donem"):
            queue.enqueue("rsync a b", id=job_id, queue="mail" if "m" in job_id else "default", max_retries=0)
            (job,) = queue.worker("w").claim(1)
            queue.worker("w").complete(job) if job_id == "donem" else queue.worker("w").fail(job, "no", return_code=1)
        queue.enqueue("true", id="gone")
        queue.cancel("gone")
        for job_id in ("wait", "waitm", "later"):
            queue.enqueue("echo RSYNC", id=job_id, queue="mail" if "m" in job_id else "default")
    return cli


def ids(cli: CommandLine, *words: str) -> set[str]:
    return {job["id"] for job in cli.json("list", *words)}


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["--state", "dead", "--state", "completed"], {"dead", "deadm", "donem"}),
        (["--queue", "mail"], {"deadm", "donem", "waitm"}),
        (["--match", "rsync", "--queue", "default"], {"dead", "wait", "later"}),
        (["--match", "WAIT"], {"wait", "waitm"}),
        (["--since", "1h ago"], {"dead", "deadm", "donem", "gone", "wait", "waitm", "later"}),
        (["--until", "1h ago"], set()),
        (["--match", "."], set()),
    ],
)
def test_options_narrow_the_list_together(lived: CommandLine, words: list[str], found: set[str]) -> None:
    """Each option narrows the list, and they narrow it together; so they do of a past moment."""
    assert ids(lived, *words) == found
    assert ids(lived, *words, "--as-of", str(lived.json("status")["head"])) == found


def test_order_and_columns(lived: CommandLine) -> None:
    """--order puts them in order, - the other way round; --columns are those asked for, though empty."""
    assert [job["id"] for job in lived.json("list", "--state", "pending", "--order", "-id")] == [
        "waitm",
        "wait",
        "later",
    ]
    shown = lived("list", "--columns", "took,id,error", "--state", "dead", "--order", "id").stdout.splitlines()
    assert [line.split() for line in shown] == [["TOOK", "ID", "LAST", "ERROR"], ["dead", "no"], ["deadm", "no"]]
    assert "one of enqueued, updated" in lived("list", "--order", "age", code=2).stderr
    assert "one of id, state" in lived("list", "--columns", "id,age", code=2).stderr
    lived("list", "--columns", "id", "--json", code=2)


def test_limit_and_after_walk_through_any_order(lived: CommandLine) -> None:
    """--limit and --after go through any order."""
    for order in ("-id", "priority", "updated", "took"):
        whole = [job["id"] for job in lived.json("list", "--order", order)]
        paged: list[str] = []
        while len(paged) < len(whole):
            after = ["--after", paged[-1]] if paged else []
            paged += [job["id"] for job in lived.json("list", "--order", order, "--limit", "2", *after)]
        assert paged == whole


@pytest.mark.parametrize(
    ("words", "changed"),
    [
        ("cancel --queue mail", {"waitm"}),
        ("cancel --match rsync", {"wait", "waitm", "later"}),
        ("retry --match rsync", {"dead", "deadm"}),
        ("retry --state completed --state cancelled", {"donem", "gone"}),
        ("dlq retry --queue mail", {"deadm"}),
        ("dlq purge --match DEAD", {"dead", "deadm"}),
        ("clear --state dead --state completed --queue mail", {"deadm", "donem"}),
    ],
)
def test_yes_does_what_the_dry_run_told(lived: CommandLine, words: str, changed: set[str]) -> None:
    """A dry run tells which jobs are meant and changes nothing; --yes does it, to those and no others."""
    before = {job["id"]: job["version"] for job in lived.json("list")}
    dry = lived.json(*words.split(), "--dry-run")
    assert set(dry["ids"]) == changed
    assert {job["id"]: job["version"] for job in lived.json("list")} == before
    lived(*words.split(), "--yes", "--reason", "so")
    after = {job["id"]: job["version"] for job in lived.json("list")}
    assert {job_id for job_id in before if after.get(job_id) != before[job_id]} == changed
    assert all(lived.json("history", job_id)[-1]["reason"] == "so" for job_id in changed)


@pytest.mark.parametrize("words", ["cancel --queue mail", "retry --since yesterday", "dlq purge --queue mail"])
def test_nobody_to_ask(lived: CommandLine, words: str) -> None:
    """Without a terminal and without --yes it is refused with what to type, and nothing changed."""
    head = lived.json("status")["head"]
    refused = lived(*words.split(), code=1).stderr
    assert "--yes" in refused
    assert "--dry-run" in refused
    assert lived.json("status")["head"] == head
    assert lived(*words.split()[:-1], "tomorrow" if "since" in words else "none", code=0).stdout.endswith("0 jobs\n")


@pytest.mark.parametrize(
    "words",
    [
        "cancel",
        "cancel a --queue mail",
        "cancel dead --dry-run",
        "retry",
        "dlq retry --all --queue mail",
        "dlq purge dead --match x",
        "clear --older-than 1h --until now",
    ],
)
def test_wrong_shape(lived: CommandLine, words: str) -> None:
    """No jobs, jobs named in two ways, or a dry run of some that were named, is a usage error."""
    head = lived.json("status")["head"]
    lived(*words.split(), code=2)
    assert lived.json("status")["head"] == head


def test_states_that_do_not_go_with_the_verb(lived: CommandLine) -> None:
    """A state in which jobs can not be told that is refused with those in which they can."""
    assert "one of pending, processing, failed" in lived("cancel", "--state", "dead", "--yes", code=2).stderr
    assert "one of completed, failed, dead, cancelled" in lived("retry", "--state", "pending", code=2).stderr


@pytest.mark.sampled(4)
@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("n", 1), ("", 1)])
@pytest.mark.parametrize("words", ["dlq purge --all", "cancel --match rsync", "clear --state dead"])
def test_a_terminal_is_asked(lived: CommandLine, words: str, answer: str, code: int) -> None:
    """On a terminal the count is told and the answer counts; no answer is no."""
    head = lived.json("status")["head"]
    with Terminal(lived.words(*words.split())) as terminal:
        assert terminal.expect("[y/N]").split()[1] in ("2", "3")
        terminal.type(f"{answer}\n")
        assert terminal.end() == code
    assert (lived.json("status")["head"] > head) == (code == 0)


def test_ctrl_c_at_the_question(lived: CommandLine) -> None:
    """Ctrl-C at the question changes nothing, and ends with 130."""
    head = lived.json("status")["head"]
    with Terminal(lived.words("dlq", "purge", "--all")) as terminal:
        terminal.expect("[y/N]")
        terminal.until_idle()
        terminal.type(INTERRUPT)
        assert terminal.end() == 130
        assert terminal.shown.endswith("\n"), "the shell's prompt begins on a line of its own"
        assert "Traceback" not in terminal.shown
    assert lived.json("status")["head"] == head


def test_those_that_moved_on_are_left(cli: CommandLine) -> None:
    """Jobs that a worker took between the question and the answer are left, and counted."""
    cli("enqueue", "--file", "-", "--lines", text="true\n" * 5)
    with Terminal(cli.words("cancel", "--state", "pending")) as terminal:
        terminal.expect("Cancel 5 jobs? [y/N]")
        with cli.queue() as queue:
            queue.worker("w").claim(2, lease_s=600)
        terminal.type("y\n")
        terminal.expect("Cancelled 3 jobs; left 2 jobs that had moved on")
        assert terminal.end() == 0


def test_beside_workers(cli: CommandLine) -> None:
    """While a worker completes jobs, cancelling them all leaves each either completed or cancelled."""
    with cli.queue() as queue:
        queue.enqueue_many([JobRequest("true")] * 3_000)

    def work() -> None:
        with Queue.open(cli.db) as queue:
            while claimed := queue.worker("w").claim(50):
                queue.worker("w").complete_many(claimed)

    working = threading.Thread(target=work)
    working.start()
    done = cli.process("cancel", "--state", "pending", "--yes", "--json")
    working.join()
    assert done.returncode == 0, done.stderr
    counts = {state: count for state, count in cli.json("status")["jobs"].items() if count}
    assert counts.keys() <= {"completed", "cancelled"}
    assert sum(counts.values()) == 3_000
    assert cli.process("replay", "--check").returncode == 0
