"""Reading: both notations, both forms, every place, and what nobody could deploy."""

from pathlib import Path

import pytest

from tests.judge.factory import findings, of_type, template
from tljudge.decode.errors import NotATemplate, TemplateError
from tljudge.decode.loader import read
from tljudge.decode.nodes import Call
from tljudge.decode.scalars import plain

ONE = "Resources:\n  Q:\n    Type: AWS::SQS::Queue\n"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", True), ("Off", False), ("~", None), ("", None), ("30", 30), ("0x1f", 31),
        ("012345670123", 1402433619), ("012345678901", "012345678901"), ("1_000", 1000),
        ("1:30", 90), ("3.5", 3.5), ("2012-10-17", "2012-10-17"), ("no-thing", "no-thing"),
        ("9" * 5000, "9" * 5000),
    ],
)  # fmt: skip
def test_scalar_is_what_cloudformation_sees(text: str, value: object) -> None:
    """YAML 1.1: an unquoted octal account id is another number; a date stays text."""
    assert plain(text) == value
    assert type(plain(text)) is type(value)


def test_short_and_long_intrinsics_are_the_same() -> None:
    """Ref, GetAtt in three spellings, and a call within a call."""

    def flat(value: object) -> object:
        if isinstance(value, Call):
            return (value.name, flat(value.argument))
        if isinstance(value, dict):
            return {key: flat(inner) for key, inner in value.items()}
        return [flat(inner) for inner in value] if isinstance(value, list) else value

    head = "Resources:\n  Q: {Type: 'AWS::SQS::Queue'}\n  R:\n    Type: A::B::C\n    Properties:\n"
    spellings = (
        "      X: !GetAtt Q.Arn\n      Y: !Sub ['${A}', {A: !Ref Q}]\n",
        "      X: !GetAtt [Q, Arn]\n      Y: {Fn::Sub: ['${A}', {A: {Ref: Q}}]}\n",
        "      X: {Fn::GetAtt: Q.Arn}\n      Y: !Sub ['${A}', {A: {Ref: Q}}]\n",
    )
    first, *others = (flat(read(head + one).resources) for one in spellings)
    assert others == [first, first]


def test_anchors_and_merge_keys_are_expanded() -> None:
    """The mapping's own keys win."""
    text = (
        "Metadata: {a: &a {DelaySeconds: 1, QueueName: q}}\n"
        f"{ONE}    Properties: {{<<: *a, QueueName: mine}}\n"
    )
    properties = read(text).resources["Q"]["Properties"]
    assert properties == {"DelaySeconds": 1, "QueueName": "mine"}


def test_json_may_have_tabs_and_surrogate_pairs() -> None:
    """What JSON allows and YAML does not."""
    text = '{\n\t"Description": "\\ud83d\\ude00",\n\t"Resources": {"Q": {"Type": "A::B::C"}}}'
    assert list(read(text).resources) == ["Q"]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("Resources: [", 2, "does not parse"),
        (f"{ONE}    Type: AWS::SNS::Topic\n", 4, "is there twice, first in line 3"),
        ("Resources:\n  Q:\n    Type: [x]\n", 3, "Type is not text"),
        ("Resources:\n  Q: 3\n", 2, "is not a mapping"),
        (f"{ONE}Resource: {{}}\n", 4, "unknown section"),
        (f"{ONE}    Properties: {{QueueName: !Ref Nobody}}\n", 4, "'Nobody' is declared"),
        (f"{ONE}    Condition: Nobody\n", 4, "no condition 'Nobody'"),
        (f"{ONE}    Properties: !Nothing x\n", 4, "no function !Nothing"),
        (f"{ONE}    Properties: {{QueueName: !Ref R}}\n  R:\n    Type: A::B::C\n"
         "    Properties: {X: !GetAtt Q.Arn}\n", 2, "Q needs R needs Q; break the cycle"),
        (f"{ONE}Conditions:\n  A: !Not [!Condition B]\n  B: !Not [!Condition A]\n", 5,
         "condition A needs B needs A"),
        ("AWSTemplateFormatVersion: 2010-09-09\n", 1, "has no Resources"),
        (f"{ONE}    Properties: !!binary aGk=\n", 4, "refuses the tag !!binary"),
        ("Resources:\n  Q: &q {Type: A::B::C, X: *q}\n", 2, "contains itself"),
    ],
)  # fmt: skip
def test_what_nobody_could_deploy_is_an_error(text: str, line: int, words: str) -> None:
    """Where, what was found, what to do."""
    with pytest.raises(TemplateError) as caught:
        read(text, "t.yaml")
    assert caught.value.mark[0] == line
    assert words in caught.value.message
    assert str(caught.value).startswith(f"t.yaml:{line}: ")


@pytest.mark.parametrize("text", ["", "a: 1", "- a", "a: 1\n---\nb: 2\n"])
def test_other_yaml_is_no_template(text: str) -> None:
    """A folder holds other files too."""
    with pytest.raises(NotATemplate):
        read(text)


def test_line_is_that_of_the_branch_taken(tmp_path: Path) -> None:
    """The offending property inside an `Fn::If`, in the scenario that takes it."""
    text = """\
Parameters:
  S: {Type: String, AllowedValues: [a, b]}
Conditions:
  IsB: !Equals [!Ref S, b]
Resources:
  G:
    Type: AWS::EC2::SecurityGroup
    Properties:
      SecurityGroupEgress:
        - !If
          - IsB
          - CidrIp: 0.0.0.0/0
            IpProtocol: "-1"
          - CidrIp: 10.0.0.0/8
            IpProtocol: "-1"
"""
    (found,) = findings(tmp_path, text)
    assert (found.line, found.column, found.scenario) == (12, 13, {"S": "b"})


def test_macro_and_sam_are_unknown(tmp_path: Path) -> None:
    """What is made after the judge has looked is out of its sight, and it says so."""
    body = template(
        {"T": of_type("AWS::SNS::Topic"), "F": of_type("AWS::Serverless::SimpleTable")},
        Transform=["AWS::LanguageExtensions", "AWS::Serverless-2016-10-31", "Mine"],
    )
    found = {(one.rule, one.resource, one.verdict) for one in findings(tmp_path, body)}
    assert found == {
        ("TL_TEMPLATE_1", "Transform", "UNKNOWN"),
        ("TL_TEMPLATE_1", "F", "UNKNOWN"),
    }
