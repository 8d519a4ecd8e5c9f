"""Time limits that neither a busy nor a slow machine breaks: CPU time, against this machine's own.

The limits were written down on one machine. A slower one gets more, as much as it is slower.
"""

import hashlib
import time
from collections.abc import Callable
from functools import cache

_LOOP_S = 0.004
"""CPU time of `_loop` on the machine on which the limits were written down."""


def least_cpu_s(call: Callable[[], object], runs: int) -> float:
    """The least CPU time of some runs of `call`; noise only ever adds to it."""

    def once() -> float:
        started = time.thread_time()
        call()
        return time.thread_time() - started

    return min(once() for _ in range(runs))


@cache
def slowness() -> float:
    """How many times slower this machine is than that one; 1 where it is faster."""
    return max(1.0, least_cpu_s(_loop, 5) / _LOOP_S)


def takes_less_than(limit_s: float, call: Callable[[], object]) -> bool:
    """True if one of three runs of `call` takes less CPU time than the limit, as that machine."""
    return any(least_cpu_s(call, 1) < limit_s * slowness() for _ in range(3))


def _loop() -> None:
    text = ""
    for number in range(10_000):
        text = hashlib.sha256(f"{text}{number}".encode()).hexdigest()
