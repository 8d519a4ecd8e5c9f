"""`tl mutate`: break templates on purpose, and show that a rule notices each fault."""

import argparse
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tljudge.cli.arguments import (
    add_judged,
    existing_or_new,
    files_read,
    require_existing,
    require_jobs,
    require_writable_place,
    write_text,
)
from tljudge.cli.clone import Clone
from tljudge.cli.errors import UsageError

if TYPE_CHECKING:
    from tljudge.mutation.operator import Operator
    from tljudge.mutation.score import InapplicableMutation, Mutant
    from tljudge.mutation.target import TemplateSet

FIXTURES = Path("tests/fixtures/mutants")
DESCRIPTION = """\
Break templates on purpose, one fault at a time, judge each mutant by the rules,
and show which rule kills it. A finding that the original has too, or that a
waiver hides, kills nothing, so name templates that pass `tl check`.
"""
WITHOUT_PATH = """\
Without PATH: cloudformation/ with its policy and the parameters of dev, and the
fixtures in tests/fixtures/mutants with theirs.
"""
OWN = """\
  tl mutate                              the templates and the fixtures, about a minute
  tl mutate --operator egress-world      one fault, in every obfuscation
  tl mutate --operator egress-world-if   one obfuscation of it
"""
EXAMPLES = """examples:
{own}  tl mutate template.yaml --policy policy.toml --json mutants.json

exit codes: 0 every mutant is killed, 1 a mutant survived, 2 usage or configuration,
3 a template could not be judged
"""


def register(subcommands: Any, clone: Clone) -> None:
    """Add the command to the parser."""
    parser = subcommands.add_parser(
        "mutate",
        help="break templates on purpose, and show that a rule notices each fault",
        description=DESCRIPTION + (WITHOUT_PATH if clone.root else ""),
        epilog=EXAMPLES.format(own=OWN if clone.root else ""),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_judged(parser, policy="thresholds and waivers")
    parser.add_argument("--operator", metavar="NAME", help="one fault, or one obfuscation of it")
    parser.add_argument(
        "--jobs",
        type=int,
        default=0,
        metavar="N",
        help="processes; 0 is one for each processor (0)",
    )
    parser.add_argument(
        "--json", nargs="?", const=Path("-"), type=existing_or_new, metavar="FILE",
        help="every mutant as JSON, to standard output or a file",
    )  # fmt: skip
    parser.set_defaults(run=_run, clone=clone.root)


def _run(given: argparse.Namespace) -> int:
    from tljudge.decode.errors import TemplateError
    from tljudge.mutation import report as report
    from tljudge.mutation.equivalents import EQUIVALENT
    from tljudge.mutation.parallel_run import parallel_run
    from tljudge.mutation.run import MutantError
    from tljudge.mutation.score import scored

    require_jobs("mutate", given.jobs, least=0)
    operators = _operators(given.operator)
    to_file = given.json if given.json is not None and given.json != Path("-") else None
    inputs = files_read(given.paths, given.policy, given.parameters)
    require_writable_place("mutate", to_file, inputs)
    try:
        template_sets = _template_sets(given)
        if not template_sets:
            raise UsageError(
                f"mutate: no template in {', '.join(map(str, given.paths))}; "
                "name a template, or a folder that holds some"
            )
        results = _with_progress(parallel_run(template_sets, operators, given.jobs))
        score = scored(results, operators, EQUIVALENT)
    except (TemplateError, MutantError) as error:
        # Where the other commands say it, unless a program reads standard output as JSON.
        print(f"mutate: {error}", file=sys.stderr if given.json == Path("-") else sys.stdout)
        return 3
    if not score.mutants:
        raise UsageError(
            "mutate: no operator applies to these templates; name another template or operator"
        )
    if to_file is not None:
        write_text("mutate", to_file, report.as_json(score))
    if given.json == Path("-"):
        sys.stdout.write(report.as_json(score))
    else:
        sys.stdout.write(report.render(score))
    return score.exit_code()


def _operators(name: str | None) -> "list[Operator]":
    from tljudge.mutation import ALL

    matching = [operator for operator in ALL if name in (None, operator.name, operator.fault)]
    if not matching:
        import difflib

        near = difflib.get_close_matches(str(name), [operator.fault for operator in ALL], n=3)
        hint = f"; near are {', '.join(dict.fromkeys(near))}" if near else ""
        raise UsageError(
            f"mutate: no operator {name!r}{hint}; the table of `tl mutate PATH` lists all"
        )
    return matching


def _template_sets(given: argparse.Namespace) -> "list[TemplateSet]":
    from tljudge.decode.parameter_file import ParametersError, read_parameters
    from tljudge.engine import policy as policies
    from tljudge.mutation.target import template_sets

    if not given.paths and given.clone is None:
        raise UsageError("mutate: no path given; name a template or a folder")
    require_existing("mutate", given.paths)
    try:
        if given.paths:
            parameters = read_parameters(given.parameters) if given.parameters else {}
            policy = policies.load(given.policy)
            return template_sets(given.paths, policy, parameters, given.parameters)
        clone = Path(os.path.relpath(given.clone))
        ours = clone / "cloudformation"
        policy = policies.load(given.policy or clone / "compliance/policy.toml")
        parameter_file = given.parameters or ours / "parameters/dev.json"
        parameters = read_parameters(parameter_file)
        fixtures = clone / FIXTURES
        return [
            *template_sets([ours], policy, parameters, parameter_file),
            *template_sets([fixtures], policies.load(fixtures / "policy.toml")),
        ]
    except (policies.PolicyError, ParametersError) as error:
        raise UsageError(f"mutate: {error}") from None


def _with_progress(
    results: "Iterable[Mutant | InapplicableMutation]",
) -> "Iterator[Mutant | InapplicableMutation]":
    """Yield the results; print a line on standard error after each template."""
    file, count, survived = "", 0, 0
    for result in results:
        if result.file != file:
            _progress(file, count, survived)
            file, count, survived = result.file, 0, 0
        count += 1
        survived += getattr(result, "state", "") == "survived"
        yield result
    _progress(file, count, survived)


def _progress(file: str, count: int, survived: int) -> None:
    if file:
        print(f"mutate: {file}: {count} mutants, {survived} survived", file=sys.stderr, flush=True)
