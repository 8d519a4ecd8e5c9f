"""Time limits that a busy machine does not break: CPU time, and the least of three runs."""

import time
from collections.abc import Callable


def takes_less_than(limit_s: float, call: Callable[[], object]) -> bool:
    """True if one of three runs of `call` takes less CPU time; noise only ever adds to it."""
    for _ in range(3):
        started = time.thread_time()
        call()
        if time.thread_time() - started < limit_s:
            return True
    return False
