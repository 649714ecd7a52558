"""Who is alive, and what ends together with whom."""
