"""One attempt at a job, from its command's start to its result, in steps that never wait.

Its life, in order, and who takes each step:

1. ordered: the job is claimed and waits for a slot (`slots.line_up`, from `exchanger`);
2. launched: a slot's thread starts the command, and waits for its end (`slot_threads`, `launcher`);
3. begun: it has its process (`begin`, from `slots.step`);
4. read: what it prints is taken in as it comes (`read`, from `waiter`), and shown once that is worth it (`step`);
   meanwhile it stands still where its job is paused (`freeze`, `thaw`);
5. stopped, where it is: at its time limit (`step`), or since it was cancelled, taken away or given back (`stop`);
   its processes are asked to end, and killed after the grace (`kill`, `run_processes`);
6. exited: its command has (`ended`, from `slots.step`), and what a failed one left behind is killed (`step`);
7. over: nobody can print any more, or may be waited for (`step` returns True);
8. finished: the last output is read, and the end judged (`finish`, `outcome.judge`);
9. on disk: its output is, where a file has it (`finished.flushed`);
10. recorded: its result has been exchanged, and its file is cleared away (`recorded`, from `exchanger`).

Knows the job, its command's process and what that prints; nothing of other attempts or of the
queue. Every moment (`now`) is given, in seconds of a monotonic clock.
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Final

from ..core.job import Job
from ..core.results import Captured, Result
from ..core.run_end import attempt_ms
from ..outputs.frames import STDERR, STDOUT, OutputStream
from .arrivals import interleave
from .capture import Capture
from .outcome import Stop, judge
from .process import READ_BYTES, Process
from .run_processes import RunProcesses

NEVER: Final = math.inf
SHOW_AFTER_S: Final = 0.2
"""From this age on what a run prints is where a follower sees it."""

GROUP_LOOK_S: Final = 0.02
LINGER_S: Final = 1.0
"""How long to wait for what may not be killed, since it is another user's."""

DYING_S: Final = 10.0
"""How long to wait for what was killed: memory by the gigabyte and a disk that hangs take their time."""

SETTLE_S: Final = 0.1
"""How long the pipes of a command that ended well may stay open before that is put down to something it left.

A command that is being started beside it has every descriptor of the worker's for a moment, until it runs its program.
"""

_LOOKS: Final = 16
"""How often the pipes are read at a time at the most, where something comes each time."""


class Attempt:
    """A command that runs for a job, from the moment at which it is ordered; begin() gives it its process.

    What it prints goes to a capture, made once it prints: most commands never do.
    """

    def __init__(
        self,
        job: Job,
        make_capture: Callable[[], Capture],
        find_processes: Callable[[Process], RunProcesses],
        *,
        now: float,
        grace_s: float,
    ) -> None:
        self.job = job
        self._process: Process | None = None
        self._find_processes = find_processes
        self._processes: RunProcesses | None = None
        self._make_capture = make_capture
        self._capture: Capture | None = None
        self._flowing: set[OutputStream] = {STDOUT, STDERR}
        self._grace_s = grace_s
        self._started_at = now
        self._ended_at = NEVER
        self._status: int | None = None
        self._stop: Stop | None = None
        self._kill_at = NEVER
        self._killed_at = NEVER
        self._look_at = NEVER
        self._frozen_at = NEVER
        self._stood_s = 0.0  # how long it stood still before
        self.has_filled_a_pipe = False
        """Whether it has printed so much at a time that it may have had to wait until it was read."""
        self.unread: list[int] = []
        """The pipes something of it may still print into: once finished, the caller's to read or close."""

    @property
    def process(self) -> Process:
        """Return the process, once it has begun."""
        assert self._process is not None, "the command has been started"
        return self._process

    @property
    def processes(self) -> RunProcesses:
        """Return what there is of it, once it has begun; most runs end without anybody asking."""
        if self._processes is None:
            self._processes = self._find_processes(self.process)
        return self._processes

    @property
    def has_begun(self) -> bool:
        """Whether it has a process."""
        return self._process is not None

    @property
    def has_exited(self) -> bool:
        """Whether its command has, as far as step() knows: it need not have where it could not be killed."""
        return self._status is not None

    def begin(self, process: Process, *, now: float) -> None:
        """Go on with a process, started at that moment; one that was to be stopped meanwhile is."""
        self._process = process
        self._started_at = now
        if self._stop is not None:
            self._signal_stop()

    def ended(self, at: float) -> None:
        """Take note that its command has exited at that moment; step() does the rest."""
        self._ended_at = at

    @property
    def is_abandoned(self) -> bool:
        """Return whether the job is no longer ours, so that its end must not be recorded."""
        return self._stop is Stop.ABANDONED

    @property
    def is_stopped(self) -> bool:
        """Return whether it was told to end."""
        return self._stop is not None

    @property
    def is_frozen(self) -> bool:
        """Return whether it stands still since its job is paused."""
        return self._frozen_at < NEVER

    @property
    def is_hiding(self) -> bool:
        """Return whether it has printed what nobody outside can see yet."""
        return self._capture is not None and self._capture.is_hidden

    def wake_at(self) -> float:
        """Return the moment at which step() has something to do though nothing happened."""
        if self._process is None:
            return NEVER
        show_at = self._started_at + SHOW_AFTER_S if self.is_hiding else NEVER
        return min(self._timeout_at(), self._kill_at, self._look_at, show_at)

    def read(self, stream: OutputStream) -> bool:
        """Read what lies in the pipes; returns False once the stream has ended."""
        self._gather()
        return stream in self._flowing

    def stop(self, kind: Stop, *, now: float) -> bool:
        """End the run: TERM to all that is of it, KILL after the grace; returns whether that was news.

        It is not to a run that has exited or is being stopped. An abandoned run is killed at once.
        """
        if kind is Stop.ABANDONED:
            return self._abandon(now)
        self._notice_exit(now)
        if self._status is not None or self._stop is not None:
            return False
        self._stand(still=False, now=now)
        self._stop = kind
        self._kill_at = now + self._grace_s
        self._signal_stop()
        return True

    def freeze(self, *, now: float) -> bool:
        """Have all of it stand still from the next step on, and its time limit too; returns whether that was news."""
        if self.is_frozen or self._stop is not None or self._status is not None:
            return False
        self._stand(still=True, now=now)
        self._look_at = now
        return True

    def thaw(self, *, now: float) -> bool:
        """Let it go on; returns whether that was news."""
        if not self.is_frozen:
            return False
        self._stand(still=False, now=now)
        if self._process is not None:
            self.processes.go_on()
        return True

    def kill(self, *, now: float) -> None:
        """Kill whatever is left of it, from now on at each step; where it has not begun, as soon as it has."""
        if self._process is None:
            self._kill_at = now
            return
        if self._status == 0 and self._stop is None:
            return  # it ended well by itself: what it left goes on
        self.processes.kill()
        self._kill_at = NEVER
        self._killed_at = min(self._killed_at, now)

    def step(self, *, now: float) -> bool:
        """Do what the moment asks for; returns True once the run is over and nothing of it left, or to be ended."""
        if self._process is None:
            return False
        self._notice_exit(now)
        if now >= self._timeout_at():
            self.stop(Stop.TIMEOUT, now=now)
        if now >= self._kill_at:
            self.kill(now=now)
        if self._capture is not None and now >= self._started_at + SHOW_AFTER_S:
            self._capture.show()
        if not self._is_over(now):
            is_ending = self._status is not None or self._killed_at < NEVER
            is_stopping = self.is_frozen and not is_ending and not self.processes.stand_still()
            self._look_at = now + GROUP_LOOK_S if is_ending or is_stopping else NEVER
            return False
        self._ended_at = min(now, self._ended_at)
        return True

    def finish(self) -> Result:
        """Collect the last output and give the result; only after a step() that said the run is over."""
        self._gather(is_last=True)
        self.unread = self.process.close(but=self._flowing)
        captured = Captured() if self._capture is None else self._capture.finish()
        left = () if self._processes is None else self._processes.left
        job, tail = self.job, captured.stderr_tail
        verdict = judge(self._status, self._stop, spec=job.spec, stderr_tail=tail, left=left, limit_ms=attempt_ms(job))
        # A slot may have started it within the look that sees it ended, and that began before.
        stood_s = self._stood_s + (self._ended_at - self._frozen_at if self.is_frozen else 0.0)
        duration_ms = round(max(0.0, self._ended_at - self._started_at - stood_s) * 1000)
        return Result(self.job, *verdict, duration_ms, captured, bool(self.unread))

    @property
    def file(self) -> Path | None:
        """Return the file with what it printed, once it is finished; None where the result has it."""
        return None if self._capture is None else self._capture.file

    def without_file(self, result: Result, why: str) -> Result:
        """Return a result whose file the disk did not take, and why: of what was printed only the size is kept."""
        assert self._capture is not None, "there was a file"
        output = result.output._replace(frames=self._capture.lose(), output_error=why)
        return result._replace(output=output)

    def recorded(self) -> None:
        """Clean up, once the result is recorded: output that the store holds needs no file."""
        if self._capture is not None:
            self._capture.discard()

    def _abandon(self, now: float) -> bool:
        if self.is_abandoned:
            return False
        self._stop = Stop.ABANDONED
        self.kill(now=now)
        return True

    def _signal_stop(self) -> None:
        if self._process is not None and not self.is_abandoned:
            self.processes.ask()

    def _timeout_at(self) -> float:
        timeout_ms = attempt_ms(self.job)  # an edit may change it while the command runs
        if not timeout_ms or self.is_frozen or self._stop is not None or self._status is not None:
            return NEVER
        return self._started_at + self._stood_s + timeout_ms / 1000

    def _stand(self, *, still: bool, now: float) -> None:
        if self.is_frozen:
            self._stood_s += now - self._frozen_at
        self._frozen_at = now if still else NEVER

    def _notice_exit(self, now: float) -> None:
        if self._process is None or self._status is not None:
            return
        if (status := self._process.exit_status()) is not None:
            self._status = status
            self._ended_at = min(now, self._ended_at)
            if status != 0 and self._stop is None:
                self.kill(now=now)  # what a failed attempt leaves behind must not run beside its retry

    def _is_over(self, now: float) -> bool:
        if self._stop is None and self._status in (0, None):
            return self._status == 0 and self._is_silent(now)
        if self._status is None and self._killed_at == NEVER:
            return False
        if self.processes.are_gone(has_exited=self._status is not None):
            return True
        return now >= self._killed_at + (LINGER_S if self.processes.is_out_of_reach else DYING_S)

    def _is_silent(self, now: float) -> bool:
        """Whether nobody can print any more, or something was left that goes on."""
        self._gather()
        return not self._flowing or now >= self._ended_at + SETTLE_S

    def _gather(self, *, is_last: bool = False) -> None:
        """Take what lies in the pipes, until a moment at which all of it has been read and its order noted.

        Except for the last time that can wait where one stream alone brings much at a time. No waiting for
        the end of the streams: a process in the background may keep them open, and even fill them faster
        than they are read. A pipe holds a mebibyte at the most.
        """
        pieces: dict[OutputStream, list[bytes]] = {}
        arrivals: list[OutputStream] = []
        for _ in range(_LOOKS):
            size = self._look(pieces)
            if not pieces:
                return
            noted = self.process.arrivals()
            arrivals += noted
            is_one_stream = len(pieces) == 1 and pieces.keys() >= set(arrivals)
            if not (size or noted) or not self._flowing or (is_one_stream and size >= READ_BYTES and not is_last):
                break
        printed = {stream: b"".join(data) for stream, data in pieces.items()}
        if self._capture is None:
            self._capture = self._make_capture()
        self._capture.add(printed, interleave(arrivals, printed))

    def _look(self, pieces: dict[OutputStream, list[bytes]]) -> int:
        """Read each pipe once; returns how much there was."""
        size = 0
        for stream in (STDOUT, STDERR):
            data = self.process.read(stream) if stream in self._flowing else None
            if data:
                size += len(data)
                pieces.setdefault(stream, []).append(data)
                self.has_filled_a_pipe |= len(data) == READ_BYTES
            elif data is not None:
                self._flowing.discard(stream)
        return size


def lease_token(job: Job) -> int:
    """Return the token of the lease under which a job runs here."""
    assert job.lease is not None, "a job that runs has a lease"
    return job.lease.token
