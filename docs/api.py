"""Generate docs/python.md: the public names of the package, by their docstrings."""

import inspect
import re
from collections.abc import Iterator, Mapping
from types import FunctionType
from typing import Any

import queuectl
from queuectl import Past, Queue, QueuectlError
from queuectl.api.admin import Admin
from queuectl.api.directories import Directories
from queuectl.api.dlq import DeadLetters
from queuectl.api.history import History
from queuectl.api.jobs import Actions
from queuectl.api.lease_holder import LeaseHolder
from queuectl.api.log import Log
from queuectl.api.reads import Reads
from queuectl.api.ui import Ui
from queuectl.history.past import PastDeadLetters

INTRO = """\
# From Python

Made from the docstrings by `python docs/generate.py`; do not edit.

    from queuectl import Queue

    with Queue.open() as queue:                                          # $QUEUECTL_DB, or this user's own
        files = ["/etc/passwd", "/etc/group", "/etc/no-such-file"]
        sums = [{"command": ["sha256sum", file], "timeout": "5m", "max_retries": 0} for file in files]
        ids = queue.enqueue_many(sums, reason="nightly sums").ids        # on disk when this returns
        queue.run_worker(slots=2, drain=True)                            # or leave it to `queuectl worker start`
        for job in queue.wait(ids, timeout="1h"):
            print(job.state, job.finished_at, queue.output_text(job.id), end="")
            if job.state == "dead":
                print(job.error, [type(each.event).__name__ for each in queue.history(job.id)])

`Queue` has everything the command line has: it is what the command line uses. What it gives are
values that hold nothing open. It is safe to have the queue open in any number of processes and threads, as often
as you like, to be read only or not; after a fork the child opens its own. Three short programs are in
[examples/](../examples/): [fan_out.py](../examples/fan_out.py), [post_failures.py](../examples/post_failures.py),
and a nightly backup."""

TIMES = """\
A time (`run_at`, `since`, `until`, `at`), in `enqueue`, `edit`, the mappings of `enqueue_many` and wherever else one is
asked for, is

- a datetime; one without a zone is local time;
- a text: `2026-01-01T10:00:00Z`, `2026-01-01`, `17:30`, `tomorrow 9am`, `yesterday 17:30`, `in 2h`, `5m ago`;
- a timedelta: so long after now where one looks ahead (`run_at`), so long before now where one looks back;
- a number, whole or not: seconds since 1970, as `time.time()` has them; from 100,000,000,000 on microseconds, as in
  `job.updated_at_us`.

What a job is asked for by has one name, and the others that it had or has elsewhere are taken as well, in
`Queue.enqueue`, JobRequest, the mappings of `enqueue_many`, the lines of `queuectl enqueue --file`, its JSON, `edit`
and `--set`; `import --format` reads them in the rows of another program, which may have more.

| name | also | takes | option | in a row of another program |
| --- | --- | --- | --- | --- |
| `timeout` | `timeout_s` | a duration; 0 is for ever | `--timeout` | the same |
| `delay` | `delay_s` | a duration | `--delay` | reported: nobody knows since when it counts |
| `run_at` | `at` | a time | `--at` | the same |
| `run_at` | `run_at_us` | a whole number of microseconds | | the same |

A duration (`timeout`, `delay`, `older_than`, `lease_s`, `grace_s`, `poll_s`) is a number of seconds, a text (`90s`,
`5m`, `1h30m`, `2d`, `500ms`) or a timedelta. A parameter or a field whose name ends in `_us` is a whole number of
microseconds, nothing else. A path is a text or a Path. Of two names for one thing, such as `at` and `at_us`, one is
given: both are refused with InvalidInput, as is a Filter beside what it stands for.

Where several may be named, one may as well: a text in place of a list of texts is one id, one path, one job to be
enqueued. In `state`, `queues`, `types` and `inherit_env` it may be several names with commas between them."""

CONCURRENCY = """\
A queue may be used by as many threads at once as you like, and what they enqueue at one time shares a commit. Each call
waits for the disk, and `wait`, `run_worker` and a subscription wait for longer: in asyncio give them to a thread.

    import asyncio

    from queuectl import Queue

    async def main():
        with Queue.open() as queue:
            jobs = [await asyncio.to_thread(queue.enqueue, f"sleep 0.{n}; echo {n}") for n in range(5)]
            worker = asyncio.create_task(asyncio.to_thread(queue.run_worker, slots=4, drain=True))
            waits = (asyncio.to_thread(queue.wait, job.id, timeout="1h") for job in jobs)
            print([job.state for job in await asyncio.gather(*waits)])
            await worker

    asyncio.run(main())

A task that is cancelled leaves its thread at it: give `wait` a `timeout`. A worker in a thread hears no signals: the
main thread's handlers stay yours. Without `drain` it runs until it is told to stop, by the `id` that you gave it:

    thread = threading.Thread(target=queue.run_worker, kwargs={"id": "mine", "slots": 4, "report": print})
    thread.start()
    queue.wait(queue.enqueue("true"))
    queue.worker("mine").stop()
    thread.join()"""

ERRORS = """\
Each is one line that says what was tried, on which id and what was found (`error.message`), and what to type
next (`error.hint`); `str(error)` is both. Some can be caught as Python's own: InvalidInput, InvalidLine and
DuplicateJob as ValueError, JobNotFound and AmbiguousJob as LookupError, WaitTimeout as TimeoutError. What is raised
beyond these is a mistake in the call, or in queuectl."""

SIGNALS = """\
A handler of signals may raise at any moment: Python's own does at Ctrl-C (KeyboardInterrupt), others do at a time limit
(`signal.setitimer`). What it raises comes out of the call that it interrupted, as it is, and then

- nothing of that call keeps anybody out: this thread, others and other processes read and write at once, in the
  `except` block too, and though the error is kept, as an interactive interpreter does;
- what the call was to change is there as a whole or not at all. Only a look tells which: the handler may have run just
  after the commit. Give a job an `id` of your own, and enqueue it again: DuplicateJob says that it is there;
- the jobs of other threads are there once each, as these were told;
- a subscription reads on. Where the handler ran just as `next(subscription)` returned, its batch is lost to the caller,
  who asks for the next and so acknowledges it: subscribe again after such an error, and what was not acknowledged
  comes again.

A handler may use the queue itself, to enqueue for example. Where it would have to wait for itself it is refused with
StoreError: to write or open where it interrupted a write, an opening or a closing of the same queue, or the first or
last step of a read; to read where the file is being opened anew; and to
do what is not loaded yet where it interrupted the loading of a part of the program, at the first use of it. Note it and
act on it later. What it closes is closed once the call that it interrupted is through; a call that finds its queue
closed says so."""

SECTIONS: Mapping[str, type[Any]] = {
    "Open and close": Queue,
    "Enqueue and act": Actions,
    "Look": Reads,
    "Read the log": History,
    "A queue's directory": Directories,
    "`queue.as_of(position)`": Past,
    "`queue.as_of(position).dlq`": PastDeadLetters,
    "`queue.worker(id)`": LeaseHolder,
    "`queue.log`": Log,
    "`queue.admin`": Admin,
    "`queue.dlq`": DeadLetters,
    "`queue.ui`": Ui,
}
"""Title -> the class whose own methods stand under it."""
_REPR = re.compile(r"<[\w.]+: ('\w+')>")


def page() -> str:
    """Return the page."""
    names = {name: getattr(queuectl, name) for name in queuectl.__all__}
    errors = {name: each for name, each in names.items() if inspect.isclass(each) and issubclass(each, QueuectlError)}
    functions = {name: each for name, each in names.items() if inspect.isfunction(each)}
    values = {
        name: each for name, each in names.items() if name not in errors and name not in functions and each is not Queue
    }
    words = "\n\n".join(inspect.getdoc(Queue).split("\n\n")[2:])  # type: ignore[union-attr]
    parts = [INTRO, "## Queue", words]
    for title, kind in SECTIONS.items():
        parts += [f"### {title}", *_introduced(kind), "\n".join(f"- {each}" for each in _methods(kind))]
    parts += ["## Times, durations and paths", TIMES]
    parts += ["## Threads and asyncio", CONCURRENCY]
    parts += ["## Signals and time limits", SIGNALS]
    parts += ["## Functions", "\n".join(f"- {_told(name, each)}" for name, each in functions.items())]
    parts += ["## Values", "\n".join(f"- {_value(name, each)}" for name, each in values.items())]
    parts += ["## Errors", ERRORS, "\n".join(f"- `{name}`: {_summary(each)}" for name, each in errors.items())]
    return "\n\n".join(parts) + "\n"


def _introduced(kind: type[Any]) -> list[str]:
    """Return what a class behind `queue` says of itself; those that Queue is made of are not spoken of."""
    return [] if issubclass(Queue, kind) else [" ".join(inspect.getdoc(kind).split())]  # type: ignore[union-attr]


def _methods(kind: type[Any]) -> Iterator[str]:
    """Yield what a class itself can do."""
    for name in vars(kind):
        if not name.startswith("_") and inspect.isroutine(getattr(kind, name)):
            yield _told(name, getattr(kind, name))


def _told(name: str, function: Any) -> str:
    """Return a signature without its annotations, and the docstring in one paragraph."""
    signature = inspect.signature(function)
    plain = [
        parameter.replace(annotation=inspect.Parameter.empty, default=_default(parameter.default))
        for parameter in signature.parameters.values()
        if parameter.name != "self"
    ]
    shown = _REPR.sub(r"\1", str(inspect.Signature(plain)))
    text, *arguments = _parts(inspect.getdoc(function) or "")
    return "\n".join([f"`{name}{shown}` {text}", *(f"    - `{name}`: {told}" for name, told in arguments)])


def _parts(doc: str) -> list[Any]:
    """Return a docstring in one paragraph without its section on arguments, then each of these with its text."""
    before, _, rest = doc.partition("\nArgs:\n")
    section, _, after = rest.partition("\n\n")
    told = re.findall(r"^    (\w+): (.*(?:\n {5,}.*)*)", section, re.M)
    return [" ".join(f"{before} {after}".split()), *((name, " ".join(each.split())) for name, each in told)]


class _Named:
    """A function as a signature shows it: by its name, since its own repr has an address in it."""

    def __init__(self, function: FunctionType) -> None:
        self._name = function.__name__

    def __repr__(self) -> str:
        return self._name


def _default(value: Any) -> Any:
    return _Named(value) if isinstance(value, FunctionType) else value


def _value(name: str, kind: type[Any]) -> str:
    fields = getattr(kind, "_fields", None) or getattr(kind, "__struct_fields__", ())
    shape = f" ({', '.join(fields)})" if fields else ""
    told = (
        [name for name, each in vars(kind).items() if isinstance(each, property) and name[0] != "_"] if fields else []
    )
    text = (inspect.getdoc(kind) or "").split(">>>")[0]
    more = f" It also has {', '.join(told)}." if told else ""
    return f"`{name}`{shape}: {' '.join(text.split())}{more}"


def _summary(kind: type[Any]) -> str:
    return " ".join((inspect.getdoc(kind) or "").split("\n\n")[0].split())
