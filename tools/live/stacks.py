"""Reads a stack and its nested stacks from CloudFormation: templates, parameters, tags, ids."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from tljudge.decode.errors import NotATemplate, TemplateError
from tljudge.decode.loader import read
from tljudge.decode.nodes import Call as Intrinsic
from tljudge.decode.template import Template
from tljudge.resolve.deployment import NESTED
from tools.deploy.calls import Call, IncompleteAnswer, ask, reason

Client = Callable[[str], Any]
"""Returns the boto3 client of a service, by the service's name."""
LIST_STACK_RESOURCES = Call(
    "cloudformation",
    "list_stack_resources",
    {"StackName": "{id}"},
    "StackResourceSummaries[]",
    True,
)


class CouldNotLook(Exception):
    """A stack could not be read at all: says which, why, and what to do."""


class NoSuchStack(CouldNotLook):
    """The account has no stack of that name in this region."""


@dataclass(slots=True)
class LiveStack:
    """One deployed stack.

    `path` is the root's name and the logical ids below it, such as `prod/Network`; `resources` maps
    logical ids to type and physical id; `hidden` names the parameters whose values are masked.
    """

    path: str
    physical_id: str
    template: Template
    parameters: dict[str, str]
    hidden: tuple[str, ...]
    tags: dict[str, str]
    resources: dict[str, tuple[str, str]]
    children: dict[str, "LiveStack"] = field(default_factory=dict)

    def all(self) -> Iterator["LiveStack"]:
        """This stack, then those nested in it."""
        yield self
        for child in self.children.values():
            yield from child.all()

    @property
    def pseudo(self) -> dict[str, str]:
        """The values of the pseudo parameters, from the stack's ARN."""
        partition, _, region, account, rest = self.physical_id.split(":", 5)[1:]
        suffix = "amazonaws.com.cn" if partition == "aws-cn" else "amazonaws.com"
        return {
            "AWS::Partition": partition,
            "AWS::Region": region,
            "AWS::AccountId": account,
            "AWS::StackId": self.physical_id,
            "AWS::StackName": rest.split("/")[1],
            "AWS::URLSuffix": suffix,
        }


def follow(client: Client, name: str, path: str = "") -> LiveStack:
    """Read a stack and those nested in it.

    Raises:
        NoSuchStack: the account has no stack of that name in this region.
        CouldNotLook: a call was refused or failed, or a template cannot be judged.
    """
    path = path or name
    cloudformation = client("cloudformation")
    try:
        described = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
        template, parameters = _template(cloudformation, described, path)
        summaries = ask(cloudformation, LIST_STACK_RESOURCES.filled({"id": described["StackId"]}))
        resources = {
            summary["LogicalResourceId"]: (summary["ResourceType"], summary["PhysicalResourceId"])
            for summary in summaries
            if summary.get("PhysicalResourceId") and summary["ResourceStatus"] != "DELETE_COMPLETE"
        }
    except ClientError as error:
        if error.response["Error"]["Code"] == "ValidationError":
            raise NoSuchStack(f"{path}: no such stack here; name one of this region") from None
        raise CouldNotLook(f"{path}: {reason(error)}; allow the reads that are missing") from None
    except (BotoCoreError, IncompleteAnswer) as error:
        raise CouldNotLook(f"{path}: {error}; try again") from None
    masked = tuple(key for key, value in parameters.items() if value == "****")
    stack = LiveStack(
        path,
        described["StackId"],
        template,
        {key: value for key, value in parameters.items() if key not in masked},
        masked,
        {tag["Key"]: tag["Value"] for tag in described.get("Tags", [])},
        resources,
    )
    for logical_id, (kind, physical_id) in resources.items():
        if kind == NESTED:
            stack.children[logical_id] = follow(client, physical_id, f"{path}/{logical_id}")
    return stack


def _template(
    cloudformation: Any, described: dict[str, Any], path: str
) -> tuple[Template, dict[str, str]]:
    """The processed template, in which CloudFormation has expanded macros, and its parameters."""
    parameters = {
        parameter["ParameterKey"]: parameter.get(
            "ResolvedValue", parameter.get("ParameterValue", "")
        )
        for parameter in described.get("Parameters", [])
    }
    body = cloudformation.get_template(StackName=described["StackId"], TemplateStage="Processed")
    text = body["TemplateBody"]
    text = text if isinstance(text, str) else json.dumps(text)
    try:
        return read(text, path, parameters), parameters
    except (TemplateError, NotATemplate) as error:
        raise CouldNotLook(f"{path}: its template cannot be judged: {error}") from None


def as_json(value: Any) -> Any:
    """A template's value as JSON, with intrinsics in their long form."""
    if isinstance(value, Intrinsic):
        if value.name == "Dynamic":
            return value.argument
        return {value.name: as_json(value.argument)}
    if isinstance(value, dict):
        return {key: as_json(inner) for key, inner in value.items()}
    return [as_json(inner) for inner in value] if isinstance(value, list) else value


def file_of(folder: Path, stack_path: str) -> Path:
    """The file for the template of a stack, below a folder."""
    return folder / f"{stack_path}.json"


def document(stack: LiveStack) -> dict[str, Any]:
    """A stack's template as JSON; `TemplateURL` names the file of a nested one beside it."""
    template = stack.template
    body: dict[str, Any] = {
        name: as_json(section)
        for name, section in (
            ("Parameters", template.parameters),
            ("Mappings", template.mappings),
            ("Rules", template.rules),
            ("Conditions", template.conditions),
            ("Resources", template.resources),
            ("Outputs", template.outputs),
        )
        if section
    }
    if template.transforms:
        body["Transform"] = list(template.transforms)
    for logical_id in stack.children:
        name = stack.path.rsplit("/", 1)[-1]
        body["Resources"][logical_id]["Properties"]["TemplateURL"] = f"{name}/{logical_id}.json"
    return body
