"""The mutation run in several processes: one task for each template, results in order."""

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
"""A template set, the index of a target, and operator names, because operators do not pickle."""


def parallel_run(
    template_sets: Sequence[TemplateSet], operators: Sequence[Operator], jobs: int = 0
) -> Iterator[Mutant | InapplicableMutation]:
    """Yield every mutant of the operators, judged by every rule.

    Args:
        template_sets: the templates to break.
        operators: operators of `ALL`.
        jobs: number of processes, 0 or more; 0 means one for each processor.

    Raises:
        MutantError: as `run`.
    """
    names = tuple(operator.name for operator in operators)
    tasks = [
        (template_set, number, names)
        for template_set in template_sets
        for number in range(len(template_set.targets))
    ]
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
    operators = [operator for operator in ALL if operator.name in names]
    return list(broken_in(template_set, template_set.targets[number], operators, RULES))
