"""The nested stack that an operator adds: its resource, and the file of its template."""

from pathlib import PurePosixPath

from tljudge.mutation.edits import Body, Part
from tljudge.mutation.target import MutationTarget

STACK, CHILD = "MutantStack", "mutant-child.yaml"
NESTED = "AWS::CloudFormation::Stack"


def stack(target: MutationTarget, parameters: Body, **more: Part) -> Body:
    """The stack resource, with the required tags, which CloudFormation passes to its resources."""
    tags = [{"Key": key, "Value": "mutant"} for key in target.policy.required_tags]
    body: Body = {"TemplateURL": f"./{CHILD}", "Parameters": parameters, "Tags": tags}
    return {"Type": NESTED, **more, "Properties": body}


def child(target: MutationTarget) -> str:
    """The file of the nested template, in the folder of the target."""
    return PurePosixPath(target.file).with_name(CHILD).as_posix()
