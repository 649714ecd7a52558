"""Whose the other end of a connection within this machine is, as Linux tells it; elsewhere nobody does.

A port of the loopback is open to every user of the machine, though the queue's directory is not.
"""

import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

Address = tuple[str, int]

_TABLES: Final = ((socket.AF_INET, Path("/proc/net/tcp")), (socket.AF_INET6, Path("/proc/net/tcp6")))
_ROOT: Final = 0


def is_strangers(client: Address | None, server: Address | None) -> bool:
    """Return whether a connection is neither this user's nor root's; False where the system does not say whose it is.

    One whose end was closed already has no owner, and so is a stranger's.
    """
    if client is None or server is None or not _TABLES[0][1].exists():
        return False
    return not {_ROOT, os.getuid()} & set(_owners(client, server))


def owner_of(client: Address | None, server: Address | None) -> int | None:
    """Return the user whose a connection's other end is; None where the system does not say."""
    if client is None or server is None:
        return None
    return next(_owners(client, server), None)


def _owners(client: Address, server: Address) -> Iterator[int]:
    """Yield the user of the socket at the client's end."""
    for family, table in _TABLES:
        ends = [_written(family, client), _written(family, server)]
        try:
            rows = table.read_text().splitlines()[1:]
        except OSError:  # a machine without IPv6
            continue
        for row in rows:
            fields = row.split()
            if fields[1:3] == ends and fields[9] != "0":  # one without an inode is nobody's any more
                yield int(fields[7])


def _written(family: int, address: Address) -> str | None:
    """Write an address as the table does: its words in the machine's byte order."""
    host, port = address
    is_other = family == socket.AF_INET6 and ":" not in host
    try:
        packed = socket.inet_pton(family, f"::ffff:{host}" if is_other else host)
    except OSError:
        return None
    words = [packed[at : at + 4] for at in range(0, len(packed), 4)]
    ordered = [word[::-1] if sys.byteorder == "little" else word for word in words]
    return f"{b''.join(ordered).hex().upper()}:{port:04X}"
