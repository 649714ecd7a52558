"""The parts of `queuectl verify`, as messages: run in a process of its own, since the engine can end on a damaged file.

Reads in transactions of a bounded number of rows. What was found is said as soon as it is, so that
it is known whatever comes next. The log and the views have processes of their own beside the one that looks at the
file. The one part that writes, the replay check, is begun once the file is known to be sound; where the log turns out
not to be, what it found is dropped.
"""

import gc
import os
import time
from collections.abc import Generator, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from itertools import islice
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any, Final

from . import apart, outputs
from .datafile import faults
from .directory import COMPACT_LOCK, is_used, lock
from .errors import CorruptLog, IllegalTransition, NewerFormat, QueuectlError, StoreError, WriteFailed
from .events.audit import Audit, Each, Look, Problem, Problems, Said
from .events.codec import decode
from .events.lmdb_log import LOG, STREAMS, stream_key
from .events.types import RETENTION_STREAM, EnvironmentKept, JobSpec, Output, RetentionApplied, Stream
from .files import scratch_directory
from .hindrance import hindrance, unseen, words
from .inherited import Inherited
from .projections import layout, rebuild
from .provenance import Provenance, ahead_of_log
from .store import Store, Transaction, key_of
from .tables import fault_of_meta
from .tracing import sum_of, trace
from .weighing import Told, fault

Message = dict[str, Any]

ROWS_AT_ONCE: Final = 10_000
_LEAST_ROW_BYTES: Final = 16
"""Less than a row takes: how many rows a damaged tree says it has is not to be believed."""

NOT_THERE: Final = "what the run printed is not there"

Printed = tuple[int, int, int, Told | None, Told | None]
"""Position of the event that ended a run, its job's number, its token, and what the log says of its two streams."""


def messages(path: str, *, log_only: bool = False, against: Mapping[str, str] | None = None) -> Iterator[Message]:
    """Check a queue, part by part. `against` has digests (hex) that the log's chain ought to have at some positions.

    Messages are of these kinds, by their key `is`: `progress`, `problem`, `more` (problems, of which only the number
    is told), `note`, `part` (one is done), `ended` (its process came to an untimely end), and `head`.
    File, log and views are looked at beside each other, the views once the file is known to be sound.
    """
    if log_only:
        yield from of_log(path, log_only=True, against=against)
        return
    gc.disable()  # there are no cycles here, and looking for them would take a third of the time
    log = _Beside("log", {"path": path, "against": against})
    is_sound = yield from _heard(_file(Path(path)))
    views = _Beside("views", {"path": path}) if is_sound else None
    is_sound = (yield from _heard(log)) and is_sound
    if views is None or not is_sound:
        why = "what they are made from is damaged, or could not be looked at"
        yield {"is": "note", "what": f"the views were not compared: {why}"}
    else:
        yield from views


def of_log(path: str, *, log_only: bool = False, against: Mapping[str, str] | None = None) -> Iterator[Message]:
    """Check the log of a queue, and what its runs printed, as messages() does."""
    gc.disable()
    watched = {int(position): bytes.fromhex(digest) for position, digest in (against or {}).items()}
    return _log(Path(path), watched, log_only=log_only)


def of_views(path: str) -> Iterator[Message]:
    """Compare the views of a queue with its log, as messages() does."""
    gc.disable()
    return _views(Path(path))


def _heard(part: Iterable[Message]) -> Generator[Message, None, bool]:
    """Yield the messages of a part, and return whether it is sound."""
    is_sound = True
    for message in part:
        is_sound = is_sound and message["is"] not in ("problem", "ended")
        yield message
    return is_sound


class _Beside:
    """A part that is looked at in a process of its own meanwhile; gives its messages in order."""

    def __init__(self, task: str, options: Mapping[str, Any]) -> None:
        self._task = task
        self._options = options
        self._told: SimpleQueue[Message | None] = SimpleQueue()
        Thread(target=self._run, daemon=True).start()

    def __iter__(self) -> Iterator[Message]:
        return iter(self._told.get, None)

    def _run(self) -> None:
        try:
            ending = apart.run(self._task, self._options, self._told.put)
        except Exception as error:  # whatever it is, who waits for the messages must hear of their end
            ending = apart.Ending(str(error) or repr(error), False, hindrance(error))
        if ending:
            self._told.put({"is": "ended", "part": self._task, **ending._asdict()})
        self._told.put(None)


def positions(path: str, after: int) -> Iterator[Message]:
    """Give the positions behind one, each once the engine has read it, to find where it ends."""
    with Store.open_suspect(Path(path)) as store, store.read() as txn:
        for key, _ in txn.scan(LOG, key_of(after + 1)):
            yield {"is": "position", "position": int.from_bytes(key[:8], "big")}


def faults_of_log(store: Store, *, with_outputs: bool) -> list[str]:
    """Return what is wrong with the log of an open store, and with what its runs printed as far as that is there."""
    walk = _Walk(store, {}, log_only=not with_outputs)
    for _ in walk.run():
        pass
    problems = (each for each in walk.finish() if each["is"] == "problem" and each["what"] != NOT_THERE)
    return [f"the event at position {each['position']}: {each['what']}" for each in problems]


def _file(path: Path) -> Iterator[Message]:
    begun = time.monotonic()
    yield {"is": "progress", "part": "file", "done": 0, "total": None}
    try:
        found = faults(path)
        if found and is_used(path):  # a writer may have used pages again while they were read: hold what there is
            with Store.open_suspect(path) as store, store.read():
                found = faults(path)
    except StoreError as error:
        yield _problem("file", _of_error(error))
        return
    yield from (_problem("file", Problem(0, f"data.mdb: {each}")) for each in found)
    yield {"is": "part", "part": "file", "bytes": (path / "data.mdb").stat().st_size, "seconds": _since(begun)}


def _log(path: Path, watched: Mapping[int, bytes], *, log_only: bool) -> Iterator[Message]:
    yield {"is": "progress", "part": "log", "done": 0, "total": None}
    for is_last in (False, True):
        try:
            if (yield from _walk(path, watched, log_only=log_only, retention_waits=is_last)):
                return
        except StoreError as error:  # once it may be that another process changed what was just being read
            if is_last:
                yield _problem("log", _of_error(error))
                return
    yield _problem("log", Problem(0, "retention was at work meanwhile; verify again", is_damage=False))


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
    """Let no events go meanwhile; a process that may not write to the directory cannot see to that."""
    with ExitStack() as held:
        with suppress(OSError, StoreError):
            held.enter_context(lock(path / COMPACT_LOCK, wait=True))
        yield


class _Walk:
    """One walk through the log of a store, up to where its head was at the beginning."""

    def __init__(self, store: Store, watched: Mapping[int, bytes], *, log_only: bool) -> None:
        self._store = store
        self._log_only = log_only
        self._begun = time.monotonic()
        self._outputs_s = 0.0
        self._checked = 0
        self._problems = Problems()
        self._unsaid = Problems()
        self._astray = Problems()
        self._inherited = Inherited()
        with store.read() as txn:
            fault = fault_of_meta(dict(txn.scan("meta")))
            self._retained = _retained(txn)
            self._cut, _, self._chain = self._retained
            last = txn.last(LOG)
            self._head = int.from_bytes(last[0][:8], "big") if last else 0
            if self._cut > self._head:  # a retention event stands behind the cut that it tells of
                what = f"`cut` in the table `meta` says that events up to {self._cut} may be missing"
                fault = f"{what}, and the log ends at {self._head}"
                self._cut = 0
            if fault:
                self._problems.append(Problem(0, fault))
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
        """Tell whether retention let events go meanwhile, so that what was read is not one log."""
        with self._store.read() as txn:
            return self._retained != _retained(txn)

    def finish(self) -> Iterator[Message]:
        """Check the streams, and tell what was found."""
        audit = self._audit
        if self._broke_off:
            is_whole = audit.position == self._head
            what = "what stands beside the log cannot be read" if is_whole else "the log cannot be read from here on"
            self._problems.append(_of_error(self._broke_off, 0 if is_whole else audit.position + 1, f"{what}: "))
        streams = 0 if self._broke_off else self._check_streams()
        yield from _problems("log", self._problems)
        yield from _problems("streams", self._astray)
        yield from _problems("outputs", self._unsaid)
        seconds = _since(self._begun) - self._outputs_s
        yield {"is": "part", "part": "log", "events": audit.events, "streams": streams, "seconds": seconds}
        if not self._log_only:
            yield {"is": "part", "part": "outputs", "runs": self._checked, "seconds": self._outputs_s}
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
        yield from _problems("archive", archive.problems)
        if not self._problems:
            yield from (_problem("log", Problem(0, each)) for each in ahead_of_log(self._store))
        if archive.segments:
            told = {"segments": archive.segments, "events": archive.events, "seconds": archive.seconds}
            yield {"is": "part", "part": "archive", **told}
        if missing := self._cut and self._head - self._audit.events:
            what = f"{missing:,} events up to position {self._cut} are not in the store: retention let them go"
            yield {"is": "note", "what": f"{what}; {archive.told}"}

    def _feed(self, until: int) -> Iterator[Message]:
        audit, key, most = self._audit, key_of(self._audit.position), 2 * self._rows + ROWS_AT_ONCE
        while audit.events <= most:  # in a damaged tree the rows may never end
            ended: list[Printed] = []
            large: list[Printed] = []
            with self._store.read() as txn:
                rows = list(islice(txn.scan(LOG, key + b"\0", key_of(until + 1)), ROWS_AT_ONCE))
                audit.feed(rows, _look(txn), None if self._log_only else self._each(txn, ended))
                if ended:
                    large = self._check_kept(txn, ended)
            self._check_files(large)
            if not rows:
                return
            key = rows[-1][0]
            yield {"is": "progress", "part": "log", "done": audit.position, "total": self._head}

    def _each(self, txn: Transaction, ended: list[Printed]) -> Each:
        """Return what looks at what sound events say: of the run that they end, or of an environment."""
        problems, inherited = self._problems, self._inherited

        def each(position: int, stream: Stream, said: Said) -> None:
            if isinstance(said, EnvironmentKept | JobSpec):
                if what := inherited.fault(txn, position, stream, said):
                    problems.append(Problem(position, what))
            elif isinstance(stream, int) and said.token is not None:
                ended.append((position, stream, said.token, _told(said.stdout), _told(said.stderr)))
            else:
                problems.append(Problem(position, "it says what a run printed, and not of which run"))

        return each

    def _check_streams(self) -> int:
        """Check the table `streams`; gives how many there are."""
        audit, found, astray = self._audit, self._problems, self._astray
        try:
            count, total = sum_of(self._store, self._head, found.append, astray=astray.append)
            if total != audit.sum:
                of_events, of_table = trace(self._store, self._head, self._cut, audit.spoilt)
                found.extend(of_events)
                astray.extend(of_table)
        except StoreError as error:
            found.append(_of_error(error))
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

    def _check_kept(self, txn: Transaction, ended: list[Printed]) -> list[Printed]:
        """Check the outputs that lie in the store; gives the runs whose output ought to lie in a file."""
        begun = time.monotonic()
        large = []
        for run in ended:
            position, number, token, stdout, stderr = run
            if txn.get("jobs", key_of(number)) is None:
                continue  # a job that was removed took its output along
            kept = outputs.kept(txn, number, token)
            if kept is None:
                large.append(run)
            else:
                self._checked += 1
                self._say(position, fault(kept, stdout, stderr))
        self._outputs_s += _since(begun)
        return large

    def _check_files(self, large: list[Printed]) -> None:
        begun = time.monotonic()
        for position, number, token, stdout, stderr in large:
            self._checked += 1
            try:
                with outputs.file_of(self._store.path, number, token).open("rb") as file:
                    self._say(position, fault(file, stdout, stderr))
            except FileNotFoundError:
                with self._store.read() as txn:
                    is_removed = txn.get("jobs", key_of(number)) is None
                self._say(position, "" if is_removed else NOT_THERE)
            except OSError as error:
                what = f"what the run printed cannot be read: {error.strerror}"
                self._unsaid.append(Problem(position, what, is_damage=not hindrance(error)))
        self._outputs_s += _since(begun)

    def _say(self, position: int, what: str) -> None:
        if what:
            self._unsaid.append(Problem(position, what))


def _views(path: Path) -> Iterator[Message]:
    begun = time.monotonic()
    yield {"is": "progress", "part": "views", "done": 0, "total": None}
    try:
        with _second_set(path) as store:
            if layout.is_outdated(store):
                yield {"is": "note", "what": "the views are an older release's; any other verb makes them anew"}
                return
            rebuilt = yield from _rebuilding(store)
    except (CorruptLog, IllegalTransition) as error:
        yield _problem("views", Problem(error.position, str(error)))
    except _NoRoom as error:
        yield {"is": "note", "what": f"the views were not compared, only the log was looked at: {error}"}
    except QueuectlError as error:
        yield _problem("views", _of_error(error))
    else:
        yield from (_problem("views", Problem(0, each)) for each in rebuilt.differences)
        yield {"is": "part", "part": "views", "events": rebuilt.events, "seconds": _since(begun)}


class _NoRoom(Exception):
    """There is no place for a second set of views."""


@contextmanager
def _second_set(path: Path) -> Iterator[Store]:
    """Yield a store beside whose views others can be made: the queue's own, or a copy if it is not ours to write to."""
    if _is_ours(path):
        with Store.open(path, create=False) as store:
            yield store
        return
    with ExitStack() as opened:
        try:
            place = Path(opened.enter_context(scratch_directory()))
            with Store.open(path, create=False, read_only=True, as_is=True) as original:
                original.copy_to(place)
            copy = opened.enter_context(Store.passing(place))
        except (QueuectlError, OSError) as error:
            raise _NoRoom(str(error)) from error
        yield copy


def _is_ours(path: Path) -> bool:
    """Whether this process may write to a queue, and leaves nothing there that its user could not."""
    places = (path, path / "data.mdb")
    return all(os.access(each, os.W_OK) and each.stat().st_uid == os.geteuid() for each in places)


def _rebuilding(store: Store) -> Generator[Message, None, rebuild.Rebuilt]:
    """Rebuild the views beside the live ones and compare, telling how far it is."""
    heard: SimpleQueue[tuple[int, int] | None] = SimpleQueue()
    with ThreadPoolExecutor(1) as executor:
        doing = executor.submit(_compared, store, lambda *far: heard.put(far))
        doing.add_done_callback(lambda _: heard.put(None))
        while (far := heard.get()) is not None:
            yield {"is": "progress", "part": "views", "done": far[0], "total": far[1]}
        return doing.result()


def _compared(store: Store, progress: rebuild.Progress) -> rebuild.Rebuilt:
    """Compare the views, once no other replay or verify is at work in the place where they are made beside."""
    return rebuild.rebuild(store, swap=False, progress=progress, waits=True)


def _retained(txn: Transaction) -> tuple[int, int, bytes]:
    """Give the cut, the position of the last retention event, and the digest that one has of the chain at the cut."""
    cut = int.from_bytes(txn.get("meta", b"cut") or b"", "big")
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


def _look(txn: Transaction) -> Look:
    return lambda position: txn.get(LOG, key_of(position))


def _told(output: Output | None) -> Told | None:
    return None if output is None else (output.size, output.sha256)


def _problems(part: str, problems: Problems) -> Iterator[Message]:
    yield from (_problem(part, each) for each in problems)
    if problems.more:
        yield {"is": "more", "problems": problems.more}


def _problem(part: str, problem: Problem) -> Message:
    return {"is": "problem", "part": part, **problem._asdict()}


def _of_error(error: QueuectlError, position: int = 0, where: str = "") -> Problem:
    """Return what to tell of an error that was met: it may be of this process or this release, and not of the queue."""
    if isinstance(error, NewerFormat):
        return Problem(position, str(error), is_damage=False)
    if isinstance(error, WriteFailed):  # which says what to do
        return Problem(position, f"could not be looked at: {error}", is_damage=False)
    if number := hindrance(error):
        return Problem(position, unseen(words(number), number), is_damage=False)
    return Problem(position, f"{where}{error}")


def _since(begun: float) -> float:
    return round(time.monotonic() - begun, 6)
