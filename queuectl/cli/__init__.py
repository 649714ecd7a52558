"""The command line: the only package with click and rich; main.py begins it, and Ctrl-C may end that anywhere."""

INTERRUPTED = 130
"""The exit code of what Ctrl-C ended."""

KILLED = 128
"""What the exit code of what a signal ended begins from."""


class Terminated(KeyboardInterrupt):
    """SIGTERM came while something went on that ends by it as by Ctrl-C."""

    code = KILLED + 15


def code_of_interrupt(error: KeyboardInterrupt) -> int:
    """Return the exit code of what Ctrl-C or SIGTERM ended."""
    return error.code if isinstance(error, Terminated) else INTERRUPTED
