"""The soak: workers killed and frozen at random, and proof afterwards that nothing was lost or run twice at a time."""
