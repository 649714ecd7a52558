"""What `make` says before it can do anything."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

MAKEFILE = Path(__file__).parents[1] / "Makefile"


def test_the_readme_names_what_there_is() -> None:
    """The two commands at its top are targets, and each way to install installs the clone, on Debian too."""
    top, _, rest = (MAKEFILE.parent / "README.md").read_text(encoding="utf-8").partition("\n## Install\n")
    named = set(re.findall(r"`make (\w+)`", top))
    assert named == {"demo", "test"}
    assert named <= set(re.findall(r"^(\w+):", MAKEFILE.read_text(encoding="utf-8"), re.MULTILINE))
    ways = re.findall(r"^    ((?:pipx|uv tool|python3 -m venv|pip) .*)", rest.partition("Then:")[0], re.MULTILINE)
    assert [way.split()[0] for way in ways] == ["pipx", "uv", "python3"]
    assert all("install . " in way for way in ways)
    assert "apt install python3-venv" in top


@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")
@pytest.mark.parametrize("target", ["demo", "test"])
def test_a_python_that_makes_no_environment(tmp_path: Path, target: str) -> None:
    """Without ensurepip, as on Debian without python3-venv, it says what to install, and leaves nothing half made."""
    for name in ("Makefile", "pyproject.toml", "requirements-dev.lock"):
        shutil.copy(MAKEFILE.parent / name, tmp_path)
    (tmp_path / "lacking").mkdir()
    (tmp_path / "lacking" / "ensurepip.py").write_text("raise ImportError\n")
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH={tmp_path}/lacking exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    done = subprocess.run(
        ["make", "-C", str(tmp_path), target, f"PYTHON={python}"], capture_output=True, text=True, timeout=20
    )
    assert done.returncode == 2
    assert "cannot make a virtual environment; install what does: apt install python3-venv" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / ".venv").exists()
