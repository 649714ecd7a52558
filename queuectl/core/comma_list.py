"""Lists with commas between their words, as people type them; pure."""


def words_of(text: str) -> list[str]:
    """Return the words of a list; an empty one, as after a comma at the end, is none, unless there is no other."""
    return [word for each in text.split(",") if (word := each.strip())] or [text]
