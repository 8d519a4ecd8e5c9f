"""Operators that add a fault through an Fn::ForEach loop, a macro or SAM.

The judge must expand the loop or the transform, or report that it could not see the result.
"""

from collections.abc import Callable, Iterator

from tljudge.decode.foreach import PREFIX
from tljudge.mutation.edits import GONE, Body, Break, Edit, Part, as_body, as_rows
from tljudge.mutation.operator import Operator
from tljudge.mutation.permissions import BROAD, document
from tljudge.mutation.target import MutationTarget

EXTENSIONS = Edit(("Transform",), "AWS::LanguageExtensions")


def _tagged(target: MutationTarget, body: Body) -> Body:
    tags: list[Part] = [{"Key": key, "Value": "mutant"} for key in target.policy.required_tags]
    return body | {"Tags": tags}


def _loop_of_groups(names: Part, *more: Edit) -> Callable[[MutationTarget], Iterator[Break]]:
    """A loop that creates a security group without egress rules for each name."""

    def apply(target: MutationTarget) -> Iterator[Break]:
        body = _tagged(target, {"GroupDescription": "mutant"})
        made: Body = {"Mutant${Name}": {"Type": "AWS::EC2::SecurityGroup", "Properties": body}}
        loop = Edit(("Resources", "Fn::ForEach::Mutants"), ["Name", names, made])
        if "Transform" not in target.body:
            yield (loop, EXTENSIONS, *more)

    return apply


def _retention_in_loops(target: MutationTarget) -> Iterator[Break]:
    """Remove the retention of the log groups that a loop creates."""
    for key, loop in as_body(target.body["Resources"]).items():
        for name, made in as_body(as_rows(loop)[2]).items() if key.startswith(PREFIX) else ():
            if as_body(made)["Type"] == "AWS::Logs::LogGroup":
                path = ("Resources", key, 2, name, "Properties", "RetentionInDays")
                yield (Edit(path, GONE),)


def _macro(kind: str) -> Callable[[MutationTarget], Iterator[Break]]:
    """A macro call in the properties of each resource of a type."""

    def apply(target: MutationTarget) -> Iterator[Break]:
        for logical_id, _ in target.resources(kind):
            path = ("Resources", logical_id, "Properties", "Fn::Transform")
            yield (Edit(path, {"Name": "Mutant", "Parameters": {}}),)

    return apply


def _whole_template(target: MutationTarget) -> Iterator[Break]:
    if "Transform" not in target.body:
        yield (Edit(("Transform",), "Mutant"),)


def _sam(target: MutationTarget) -> Iterator[Break]:
    body: Body = {
        "Handler": "a.b",
        "Runtime": "python3.13",
        "InlineCode": "x",
        "Policies": [document(BROAD)],
    }
    added: Body = {"Type": "AWS::Serverless::Function", "Properties": body}
    if "Transform" not in target.body:
        transform = Edit(("Transform",), "AWS::Serverless-2016-10-31")
        yield (Edit(("Resources", "MutantFunction"), added), transform)


LIST = Edit(("Parameters", "MutantNames"), {"Type": "CommaDelimitedList"})
OPERATORS: tuple[Operator, ...] = (
    Operator("loop-group", "a loop creates groups without egress", ("TL_EGRESS_1",),
             _loop_of_groups(["A", "B"])),
    Operator("loop-unknown", "a loop over names without a known value", ("TL_TEMPLATE_1",),
             _loop_of_groups({"Ref": "MutantNames"}, LIST), doubtful=True),
    Operator("loop-retention", "a loop creates log groups that never expire", ("TL_LOGS_1",),
             _retention_in_loops),
    Operator("macro-group", "a macro adds to a security group", ("TL_EGRESS_1",),
             _macro("AWS::EC2::SecurityGroup"), doubtful=True),
    Operator("macro-role", "a macro adds to a role", ("TL_IAM_1",), _macro("AWS::IAM::Role"),
             doubtful=True),
    Operator("macro-log-group", "a macro adds to a log group", ("TL_LOGS_1",),
             _macro("AWS::Logs::LogGroup"), doubtful=True),
    Operator("macro-template", "a macro rewrites the template", ("TL_TEMPLATE_1",), _whole_template,
             doubtful=True),
    Operator("sam-policy", "a SAM function with a broad policy", ("TL_IAM_1",), _sam),
)  # fmt: skip
