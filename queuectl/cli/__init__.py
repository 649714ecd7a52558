"""The command line: the only package with click and rich; main.py begins it, and Ctrl-C may end that anywhere."""

INTERRUPTED = 130
"""The exit code of what Ctrl-C ended."""

KILLED = 128
"""What the exit code of what a signal ended begins from."""
