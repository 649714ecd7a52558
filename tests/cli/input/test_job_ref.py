"""Jobs named by the beginning of their id, on every verb that takes one; and slips answered with what was meant."""

import pytest

from tests.cli.conftest import CommandLine


@pytest.fixture
def jobs(cli: CommandLine) -> CommandLine:
    """Return a queue with a completed, a dead and a waiting job."""
    cli("enqueue", "completed-one", "true")
    cli.complete("completed-one")
    cli("enqueue", "dead-one", "false", "--max-retries", "0")
    cli.kill("dead-one")
    cli("enqueue", "waiting-one", "true")
    return cli


@pytest.mark.parametrize("words", ["show compl", "logs compl", "history compl", "wait compl", "dlq show dead"])
def test_a_verb_that_looks_takes_the_beginning_of_an_id(jobs: CommandLine, words: str) -> None:
    """A verb that looks at a job takes the beginning of its id, and shows the same as for the whole."""
    *verb, _ = words.split()
    whole = "dead-one" if "dead" in words else "completed-one"
    assert jobs(*words.split()).stdout == jobs(*verb, whole).stdout


@pytest.mark.parametrize(
    ("words", "whole"),
    [
        ("cancel wait", "waiting-one"),
        ("retry comp", "completed-one"),
        ("dlq retry dead", "dead-one"),
        ("dlq purge dea", "dead-one"),
    ],
)
def test_a_verb_that_changes_says_which_job_it_took(jobs: CommandLine, words: str, whole: str) -> None:
    """A verb that changes a job says which one it took for what was typed, on stderr; a whole id needs no words."""
    done = jobs(*words.split())
    assert whole in done.stdout
    assert done.stderr == f"{words.split()[-1]} is taken for {whole}\n"
    *verb, _ = words.split()
    assert "taken for" not in jobs.process(*verb, whole).stderr


def test_list_after(jobs: CommandLine) -> None:
    """A list goes on behind a job named by its beginning."""
    assert jobs("list", "--after", "dead").stdout == jobs("list", "--after", "dead-one").stdout


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        ("show daed-one", 1, "no job 'daed-one'; did you mean dead-one?"),
        ("cancel waitnig-one", 1, "did you mean waiting-one?"),
        ("history xyz", 1, "`queuectl list` shows"),
        ("worker lst", 2, "queuectl worker has no 'lst'; did you mean list?"),
        ("dlq prge x", 2, "did you mean purge?"),
        ("config foo", 2, "queuectl config has no 'foo'; it has get, set, show, unset; try: queuectl config --help"),
        ("jobs", 2, "did you mean list?"),
        ("purge", 2, "did you mean dlq purge?"),
        ("logs dead-one --folow", 2, "Did you mean '--follow'?"),
    ],
)
def test_a_slip_is_answered_with_what_comes_near(jobs: CommandLine, words: str, code: int, says: str) -> None:
    """A mistyped id, verb, verb of a verb or option is answered in one line with what comes near."""
    told = jobs(*words.split(), code=code).stderr
    assert says in told
    assert told.count("\n") == 1


def test_several_begin_so(jobs: CommandLine) -> None:
    """Where several ids begin so, none is taken and they are told; the others named are carried out."""
    jobs("enqueue", "waiting-two", "true")
    done = jobs("cancel", "waiting", "waiting-one", code=1)
    assert "several jobs' ids: waiting-one, waiting-two; type more" in done.stderr
    assert done.stdout == "Cancelled waiting-one\n"
    assert jobs.json("show", "waiting-two")["state"] == "pending"


@pytest.mark.parametrize(
    "words",
    [
        "cancel waiting-one {} waiting-one",
        "remove completed-one {} completed-one",
        "retry dead-one {} dead-one",
        "dlq retry dead-one {} dead-one",
        "dlq purge dead-one {} dead-one",
        "wait completed-one {} completed-one",
        "show completed-one completed-one",
        "logs completed-one completed-one",
        "dlq show dead-one dead-one",
    ],
)
def test_a_job_named_twice_is_one(jobs: CommandLine, words: str) -> None:
    """However often and in whatever way a job is named, it counts once, so that nothing is refused the second time."""
    *_, whole = words.split()
    twice = jobs(*words.format(whole[:5]).split())
    assert "Error" not in twice.stderr
    assert twice.stdout.count(whole) == (jobs("show", whole).stdout.count(whole) if words.startswith("show") else 1), (
        twice.stdout
    )
