"""A store with something of everything, and damaged variants of its data file, for `tests.damage_sweep` to try."""

import random
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from queuectl import JobRequest, Queue
from tests.logs import fill

PAGE: Final = 4096
BRANCH, LEAF, OVERFLOW, META = 1, 2, 4, 8
TRANSACTION: Final = range(16 + 128, 16 + 136)
"""Where a meta page has its transaction's number: by another LMDB takes the commit before, a sound store."""


class Variant(NamedTuple):
    """A damaged data file, and how it came to be."""

    name: str
    content: bytes


def make(path: Path) -> None:
    """Make a queue with jobs in all states, outputs, an archive and snapshots, whose trees have branches."""
    fill(path)
    with Queue.open(path, actor="tester") as queue:
        queue.enqueue_many([JobRequest("true", f"stays{n:04}", "later", delay=1e6) for n in range(100)])
        queue.enqueue_many([JobRequest("true", f"old{n:04}") for n in range(300)])
        queue.worker("w").complete_many(queue.worker("w").claim(300))
        queue.admin.compact(older_than_s=0)
        queue.enqueue_many([JobRequest("true", f"many{n:04}", ("a", "b")[n % 2], n % 5) for n in range(400)])
        queue.worker("w").complete_many(queue.worker("w").claim(100))
        queue.worker("w").fail(queue.worker("w").start(*queue.worker("w").claim(1)), "exit code 1", return_code=1)
        queue.cancel(queue.enqueue("true", id="unwanted").id)
        queue.enqueue_many([JobRequest("true", f"few{n}", "few") for n in range(3)])
        queue.admin.make_snapshots()
        queue.worker("w9").claim(2, lease_s=36_000)
        queue.subscribe("reader", start="beginning").close()


class File:
    """A data file's pages, as LMDB lays them out."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.count = len(content) // PAGE

    def page(self, number: int) -> bytes:
        """Return a page."""
        return self.content[number * PAGE : (number + 1) * PAGE]

    def flags(self, number: int) -> int:
        """Return what kind of page it is."""
        return struct.unpack_from("<H", self.page(number), 10)[0]

    def live_meta(self) -> int:
        """Return which meta page counts."""
        return max((0, 1), key=lambda number: struct.unpack_from("<Q", self.page(number), 16 + 128)[0])

    def main_root(self) -> int:
        """Return the root page of the table of tables."""
        return int(struct.unpack_from("<Q", self.page(self.live_meta()), 16 + 24 + 48 + 40)[0])

    def nodes(self, number: int) -> Iterator[tuple[bytes, bytes, int]]:
        """Yield the nodes of a page: key, data, and the child where it is a branch."""
        page = self.page(number)
        lower = struct.unpack_from("<H", page, 12)[0]
        for at in range(16, lower, 2):
            offset = struct.unpack_from("<H", page, at)[0]
            low, high, flags, size = struct.unpack_from("<HHHH", page, offset)
            key = page[offset + 8 : offset + 8 + size]
            data = page[offset + 8 + size : offset + 8 + size + (low | high << 16)]
            yield key, data, low | high << 16 | flags << 32

    def places(self, number: int) -> Iterator[tuple[range, range]]:
        """Yield where the keys and the values of a leaf's rows lie in the file, those that lie in the leaf itself."""
        page = self.page(number)
        for at in range(16, struct.unpack_from("<H", page, 12)[0], 2):
            offset = struct.unpack_from("<H", page, at)[0]
            low, high, flags, size = struct.unpack_from("<HHHH", page, offset)
            begin = number * PAGE + offset + 8
            if not flags:
                yield range(begin, begin + size), range(begin + size, begin + size + (low | high << 16))

    def roots(self) -> dict[str, int]:
        """Return the root page of each table that has rows."""
        leaves = self.leaves(self.main_root())
        tables = {key.decode(): data for leaf in leaves for key, data, _ in self.nodes(leaf)}
        found = {name: struct.unpack_from("<Q", data, 40)[0] for name, data in tables.items() if len(data) == 48}
        return {name: root for name, root in found.items() if root < self.count}

    def leaves(self, root: int) -> list[int]:
        """Return the leaf pages below a page, in order."""
        if self.flags(root) & LEAF:
            return [root]
        return [leaf for _, _, child in self.nodes(root) for leaf in self.leaves(child)]

    def spoilt(self, *changes: tuple[int, bytes]) -> bytes:
        """Return the file with other bytes at some offsets."""
        made = bytearray(self.content)
        for at, piece in changes:
            made[at : at + len(piece)] = piece
        return bytes(made)

    def swapped(self, one: int, other: int, *, numbers: bool) -> bytes:
        """Return the file with two pages in each other's place, with their own `numbers` or not."""
        first, second = self.page(one), self.page(other)
        if numbers:
            first, second = second[:8] + first[8:], first[:8] + second[8:]
        return self.spoilt((one * PAGE, second), (other * PAGE, first))


def variants(content: bytes, count: int | None = None, seed: int = 1) -> Iterator[Variant]:
    """Yield damaged variants of a data file, kind by kind in turn: one of each kind if no count is given."""
    makers = _kinds(content, random.Random(seed))
    for number in range(len(makers) if count is None else count):
        yield makers[number % len(makers)]()


def _kinds(content: bytes, chance: random.Random) -> list[Callable[[], Variant]]:
    """Return what makes a variant of each kind."""
    file = File(content)
    roots, used = file.roots(), range(2, file.count)
    log = file.leaves(roots["log"])
    rows = {name: [each for leaf in file.leaves(root) for each in file.places(leaf)] for name, root in roots.items()}
    views, others = ([name for name in rows if rows[name] and ("." in name) is is_view] for is_view in (True, False))
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
        at = chance.choice([0, PAGE]) + chance.choice([each for each in range(16 + 152) if each not in TRANSACTION])
        return Variant(f"byte {at} of a meta page", file.spoilt((at, chance.randbytes(1))))

    def row_bit(names: list[str], part: int) -> Variant:
        name = chance.choice(names)
        place = chance.choice([each[part] for each in rows[name] if each[part]] or [range(1)])
        at = chance.choice(place)
        made = file.spoilt((at, bytes([content[at] ^ 1 << chance.randrange(8)])))
        return Variant(f"bit of byte {at}, in a {('key', 'value')[part]} of {name}", made)

    def view_key() -> Variant:
        return row_bit(views, 0)

    def view_value() -> Variant:
        return row_bit(views, 1)

    def other_row() -> Variant:
        return row_bit(others, chance.randrange(2))

    by_page: list[Callable[[], Variant]] = [cut, zeroed, root_zeroed, swapped, log_swapped, leaf_copied]
    return [*by_page, leaf_emptied, bit, header, noise, meta, view_key, view_value, other_row]
