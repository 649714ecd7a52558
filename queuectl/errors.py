"""The whole error tree; imports nothing but how a value is shown.

Each class builds its own one-line message from its fields: what was tried, on which id, what was
found, and what to do next. The command line maps a class to an exit code; nothing here prints.
"""

from . import hints
from .display import as_typed, shown
from .escaping import escape

_ID_CHARS = 200
"""How much of an id: more than any has."""


def _id(job_id: str) -> str:
    return shown(job_id, most=_ID_CHARS)


class QueuectlError(Exception):
    """Anything queuectl refuses or fails at, told in one line: what is wrong, in `message`, and what to do, in `hint`.

    The hint is in the words of the command line, and may be empty.
    """

    def __init__(self, message: str = "", *, hint: str = "") -> None:
        self.message, self.hint = escape(message), escape(hint)  # a path may hold anything
        super().__init__(f"{self.message}; {self.hint}" if hint else self.message)

    @property
    def at_a_prompt(self) -> str:
        """What the command line says of it: the same, unless what to do next is another thing there."""
        return str(self)


class InvalidInput(QueuectlError, ValueError):
    """A value given by the caller cannot be used: `field` names it.

    `hint` is what is expected in the words of the command line, where these are others; or, where `then` is, what to
    do next, told after what is expected.
    """

    def __init__(self, field: str, found: str, expected: str, *, hint: str = "", then: str = "") -> None:
        self.field = field
        self.found = found
        self.expected = expected
        cut = found if len(found) <= 200 else f"{found[:200]}... ({len(found):,} characters)"
        told = f"{field}: found {cut}; expected "
        super().__init__(f"{told}{expected}", hint=hint or then)
        self._told = told if hint else ""

    @property
    def at_a_prompt(self) -> str:
        """What the command line says of it: the hint names what is expected there, if there is one."""
        return f"{self._told}{self.hint}" if self._told else str(self)


class Unusable(InvalidInput):
    """A value that could be one, but what it names is not in this queue or of no use: a worker, a position, a file."""


class InvalidLine(QueuectlError, ValueError):
    """One line of a bulk input cannot be used; nothing of its chunk was enqueued."""

    def __init__(self, line: int, error: QueuectlError, *, enqueued: int = 0) -> None:
        self.line = line
        self.error = self.cause = error  # `cause` until the next release
        self.enqueued = enqueued
        done = f"{enqueued} jobs of earlier chunks were enqueued" if enqueued else "nothing was enqueued"
        self._done = f"({done})"
        super().__init__(f"line {line}: {error.message} {self._done}", hint=error.hint)

    @property
    def at_a_prompt(self) -> str:
        """The same, with what is wrong with the line as the command line says that."""
        return f"line {self.line}: {self.error.at_a_prompt} {self._done}"


class JobNotFound(QueuectlError, LookupError):
    """No live job has this id; those of `near` are like it. `archived_at`: the segment that has the archived job.

    `is_numbered`: it was asked for by its number, and its id is not known.
    """

    def __init__(
        self,
        job_id: str,
        *,
        removed: bool = False,
        archived_at: str = "",
        archived_in: str = "",
        near: list[str] | tuple[str, ...] = (),
        is_numbered: bool = False,
    ) -> None:
        self.job_id = job_id
        self.removed = removed
        self.near = tuple(near)
        self.archived_at = archived_at
        became, hint = "", hints.LIST
        if removed:
            became, hint = "; it was removed", hints.read_history(job_id)
        elif archived_at:
            became, hint = f"; it was archived in {archived_at}", hints.read_archive(job_id)
        elif archived_in:
            hint = f"if it is an old one, its events are archived in {archived_in}, which is not there"
        elif near:
            hint = f"did you mean {' or '.join(near)}?"
        super().__init__(f"no job {'of that number' if is_numbered else _id(job_id)}{became}", hint=hint)


class AmbiguousJob(QueuectlError, LookupError):
    """Several jobs have ids that begin with what was typed; nothing was done to any."""

    def __init__(self, typed: str, job_ids: list[str], *, is_all: bool) -> None:
        self.typed = typed
        self.job_ids = tuple(job_ids)
        some = ", ".join(job_ids) + ("" if is_all else " ...")
        super().__init__(
            f"{_id(typed)} is the beginning of several jobs' ids: {some}", hint="type more of the one you mean"
        )


class DuplicateJob(QueuectlError, ValueError):
    """A live job already has this id; it was left untouched. `index`: which of a batch, from 0.

    `replace`: it was to be replaced, and has not ended.
    """

    def __init__(self, job_id: str, state: str, *, index: int = 0, replace: bool = False) -> None:
        self.job_id = job_id
        self.state = state
        self.index = index
        if replace:
            super().__init__(
                f"cannot replace {_id(job_id)}: it has not ended ({state}) and was left as it is",
                hint=hints.end_first(job_id),
            )
            return
        super().__init__(
            f"cannot enqueue {_id(job_id)}: a job of that id exists ({state}) and was left as it is",
            hint=hints.choose_id(job_id, has_ended=state in ("completed", "dead", "cancelled")),
        )


class KeyTaken(DuplicateJob):
    """A unique key, `key`, is held by the job `job_id`, which was left untouched; `index`: which of a batch, from 0."""

    def __init__(self, verb: str, job_id: str, key: str, state: str, *, refused: str = "", index: int = 0) -> None:
        self.job_id, self.state, self.key, self.index = job_id, state, key, index
        held = f"unique key {shown(key)} is held by job {_id(job_id)} ({state})"
        if refused == job_id:
            held = f"it holds unique key {shown(key)} and is {state}"
        told = f"cannot {verb}{f' {_id(refused)}' if refused else ''}: {held}"
        QueuectlError.__init__(self, told, hint=hints.free_key(job_id, state))


class WrongState(QueuectlError):
    """A command does not fit the state its job is in; the job was left untouched."""

    def __init__(self, verb: str, job_id: str, state: str, hint: str) -> None:
        self.verb = verb
        self.job_id = job_id
        self.state = state
        super().__init__(f"cannot {verb} {_id(job_id)}: it is {state}", hint=hint)


class StaleLease(QueuectlError):
    """The caller's token is not the job's current lease: the job was given to someone else or ended."""

    def __init__(self, verb: str, job_id: str, token: int, found: str) -> None:
        self.verb = verb
        self.job_id = job_id
        self.token = token
        super().__init__(
            f"cannot {verb} {_id(job_id)} under token {token}: {found}",
            hint="drop this run, its result was not recorded",
        )


class Conflict(QueuectlError):
    """A stream moved on between the decision and the append; decide again on its new state."""

    def __init__(self, stream: int | str, expected: int, actual: int) -> None:
        self.stream = stream
        self.expected = expected
        self.actual = actual
        super().__init__(
            f"cannot append to stream {stream}: expected its last event at position {expected}, found {actual}",
            hint="read it and decide again",
        )


class CheckpointMoved(Conflict):
    """A subscription is not where its reader left it: another reader, a rewind or a removal was there."""

    def __init__(self, name: str, expected: int, actual: int | None) -> None:
        self.stream = name
        self.expected = expected
        self.actual = actual or 0
        found = "it was removed" if actual is None else f"it was moved to {actual} by another reader or by a rewind"
        QueuectlError.__init__(
            self,
            f"cannot move subscription {shown(name)} on from position {expected}: {found}",
            hint="let one program read it, and subscribe again to go on",
        )


class IllegalTransition(QueuectlError):
    """The log holds an event that the job's state does not allow: the log or the program is wrong."""

    def __init__(self, event: str, state: str, position: int) -> None:
        self.position = position
        super().__init__(
            f"cannot apply {event!r} at position {position} to a job that is {state}", hint=hints.REPORT_REPLAY
        )


class WaitTimeout(QueuectlError, TimeoutError):
    """The jobs waited for had not ended in time."""

    def __init__(self, job_ids: list[str], timeout_s: float) -> None:
        self.job_ids = job_ids
        shown = ", ".join(job_ids[:5]) + (" ..." if len(job_ids) > 5 else "")
        super().__init__(f"not ended after {timeout_s:g} s: {shown}", hint=hints.WAIT_AGAIN)


class CannotListen(QueuectlError):
    """The dashboard cannot have the address it was given."""

    def __init__(self, host: str, port: int, found: str, hint: str) -> None:
        self.host, self.port = host, port
        super().__init__(f"cannot listen on {host} port {port}: {found}", hint=hint)


class StoreError(QueuectlError):
    """The store cannot be opened, read or written."""


class EnvironmentMissing(StoreError):
    """What a job took along of the environment it was enqueued from is not there."""

    def __init__(self, digest: str) -> None:
        self.digest = digest
        super().__init__(f"the environment {digest} that the job took along is not there", hint=hints.ENQUEUE_ANEW)


class NoQueue(StoreError):
    """There is no queue at this path, and the caller only reads; `gone`: what became of the one that is open."""

    def __init__(self, path: str, *, gone: str = "") -> None:
        self.path = path
        self._gone = f"the queue at {path} is gone: {gone}" if gone else ""
        super().__init__(self._gone or f"no queue at {path}", hint="open it again" if gone else hints.NO_QUEUE)

    @property
    def at_a_prompt(self) -> str:
        """The same, with what to type where it was gone."""
        return f"{self._gone}; type the command again" if self._gone else str(self)


class FileDeleted(StoreError):
    """A file of the queue was deleted or replaced while processes have it open: beside theirs another would part us."""

    def __init__(self, path: str, name: str, became: str = "was deleted") -> None:
        self.path = path
        super().__init__(
            f"cannot open the queue at {path}: its {name} {became} while processes have it open",
            hint=f"end those first (`{self.command}` shows them), then try again",
        )

    @property
    def command(self) -> str:
        """What to type to see who has it open."""
        return f"fuser -v {as_typed(f'{self.path}/open.lock')}"


class LogLost(StoreError):
    """What a queue left lies there, and not its log: `found` of data.mdb, and which `sign` speaks of one that was."""

    def __init__(self, path: str, found: str, sign: str, restore: str) -> None:
        super().__init__(
            f"cannot open the queue at {path}: its data.mdb {found}, and {sign} beside it says that there was a "
            "log in it",
            hint=hints.begin_anew(restore),
        )
        self.path, self.command = path, restore


class HalfReplaced(StoreError):
    """Another queue was taking this one's place when that was interrupted."""

    command = hints.RESTORE_FINISH

    def __init__(self, path: str) -> None:
        self.path = path
        super().__init__(
            f"cannot open the queue at {path}: another one was taking its place when that was interrupted",
            hint=hints.FINISH,
        )


class NotYetMade(StoreError):
    """A restore or an import has put no queue there yet: it goes on, or was killed and left `staged`."""

    command = hints.RESTORE

    def __init__(self, path: str, staged: str, *, goes_on: bool) -> None:
        self.path = path
        found, hint = "a restore or an import is putting it together", "try again once that has ended"
        if not goes_on:
            found = "a restore or an import was killed before any of it was in place"
            hint = f"type that again, or `rm -r {as_typed(staged)}` to begin with an empty queue"
        super().__init__(f"cannot open the queue at {path}: {found}", hint=hint)


class NotAQueue(StoreError):
    """The path holds something else."""

    def __init__(self, path: str, found: str) -> None:
        self.path = path
        super().__init__(f"cannot use {path} as a queue: {found}", hint=hints.EMPTY_DIRECTORY)


class Untrusted(StoreError):
    """The queue's directory is another user's, or others may write to it, and nobody said that it is to be trusted."""

    def __init__(self, path: str, problem: str) -> None:
        self.path = path
        super().__init__(
            f"cannot use the queue at {path}: {problem}: who can write there decides what is run",
            hint=hints.trust(path),
        )


class NewerFormat(StoreError):
    """The store, or an event in it, was written by a newer queuectl."""

    def __init__(self, what: str, found: object, known: object) -> None:
        super().__init__(
            f"{what} is {found}, this queuectl knows {known}: written by a newer queuectl", hint="upgrade it"
        )


class CorruptLog(StoreError):
    """A stored event cannot be what was written."""

    def __init__(self, position: int, found: str) -> None:
        self.position = position
        self.found = found
        super().__init__(f"the log is damaged at position {position}: {found}", hint=hints.STOP_AND_VERIFY)


class Archived(QueuectlError):
    """A past moment whose events are no longer in the log: retention took them out, up to `cut`."""

    def __init__(self, moment: str, cut: int) -> None:
        self.cut = cut
        super().__init__(
            f"cannot tell the state at {moment}: the events up to position {cut} are archived; "
            f"the earliest state is that at position {cut}"
        )


class BadSegment(StoreError):
    """An archive segment is not what was sealed: somewhere in it, or in its events from `position` to `until`."""

    def __init__(self, path: str, found: str, *, position: int = 0, until: int = 0) -> None:
        self.path, self.found = path, found
        self.position, self.until = position, until
        super().__init__(f"cannot read the archive segment {path}: {found}", hint="put a sound copy of it in its place")


class CompactBusy(StoreError):
    """Another process lets old events of this queue go."""

    def __init__(self, path: str) -> None:
        self.path = path
        super().__init__(
            f"cannot compact the queue at {path}: another compact is at work there, or a worker as `retention_s` says",
            hint="let it end, then try again",
        )


class WriteFailed(StoreError):
    """A commit failed, and nothing of it was kept. `is_full`: for want of room, and it can be tried again.

    Otherwise the disk failed, and this process writes no more to the store.
    """

    def __init__(self, path: str, found: str, hint: str, *, is_full: bool = False) -> None:
        self.path = path
        self.found = found
        self.is_full = is_full
        super().__init__(f"cannot write to the queue at {path}: {found}; nothing of this change was kept", hint=hint)


class BulkStopped(StoreError):
    """A bulk enqueue stopped after whole chunks of it; what they held is enqueued."""

    def __init__(self, done: int, total: int, error: StoreError) -> None:
        self.done, self.total = done, total
        self.error = self.cause = error  # `cause` until the next release
        super().__init__(
            f"enqueued {done:,} of {total:,} jobs, so go on from line {done + 1}: {error.message}", hint=error.hint
        )


class ForkedStore(StoreError):
    """A store was used in a child forked from the process that opened it."""

    def __init__(self, path: str, opener: int, user: int) -> None:
        super().__init__(
            f"the queue at {path} was opened by process {opener} and used in its fork {user}",
            hint="open it again in the child",
        )
