"""What runs printed: its frames, where they are stored, whether they are whole."""
