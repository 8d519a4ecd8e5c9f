"""One JSON line on stdout for each request, made of fields that cannot hold what a user sent.

Callers pass names, codes and times. An exception is told by its type and place, never by its
message: messages of libraries quote what they were given.
"""

import json
from types import TracebackType

_FRAMES_SHOWN = 3


def write(level: str, **fields: str | float | None) -> None:
    """Print one line; fields that are None are left out."""
    known = {name: value for name, value in fields.items() if value is not None}
    # One write with its newline: lines of two threads never mix.
    print(json.dumps({"level": level, **known}) + "\n", end="", flush=True)


def place(error: BaseException) -> str:
    """Where `error` was raised, innermost frame first: `redis/connection.py:812 < …`."""
    frames: list[str] = []
    step: TracebackType | None = error.__traceback__
    while step is not None:
        path = step.tb_frame.f_code.co_filename.replace("\\", "/")
        frames.append(f"{'/'.join(path.split('/')[-3:])}:{step.tb_lineno}")
        step = step.tb_next
    return " < ".join(frames[: -_FRAMES_SHOWN - 1 : -1])
