"""A log as it is written, byte for byte, and one of an earlier release, which kept the chain's digest by batch."""

import io
from pathlib import Path

import pytest

from queuectl import Queue
from queuectl.events.codec import decode_all
from queuectl.events.hash_chain import GENESIS, encode_chained, link_all
from queuectl.projections.rebuild import rebuild
from queuectl.store import log_rows
from queuectl.store.event_reader import EventReader, stream_key
from queuectl.store.store import Row, Store, key_of
from tests.rows import rows_of

HERE = Path(__file__).parent


def golden(name: str) -> list[Row]:
    """Return the rows of a log that is kept here."""
    rows = (line.split() for line in (HERE / name).read_text().splitlines() if not line.startswith("#"))
    return [(key_of(int(position)), bytes.fromhex(value)) for position, value in rows]


BY_BATCH, BY_POSITION = golden("log-by-batch.txt"), golden("log-by-position.txt")


@pytest.mark.parametrize("size", [1, 2, 5, 16, 100])
def test_a_log_is_still_written_the_same(size: int) -> None:
    """In whatever portions its events come."""
    written: list[Row] = []

    def before() -> bytes:
        return link_all(GENESIS, (value for _, value in written))

    events = decode_all(BY_POSITION)
    for start in range(0, len(events), size):
        written += encode_chained(events[start : start + size], before)
    assert written == BY_POSITION


def test_both_say_the_same() -> None:
    """Where the digest is kept changes no event."""
    assert decode_all(BY_BATCH) == decode_all(BY_POSITION)


def test_a_log_by_batch_is_read_verified_exported_and_goes_on(tmp_path: Path) -> None:
    """Its bytes stay as they are, and events that are added keep the digest by position."""
    old, new = tmp_path / "old", tmp_path / "new"
    with Store.open(old, create=True) as store:
        with store.write() as txn:
            ends = {stream_key(each.stream): key_of(each.position) for each in decode_all(BY_BATCH)}
            log_rows.add(txn, BY_BATCH, ends)
        rebuild(store, swap=True)
        with store.read() as txn:
            for position in range(len(BY_BATCH) + 1):
                expected = link_all(GENESIS, (value for _, value in BY_BATCH[:position]))
                assert EventReader(txn).digest(position) == expected
    with Queue.open(old, create=False) as queue:
        for n in range(20):
            queue.enqueue("true", id=f"later{n}")
        assert queue.admin.verify().problems == []
        lines = io.BytesIO()
        queue.admin.export(lines.write)
    Queue.import_export(io.BytesIO(lines.getvalue()), new)
    assert rows_of(new) == rows_of(old)
    with Store.open(old, create=False) as store, store.read() as txn:
        rows = list(txn.scan("log"))
    assert rows[: len(BY_BATCH)] == BY_BATCH
    assert [n for n, (_, value) in enumerate(rows, 1) if n > len(BY_BATCH) and b"\xa1h\xc4\x20" in value] == [64]
