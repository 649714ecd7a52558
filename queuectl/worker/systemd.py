"""What a service manager is told, by the protocol of sd_notify(3): ready, at what, stopping, alive.

Never fails and hardly ever waits: where no manager listens, nothing is sent.
"""

import os
from collections.abc import MutableMapping
from contextlib import suppress
from typing import Final

WATCHDOGS_A_LIMIT: Final = 3
"""How often a sign of life is sent within the time after which the manager takes the worker for hung."""

_PATIENCE_S: Final = 1.0
"""How long to wait for room in the manager's socket where a message must not be lost."""


class Notifier:
    """Tells the manager at an address; one without an address tells nobody.

    `watchdog_every_s` is how often the manager wants to hear watchdog(), None where it does not.
    """

    def __init__(self, address: str | None = None, watchdog_every_s: float | None = None) -> None:
        self.watchdog_every_s = watchdog_every_s
        self._address = _socket_address(address)
        self._status = ""

    @classmethod
    def from_environment(cls, environ: MutableMapping[str, str]) -> "Notifier":
        """Take what the manager said out of the environment: commands are not to speak for the worker."""
        address = environ.pop("NOTIFY_SOCKET", None)
        limit_us, pid = environ.pop("WATCHDOG_USEC", ""), environ.pop("WATCHDOG_PID", "")
        is_meant = pid in ("", str(os.getpid())) and limit_us.isdecimal() and int(limit_us) > 0
        return cls(address, int(limit_us) / 1_000_000 / WATCHDOGS_A_LIMIT if address and is_meant else None)

    def ready(self) -> None:
        """Report that the worker takes jobs."""
        self._send("READY=1", patience_s=_PATIENCE_S)

    def status(self, text: str) -> None:
        """Report in one line what the worker is at, unless that was reported last."""
        if text != self._status:
            self._status = text
            self._send("STATUS=" + text.replace("\n", " "))

    def stopping(self) -> None:
        """Report that the worker is about to end."""
        self._send("STOPPING=1", patience_s=_PATIENCE_S)

    def watchdog(self) -> None:
        """Report that the worker is alive, where the manager wants to hear it."""
        if self.watchdog_every_s is not None:
            self._send("WATCHDOG=1")

    def _send(self, message: str, *, patience_s: float = 0.0) -> None:
        if self._address is None:
            return
        import socket  # loaded where there is a manager: it costs every other worker its start

        # A socket each time: the few messages a minute are not worth a descriptor that could go stale.
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.settimeout(patience_s)
            sender.sendto(message.encode(), self._address)


def _socket_address(address: str | None) -> bytes | None:
    if not address or address[0] not in "/@":  # other kinds of socket are for other machines
        return None
    raw = os.fsencode(address)
    return b"\0" + raw[1:] if raw[:1] == b"@" else raw
