"""The page in a real browser: what it shows, what it does, and what it does not let happen."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from queuectl.core.results import Captured
from queuectl.outputs.frames import encode_frame
from queuectl.queue import Queue
from tests.waiting import wait_until
from tests.web.browser import CHROMIUM, Browser
from tests.web.conftest import Dashboard, die

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium")

NASTY = "<script>alert(1)</script>"
SPOOF = "<img src=x onerror=alert(2)>\x1b[31mred\x1b[0m\x00\u202eevil"


def drawn(browser: Browser) -> str | None:
    """Return which page is drawn, None before the first is."""
    name: str | None = browser.js("document.getElementById('main')?.dataset.drawn")
    return name


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    opened = Browser(tmp_path / "profile")
    yield opened
    said = opened.said
    opened.close()
    assert said == [], "no script failed, none of another's ran, and the policy had nothing to keep out"


def test_it_shows_the_queue_live(dashboard: Dashboard, store: Queue, browser: Browser) -> None:
    """Counts, queues, workers with what they run, and events appear, and change by themselves."""
    store.worker("worker-1").started(host="elsewhere", pid=7, slots=3)
    browser.go(dashboard.url)
    browser.sees("worker-1")
    browser.sees("3 free")
    store.enqueue("true", id="first", queue="mail")
    browser.sees("mail")
    browser.sees("first")
    store.worker("worker-1").start(store.worker("worker-1").claim(1)[0])
    browser.sees("2 free")


@pytest.mark.slow
def test_a_queue_that_nobody_serves(dashboard: Dashboard, store: Queue, browser: Browser) -> None:
    """Beside the workers it says in which queues jobs wait that none of them takes, and how to start one that does."""
    store.worker("worker-1").started(host="elsewhere", pid=7, slots=3, queues=["fast"])
    store.enqueue("true", queue="fast")
    store.enqueue("true", queue="slow")
    browser.go(dashboard.url)
    browser.sees("Jobs wait in queue slow, and no running worker serves it.")
    browser.sees("queuectl worker start --queue slow")


def test_what_is_paused_and_what_a_job_uses_are_seen(dashboard: Dashboard, store: Queue, browser: Browser) -> None:
    """On the overview, in the list, which can be of paused jobs alone, and on the job's own page."""
    store.limits.set("api", running=2)
    store.queues.pause("mail", reason="upgrade")
    store.enqueue("true", id="stands", paused=True, use=["api=2"])
    store.enqueue("true", id="other")
    browser.go(dashboard.url)
    browser.sees("Paused queues")
    browser.sees("upgrade")
    browser.go(f"{dashboard.url}#/jobs?paused=true")
    browser.sees("pending, paused")
    assert "other" not in browser.js("document.getElementById('main').innerText")
    browser.go(f"{dashboard.url}#/job/stands")
    browser.sees("api=2")


@pytest.mark.slow
def test_what_no_job_matches(dashboard: Dashboard, store: Queue, browser: Browser) -> None:
    """Where no job passes the filter the page says which it was, in plain words."""
    store.enqueue("true", id="a")
    for about, told in (
        ("state=dead", "No jobs are dead."),
        ("state=failed&queue=mail", "No jobs are failed in queue mail."),
        ("queue=mail", "No jobs in queue mail."),
        ("text=rsync", "No jobs with “rsync” in id, command or error."),
        ("text=true&after=a", "No more jobs with “true” in id, command or error."),
    ):
        browser.go(f"{dashboard.url}#/jobs?{about}")
        browser.sees(told)


def test_nothing_of_a_job_is_obeyed(dashboard: Dashboard, store: Queue, browser: Browser) -> None:
    """Markup and control characters in an id, a command, an error and the output are shown, on every page."""
    store.enqueue(SPOOF.replace("\x00", ""), id=NASTY, max_retries=0, reason=SPOOF.replace("\x00", ""))
    (job,) = store.worker("w").claim(1)
    store.worker("w").fail(
        store.worker("w").start(job), SPOOF, return_code=1, output=Captured(frames=encode_frame(b"o", SPOOF.encode()))
    )
    browser.go(dashboard.url)
    for page in ("overview", "jobs", "dead"):
        browser.js(f"location.hash = '#/{page}'")
        wait_until(lambda page=page: drawn(browser) == page)
        assert NASTY in browser.text()
    browser.js("document.querySelector('main table a').click()")
    wait_until(lambda: drawn(browser) == "job")
    browser.sees("\\x1b[31mred\\x1b[0m\\x00\\u202eevil")
    wait_until(lambda: "red" in browser.js("document.querySelector('pre.output')?.innerText ?? ''"))
    assert browser.js("document.querySelectorAll('main script, main img, main b b').length") == 0
    assert not {"\x1b", "\x00", "\u202e"} & set(browser.js("document.body.innerText"))


def test_retry_with_a_reason(dashboard: Dashboard, store: Queue, browser: Browser) -> None:
    """A dead job is run again from the page, after a confirmation; the reason given there is in the log."""
    die(store, "bad")
    browser.go(dashboard.url + "#/dead")
    browser.click("Retry all 1")
    browser.type("#ask-reason", "the disk is back")
    browser.key("Enter", 13)
    browser.sees("No dead jobs")
    event = store.history("bad")[-1]
    assert (event.reason, event.actor.partition("@")[0]) == ("the disk is back", "dashboard:tester")


@pytest.mark.slow
def test_purge_those_chosen(dashboard: Dashboard, store: Queue, browser: Browser) -> None:
    """Only the ticked jobs are purged; who leaves the question with Escape changes nothing."""
    for n in range(3):
        die(store, f"bad{n}")
    browser.go(dashboard.url + "#/dead")
    browser.sees("bad2")
    browser.js("document.querySelector('[aria-label=\"Choose bad1\"]').click()")
    browser.click("Purge chosen (1)")
    browser.key("Escape", 27)
    wait_until(lambda: not browser.js("document.querySelector('dialog').open"))
    assert len(store.dlq.jobs()) == 3
    browser.click("Purge chosen (1)")
    browser.click("Purge 1")
    wait_until(lambda: [job.id for job in store.dlq.jobs()] == ["bad2", "bad0"])


def test_a_job_is_enqueued_from_the_form(dashboard: Dashboard, store: Queue, browser: Browser) -> None:
    """A job is enqueued from the form, what is refused is said, and what was typed stays meanwhile."""
    browser.go(dashboard.url + "#/new")
    browser.sees("Enqueue a job")
    browser.type("[name=command]", "echo hi")
    browser.type("[name=id]", "a")
    browser.type("[name=priority]", "high")
    browser.type("[name=env]", "A=b=c\nD=")
    browser.click("Enqueue")
    browser.sees("priority: found 'high'")
    store.admin.config_set("max_retries", 5)
    assert browser.js("document.querySelector('[name=command]').value") == "echo hi"
    browser.js("document.querySelector('[name=priority]').value = '7'")
    browser.click("Enqueue")
    browser.sees("Enqueued a")
    job = store.job("a")
    assert (job.spec.command, job.spec.priority, job.spec.env) == ("echo hi", 7, {"A": "b=c", "D": ""})


def test_filters_and_focus(dashboard: Dashboard, store: Queue, browser: Browser) -> None:
    """Typing narrows the list, and the field keeps the focus and its text while the list changes."""
    store.enqueue("true", id="apple")
    store.enqueue("true", id="pear")
    browser.go(dashboard.url + "#/jobs")
    browser.sees("pear")
    browser.key("/", 191)
    browser.type("[name=text]", "app")
    wait_until(lambda: "pear" not in browser.text())
    store.enqueue("true", id="apple-pie")
    browser.sees("apple-pie")
    assert browser.js("document.activeElement.name + document.activeElement.value") == "textapp"
    assert browser.js("location.hash") == "#/jobs?text=app"


@pytest.mark.slow
def test_output_grows(dashboard: Dashboard, store: Queue, browser: Browser) -> None:
    """What a running job prints comes onto its page as it prints it."""
    store.enqueue("true", id="a")
    started = store.worker("w").start(store.worker("w").claim(1)[0])
    path = store.worker("w").output_path(started)
    path.parent.mkdir(parents=True)
    path.write_bytes(encode_frame(b"o", b"one\n"))
    browser.go(dashboard.url + "#/job/a")
    browser.sees("one")
    with path.open("ab") as file:
        file.write(encode_frame(b"e", b"two\n"))
    browser.sees("two")
    assert browser.js("document.querySelector('pre .stderr').innerText") == "two\n"


@pytest.mark.slow
def test_the_server_goes_and_comes_back(db: Path, browser: Browser) -> None:
    """While there is no server the page says so; when there is one again it goes on by itself."""
    first = Dashboard(db)
    browser.go(first.url)
    browser.sees("Nothing waits")
    assert first.end() == (0, "")
    browser.sees("does not answer")
    second = Dashboard(db, "--port", str(first.port))
    with Queue.open(db) as store:
        store.enqueue("true", id="since")
    browser.sees("since")
    assert "does not answer" not in browser.text()
    assert second.end() == (0, "")


def test_the_token(db: Path, browser: Browser) -> None:
    """The token in the address is taken out of it and kept; without it the page asks, and takes it."""
    running = Dashboard(db, "--token", "correct-horse")
    plain = running.url.partition("#")[0]
    browser.go(plain)
    browser.sees("asks for its token")
    browser.type("[name=token]", "correct-horse")
    browser.click("Go on")
    browser.sees("Nothing waits")
    browser.js("localStorage.clear()")
    browser.go("about:blank")
    browser.go(running.url)
    browser.sees("Nothing waits")
    assert browser.js("location.href") == plain + "#/"
    assert running.end() == (0, "")


def test_read_only(db: Path, store: Queue, browser: Browser) -> None:
    """A page that only looks offers nothing to press."""
    die(store, "bad")
    running = Dashboard(db, "--read-only")
    for page in ("#/dead", "#/job/bad"):
        browser.go(running.url + page)
        browser.sees("dead (1)")
        assert browser.js("document.querySelectorAll('main button:not([hidden] button)').length") == 0
    assert running.end() == (0, "")


@pytest.mark.slow
def test_on_a_phone(dashboard: Dashboard, store: Queue, tmp_path: Path) -> None:
    """On a narrow screen no page is wider than it, whatever the jobs are called."""
    die(store, "bad" * 30)
    phone = Browser(tmp_path / "phone", width=500, height=800)
    try:
        phone.call("Emulation.setDeviceMetricsOverride", width=360, height=740, deviceScaleFactor=2, mobile=True)
        for page in ("#/", "#/jobs", "#/dead", "#/new", f"#/job/{'bad' * 30}"):
            phone.go("about:blank")
            phone.go(dashboard.url + page)
            wait_until(lambda: drawn(phone))
            assert phone.js("document.documentElement.scrollWidth") <= 360, page
    finally:
        phone.close()


@pytest.mark.slow
def test_a_hidden_page_rests(dashboard: Dashboard, store: Queue, browser: Browser) -> None:
    """A page that nobody looks at asks the server nothing; when it is looked at again it is up to date at once."""
    browser.go(dashboard.url)
    browser.sees("Nothing waits")
    hide = "Object.defineProperty(document, 'hidden', {{value: {}, configurable: true}});"
    event = "document.dispatchEvent(new Event('visibilitychange'));"
    browser.js(
        "window.asked = 0; window.really = fetch; fetch = (...about) => { asked += 1; return really(...about); };"
    )
    wait_until(lambda: browser.js("asked") > 0)
    browser.js(hide.format("true") + event)
    store.enqueue("true", id="meanwhile")
    before = browser.js("new Promise((then) => setTimeout(() => then(asked), 500))")
    assert browser.js("new Promise((then) => setTimeout(() => then(asked), 2500))") == before
    browser.js(hide.format("false") + event)
    browser.sees("meanwhile")
