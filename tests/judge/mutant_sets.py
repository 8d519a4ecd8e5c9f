"""Templates, operators and mutants for the tests of the mutation run."""

from collections.abc import Iterator
from pathlib import Path

from tests.judge.factory import ours
from tljudge.decode.parameter_file import read_parameters
from tljudge.engine import policy as policies
from tljudge.engine.policy import Policy
from tljudge.mutation import report as report
from tljudge.mutation.edits import Break, Edit
from tljudge.mutation.operator import Operator
from tljudge.mutation.target import (
    MutationTarget,
    TemplateSet,
    template_sets,
)

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "tests/fixtures/mutants"
OUR_TEMPLATES = ROOT / "cloudformation"
# Our policies let nothing survive, so the rule for those who do is not asked.
NOT_ASKED = {"TL_COST_4"}


def fixtures() -> list[TemplateSet]:
    """The fixtures under their own policy."""
    return template_sets([FIXTURES], policies.load(FIXTURES / "policy.toml"))


def our_templates(policy: Policy | None = None) -> list[TemplateSet]:
    """Ours, as the development environment deploys them."""
    given = read_parameters(OUR_TEMPLATES / "parameters/dev.json")
    return template_sets([OUR_TEMPLATES], policy or ours(), given)


def operator_of(*edits: Edit, expected: str = "TL_EGRESS_1") -> Operator:
    """An operator that always makes the same break."""

    def apply(target: MutationTarget) -> Iterator[Break]:
        yield edits

    return Operator("mine", "breaks one thing", (expected,), apply)
