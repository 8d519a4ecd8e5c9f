"""Many files judged by more than one process, with the results of one, in the same order.

This process judges too, so that two of them hold the rules in memory, not three. A process that
ends before its time is an error for each file it had in hand, never silence.
"""

import gc
import multiprocessing
import signal
import sys
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import Any

from tljudge.decode.source import Sources
from tljudge.engine.evaluate import Judge, Judged
from tljudge.engine.findings import Problem
from tljudge.engine.policy import Policy
from tljudge.rules import ALL

Task = tuple[Path, bool]
"""A file, and whether the user named it."""
CHUNK = 8
_ENDS = (signal.SIGINT, signal.SIGTERM)
_judge: Judge | None = None


def judged(
    tasks: Sequence[Task],
    policy: Policy,
    given: Mapping[str, Any],
    processes: int,
    sources: Sources,
) -> list[Judged]:
    """Judge files by all rules.

    Args:
        tasks: what to judge.
        policy: thresholds.
        given: `Parameters` and `Tags` as a parameter file has them.
        processes: how many work, this one among them; at least two.
        sources: the files that the run has read already.
    """
    chunks = [tasks[at : at + CHUNK] for at in range(0, len(tasks), CHUNK)]
    _begin(policy, given, sources)
    gc.freeze()  # what is there now is shared with the others, and stays shared
    try:
        results = _shared_out(chunks, (policy, given, sources), processes - 1)
    finally:
        gc.unfreeze()
    return [one for index in range(len(chunks)) for one in results[index]]


def _shared_out(
    chunks: Sequence[Sequence[Task]],
    begin: tuple[Policy, Mapping[str, Any], Sources],
    others: int,
) -> dict[int, list[Judged]]:
    with ProcessPoolExecutor(others, _context(), initializer=_begin_worker, initargs=begin) as pool:
        try:
            return _results(pool, chunks, others)
        except KeyboardInterrupt:
            # Leaving the pool waits for its processes; nobody wants what they have in hand.
            for process in multiprocessing.active_children():
                process.terminate()
            raise


def _results(
    pool: ProcessPoolExecutor, chunks: Sequence[Sequence[Task]], others: int
) -> dict[int, list[Judged]]:
    results: dict[int, list[Judged]] = {}
    waiting = deque(range(len(chunks)))
    away: dict[Future[list[Judged]], int] = {}
    while waiting or away:
        # The others take from the front, one chunk in work and one in hand; this one from
        # the back.
        while waiting and len(away) < 2 * others:
            index = waiting.popleft()
            try:
                with _undisturbed():
                    away[pool.submit(_chunk, chunks[index])] = index
            except BrokenProcessPool:
                waiting.appendleft(index)
                break
        if waiting:
            index = waiting.pop()
            results[index] = _chunk(chunks[index])
        ready = wait(away, 0 if waiting else None, FIRST_COMPLETED).done if away else ()
        for future in ready:
            index = away.pop(future)
            results[index] = _result(future, chunks[index])
    return results


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Hold signals back while a process is started: one that is half known would never be ended."""
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_BLOCK, _ENDS)
    try:
        yield
    finally:
        if sys.platform != "win32":
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDS)


def _context() -> BaseContext:
    """A copy of this process where that is safe; it shares memory, and starts at once."""
    can_fork = sys.platform == "linux" and threading.active_count() == 1
    return multiprocessing.get_context("fork" if can_fork else "spawn")


def _begin(policy: Policy, given: Mapping[str, Any], sources: Sources) -> None:
    global _judge
    _judge = Judge(policy, given, ALL, sources)


def _begin_worker(policy: Policy, given: Mapping[str, Any], sources: Sources) -> None:
    # Who interrupts the command interrupts the process that started it; that one ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDS)
    gc.disable()
    _begin(policy, given, sources)


def _chunk(tasks: Sequence[Task]) -> list[Judged]:
    if _judge is None:
        raise RuntimeError("nobody said what to judge by")
    return [_judge.judged(path, named) for path, named in tasks]


def _result(future: "Future[list[Judged]]", tasks: Sequence[Task]) -> list[Judged]:
    try:
        return future.result()
    except BrokenProcessPool:
        message = "the process that judged it, or a file beside it, was ended; judge it by itself"
        return [Judged(errors=[Problem(str(path), 1, message)]) for path, _ in tasks]
