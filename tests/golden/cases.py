"""The events whose bytes are kept for ever, as they were and as they must decode.

Add to the end; never change or drop a case: stores out there hold these bytes. Then run
`python -m tests.golden.add`, which writes the lines that events-v1.txt lacks and touches no other.
"""

from msgspec.structs import replace

from queuectl.events.types import (
    Cancelled,
    CancelRequested,
    Claimed,
    Completed,
    ConfigChanged,
    Dead,
    DependencyMet,
    Edge,
    Edited,
    Enqueued,
    EnvironmentKept,
    Expiry,
    Failed,
    JobOptions,
    JobSpec,
    LimitRemoved,
    LimitSet,
    Output,
    Paused,
    Policy,
    Recorded,
    Released,
    Removed,
    Renewed,
    Requeued,
    Resumed,
    RetentionApplied,
    Snoozed,
    Started,
    WorkerStarted,
    WorkerStopped,
    WorkerStopping,
)

AT_US = 1_767_225_600_000_000  # 2026-01-01T00:00:00Z
OUT = Output(12, bytes(range(32)))
ERR = Output(2**40, b"\xff" * 32)
NO_ROOM = "no space left on the disk"
FULL_SPEC = JobSpec(
    id="nächtlich-7",
    command=("rsync", "-a", "my dir", "host:/backup"),
    queue="mail",
    priority=-5,
    max_retries=0,
    timeout_ms=30_000,
    backoff_base=1.5,
    cwd="/srv/data",
    env={"LANG": "C", "GREETING": "grüß \U0001f44b"},
    run_at_us=AT_US + 1,
)
DUE_SPEC = replace(FULL_SPEC, timeout_is_default=True, shell="bash", inherited=bytes(range(16)), due_us=AT_US + 9)
MERGED_SPEC = replace(DUE_SPEC, merge=True)
LABELS = {"team": "größe", "a/b.c": ""}
META = {"build": 7, "of": [None, True, 1.5, {"é": "\0"}]}
FULL_POLICY = Policy("1-3", "64-78,lost", "75", "signal,SIGTERM", 30_000, 7, (1_000, 10_000), 60_000)

CASES: dict[str, Recorded] = {
    "enqueued": Recorded(1, AT_US, 1, 0, "ann@host", Enqueued(JobSpec("job1", "echo hi"))),
    "enqueued-full": Recorded(300, AT_US, 300, 70, "ann@host", Enqueued(FULL_SPEC), "as asked for"),
    "claimed": Recorded(2, AT_US, 1, 1, "host-12-abcd", Claimed("host-12-abcd", AT_US + 30_000_000)),
    "started": Recorded(3, AT_US, 1, 2, "host-12-abcd", Started(2, 1, "host", 4242)),
    "renewed": Recorded(4, AT_US, 1, 3, "host-12-abcd", Renewed(2, AT_US + 60_000_000)),
    "completed": Recorded(5, AT_US, 1, 4, "host-12-abcd", Completed(2, 1)),
    "completed-full": Recorded(5, AT_US, 1, 4, "host-12-abcd", Completed(2, 1, 1234, 3, OUT, ERR)),
    "failed": Recorded(5, AT_US, 1, 4, "host-12-abcd", Failed(2, 1, "lost", "worker w1 is gone")),
    "failed-full": Recorded(
        5,
        AT_US,
        1,
        4,
        "host-12-abcd",
        Failed(2, 1, "signal", "killed", 137, "SIGKILL", 99, AT_US + 2_000_000, OUT, ERR, "last line\n"),
    ),
    "dead": Recorded(6, AT_US, 1, 5, "host-12-abcd", Dead(3, "exit_code")),
    "released": Recorded(4, AT_US, 1, 3, "host-12-abcd", Released(2, "shutdown")),
    "cancel_requested": Recorded(4, AT_US, 1, 3, "ann@host", CancelRequested(2), "wrong file"),
    "cancelled": Recorded(2, AT_US, 1, 1, "ann@host", Cancelled()),
    "cancelled-full": Recorded(5, AT_US, 1, 4, "host-12-abcd", Cancelled(2, 1, 800, OUT, ERR)),
    "requeued": Recorded(7, AT_US, 1, 6, "ann@host", Requeued(0)),
    "removed": Recorded(8, AT_US, 1, 7, "ann@host", Removed("completed"), "clear"),
    "removed-full": Recorded(8, AT_US, 1, 7, "ann@host", Removed("dead", True)),
    "config_changed": Recorded(9, AT_US, "config", 0, "ann@host", ConfigChanged("max_retries", None, 5)),
    "config_changed-full": Recorded(10, AT_US, "config", 9, "ann@host", ConfigChanged("backoff_base", 1.5, None)),
    "worker_started": Recorded(11, AT_US, "worker:host-12-abcd", 0, "host-12-abcd", WorkerStarted("host", 4242, 8)),
    "worker_started-full": Recorded(
        11, AT_US, "worker:host-12-abcd", 0, "host-12-abcd", WorkerStarted("host", 4242, 8, ("default", "mail"))
    ),
    "worker_started-full-node": Recorded(
        11,
        AT_US,
        "worker:host-12-abcd",
        0,
        "host-12-abcd",
        WorkerStarted("host", 4242, 8, ("default", "mail"), "c0ffee0123456789"),
    ),
    "worker_stopping": Recorded(12, AT_US, "worker:host-12-abcd", 11, "ann@host", WorkerStopping()),
    "worker_stopping-full": Recorded(12, AT_US, "worker:host-12-abcd", 11, "ann@host", WorkerStopping(True)),
    "worker_stopped": Recorded(13, AT_US, "worker:host-12-abcd", 12, "host-12-abcd", WorkerStopped("drained")),
    "retention_applied": Recorded(
        14, AT_US, "retention", 0, "ann@host", RetentionApplied(9, 0, 8, 5, OUT.sha256, "1-9.seg", ERR.sha256)
    ),
    "retention_applied-full": Recorded(
        14, AT_US, "retention", 3, "ann@host", RetentionApplied(9, 4, 8, 5, OUT.sha256, "1-9.seg", ERR.sha256, True)
    ),
    "retention_applied-full-names": Recorded(
        14,
        AT_US,
        "retention",
        3,
        "ann@host",
        RetentionApplied(9, 4, 8, 5, OUT.sha256, "1-9.seg", ERR.sha256, True, ("worker:w1", "retention")),
    ),
    "edited": Recorded(16, AT_US, 1, 8, "ann@host", Edited(priority=5)),
    "edited-full": Recorded(
        16,
        AT_US,
        1,
        8,
        "ann@host",
        Edited(("rsync", "my dir"), "mail", -5, 0, 30_000, 1.5, "/srv", {"LANG": "C"}, AT_US + 1),
        "the disk moved",
    ),
    "edited-emptied": Recorded(
        16, AT_US, 1, 8, "ann@host", Edited("", "", 0, 0, timeout_ms=0, backoff_base=0.0, cwd="", env={}, run_at_us=0)
    ),
    "enqueued-caused": Recorded(15, AT_US, 15, 0, "ann@host", Enqueued(JobSpec("job2", "true")), None, 2),
    "enqueued-full-timeout": Recorded(
        300, AT_US, 300, 70, "ann@host", Enqueued(replace(FULL_SPEC, timeout_is_default=True))
    ),
    "enqueued-full-environment": Recorded(
        300,
        AT_US,
        300,
        70,
        "ann@host",
        Enqueued(replace(FULL_SPEC, timeout_is_default=True, shell="bash -e", inherited=bytes(range(16)))),
    ),
    "edited-full-shell": Recorded(
        16,
        AT_US,
        1,
        8,
        "ann@host",
        Edited(("rsync", "my dir"), "mail", -5, 0, 30_000, 1.5, "/srv", {"LANG": "C"}, AT_US + 1, "bash"),
    ),
    "enqueued-full-due": Recorded(
        300,
        AT_US,
        300,
        70,
        "ann@host",
        Enqueued(DUE_SPEC),
    ),
    "enqueued-full-merge": Recorded(
        300,
        AT_US,
        300,
        70,
        "ann@host",
        Enqueued(MERGED_SPEC),
    ),
    "edited-full-due": Recorded(
        16,
        AT_US,
        1,
        8,
        "ann@host",
        Edited(("rsync",), "mail", -5, 0, 30_000, 1.5, "/srv", {"LANG": "C"}, AT_US + 1, "bash", AT_US + 9),
    ),
    "edited-full-labels": Recorded(
        16,
        AT_US,
        1,
        8,
        "ann@host",
        Edited(
            ("rsync",),
            *("mail", -5, 0, 30_000, 1.5, "/srv"),
            {"LANG": "C"},
            *(AT_US + 1, "bash", AT_US + 9),
            JobOptions(labels=LABELS, meta=META),
        ),
    ),
    "edited-no-labels": Recorded(16, AT_US, 1, 8, "ann@host", Edited(options=JobOptions(labels={}, meta={}))),
    "enqueued-labels": Recorded(
        1, AT_US, 1, 0, "ann@host", Enqueued(JobSpec("job1", "echo hi"), JobOptions(True, LABELS, META))
    ),
    "enqueued-bytes": Recorded(
        1,
        AT_US,
        1,
        0,
        "ann@host",
        Enqueued(JobSpec("job1", ("gzip", "b\udcfcgel", "é"), cwd="/tmp/\udcff", env={"\udcfe": "a\udc80", "B": "é"})),
    ),
    "edited-bytes": Recorded(
        16, AT_US, 1, 8, "ann@host", Edited(command="cat \udcff", cwd="/\udcff", env={"A": "\udcff"})
    ),
    "environment_kept-bytes": Recorded(
        17, AT_US, "environment:00", 0, "ann@host", EnvironmentKept({"PATH": "/\udcff", "NOT_SET": None})
    ),
    "environment_kept": Recorded(
        17,
        AT_US,
        "environment:000102030405060708090a0b0c0d0e0f",
        0,
        "ann@host",
        EnvironmentKept({"PATH": "/bin:/übung", "VIRTUAL_ENV": None}),
    ),
    "config_changed-text": Recorded(10, AT_US, "config", 9, "ann@host", ConfigChanged("shell", None, "bash")),
    "completed-full-lost": Recorded(5, AT_US, 1, 4, "host-12-abcd", Completed(2, 1, 1234, 3, OUT, ERR, NO_ROOM)),
    "failed-full-lost": Recorded(
        5,
        AT_US,
        1,
        4,
        "host-12-abcd",
        Failed(2, 1, "signal", "killed", 137, "SIGKILL", 99, AT_US + 2_000_000, OUT, ERR, "last line\n", NO_ROOM),
    ),
    "cancelled-full-lost": Recorded(5, AT_US, 1, 4, "host-12-abcd", Cancelled(2, 1, 800, OUT, ERR, NO_ROOM)),
    "enqueued-paused": Recorded(
        1, AT_US, 1, 0, "ann@host", Enqueued(JobSpec("job1", "echo hi"), JobOptions(paused=True))
    ),
    "paused": Recorded(3, AT_US, 1, 1, "ann@host", Paused(), "the disk is full"),
    "paused-full": Recorded(3, AT_US, "queue:mail", 0, "ann@host", Paused(AT_US + 60_000_000), "an upgrade"),
    "resumed": Recorded(4, AT_US, 1, 3, "ann@host", Resumed()),
    "enqueued-use": Recorded(
        1, AT_US, 1, 0, "ann@host", Enqueued(JobSpec("job1", "echo hi"), JobOptions(use=("api", "gpu=2", "user:42")))
    ),
    "enqueued-unique": Recorded(
        *(1, AT_US, 1, 0, "ann@host"), Enqueued(JobSpec("job1", "echo hi"), JobOptions(unique="report:42"))
    ),
    "enqueued-unique-for": Recorded(
        *(1, AT_US, 1, 0, "ann@host"),
        Enqueued(JobSpec("job1", "echo hi"), JobOptions(unique="é " * 60, unique_until_us=AT_US + 3_600_000_000)),
    ),
    "edited-merge": Recorded(4, AT_US, 1, 3, "ann@host", Edited(merge=False)),
    "edited-inherited": Recorded(4, AT_US, 1, 3, "ann@host", Edited(inherited=b"")),
    "limit_set": Recorded(3, AT_US, "limit:api", 0, "ann@host", LimitSet()),
    "limit_set-full": Recorded(3, AT_US, "limit:api", 0, "ann@host", LimitSet(5, 100, 60_000_000, 10), "as agreed"),
    "enqueued-after": Recorded(
        9,
        AT_US,
        9,
        0,
        "ann@host",
        Enqueued(
            JobSpec("job1", "echo hi"),
            JobOptions(after=(Edge(3, "ok", "a"), Edge(-2, "any", "b")), if_parent_fails="cancel"),
        ),
    ),
    "dependency_met": Recorded(12, AT_US, 9, 9, "host-12-abcd", DependencyMet(3, "completed")),
    "limit_removed": Recorded(4, AT_US, "limit:api", 3, "ann@host", LimitRemoved()),
    "enqueued-full-policy": Recorded(
        300,
        AT_US,
        300,
        70,
        "ann@host",
        Enqueued(
            MERGED_SPEC,
            JobOptions(True, LABELS, META, FULL_POLICY, Expiry(AT_US + 5, AT_US + 6, True, 3_600_000)),
        ),
    ),
    "enqueued-policy": Recorded(
        1, AT_US, 1, 0, "ann@host", Enqueued(JobSpec("job1", "true"), JobOptions(policy=Policy(dead_on="65")))
    ),
    "edited-full-policy": Recorded(
        16,
        AT_US,
        1,
        8,
        "ann@host",
        Edited(
            *(("rsync",), "mail", -5, 0, 30_000, 1.5, "/srv", {"LANG": "C"}, AT_US + 1, "bash", AT_US + 9),
            options=JobOptions(policy=Policy(ok_on="1"), expiry=Expiry(max_time_ms=1)),
        ),
    ),
    "edited-full-replaced": Recorded(
        *(16, AT_US, 1, 8, "ann@host"),
        Edited(
            *(("rsync",), "mail", -5, 0, 30_000, 1.5, "/srv", {"LANG": "C"}, AT_US + 1, "bash", AT_US + 9),
            JobOptions(labels={}, use=(), unique_until_us=0),
            bytes(range(16)),
            True,
        ),
    ),
    "edited-policy-emptied": Recorded(
        16, AT_US, 1, 8, "ann@host", Edited(options=JobOptions(policy=Policy(), expiry=Expiry()))
    ),
    "completed-full-ruled": Recorded(
        5, AT_US, 1, 4, "host-12-abcd", Completed(2, 1, 1234, 1, OUT, ERR, NO_ROOM, "SIGTERM", "ok_on 1")
    ),
    "completed-ruled": Recorded(
        5, AT_US, 1, 4, "host-12-abcd", Completed(2, 1, 1234, None, signal="SIGTERM", ended_by="ok_on timeout")
    ),
    "snoozed": Recorded(
        5, AT_US, 1, 4, "host-12-abcd", Snoozed(2, 1, "exit_code", "exit code 75", AT_US + 9, "snooze_on 75")
    ),
    "snoozed-full": Recorded(
        5,
        AT_US,
        1,
        4,
        "host-12-abcd",
        Snoozed(2, 1, "signal", "killed", AT_US + 9, "snooze_on signal", 75, "SIGTERM", 99, OUT, ERR, NO_ROOM),
    ),
    "dead-full": Recorded(6, AT_US, 1, 5, "host-12-abcd", Dead(1, "exit_code", "dead_on 64-78")),
    "dead-expired": Recorded(6, AT_US, 1, 5, "host-12-abcd", Dead(0, "expired")),
    "cancelled-full-expired": Recorded(
        5, AT_US, 1, 4, "host-12-abcd", Cancelled(2, 1, 800, OUT, ERR, NO_ROOM, "expired")
    ),
    "cancelled-expired": Recorded(2, AT_US, 1, 1, "host-12-abcd", Cancelled(ended_by="expired")),
}
"""Name, which begins with the event's stored name, -> the event."""
