"""Values made into text for people and programs."""
