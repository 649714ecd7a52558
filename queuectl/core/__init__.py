"""What may be asked of a queue and what follows from it: jobs, commands, the decider, settings; pure."""
