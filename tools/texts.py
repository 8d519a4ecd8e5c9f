"""Texts made short enough for one line."""


def shortened(text: str, limit: int) -> str:
    """The text, or its two ends when it is longer than `limit` characters.

    The middle goes, because an ARN tells most at its end and a sentence at its beginning.
    """
    if len(text) <= limit:
        return text
    kept = limit - 1
    return f"{text[: kept - kept // 2]}…{text[-(kept // 2) :]}"
