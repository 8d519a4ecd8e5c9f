"""Judge many files in several processes, with the same results in the same order as in one.

This process judges too, so that two processes hold the rules in memory, not three. If a process
dies, each file it was judging becomes an error of the report.
"""

import gc
import multiprocessing
import signal
import sys
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.context import BaseContext
from pathlib import Path

from tljudge.decode.parameter_file import Given
from tljudge.decode.source import Sources
from tljudge.engine.evaluate import Judge, Judged
from tljudge.engine.findings import Problem
from tljudge.engine.policy import Policy
from tljudge.rules import ALL

Task = tuple[Path, bool]
"""A file, and whether the user named it."""
CHUNK = 8
_judge: Judge | None = None


def judged(
    tasks: Sequence[Task],
    policy: Policy,
    given: Given,
    processes: int,
    sources: Sources,
) -> list[Judged]:
    """Judge files by all rules.

    Args:
        tasks: the files to judge.
        policy: thresholds and waivers.
        given: `Parameters` and `Tags`, as in a parameter file.
        processes: number of processes, 2 or more, including this process.
        sources: files that the run has read already.

    Returns:
        The verdicts on each file, in the order of `tasks`.
    """
    chunks = [tasks[start : start + CHUNK] for start in range(0, len(tasks), CHUNK)]
    _set_judge(policy, given, sources)
    gc.freeze()  # collections skip these objects, so forked processes keep sharing them
    try:
        results = _distributed(chunks, (policy, given, sources), processes - 1)
    finally:
        gc.unfreeze()
    return [result for index in range(len(chunks)) for result in results[index]]


def _distributed(
    chunks: Sequence[Sequence[Task]],
    begin: tuple[Policy, Given, Sources],
    others: int,
) -> dict[int, list[Judged]]:
    results: dict[int, list[Judged]] = {}
    with ProcessPoolExecutor(others, _context(), initializer=_start_worker, initargs=begin) as pool:
        waiting = deque(range(len(chunks)))
        submitted: dict[Future[list[Judged]], int] = {}
        while waiting or submitted:
            # Each worker takes two chunks from the front, so that it never waits for the next; this
            # process takes chunks from the back.
            while waiting and len(submitted) < 2 * others:
                index = waiting.popleft()
                try:
                    submitted[pool.submit(_chunk, chunks[index])] = index
                except BrokenProcessPool:
                    waiting.appendleft(index)
                    break
            if waiting:
                index = waiting.pop()
                results[index] = _chunk(chunks[index])
            done = (
                wait(submitted, 0 if waiting else None, FIRST_COMPLETED).done if submitted else ()
            )
            for future in done:
                index = submitted.pop(future)
                results[index] = _result(future, chunks[index])
    return results


def _context() -> BaseContext:
    """Fork where it is safe, because a forked process shares memory and starts at once; else spawn.

    A fork is unsafe beside other threads, whose locks it would copy.
    """
    can_fork = sys.platform == "linux" and threading.active_count() == 1
    return multiprocessing.get_context("fork" if can_fork else "spawn")


def _set_judge(policy: Policy, given: Given, sources: Sources) -> None:
    global _judge
    _judge = Judge(policy, given, ALL, sources)


def _start_worker(policy: Policy, given: Given, sources: Sources) -> None:
    # Ctrl-C reaches every process of the terminal; the parent ends its workers itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    gc.disable()
    _set_judge(policy, given, sources)


def _chunk(tasks: Sequence[Task]) -> list[Judged]:
    if _judge is None:
        raise RuntimeError("_set_judge has not run in this process")
    return [_judge.judged(path, named) for path, named in tasks]


def _result(future: "Future[list[Judged]]", tasks: Sequence[Task]) -> list[Judged]:
    try:
        return future.result()
    except BrokenProcessPool:
        message = "the process that judged it was ended, maybe by another file; judge it alone"
        return [Judged(errors=[Problem(str(path), 1, message)]) for path, _ in tasks]
