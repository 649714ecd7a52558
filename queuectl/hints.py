"""What to type next, in the words of the command line: the one place of the core that knows those."""

from typing import Final

from .display import as_typed

# Damage

VERIFY: Final = "queuectl verify"
REPLAY: Final = "queuectl replay"
RESTORE: Final = "queuectl restore FILE"
RESTORE_FORCE: Final = f"{RESTORE} --force"
RESTORE_FINISH: Final = "queuectl restore --finish"

VERIFY_THEN_RESTORE: Final = f"type `{VERIFY}`, then restore a backup"
RUN_VERIFY: Final = f"run `{VERIFY}`"
VERIFY_TELLS_DAMAGE: Final = f"`{VERIFY}` says what is damaged"
TYPE_VERIFY_FOR_DAMAGE: Final = f"type `{VERIFY}`, which says what is damaged"
TYPE_VERIFY_FOR_WHICH: Final = f"type `{VERIFY}`, which says which"
VERIFY_TELLS_WHERE: Final = f"`{VERIFY}` says where"
STOP_AND_VERIFY: Final = f"stop the workers and type `{VERIFY}`, which says what to restore"
VERIFY_AND_REPLAY: Final = f"`{VERIFY}` says what is wrong, and `{REPLAY}` makes the views anew from the log"
REPLAY_VIEWS: Final = f"the log is not: type `{REPLAY}`, which makes the views anew from it"
REPORT_REPLAY: Final = f"run `{REPLAY} --check` and report this"
TAMPERED: Final = f"type `{VERIFY}`, and use a queue whose log is sound"
ENQUEUE_ANEW: Final = f"type `{VERIFY}`, and enqueue the job anew if its log has none"
OTHER_SEGMENTS: Final = f"name a directory of its own, or type `{VERIFY}` where it is this one's"
SUBSCRIBE_ANEW: Final = f"type `queuectl subscriptions remove`, and subscribe anew; `{VERIFY}` says what else is wrong"
BRING_UP_TO_DATE: Final = "`queuectl status` brings it up to date"
FINISH: Final = f"`{RESTORE_FINISH}` ends it"


def begin_anew(restore: str) -> str:
    """Return what to do where the log of a queue is gone: `restore` is the command that brings it back."""
    return f"restore a backup (`{restore}`), or move the directory away to begin anew"


# What waits

RESUME: Final = "`queuectl resume` lets it go on"
RETRY_OR_FREE: Final = "retry it, or free those of it: queuectl edit JOB --set after=null"
FREE: Final = "free it first: queuectl edit JOB --set after=null"
RETRY_PARENT: Final = "retry that one, or free this one: queuectl edit JOB --set after=null"
PARENT_FIRST: Final = "put the job that replaces it before"
LIMIT_LIST: Final = "`queuectl limit list` shows them"
SET_LIMIT: Final = "`queuectl limit set` sets one"
FORCE_LIMIT: Final = "--force removes it; what uses it then waits until it is set again"


def set_limit(name: str) -> str:
    """Return how to set a limit."""
    return f"to set {as_typed(name)}, type: queuectl limit set {as_typed(name)} --running N"


# A queue and who has it open

NO_QUEUE: Final = "`queuectl enqueue` makes one there, --db or QUEUECTL_DB names another"
EMPTY_DIRECTORY: Final = "name an empty or new directory with --db"
WRITABLE_DIRECTORY: Final = "name a directory you may write to with --db"
LOCAL_DIRECTORY: Final = "name a directory on a local disk with --db"
MOVE_TO_LOCAL_DISK: Final = "keep the queue in a directory on a local disk, and name that with --db"
NAME_QUEUE: Final = "name one with --db or QUEUECTL_DB"
NEW_DIRECTORY: Final = "name a new directory (`queuectl --db NEW import FILE`)"
STOP_WORKERS: Final = "stop the workers (`queuectl worker stop --wait`) and whatever else has it open, then try again"
ROOM_FOR_A_WHILE: Final = "free some disk space there, or let TMPDIR name a directory with more, then try again"
DELETE_SNAPSHOTS: Final = "free some disk space, or type `queuectl snapshot delete --all`"
FORCE: Final = "--force replaces it"
FORCE_OR_ELSEWHERE: Final = "--force replaces it and keeps it aside, --db names another place"
REJECTS: Final = "--rejects FILE writes them there and takes the others, --dry-run --json lists them all"


def in_place_of(kind: str) -> str:
    """Return what to name as a file to be written in place of what is there: `kind`, which is no file."""
    if kind == "a directory":
        return "name a file in it"
    return "name the file that it leads to" if kind == "a link" else "name a file, or - for stdout"


def name_table(found: str) -> str:
    """Return how to name a table, of those that were found."""
    return f"--table names one of {found}"


def trust(path: str) -> str:
    """Return how to say that a directory of another user's is to be used."""
    return (
        f"if you trust them, type `queuectl --trust-directory --db {as_typed(path)} ...`, "
        "or set QUEUECTL_TRUST_DIRECTORY to that path"
    )


# A log that nodes share

SHARED_LOG_BAD: Final = "reading goes on here; update queuectl if a newer one wrote it, or make the node anew"
SHARED_LOG_AWAY: Final = "see that its server is there and can be reached, then look whether it was done, and try again"

# Jobs

LIST: Final = "`queuectl list` shows those there are"
WHY_OR_CANCEL: Final = "it waits to be run, `queuectl why` says for what; or cancel it first"
WAIT_AGAIN: Final = "nothing is stopped by that: wait again, or see `queuectl show`"
RETRY: Final = "`queuectl retry` runs it again"
RETRY_OR_CANCEL: Final = "it waits for its next attempt; `queuectl retry` runs it now, `queuectl cancel` stops it"
DLQ_RETRY_OR_PURGE: Final = "`queuectl dlq retry` runs it again, `queuectl dlq purge` removes it"


def read_history(job_id: str) -> str:
    """Return how to read the history of a job that was removed."""
    return f"`queuectl history {as_typed(job_id)}` still tells its story"


def read_archive(job_id: str) -> str:
    """Return how to read a job that was archived."""
    return f"`queuectl history {as_typed(job_id)}` and `queuectl logs {as_typed(job_id)}` read it there"


def end_first(job_id: str) -> str:
    """Return what to do about a job that is to be replaced and has not ended."""
    return f"`queuectl wait {as_typed(job_id)}` waits for its end, `queuectl cancel {as_typed(job_id)}` ends it"


def choose_id(job_id: str, *, has_ended: bool) -> str:
    """Return what to do about an id that a job has."""
    replaced = "--replace puts the new one in its place, or " if has_ended else ""
    return f"{replaced}choose another id, or see `queuectl show {as_typed(job_id)}`"


def free_key(job_id: str, state: str) -> str:
    """Return what to do about a unique key that a job holds."""
    if state in ("completed", "dead", "cancelled"):
        return f"it was enqueued to hold it for longer; `queuectl remove {as_typed(job_id)}` frees it now"
    return end_first(job_id)


def show_dead(job_id: str) -> str:
    """Return how to look at a dead job."""
    return f"see `queuectl dlq show {as_typed(job_id)}`"


def lift_timeout(job_id: str) -> str:
    """Return how to lift the time limit of a job that has the default one, and of jobs to come."""
    typed = as_typed(job_id)
    lift = f"queuectl edit {typed} --set timeout=1h, and where it is dead then: queuectl dlq retry {typed}"
    return f"lift it: {lift}; or for jobs to come: queuectl config set job_timeout_s 1h"


# What is expected

A_SUBSCRIPTION: Final = "one of `queuectl subscriptions`"
A_WORKER: Final = "one of `queuectl worker list`"
A_PAST_WORKER: Final = "one of `queuectl events --type worker_started`"
A_CHECKPOINT: Final = f"a file that `{VERIFY} --checkpoint` wrote"
NO_BACKUP: Final = "`queuectl backup` makes one"
JOB_SHELL: Final = "--shell, or the setting shell, when it was enqueued"
CWD: Final = "one that is there, or one named with --cwd"
NO_OWN_VARIABLE: Final = "no variable of queuectl's own; give the job one by --env"
NO_EXPORT: Final = "it does not begin as `queuectl export` does; of another program's jobs say --format"
DASHBOARD_ADDRESS: Final = "use the address that `queuectl dashboard` printed"
DASHBOARD_TERMINAL: Final = "the terminal of `queuectl dashboard` tells more; please report it"


# Commands alone, as `doctor` and `status` name them

ELSEWHERE: Final = "queuectl --db LOCAL_DIRECTORY ..."
ENQUEUE: Final = "queuectl enqueue JOB COMMAND"
WORKER_START: Final = "queuectl worker start"
COMPACT: Final = "queuectl compact --older-than 30d"
COMPACT_ELSEWHERE: Final = f"{COMPACT} --archive DIR"
SPREAD_RETRIES: Final = "queuectl config set backoff_jitter 0.5"
USUAL_SHELL: Final = "queuectl config unset shell"
DLQ_LIST: Final = "queuectl dlq list"
CHANGING: Final = ("queuectl compact", "queuectl config", REPLAY, "queuectl worker", "rm ")
"""How the commands that change the queue begin."""


def start_worker(queue: str | None = None) -> str:
    """Return the command that starts a worker for a queue, or for all if None is given."""
    return WORKER_START + ("" if queue in (None, "default") else f" --queue {as_typed(queue)}")


def stop_worker(worker: str) -> str:
    """Return the command that ends a worker."""
    return f"queuectl worker stop {as_typed(worker)}"
