"""Questions answered from one read transaction."""
