"""Print a queue's log, an event a line of JSON, and check it, with nothing of queuectl's: only docs/log-format.md.

python examples/read_log.py DIRECTORY     needs lmdb and msgpack; exits 1 where the log is damaged
"""

import argparse
import hashlib
import json
import sys
import zlib
from itertools import islice

import lmdb
import msgpack

ROWS_AT_ONCE = 10_000  # a read transaction is to be short: it keeps old pages on disk


def rows(env):
    """Yield the keys and values of the table `log`, in order."""
    log, found = env.open_db(b"log", create=False), [(b"",)]
    while found:
        with env.begin() as txn:
            cursor = txn.cursor(log)
            found = list(islice(cursor, ROWS_AT_ONCE)) if cursor.set_range(found[-1][0] + b"\0") else []
        yield from found


def main(directory):
    """Print and check; give the positions where something is wrong."""
    env = lmdb.open(directory, readonly=True, max_dbs=64, map_size=64 << 30, lib_version=0)
    meta = env.open_db(b"meta", create=False)
    with env.begin() as txn:
        if int(txn.get(b"format", db=meta)) > 1:
            sys.exit("written by a newer queuectl")
        cut = int.from_bytes(txn.get(b"cut", b"", db=meta), "big")
    expected, digest, faults = 1, bytes(32), []
    for key, value in rows(env):
        position = int.from_bytes(key, "big")
        if position != expected:
            digest = None  # not known until an event keeps it
            faults += [expected] if position > cut + 1 else []
        expected = position + 1
        if zlib.crc32(key + value[4:]) != int.from_bytes(value[:4], "big"):
            digest, faults = None, [*faults, position]
            continue
        event = msgpack.unpackb(value[4:], strict_map_key=False)
        kept = event.pop("h", digest)
        if digest not in (None, kept):
            faults.append(position)
        digest = kept and hashlib.sha256(kept + value).digest()
        print(json.dumps({"position": position, **event}, default=bytes.hex))
    print(f"faults at {faults}" if faults else f"sound; digest {digest and digest.hex()}", file=sys.stderr)
    return faults


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory")
    sys.exit(1 if main(parser.parse_args().directory) else 0)
