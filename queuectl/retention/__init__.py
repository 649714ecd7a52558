"""Which events leave the log, and where they go."""
