"""JSON log lines on stdout, for functions and node alike.

Callers pass names, codes and times, never a user's data. They describe an exception by its type and
place, never by its message: messages of libraries quote their input.
"""

import json
from types import TracebackType
from typing import Literal

Level = Literal["INFO", "WARNING", "ERROR"]
"""INFO is routine; WARNING, a service did not answer; ERROR, a defect or a lost job."""
_MAX_FRAMES = 3


def write(level: Level, **fields: str | float | None) -> None:
    """Print one line, the level first; fields that are None are left out."""
    present = {name: value for name, value in fields.items() if value is not None}
    # One write with its newline: lines of two threads never mix.
    print(json.dumps({"level": level, **present}) + "\n", end="", flush=True)


def place(error: BaseException) -> str:
    """Where `error` was raised, innermost frame first: `redis/connection.py:812 < …`."""
    frames: list[str] = []
    step: TracebackType | None = error.__traceback__
    while step is not None:
        path = step.tb_frame.f_code.co_filename.replace("\\", "/")
        frames.append(f"{'/'.join(path.split('/')[-3:])}:{step.tb_lineno}")
        step = step.tb_next
    return " < ".join(frames[: -_MAX_FRAMES - 1 : -1])
