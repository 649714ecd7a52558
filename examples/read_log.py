"""Print a queue's log, an event a line of JSON, and check it, with nothing of queuectl's: only docs/log-format.md.

python examples/read_log.py DIRECTORY     needs lmdb and msgpack; exits 1 where the log is damaged
"""

import hashlib
import json
import sys
import zlib

import lmdb
import msgpack

ROWS_AT_ONCE = 10_000  # a read transaction is to be short: it keeps old pages on disk


def rows(env):
    """Give the keys and values of the table `log`, in order."""
    log, after = env.open_db(b"log", create=False), b""
    while True:
        with env.begin() as txn:
            cursor = txn.cursor(log)
            found = [row for row, _ in zip(cursor, range(ROWS_AT_ONCE))] if cursor.set_range(after + b"\0") else []
        if not found:
            return
        yield from found
        after = found[-1][0]


def main(directory):
    """Print and check; give how many faults there were."""
    env = lmdb.open(directory, readonly=True, max_dbs=64, map_size=64 << 30, lib_version=0)
    with env.begin() as txn:
        meta = txn.get(b"format", db=env.open_db(b"meta", txn, create=False))
        cut = txn.get(b"cut", db=env.open_db(b"meta", txn, create=False)) or b""
    if int(meta) > 1:
        sys.exit("written by a newer queuectl")
    cut, expected, digest, faults = int.from_bytes(cut, "big"), 1, bytes(32), []
    for key, value in rows(env):
        position = int.from_bytes(key, "big")
        if position != expected:
            digest = None  # not known until an event keeps it
            faults += [expected] if position - 1 > cut else []
        if zlib.crc32(key + value[4:]) != int.from_bytes(value[:4], "big"):
            faults.append(position)
        event = msgpack.unpackb(value[4:])
        kept = event.pop("h", None)
        if kept is not None and digest not in (None, kept):
            faults.append(position)
        digest = kept if kept is not None else digest
        digest = digest and hashlib.sha256(digest + value).digest()
        print(json.dumps({"position": position, **event}, default=bytes.hex))
        expected = position + 1
    print(f"{len(faults)} faults{faults and ' at'} {faults or ''}; digest {digest and digest.hex()}", file=sys.stderr)
    return len(faults)


if __name__ == "__main__":
    sys.exit(1 if main(sys.argv[1]) else 0)
