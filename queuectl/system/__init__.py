"""The machine: time, host, files, processes, locks."""
