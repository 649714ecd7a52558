"""Damaged stores, and every verb tried on them: `python -m tests.damage --variants 400`.

What must hold whatever was damaged: no verb ends by a signal or a traceback, runs on without end or takes memory
without bound, and none answers otherwise than on the sound store with exit code 0 and without a word on stderr,
unless `verify` finds nothing wrong either: then what was damaged is not what it reads.
"""

import argparse
import io
import os
import random
import resource
import select
import shutil
import signal
import struct
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from re import sub
from typing import Final, NamedTuple

from queuectl import JobRequest, Queue
from tests.logs import fill

PAGE: Final = 4096
BRANCH, LEAF, OVERFLOW, META = 1, 2, 4, 8
PATIENCE_S: Final = 30
MEMORY_BYTES: Final = 1 << 30

READING: Final = (
    "status|list|list --state dead|list --order priority|show last|show bulk5|history last|history bulk5|logs last|"
    "logs bulk1|events|events --limit 5|dlq list|worker list|config list|subscriptions|snapshot list|export|"
    "list --as-of 60|replay --check|backup {out}/b|wait bulk0 --timeout 0.1"
)
WRITING: Final = (
    "enqueue new true|cancel bulk20|retry bulk1|edit bulk21 --set priority=3|config set max_retries 2|clear|"
    "dlq retry --all|dlq purge --all --yes|compact --older-than 0s|compact --older-than 0s --shrink|replay|"
    "snapshot|subscriptions remove x|worker start --drain --queue a --queue b --queue default"
)
WHOLE: Final = "verify|doctor|verify --log-only"
"""Verbs that look in a process of their own, and so cost more."""


class Variant(NamedTuple):
    """A damaged data file, and how it came to be."""

    name: str
    content: bytes


def make(path: Path) -> None:
    """Make a queue with jobs in all states, outputs, an archive and snapshots, whose trees have branches."""
    fill(path)
    with Queue.open(path, actor="tester") as queue:
        queue.enqueue_many([JobRequest("true", f"stays{n:04}", "later", delay_s=1e6) for n in range(100)])
        queue.enqueue_many([JobRequest("true", f"old{n:04}") for n in range(300)])
        queue.complete_many(queue.claim("w", 300))
        queue.compact(older_than_s=0)
        queue.enqueue_many([JobRequest("true", f"many{n:04}", ("a", "b")[n % 2], n % 5) for n in range(400)])
        queue.complete_many(queue.claim("w", 100))
        queue.fail(queue.start(*queue.claim("w", 1)), "exit code 1", return_code=1)
        queue.cancel(queue.enqueue("true", id="unwanted").id)
        queue.make_snapshots()
        queue.subscribe("reader", start="beginning").close()


class File:
    """A data file's pages, as LMDB lays them out."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.count = len(content) // PAGE

    def page(self, number: int) -> bytes:
        """Give a page."""
        return self.content[number * PAGE : (number + 1) * PAGE]

    def flags(self, number: int) -> int:
        """Give what kind of page it is."""
        return struct.unpack_from("<H", self.page(number), 10)[0]

    def live_meta(self) -> int:
        """Give which meta page counts."""
        return max((0, 1), key=lambda number: struct.unpack_from("<Q", self.page(number), 16 + 128)[0])

    def main_root(self) -> int:
        """Give the root page of the table of tables."""
        return int(struct.unpack_from("<Q", self.page(self.live_meta()), 16 + 24 + 48 + 40)[0])

    def nodes(self, number: int) -> Iterator[tuple[bytes, bytes, int]]:
        """Give the nodes of a page: key, data, and the child where it is a branch."""
        page = self.page(number)
        lower = struct.unpack_from("<H", page, 12)[0]
        for at in range(16, lower, 2):
            offset = struct.unpack_from("<H", page, at)[0]
            low, high, flags, size = struct.unpack_from("<HHHH", page, offset)
            key = page[offset + 8 : offset + 8 + size]
            data = page[offset + 8 + size : offset + 8 + size + (low | high << 16)]
            yield key, data, low | high << 16 | flags << 32

    def places(self, number: int) -> Iterator[tuple[range, range]]:
        """Give where the keys and the values of a leaf's rows lie in the file, those that lie in the leaf itself."""
        page = self.page(number)
        for at in range(16, struct.unpack_from("<H", page, 12)[0], 2):
            offset = struct.unpack_from("<H", page, at)[0]
            low, high, flags, size = struct.unpack_from("<HHHH", page, offset)
            begin = number * PAGE + offset + 8
            if not flags:
                yield range(begin, begin + size), range(begin + size, begin + size + (low | high << 16))

    def roots(self) -> dict[str, int]:
        """Give the root page of each table that has rows."""
        leaves = self.leaves(self.main_root())
        tables = {key.decode(): data for leaf in leaves for key, data, _ in self.nodes(leaf)}
        found = {name: struct.unpack_from("<Q", data, 40)[0] for name, data in tables.items() if len(data) == 48}
        return {name: root for name, root in found.items() if root < self.count}

    def leaves(self, root: int) -> list[int]:
        """Give the leaf pages below a page, in order."""
        if self.flags(root) & LEAF:
            return [root]
        return [leaf for _, _, child in self.nodes(root) for leaf in self.leaves(child)]

    def spoilt(self, *changes: tuple[int, bytes]) -> bytes:
        """Give the file with other bytes at some offsets."""
        made = bytearray(self.content)
        for at, piece in changes:
            made[at : at + len(piece)] = piece
        return bytes(made)

    def swapped(self, one: int, other: int, *, numbers: bool) -> bytes:
        """Give the file with two pages in each other's place, with their own `numbers` or not."""
        first, second = self.page(one), self.page(other)
        if numbers:
            first, second = second[:8] + first[8:], first[:8] + second[8:]
        return self.spoilt((one * PAGE, second), (other * PAGE, first))


def variants(content: bytes, count: int, seed: int = 1) -> Iterator[Variant]:
    """Give damaged variants of a data file, kind by kind in turn."""
    file, chance = File(content), random.Random(seed)
    roots, used = file.roots(), range(2, file.count)
    log = file.leaves(roots["log"])
    table_leaves = [leaf for name in roots for leaf in file.leaves(roots[name])]

    def cut() -> Variant:
        at = chance.choice([chance.randrange(len(content)), chance.randrange(file.count) * PAGE])
        return Variant(f"cut at {at}", content[:at])

    def zeroed() -> Variant:
        page = chance.choice(used)
        return Variant(f"page {page} zeroed", file.spoilt((page * PAGE, bytes(PAGE))))

    def root_zeroed() -> Variant:
        name = chance.choice([*roots, "main"])
        page = roots.get(name, file.main_root())
        return Variant(f"root of {name}, page {page}, zeroed", file.spoilt((page * PAGE, bytes(PAGE))))

    def swapped() -> Variant:
        one, other = chance.sample(used, 2)
        numbers = chance.random() < 0.5
        return Variant(f"pages {one} and {other} swapped, {numbers=}", file.swapped(one, other, numbers=numbers))

    def log_swapped() -> Variant:
        one, other = chance.sample(log, 2)
        numbers = chance.random() < 0.7
        return Variant(f"log leaves {one} and {other} swapped, {numbers=}", file.swapped(one, other, numbers=numbers))

    def leaf_copied() -> Variant:
        one, other = chance.sample(table_leaves, 2)
        made = file.spoilt((one * PAGE + 8, file.page(other)[8:]))
        return Variant(f"leaf {other} over leaf {one}", made)

    def leaf_emptied() -> Variant:
        page = chance.choice(table_leaves)
        header = file.page(page)[:12] + struct.pack("<HH", 16, PAGE)
        return Variant(f"leaf {page} emptied", file.spoilt((page * PAGE, header)))

    def bit() -> Variant:
        at = chance.randrange(len(content))
        return Variant(f"bit of byte {at}", file.spoilt((at, bytes([content[at] ^ 1 << chance.randrange(8)]))))

    def header() -> Variant:
        at = chance.choice(used) * PAGE + chance.randrange(40)
        return Variant(f"byte {at} of a page's head", file.spoilt((at, chance.randbytes(1))))

    def noise() -> Variant:
        at = chance.randrange(len(content) - 200)
        return Variant(f"noise at {at}", file.spoilt((at, chance.randbytes(chance.choice([2, 8, 64, 200])))))

    def meta() -> Variant:
        at = chance.choice([0, PAGE]) + chance.randrange(16 + 152)
        return Variant(f"byte {at} of a meta page", file.spoilt((at, chance.randbytes(1))))

    kinds: list[Callable[[], Variant]] = [cut, zeroed, root_zeroed, swapped, log_swapped, leaf_copied]
    kinds += [leaf_emptied, bit, header, noise, meta]
    for number in range(count):
        yield kinds[number % len(kinds)]()


class Tried(NamedTuple):
    """How a verb ended: its code, below 0 where a signal ended it, what it printed, and what it complained of."""

    verb: str
    code: int
    out: str
    err: str
    seconds: float

    @property
    def is_bad(self) -> str:
        """What must never be, "" if it is not."""
        if self.code < 0:
            return f"ended by {signal.Signals(-self.code).name}"
        if "Traceback" in self.err:
            return "a traceback"
        if self.code not in (0, 1, 2, 124, 127):
            return f"exit code {self.code}"
        lines = [line for line in self.err.splitlines() if line.startswith("Error:")]
        return "an error of several lines" if len(lines) > 1 and "verify" not in self.verb else ""


def attempt(path: Path, verb: str, out: Path) -> Tried:
    """Run a verb in a fork of this process, which has everything imported, with bounded memory and time."""
    begun = time.monotonic()
    files = [tempfile.TemporaryFile() for _ in range(2)]  # noqa: SIM115 - closed below
    pid = os.fork()
    if pid == 0:
        _become(path, verb.format(out=out).split(" "), files)
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
        told.append(file.read().decode(errors="replace"))
        file.close()
    return Tried(verb, code, *told, time.monotonic() - begun)


def _become(path: Path, words: list[str], files: list[io.BufferedRandom]) -> None:
    from queuectl.cli import main

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


def settled(path: Path, out: Path, verbs: list[str]) -> dict[str, list[set[str]]]:
    """Give the lines that verbs print of a sound store, told twice: what differs is about now."""
    return {verb: [lines_of(attempt(path, verb, out)) for _ in range(2)] for verb in verbs}


def lines_of(tried: Tried) -> set[str]:
    """Give the lines that a verb printed, without how long ago things were."""
    return {" ".join(sub(r"\b\d[\d.,]* ?(ms|s|m|min|h)\b", "TIME", line).split()) for line in tried.out.splitlines()}


def differs(tried: Tried, sound: dict[str, list[set[str]]]) -> bool:
    """Whether a verb that complained of nothing told something else than of the sound store."""
    if tried.code or tried.err or tried.verb not in sound:
        return False
    first, second = sound[tried.verb]
    lines = lines_of(tried)
    volatile = len(first - second)
    return len((first & second) - lines) > 0 or len(lines - first) > volatile


def preload() -> None:
    """Import every module of queuectl, so that a fork need not."""
    import importlib
    import pkgutil

    import queuectl

    for info in pkgutil.walk_packages(queuectl.__path__, "queuectl."):
        if not info.name.endswith("__main__") and ".web." not in info.name and ".top" not in info.name:
            importlib.import_module(info.name)


def main() -> int:
    """Try every verb on every variant and print what must not be."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--variants", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="reading,writing,whole")
    parser.add_argument("--verbs", type=int, default=99, help="How many verbs to try on each variant, in turn.")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        bad = sweep(Path(place), chosen.variants, chosen.seed, chosen.only.split(","), chosen.verbs)
    return 1 if bad else 0


def sweep(place: Path, count: int, seed: int, kinds: list[str], at_once: int) -> int:
    """Try the verbs on so many variants; prints what is bad, and gives how much there was."""
    preload()
    source, damaged, out = place / "sound", place / "damaged", place / "out"
    make(damaged)
    out.mkdir()
    sets = {"reading": READING.split("|"), "writing": WRITING.split("|"), "whole": WHOLE.split("|")}
    verbs = [(kind, verb) for kind in kinds for verb in sets[kind]]
    reading = {verb for kind, verb in verbs if kind == "reading"}
    sound = settled(damaged, out, sorted(reading)[: count * at_once])
    damaged.rename(source)
    told: Counter[str] = Counter()
    for number, variant in enumerate(variants((source / "data.mdb").read_bytes(), count, seed)):
        for kind, verb in [verbs[(number * at_once + n) % len(verbs)] for n in range(min(at_once, len(verbs)))]:
            if kind == "writing" or not damaged.exists():
                shutil.rmtree(damaged, ignore_errors=True)
                shutil.copytree(source, damaged)
                (damaged / "lock.mdb").unlink(missing_ok=True)
                (damaged / "data.mdb").write_bytes(variant.content)
            shutil.rmtree(out, ignore_errors=True)
            out.mkdir()
            tried = attempt(damaged, verb, out)
            wrong = tried.is_bad or ("another answer" if differs(tried, sound) else "")
            told[wrong.split(":")[0] or ("fine" if tried.code == 0 else "refused")] += 1
            if wrong:
                last = tried.err.strip().splitlines()[-1:] or [""]
                print(f"{number}: {variant.name}: {verb}: {wrong} {last[0][:150]}", flush=True)
        shutil.rmtree(damaged)
    print(dict(told))
    return sum(number for what, number in told.items() if what not in ("fine", "refused"))


if __name__ == "__main__":
    sys.exit(main())
