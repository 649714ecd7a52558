"""What a bare `queuectl` says: the status, or the command to type next."""

from ...errors import NoQueue
from ..session import Session
from .status_text import glance
from .table import line

NEXT = """\
Type this next:

  queuectl enqueue hello "echo Hello World"     put a job into the queue
  queuectl worker start --drain                 run what is in it
  queuectl logs hello                           see what it printed

Or watch it at work in a temporary queue: queuectl demo
All commands: queuectl --help"""


def welcome(session: Session) -> None:
    """Print the status where there is something in the queue, and what to type where there is not."""
    try:
        queue = session.reading()
    except NoQueue as error:
        line(f"No queue yet at {error.path}.")
    else:
        for each in glance(queue):
            line(each)
        if any(queue.status().jobs.values()):
            return
    line()
    line(NEXT)
