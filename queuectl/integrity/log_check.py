"""The log of a queue gone through for `queuectl verify`: events, chain, streams, what runs printed, and the archive.

Reads in transactions of a bounded number of rows. What is wrong is told once it is known that retention took no part
of the log away meanwhile.
"""

import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from itertools import islice
from pathlib import Path
from typing import Final

from ..errors import CorruptLog, NewerFormat, StoreError
from ..events.audit import Audit, FindEvent, OnEvent, Problem, Problems, Said
from ..events.codec import decode
from ..events.types import RETENTION_STREAM, Edited, EnvironmentKept, JobSpec, Output, RetentionApplied, Stream
from ..outputs.frame_check import SizeAndDigest
from ..store.directory import COMPACT_LOCK, lock
from ..store.event_reader import cut_of, stream_key
from ..store.store import Store, Transaction, key_of
from ..store.tables import LOG, STREAMS, fault_of_meta
from ..system.interrupts import own
from ..system.subprocess_task import Message
from .archive_check import Provenance, ahead_of_log
from .findings import of_error, problem, problems, seconds_since
from .inherited_check import Inherited
from .output_check import NOT_THERE, OutputCheck, PrintedRow
from .stream_check import stream_count_and_sum, trace

ROWS_AT_ONCE: Final = 10_000
_LEAST_ROW_BYTES: Final = 16
"""Less than a row takes: how many rows a damaged tree says it has is not to be believed."""


def messages(path: Path, watched: Mapping[int, bytes], *, log_only: bool) -> Iterator[Message]:
    """Check the log of a queue, and yield what is found; `watched` has digests it ought to have at some positions."""
    yield {"is": "progress", "part": "log", "done": 0, "total": None}
    for is_last in (False, True):
        try:
            if (yield from _walk(path, watched, log_only=log_only, retention_waits=is_last)):
                return
        except StoreError as error:  # once it may be that another process changed what was just being read
            if is_last:
                yield problem("log", of_error(error))
                return
    yield problem("log", Problem(0, "retention was at work meanwhile; verify again", is_damage=False))


def _walk(
    path: Path, watched: Mapping[int, bytes], *, log_only: bool, retention_waits: bool
) -> Generator[Message, None, bool]:
    """Go through the log once; returns whether what was read is one log."""
    with Store.open_suspect(path) as store, _retention_waits(path) if retention_waits else nullcontext():
        walk = _Walk(store, watched, log_only=log_only)
        yield from walk.run()
        if walk.is_overtaken():
            return False
        yield from walk.finish()
        return True


@contextmanager
def _retention_waits(path: Path) -> Iterator[None]:
    """Keep retention from dropping events meanwhile; a process that may not write to the directory cannot."""
    is_held = False
    try:
        with lock(path / COMPACT_LOCK, wait=True):
            is_held = True
            yield
    except own(OSError, StoreError):
        if is_held:
            raise
        yield


def faults_of_log(store: Store, *, with_outputs: bool) -> list[str]:
    """Return what is wrong with the log of an open store, and with what its runs printed as far as that is there."""
    walk = _Walk(store, {}, log_only=not with_outputs)
    for _ in walk.run():
        pass
    found = (each for each in walk.finish() if each["is"] == "problem" and each["what"] != NOT_THERE)
    return [f"the event at position {each['position']}: {each['what']}" for each in found]


class _Walk:
    """One walk through the log of a store, up to where its head was at the beginning."""

    def __init__(self, store: Store, watched: Mapping[int, bytes], *, log_only: bool) -> None:
        self._store = store
        self._log_only = log_only
        self._begun = time.monotonic()
        self._outputs = OutputCheck(store)
        self._problems = Problems()
        self._astray = Problems()
        self._inherited = Inherited()
        with store.read() as txn:
            self._retained = _retained(txn)
            self._cut, _, self._chain = self._retained
            last = txn.last(LOG)
            self._head = int.from_bytes(last[0][:8], "big") if last else 0
            if fault := fault_of_meta(dict(txn.scan("meta")), last[0] if last else b"", counted=txn.count("meta")):
                self._problems.append(Problem(0, fault))
            self._cut = self._cut if self._cut <= self._head else 0
            self._rows = min(txn.count(LOG), store.sizes()["file"] // _LEAST_ROW_BYTES)
        self._watched = watched
        self._audit = Audit(self._problems.append, cut=self._cut, watched=watched)
        self._archive = Provenance(store, self._cut, self._chain)
        self._broke_off: StoreError | None = None

    def run(self) -> Iterator[Message]:
        """Go through the log, telling how far it is; what is wrong is kept until finish()."""
        try:
            for until in sorted({min(self._cut, self._head), self._head} - {0}):
                yield from self._feed(until)
                if until == self._cut:
                    self._pass_the_cut()
        except StoreError as error:
            self._broke_off = error
        self._audit.finish()
        below = {position: self._watched[position] for position in self._audit.unproven if position <= self._cut}
        is_log_sound = not self._broke_off and all(each.position > self._cut for each in self._problems)
        for done in self._archive.check(below, is_log_sound=is_log_sound):
            yield {"is": "progress", "part": "archive", "done": done, "total": self._cut}

    def is_overtaken(self) -> bool:
        """Return whether retention let events go meanwhile, so that what was read is not one log."""
        with self._store.read() as txn:
            return self._retained != _retained(txn)

    def finish(self) -> Iterator[Message]:
        """Check the streams, and tell what was found."""
        audit = self._audit
        if self._broke_off:
            is_whole = audit.position == self._head
            what = "what stands beside the log cannot be read" if is_whole else "the log cannot be read from here on"
            self._problems.append(of_error(self._broke_off, 0 if is_whole else audit.position + 1, f"{what}: "))
        streams = 0 if self._broke_off else self._check_streams()
        yield from problems("log", self._problems)
        yield from problems("streams", self._astray)
        yield from problems("outputs", self._outputs.problems)
        seconds = seconds_since(self._begun) - self._outputs.duration_s
        yield {"is": "part", "part": "log", "events": audit.events, "streams": streams, "seconds": seconds}
        if not self._log_only:
            yield {"is": "part", "part": "outputs", "runs": self._outputs.checked, "seconds": self._outputs.duration_s}
        yield from self._tell_archive()
        yield {
            "is": "head",
            "position": self._head,
            "digest": None if audit.digest is None else audit.digest.hex(),
            "at_us": audit.at_us,
            "events": audit.events,
            "cut": self._cut,
            "unproven": [position for position in audit.unproven if position not in self._archive.proven],
        }

    def _tell_archive(self) -> Iterator[Message]:
        archive = self._archive
        yield from problems("archive", archive.problems)
        if not self._problems:
            yield from (problem("log", Problem(0, each)) for each in ahead_of_log(self._store))
        if archive.segments:
            told = {"segments": archive.segments, "events": archive.events, "seconds": archive.duration_s}
            yield {"is": "part", "part": "archive", **told}
        if missing := self._cut and self._head - self._audit.events:
            what = f"{missing:,} events up to position {self._cut} are not in the store: retention let them go"
            yield {"is": "note", "what": f"{what}; {archive.told}"}

    def _feed(self, until: int) -> Iterator[Message]:
        audit, key, most = self._audit, key_of(self._audit.position), 2 * self._rows + ROWS_AT_ONCE
        while audit.events <= most:  # in a damaged tree the rows may never end
            ended: list[PrintedRow] = []
            large: list[PrintedRow] = []
            with self._store.read() as txn:
                rows = list(islice(txn.scan(LOG, key + b"\0", key_of(until + 1)), ROWS_AT_ONCE))
                audit.feed(rows, _look(txn), None if self._log_only else self._each(txn, ended))
                if ended:
                    large = self._outputs.check_stored(txn, ended)
            self._outputs.check_files(large)
            if not rows:
                return
            key = rows[-1][0]
            yield {"is": "progress", "part": "log", "done": audit.position, "total": self._head}

    def _each(self, txn: Transaction, ended: list[PrintedRow]) -> OnEvent:
        """Return what looks at what sound events say: of the run that they end, or of an environment."""
        problems, inherited = self._problems, self._inherited

        def each(position: int, stream: Stream, said: Said) -> None:
            if isinstance(said, EnvironmentKept | JobSpec | Edited):
                if what := inherited.fault(txn, position, stream, said):
                    problems.append(Problem(position, what))
            elif isinstance(stream, int) and said.token is not None:
                ended.append((position, stream, said.token, _told(said.stdout), _told(said.stderr)))
            else:
                problems.append(Problem(position, "it says what a run printed, and not of which run"))

        return each

    def _check_streams(self) -> int:
        """Check the table `streams`; returns how many there are."""
        audit, found, astray = self._audit, self._problems, self._astray
        try:
            count, total = stream_count_and_sum(
                self._store, self._head, on_log_problem=found.append, on_table_problem=astray.append
            )
            if total != audit.sum:
                of_events, of_table = trace(self._store, self._head, self._cut, audit.spoilt)
                found.extend(of_events)
                astray.extend(of_table)
        except StoreError as error:
            found.append(of_error(error))
            return 0
        return count

    def _pass_the_cut(self) -> None:
        self._audit.skip_to(self._cut)
        if self._chain:
            self._audit.anchor(self._chain)
        elif self._cut:
            self._problems.append(
                Problem(self._cut, "events up to here may be missing, but no retention event says so")
            )


def _retained(txn: Transaction) -> tuple[int, int, bytes]:
    """Return the cut, the position of the last retention event, and the digest that one has of the chain at the cut."""
    cut = cut_of(txn)
    last = position = int.from_bytes(txn.get(STREAMS, stream_key(RETENTION_STREAM)) or b"", "big")
    with suppress(CorruptLog, NewerFormat):  # which the look at the log tells of
        while position and (value := txn.get(LOG, key := key_of(position))) is not None:
            found = decode(key, value)
            if found.stream != RETENTION_STREAM or not isinstance(found.event, RetentionApplied):
                break
            if found.event.upto == cut:
                return cut, last, found.event.chain or b""
            position = found.prev
    return cut, last, b""


def _look(txn: Transaction) -> FindEvent:
    return lambda position: txn.get(LOG, key_of(position))


def _told(output: Output | None) -> SizeAndDigest | None:
    return None if output is None else (output.size_bytes, output.sha256)
