"""Cost tags: required, filled, well formed, and passed on to what is launched."""

from pathlib import Path
from typing import Any

import pytest

from tests.judge.factory import TAGS, findings, of_type, template, word

QUEUE = "AWS::SNS::Topic"
LIST = [{"Key": key, "Value": value} for key, value in TAGS.items()]


def queue(tags: Any, kind: str = QUEUE, name: str = "Tags", **sections: Any) -> dict[str, Any]:
    return template({"Q": of_type(kind, {name: tags})}, **sections)


def own(folder: Path, body: dict[str, Any], rule: str = "TL_TAGS_1") -> str:
    """What a rule says when the deployment brings no tags."""
    return word(folder, rule, body, given={"Parameters": {}})


def but(**changed: Any) -> list[dict[str, Any]]:
    return [
        {"Key": key, "Value": changed.get(key, value)}
        for key, value in TAGS.items()
        if changed.get(key, value) is not None
    ]


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        (LIST, "PASS"), ([], "FAIL"), (but(Project=None), "FAIL"), (but(Project=""), "FAIL"),
        ([*but(Project=None), {"Key": "project", "Value": "p"}], "FAIL"),
        (but(Project={"Ref": "Free"}), "FAIL"), (but(Project={"Ref": "Filled"}), "PASS"),
        (but(Project={"Ref": "EmptyByDefault"}), "FAIL"),
        (but(Project={"Ref": "AWS::StackName"}), "PASS"),
        (but(Project={"Fn::Sub": "x-${Free}"}), "PASS"),
        (but(Project={"Fn::ImportValue": "x"}), "UNKNOWN"),
        ({"Fn::If": ["C", LIST, {"Ref": "AWS::NoValue"}]}, "FAIL"),
        ({"Fn::ImportValue": "x"}, "UNKNOWN"),
    ],
)  # fmt: skip
def test_required_tags(tmp_path: Path, tags: Any, expected: str) -> None:
    """Missing, in another case, empty, possibly empty, or dropped in one scenario."""
    sections: dict[str, Any] = {
        "Parameters": {
            "Free": {"Type": "String"},
            "Filled": {"Type": "String", "MinLength": 1},
            "EmptyByDefault": {"Type": "String", "Default": ""},
            "S": {"Type": "String", "AllowedValues": ["a", "b"]},
        },
        "Conditions": {"C": {"Fn::Equals": [{"Ref": "S"}, "a"]}},
    }
    assert own(tmp_path, queue(tags, **sections)) == expected


def test_form_and_property_come_from_the_schema(tmp_path: Path) -> None:
    """A map, and a property of another name."""
    assert own(tmp_path, queue(TAGS, "AWS::SSM::Parameter")) == "PASS"
    assert own(tmp_path, queue(TAGS, "AWS::Cognito::UserPool", "UserPoolTags")) == "PASS"
    assert own(tmp_path, queue({}, "AWS::Cognito::UserPool", "UserPoolTags")) == "FAIL"
    assert own(tmp_path, queue([], "AWS::EC2::Route")) == "PASS"


def test_stack_tags_reach_what_receives_them(tmp_path: Path) -> None:
    """Given at deployment they count; not for types that do not receive them."""
    assert word(tmp_path, "TL_TAGS_1", template({"Q": of_type(QUEUE)})) == "PASS"
    interface = template({"Q": of_type("AWS::EC2::NetworkInterface")})
    assert word(tmp_path, "TL_TAGS_1", interface) == "FAIL"


@pytest.mark.parametrize(
    ("tags", "expected"),
    [(LIST, "PASS"), ([*LIST, LIST[0]], "FAIL"), ([{"Key": "aws:x", "Value": "y"}], "FAIL")],
)
def test_form_of_tags(tmp_path: Path, tags: Any, expected: str) -> None:
    """Twice the same key, and a reserved one."""
    assert word(tmp_path, "TL_TAGS_2", queue(tags)) == expected


def specifications(*kinds: str) -> dict[str, Any]:
    return {"TagSpecifications": [{"ResourceType": kind, "Tags": LIST} for kind in kinds]}


ALL = ("instance", "volume", "network-interface")


@pytest.mark.parametrize(
    ("kind", "properties", "expected"),
    [
        ("AWS::EC2::LaunchTemplate", {"LaunchTemplateData": specifications(*ALL)}, "PASS"),
        ("AWS::EC2::LaunchTemplate", {"LaunchTemplateData": specifications(*ALL[:2])}, "FAIL"),
        ("AWS::EC2::LaunchTemplate", {"LaunchTemplateData": {}}, "FAIL"),
        ("AWS::EC2::LaunchTemplate", {"LaunchTemplateData": {"Fn::ImportValue": "x"}}, "UNKNOWN"),
        ("AWS::EC2::Instance", {"PropagateTagsToVolumeOnCreation": True}, "PASS"),
        ("AWS::EC2::Instance", {"PropagateTagsToVolumeOnCreation": False}, "FAIL"),
        ("AWS::EC2::Instance", {}, "FAIL"),
        ("AWS::EC2::Instance",
         {"PropagateTagsToVolumeOnCreation": {"Fn::ImportValue": "x"}}, "UNKNOWN"),
        ("AWS::AutoScaling::AutoScalingGroup",
         {"Tags": [one | {"PropagateAtLaunch": True} for one in LIST]}, "PASS"),
        ("AWS::AutoScaling::AutoScalingGroup",
         {"Tags": [one | {"PropagateAtLaunch": False} for one in LIST]}, "FAIL"),
    ],
)  # fmt: skip
def test_launched_things_are_tagged(
    tmp_path: Path, kind: str, properties: dict[str, Any], expected: str
) -> None:
    """Stack tags do not reach them."""
    assert word(tmp_path, "TL_TAGS_3", template({"X": of_type(kind, properties)})) == expected


def test_message_names_each_missing_tag(tmp_path: Path) -> None:
    """One finding a resource, at the resource's line."""
    (found,) = findings(tmp_path, template({"Q": of_type(QUEUE)}), given={"Tags": {"Project": "p"}})
    assert (found.line, found.message) == (2, "has no tag Component, Environment, CostCenter")
