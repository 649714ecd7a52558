"""`queuectl top`: a live view of the whole screen, for that verb and `status --watch`; the only home of textual."""
