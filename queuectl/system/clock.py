"""Where the core's time, its randomness and its fresh ids come from.

Everything below takes what it needs from a Clock, so that the rest is a function of its arguments.
"""

import os
import time
from typing import Final, Protocol

from .boot import boot, booted_s

_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u
_EPOCH_MS: Final = 1_767_225_600_000  # 2026-01-01; eight characters of milliseconds last to 2060
_RANDOM_SPACE: Final = 1 << 20


class Clock(Protocol):
    """Where time, ids and chance come from."""

    def now_us(self) -> int:
        """Return the time in microseconds since the epoch, UTC."""

    def steady_us(self) -> int:
        """Return the microseconds since the machine was started: nobody sets them, and they never go back."""

    def boot(self) -> str:
        """Name what steady_us() counts from, this start of this machine; empty where that is not known."""

    def job_ids(self, count: int) -> list[str]:
        """Return fresh job ids that sort by time."""

    def roll(self) -> float:
        """Return a random number in [0, 1)."""


class SystemClock:
    """The machine's own clock and randomness."""

    def now_us(self) -> int:
        """Return the time in microseconds since the epoch, UTC."""
        return time.time_ns() // 1000

    def steady_us(self) -> int:
        """Return the microseconds since the machine was started."""
        return int(booted_s() * 1_000_000)

    def boot(self) -> str:
        """Name this start of this machine."""
        return boot()

    def job_ids(self, count: int) -> list[str]:
        """Return fresh job ids: 8 characters of milliseconds, 4 counted up from a random start.

        Short enough to type, and in time order, which keeps the store's writes together. That two
        processes give the same one is unlikely, not impossible: the store refuses the second.
        """
        tick = max(time.time_ns() // 1_000_000 - _EPOCH_MS, 0)
        serial = _random_bits(20)
        found: list[str] = []
        while len(found) < count:
            prefix = _base32(tick, 8)
            room = min(_RANDOM_SPACE - serial, count - len(found))
            found += [prefix + _PAIRS[n >> 10] + _PAIRS[n & 1023] for n in range(serial, serial + room)]
            tick, serial = tick + 1, 0
        return found

    def roll(self) -> float:
        """Return a random number in [0, 1)."""
        return _random_bits(53) / (1 << 53)


def worker_id(host: str, pid: int) -> str:
    """Return a fresh worker id that names its host and process."""
    return f"{host}-{pid}-{_base32(int.from_bytes(os.urandom(2), 'big'), 4)}"


def _random_bits(count: int) -> int:
    # The module random would take longer to load than most verbs take to do their work.
    return int.from_bytes(os.urandom(8), "big") >> (64 - count)


def _base32(number: int, width: int) -> str:
    digits = []
    for _ in range(width):
        number, digit = divmod(number, 32)
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))


_PAIRS: Final = [a + b for a in _ALPHABET for b in _ALPHABET]
