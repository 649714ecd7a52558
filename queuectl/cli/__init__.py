"""The command line: the only package with click and rich; main.py begins it, and Ctrl-C may end that anywhere."""

INTERRUPTED = 130
"""The exit code of what Ctrl-C ended."""
