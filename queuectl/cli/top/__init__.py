"""`queuectl top`: a live view of the whole screen. Imported by that verb alone; the only home of textual."""
