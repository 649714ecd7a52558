"""The views of a queue held against its log, for `queuectl verify`: made anew beside the live ones, and compared."""

import os
import time
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from queue import SimpleQueue

from ..core.progress import Progress
from ..errors import CorruptLog, IllegalTransition, QueuectlError
from ..events.audit import Problem
from ..projections import layout, rebuild
from ..store.store import Store
from ..system.files import scratch_directory
from ..system.interrupts import own
from ..system.queue_files import DATA_FILE
from ..system.subprocess_task import Message
from .findings import of_error, problem, seconds_since


def messages(path: Path) -> Iterator[Message]:
    """Compare the views of a queue with its log, and yield what is found."""
    begun = time.monotonic()
    yield {"is": "progress", "part": "views", "done": 0, "total": None}
    try:
        with _second_set(path) as store:
            if layout.is_outdated(store):
                yield {"is": "note", "what": "the views are an older release's; any other verb makes them anew"}
                return
            rebuilt = yield from _rebuilding(store)
    except (CorruptLog, IllegalTransition) as error:
        yield problem("views", Problem(error.position, str(error)))
    except _NoRoom as error:
        yield {"is": "note", "what": f"the views were not compared, only the log was looked at: {error}"}
    except QueuectlError as error:
        yield problem("views", of_error(error))
    else:
        yield from (problem("views", Problem(0, each)) for each in rebuilt.differences)
        yield {"is": "part", "part": "views", "events": rebuilt.events, "seconds": seconds_since(begun)}


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
        except own(QueuectlError, OSError) as error:
            raise _NoRoom(str(error)) from error
        yield copy


def _is_ours(path: Path) -> bool:
    """Whether this process may write to a queue, and leaves nothing there that its user could not."""
    places = (path, path / DATA_FILE)
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


def _compared(store: Store, progress: Progress) -> rebuild.Rebuilt:
    """Compare the views, once no other replay or verify is at work in the place where they are made beside."""
    return rebuild.rebuild(store, swap=False, progress=progress, waits=True)
