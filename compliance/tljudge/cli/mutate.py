"""`tl mutate`: break templates on purpose, and show that each break is caught."""

import argparse
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tljudge.cli.arguments import (
    existing_or_new,
    require_existing,
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
Break templates on purpose, one thing at a time, judge each mutant by the rules,
and show by which rule it is caught. A finding that was there before, or that a
waiver hides, catches nothing, so name templates that pass `tl check`.
"""
WITHOUT_PATH = """\
Without PATH: cloudformation/ with its policy and the parameters of dev, and the
fixtures in tests/fixtures/mutants with theirs.
"""
OWN = """\
  tl mutate                              our templates and the fixtures, about a minute
  tl mutate --operator egress-world      one fault, in every obfuscation
  tl mutate --operator egress-world-if   one obfuscation of it
"""
EXAMPLES = """examples:
{own}  tl mutate template.yaml --policy policy.toml --json mutants.json

exit codes: 0 every mutant is killed, 1 one survived, 2 usage or configuration,
3 a template could not be judged
"""


def register(subcommands: Any, clone: Clone) -> None:
    """Add the command to the parser."""
    parser = subcommands.add_parser(
        "mutate",
        help="break templates on purpose, and show that each break is caught",
        description=DESCRIPTION + (WITHOUT_PATH if clone.root else ""),
        epilog=EXAMPLES.format(own=OWN if clone.root else ""),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "paths", nargs="*", type=existing_or_new, metavar="PATH", help="templates or folders"
    )
    parser.add_argument(
        "--policy", type=existing_or_new, metavar="FILE", help="thresholds and waivers, TOML"
    )
    parser.add_argument(
        "--parameters",
        type=existing_or_new,
        metavar="FILE",
        help='JSON: {"Parameters": {}, "Tags": {}}',
    )
    parser.add_argument("--operator", metavar="NAME", help="one fault, or one obfuscation of it")
    parser.add_argument(
        "--jobs", type=int, default=0, metavar="N", help="processes (one a processor)"
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

    if given.jobs < 0:
        raise UsageError(f"mutate: --jobs is {given.jobs}; write 0 or more")
    operators = _operators(given.operator)
    to_file = given.json if given.json is not None and given.json != Path("-") else None
    require_writable_place("mutate", to_file)
    try:
        results = _shown(parallel_run(_template_sets(given), operators, given.jobs))
        score = scored(results, operators, EQUIVALENT)
    except (TemplateError, MutantError) as error:
        print(f"mutate: {error}", file=sys.stderr)
        return 3
    if not score.mutants:
        raise UsageError("mutate: nothing there that could be broken; name a template or a folder")
    if to_file is not None:
        write_text("mutate", to_file, report.as_json(score))
    if given.json == Path("-"):
        sys.stdout.write(report.as_json(score))
    else:
        sys.stdout.write(report.render(score))
    return score.exit_code()


def _operators(name: str | None) -> "list[Operator]":
    from tljudge.mutation import ALL

    found = [one for one in ALL if name in (None, one.name, one.fault)]
    if not found:
        import difflib

        near = difflib.get_close_matches(str(name), [one.fault for one in ALL], n=3)
        hint = f"; near are {', '.join(dict.fromkeys(near))}" if near else ""
        raise UsageError(
            f"mutate: no operator {name!r}{hint}; the table of `tl mutate PATH` lists all"
        )
    return found


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
            return template_sets(given.paths, policies.load(given.policy), parameters)
        here = Path(os.path.relpath(given.clone))
        ours = here / "cloudformation"
        policy = policies.load(given.policy or here / "compliance/policy.toml")
        parameters = read_parameters(given.parameters or ours / "parameters/dev.json")
        fixtures = here / FIXTURES
        return [
            *template_sets([ours], policy, parameters),
            *template_sets([fixtures], policies.load(fixtures / "policy.toml")),
        ]
    except (policies.PolicyError, ParametersError) as error:
        raise UsageError(f"mutate: {error}") from None


def _shown(
    results: "Iterable[Mutant | InapplicableMutation]",
) -> "Iterator[Mutant | InapplicableMutation]":
    """A line on standard error for each template that is done."""
    file, count, left = "", 0, 0
    for one in results:
        if one.file != file:
            _progress(file, count, left)
            file, count, left = one.file, 0, 0
        count += 1
        left += getattr(one, "state", "") == "survived"
        yield one
    _progress(file, count, left)


def _progress(file: str, count: int, left: int) -> None:
    if file:
        print(f"mutate: {file}: {count} mutants, {left} survived", file=sys.stderr, flush=True)
