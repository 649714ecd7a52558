"""`python -m queuectl`: the same as the `queuectl` command."""

from .cli import main

if __name__ == "__main__":
    main()
