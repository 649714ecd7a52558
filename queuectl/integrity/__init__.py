"""What can be proven of a queue, and what is wrong with it."""
