"""The same run by several processes, a template each; the results are in the same order."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from tljudge.mutation import ALL
from tljudge.mutation.operator import Operator
from tljudge.mutation.run import broken_in
from tljudge.mutation.score import InapplicableMutation, Mutant
from tljudge.mutation.target import TemplateSet
from tljudge.rules import ALL as RULES

Task = tuple[TemplateSet, int, tuple[str, ...]]
"""A template set, one of its templates, and names of operators: an operator cannot be sent."""


def parallel_run(
    template_sets: Sequence[TemplateSet], operators: Sequence[Operator], jobs: int = 0
) -> Iterator[Mutant | InapplicableMutation]:
    """Every mutant of operators among `ALL`, judged by every rule.

    Args:
        template_sets: what is broken.
        operators: among `ALL`.
        jobs: processes; 0: as many as there are processors.

    Raises:
        MutantError: as `run`.
    """
    names = tuple(one.name for one in operators)
    tasks = [(one, number, names) for one in template_sets for number in range(len(one.targets))]
    jobs = min(jobs or os.cpu_count() or 1, max(1, len(tasks)))
    if jobs == 1:
        for task in tasks:
            yield from _done(task)
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        for part in pool.map(_done, tasks):
            yield from part


def _done(task: Task) -> list[Mutant | InapplicableMutation]:
    template_set, number, names = task
    operators = [one for one in ALL if one.name in names]
    return list(broken_in(template_set, template_set.targets[number], operators, RULES))
