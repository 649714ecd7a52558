"""Verbs tried on damaged stores: `python -m tests.damage_sweep --variants 400`; all but those of LEFT_OUT.

What must hold whatever was damaged: no verb ends by a signal or a traceback, runs on without end or takes memory
without bound; and each answers as it does on a sound store at the same time, or says that something is damaged.
"""

import argparse
import gc
import io
import os
import re
import resource
import select
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Final, NamedTuple

from tests.damage import Variant, make, variants

PATIENCE_S: Final = 30
MEMORY_BYTES: Final = 1 << 30

VERBS: Final = {
    "reading": "status|list|list --limit 0|list --state dead|list --state completed|list --queue a --limit 0|"
    "list --order -priority|list --order -updated|show many0098|show stays0003|show bulk5|why stays0003|history last|"
    "history many0098|logs last|logs bulk1|events|events --limit 5|dlq list|dlq show many0103|worker list|"
    "config show|config get max_retries|queue list|limit list|limit show a|subscriptions list|"
    "snapshot list|export|list --as-of 1700|replay --check|"
    "backup {out}/b|wait many0098|wait few0 --timeout 0.1",
    "writing": "enqueue new true|run true --id new|enqueue stays0005 true|cancel stays0020|retry many0098|"
    "pause stays0022|resume stays0022|queue pause b|queue resume b|limit set a --running 3|limit remove b|"
    "edit stays0021 --set priority=3|config set max_retries 2|config unset max_retries|clear|dlq retry --all|"
    "dlq purge --all --yes|remove many0088|compact --older-than 0s|compact --older-than 0s --shrink|replay|migrate|"
    "snapshot|snapshot delete --all|subscriptions rewind reader 1|subscriptions remove reader|worker stop w9|"
    "worker start --drain --queue few",
    "whole": "verify|doctor|verify --log-only",
}
"""By kind; those of the whole look in a process of their own, and so cost more."""

LEFT_OUT: Final = {
    "restore": "it puts a file in the place of what is there; tests/system/test_untrusted.py damages files",
    "import": "the same",
    "top": "it draws until it is stopped, from what status asks",
    "dashboard": "it serves until it is stopped, from what list, show and status ask",
    "demo": "its queue is its own",
    "completion": "it looks at no queue",
}
"""Verbs that are tried on no damaged store, and why."""

AFTERWARDS: Final = ("list --limit 0", "status")
"""What a verb that writes is judged by, beside what it says."""

TOLD: Final = re.compile(
    r"damage|queuectl (verify|replay|restore)|restore a backup|sound LMDB|another program|newer queuectl"
)
"""What an error has to have where the answer is not the right one."""

DIFFERENCES: Final = re.compile(r"differences? (found|in)|live (has|[0-9a-f]+ =)")
"""The same of what a replay prints."""

NOW: Final = re.compile(r"\b(\d[\d.,]* ?(ms|s|min|m|h|d|bytes|[KMG]iB))+\b|\d\d:\d\d:\d\d\S*")
"""What may differ between two answers: times, and sizes, since a cut that takes unused pages alone damages nothing."""
WITH_DIGITS: Final = re.compile(r"[\w.:-]*\d[\w.:+-]*")


class Tried(NamedTuple):
    """How a verb ended: its code, below 0 where a signal ended it, what it printed, and what it complained of."""

    code: int
    out: str
    err: str
    seconds: float

    @property
    def is_bad(self) -> str:
        """What must never be, "" if it is not."""
        if self.code == -signal.SIGKILL and self.seconds > PATIENCE_S:
            return "no end"
        if self.code < 0:
            return f"ended by {signal.Signals(-self.code).name}"
        if "Traceback" in self.err:
            return "a traceback"
        if self.code not in (0, 1, 2, 124, 127):
            return f"exit code {self.code}"
        lines = [line for line in self.err.splitlines() if line.startswith("Error:")]
        return "an error of several lines" if len(lines) > 1 else ""


class Place(NamedTuple):
    """A directory with a queue, and one for what verbs write; their paths are as long in each."""

    path: Path
    out: Path

    def fill(self, source: Path, content: bytes | None = None) -> None:
        """Make the queue a copy of another, with a data file of its own where that is given."""
        shutil.rmtree(self.path, ignore_errors=True)
        shutil.copytree(source, self.path)
        (self.path / "lock.mdb").unlink(missing_ok=True)
        if content is not None:
            (self.path / "data.mdb").write_bytes(content)

    def attempt(self, verb: str) -> Tried:
        """Run a verb in a fork of this process, which has everything imported, with bounded memory and time."""
        shutil.rmtree(self.out, ignore_errors=True)
        self.out.mkdir()
        begun = time.monotonic()
        files = [tempfile.TemporaryFile() for _ in range(2)]  # noqa: SIM115 - closed below
        pid = os.fork()
        if pid == 0:
            _become(self.path, verb.format(out=self.out).split(" "), files)
        watched = os.pidfd_open(pid)
        if not select.select([watched], [], [], PATIENCE_S)[0]:
            os.kill(pid, signal.SIGKILL)
        os.close(watched)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        with suppress(ChildProcessError, ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)  # what it left in its group
        told = []
        for file in files:
            file.seek(0)
            text = file.read().decode(errors="replace")
            text = text.replace(str(self.path), "QUEUE").replace(str(self.out), "OUT")
            told.append(_in_order(text) if verb.startswith("worker start") else text)
            file.close()
        return Tried(code, *told, time.monotonic() - begun)

    def all_of(self, kind: str, verb: str) -> Iterator[tuple[str, Tried]]:
        """Run a verb, and ask what became of the queue where it was to change it and says that it did."""
        yield verb, (tried := self.attempt(verb))
        if kind == "writing" and tried.code == 0:
            yield from ((f"{verb}; {after}", self.attempt(after)) for after in AFTERWARDS)


def _in_order(text: str) -> str:
    """Return what a worker tells, of runs that may end in any order, sorted."""
    return "\n".join(sorted(text.splitlines(), key=lambda line: line.split()[1:]))


def _become(path: Path, words: list[str], files: list[io.BufferedRandom]) -> None:
    from queuectl.cli.main import main

    try:
        os.setpgid(0, 0)
        null = os.open(os.devnull, os.O_RDWR)
        for fd, source in enumerate([null, files[0].fileno(), files[1].fileno()]):
            os.dup2(source, fd)
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        for name, fd, mode in (("stdin", 0, "r"), ("stdout", 1, "w"), ("stderr", 2, "w")):
            setattr(sys, name, open(fd, mode, closefd=False))  # noqa: SIM115 - the process ends with them
        sys.argv = ["queuectl", "--db", str(path), *words]
        main()
    except BaseException:
        import traceback

        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(99)


_WELL: Final = ("right", "told")


class Sweep:
    """A sound store, and what each verb answered of it when it was asked last."""

    def __init__(self, source: Path, kinds: list[str], at_once: int) -> None:
        self._source = source
        self._verbs = [(kind, verb) for kind in kinds for verb in VERBS[kind].split("|")]
        self._at_once = min(at_once, len(self._verbs))
        self._first: dict[str, Tried] = {}

    def _asked(self, kind: str, verb: str) -> list[tuple[str, Tried]]:
        """Ask a sound copy now."""
        sound = self._place("s")
        sound.fill(self._source)
        return list(sound.all_of(kind, verb))

    def _place(self, name: str) -> Place:
        here = self._source.with_name(f"of{os.getpid()}")
        here.mkdir(exist_ok=True)
        return Place(here / name, here / f"{name}out")

    def try_on(self, variant: Variant, number: int) -> Iterator[tuple[str, str, Tried]]:
        """Try verbs on a variant, all or some in turn; yields what was wrong with each, or how it went."""
        damaged = self._place("d")
        damaged.fill(self._source, variant.content)
        for n in range(self._at_once):
            kind, verb = self._verbs[(number * self._at_once + n) % len(self._verbs)]
            if kind == "writing":
                damaged.fill(self._source, variant.content)
            for last in (False, True):
                found = [
                    (name, self._judged(kind, verb, name, tried), tried) for name, tried in damaged.all_of(kind, verb)
                ]
                if last or all(wrong in _WELL for _, wrong, _ in found):
                    yield from found
                    break
                damaged.fill(self._source, variant.content)  # something may have become due between the two questions
            if kind == "writing":
                damaged.fill(self._source, variant.content)

    def _judged(self, kind: str, verb: str, name: str, tried: Tried) -> str:
        if tried.is_bad:
            return tried.is_bad
        if name not in self._first:
            self._first |= dict(self._asked(kind, verb))
        first = self._first.get(name)
        if first is not None and _same(tried, first, first):
            return "right"
        if TOLD.search(tried.err) or DIFFERENCES.search(tried.out) or (kind == "whole" and tried.code):
            return "told"
        one, now = (dict(self._asked(kind, verb)) for _ in range(2))
        self._first |= now  # what is silent for long by now, and what is due, is so from now on
        return "right" if name in one and name in now and _same(tried, one[name], now[name]) else "another answer"


def _same(tried: Tried, first: Tried, now: Tried) -> bool:
    """Whether an answer is that of a sound store; its lines may be of now where those of two sound answers differ."""
    if tried.code != now.code:
        return False
    for mine, ones, others in ((tried.out, first.out, now.out), (tried.err, first.err, now.err)):
        texts = [[NOW.sub("TIME", line).split() for line in text.splitlines()] for text in (mine, ones, others)]
        if len(texts[0]) != len(texts[2]) or len(texts[1]) != len(texts[2]):
            return False
        for got, one, other in zip(*texts, strict=True):
            if got != other and (one == other or _shape(got) != _shape(other)):
                return False
    return True


def _shape(words: list[str]) -> str:
    return WITH_DIGITS.sub("#", " ".join(words))


def preload() -> None:
    """Import every module of queuectl, so that a fork need not."""
    import importlib
    import pkgutil

    import queuectl

    for info in pkgutil.walk_packages(queuectl.__path__, "queuectl."):
        if not info.name.endswith("__main__") and ".web." not in info.name and ".top" not in info.name:
            importlib.import_module(info.name)


def main() -> int:
    """Try the verbs on every variant and print what must not be."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--variants", type=int, default=400, help="How many, kind by kind; 0: one of each kind.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="reading,writing,whole", help="Kinds of verbs, and numbers of variants.")
    parser.add_argument("--verbs", type=int, default=99, help="How many verbs to try on each variant, in turn.")
    parser.add_argument("--jobs", type=int, default=1, help="How many variants to try at the same time.")
    parser.add_argument("--answers", action="store_true", help="Print each other answer whole.")
    parser.add_argument("--errors", action="store_true", help="Print each kind of error that was told.")
    chosen = parser.parse_args()
    only = chosen.only.split(",")
    numbers = {int(each) for each in only if each.isdecimal()} or set(range(chosen.variants))
    kinds = [each for each in only if not each.isdecimal()] or list(VERBS)
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None) as place:
        return _sweep(Path(place) / "sound", chosen, numbers, kinds)


def _sweep(source: Path, chosen: argparse.Namespace, numbers: set[int], kinds: list[str]) -> int:
    preload()
    make(source)
    gc.collect()
    gc.freeze()
    sweep = Sweep(source, kinds, chosen.verbs)
    count = max(numbers) + 1 if numbers else None
    every = enumerate(variants((source / "data.mdb").read_bytes(), count, chosen.seed))
    told: Counter[str] = Counter()
    errors: Counter[str] = Counter()
    with get_context("fork").Pool(chosen.jobs) as pool:
        wanted = ((number, variant) for number, variant in every if not numbers or number in numbers)
        for number, name, found in pool.imap_unordered(partial(_tried, sweep), wanted):
            for verb, wrong, tried in found:
                told[wrong.split(":")[0]] += 1
                last = tried.err.strip().splitlines()[-1:] or [""]
                errors.update([WITH_DIGITS.sub("#", last[0])[:140]] if wrong == "told" else [])
                if wrong not in _WELL:
                    print(f"{number}: {name}: {verb}: {wrong} {last[0][:200]}", flush=True)
                    print(f"{tried.out}\n{tried.err}" if chosen.answers else "", end="")
    for error, count in errors.most_common() if chosen.errors else []:
        print(f"{count:6} {error}")
    print(dict(told))
    return 1 if set(told) - {*_WELL} else 0


def _tried(sweep: Sweep, each: tuple[int, Variant]) -> tuple[int, str, list[tuple[str, str, Tried]]]:
    number, variant = each
    return number, variant.name, list(sweep.try_on(variant, number))


if __name__ == "__main__":
    sys.exit(main())
