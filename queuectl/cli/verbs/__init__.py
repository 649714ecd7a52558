"""One module a verb: parse, one call on Queue, render. Each holds its click command as `command`."""
