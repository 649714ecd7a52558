"""Whole queues in and out, and other tools' jobs in."""
