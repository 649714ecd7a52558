"""`python -m queuectl`: the same as the `queuectl` command."""

from .cli.main import main

if __name__ == "__main__":
    main()
