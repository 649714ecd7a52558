"""The generated pages say what the code does."""

import os
import re
import subprocess
import sys
from pathlib import Path
from shutil import copytree

import pytest

from queuectl.core.evolve import TRANSITIONS
from queuectl.core.job import JobState

ROOT = Path(__file__).parent.parent


def generate(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the generator of a source tree."""
    script = str(root / "docs" / "generate.py")
    return subprocess.run([sys.executable, script, *arguments], capture_output=True, text=True, check=False)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a copy of the docs and the code, to be spoilt."""
    for name in ("docs", "queuectl"):
        copytree(ROOT / name, tmp_path / name)
    return tmp_path


def test_no_generated_page_is_stale() -> None:
    """The generated pages in docs/ are what the code of this tree makes of them."""
    done = generate(ROOT, "--check")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_page_speaks_of_every_state_and_event() -> None:
    """Each state and each arrow of the transition table is in docs/lifecycle.md."""
    page = (ROOT / "docs" / "lifecycle.md").read_text(encoding="utf-8")
    assert all(f"| `{state}` | " in page for state in JobState)
    for row in TRANSITIONS.values():
        for before, after in row.items():
            assert f"    {before or '[*]'} --> {after or '[*]'}: " in page


def test_the_architecture_lists_every_decision() -> None:
    """Each file of docs/decisions is in the list of docs/architecture.md under its title, in order."""
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8").partition("\n## Decisions\n")[2]
    files = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    titles = [path.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ") for path in files]
    assert re.findall(r"^- (.*)$", page, re.MULTILINE) == [
        f"[{title}](decisions/{path.name})" for path, title in zip(files, titles, strict=True)
    ]


@pytest.mark.slow
def test_a_stale_page_is_named_and_mended(tree: Path) -> None:
    """A page that was edited by hand is named with exit code 1; writing it makes it good again."""
    page = tree / "docs" / "lifecycle.md"
    page.write_text(page.read_text(encoding="utf-8") + "by hand\n", encoding="utf-8")
    done = generate(tree, "--check")
    assert (done.returncode, done.stdout) == (1, "stale: docs/lifecycle.md\n")
    assert generate(tree).returncode == generate(tree, "--check").returncode == 0


def test_a_changed_table_makes_the_page_stale(tree: Path) -> None:
    """A new arrow in the transition table is noticed."""
    job = tree / "queuectl" / "core" / "evolve.py"
    job.write_text(
        job.read_text(encoding="utf-8").replace("Snoozed: {_R: _P}", "Snoozed: {_R: _P, _P: _P}"), encoding="utf-8"
    )
    assert generate(tree, "--check").returncode == 1


def test_an_unknown_option_is_refused(tree: Path) -> None:
    """Anything but --check is a usage error, and writes nothing."""
    assert generate(tree, "--wrong").returncode == 2


def sessions(page: Path) -> list[tuple[str, int]]:
    """Return the commands of a page, and what each exited with."""
    found: list[tuple[str, int]] = []
    for row in page.read_text(encoding="utf-8").splitlines():
        if row.startswith("$ "):
            found.append((row.removeprefix("$ "), 0))
        elif told := re.fullmatch(r"\[exit code (\d+)\]", row):
            found[-1] = (found[-1][0], int(told[1]))
    return found


@pytest.mark.slow
def test_the_tour_goes_as_its_page_says(tmp_path: Path) -> None:
    """Recorded anew, docs/tour.md has the same commands, and each exits as the page says; nothing is left behind."""
    page, temporary = tmp_path / "tour.md", tmp_path / "tmp"
    temporary.mkdir()
    script = str(ROOT / "docs" / "tour.py")
    done = subprocess.run(
        [sys.executable, script, str(page)],
        env=os.environ | {"TMPDIR": str(temporary)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert sessions(page) == sessions(ROOT / "docs" / "tour.md")
    assert len(sessions(page)) > 40
    assert "\x1b" not in page.read_text(encoding="utf-8")
    assert list(temporary.iterdir()) == []


def test_every_link_between_pages_leads_somewhere() -> None:
    """Each file that the README or a page of docs/ links to is there, and so is each heading."""
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for link in re.findall(r"\]\(([^)#:]*)(#[^)]*)?\)", page.read_text(encoding="utf-8")):
            target = (page.parent / link[0]) if link[0] else page
            assert target.exists(), f"{page.name}: {link[0]}"
            if link[1]:
                assert link[1][1:] in headings(target), f"{page.name}: {link}"


def headings(page: Path) -> set[str]:
    """Return the anchors of a page, as GitHub makes them."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
