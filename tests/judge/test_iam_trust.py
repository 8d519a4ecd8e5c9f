"""Trust and the passing of roles: each case beside what passes."""

from pathlib import Path
from typing import Any

import pytest

from tests.judge.factory import findings, of_type, word
from tests.judge.iam_templates import PASS, allow, document, managed, role

OIDC = {"Federated": "arn:aws:iam::1:oidc-provider/token.actions.githubusercontent.com"}
AUD = {"token.actions.githubusercontent.com:aud": "sts.amazonaws.com"}
SUB = "token.actions.githubusercontent.com:sub"


@pytest.mark.parametrize(
    ("principal", "condition", "expected"),
    [
        ("*", None, "FAIL"),
        ({"AWS": "*"}, None, "FAIL"),
        ({"AWS": ["arn:aws:iam::1:role/x", "*"]}, None, "FAIL"),
        ({"AWS": "arn:aws:iam::444455556666:root"}, None, "FAIL"),
        ({"AWS": "444455556666"}, None, "FAIL"),
        ({"AWS": "arn:aws:iam::444455556666:root"},
         {"StringEquals": {"sts:ExternalId": "x"}}, "PASS"),
        ({"AWS": {"Fn::Sub": "arn:aws:iam::${AWS::AccountId}:root"}}, None, "PASS"),
        ({"AWS": {"Fn::ImportValue": "p"}}, None, "UNKNOWN"),
        (OIDC, {"StringEquals": AUD, "StringLike": {SUB: "repo:a/b:*"}}, "PASS"),
        (OIDC, {"StringEquals": AUD, "StringLike": {SUB: "*"}}, "FAIL"),
        (OIDC, {"StringLike": {SUB: "repo:a/b:*"}}, "FAIL"),
        (OIDC, {"StringNotEquals": AUD, "StringLike": {SUB: "repo:a/b:*"}}, "FAIL"),
        (OIDC, {"ForAllValues:StringEquals": AUD, "StringLike": {SUB: "repo:a/b:*"}}, "FAIL"),
        (OIDC, {"Null": dict.fromkeys((*AUD, SUB), "false")}, "FAIL"),
        (OIDC, {"StringLike": {**dict.fromkeys(AUD, "*"), SUB: "repo:a/b:*"}}, "FAIL"),
        (OIDC, {"StringEquals": {key: {"Fn::ImportValue": "a"} for key in AUD},
                "StringLike": {SUB: "repo:a/b:*"}}, "PASS"),
        (OIDC, {"StringLike": {**{key: {"Fn::ImportValue": "a"} for key in AUD},
                               SUB: "repo:a/b:*"}}, "UNKNOWN"),
        ({"Service": "lambda.amazonaws.com"}, None, "PASS"),
        ({"Service": "scheduler.amazonaws.com"}, None, "FAIL"),
        ({"Service": "scheduler.amazonaws.com"},
         {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}, "PASS"),
        ({"Service": "scheduler.amazonaws.com"},
         {"ArnLike": {"aws:SourceArn": "arn:aws:scheduler:*:1:schedule/x/*"}}, "PASS"),
        ({"Service": "scheduler.amazonaws.com"},
         {"ArnLike": {"aws:SourceArn": "arn:aws:scheduler:*:*:schedule/x/y"}}, "FAIL"),
        ({"Service": {"Fn::ImportValue": "s"}}, None, "UNKNOWN"),
    ],
)  # fmt: skip
def test_trust(tmp_path: Path, principal: Any, condition: Any, expected: str) -> None:
    """Everybody, a foreign account, any subject, and services that act for whoever asks."""
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    if condition:
        statement["Condition"] = condition
    assert word(tmp_path, "TL_IAM_6", role(statement)) == expected


def test_audience_is_asked_for_beside_an_action_that_needs_none(tmp_path: Path) -> None:
    """AWS checks SAML's audience itself; of a web identity in the same statement, nobody does."""
    saml, web = "sts:AssumeRoleWithSAML", "sts:AssumeRoleWithWebIdentity"
    for actions, expected in (([saml], "PASS"), ([web], "FAIL"), ([saml, web], "FAIL")):
        statement = {"Effect": "Allow", "Principal": OIDC, "Action": actions}
        assert word(tmp_path, "TL_IAM_6", role(statement)) == expected


def test_wildcard_action_of_a_trust_fails(tmp_path: Path) -> None:
    """A trust policy is a policy too."""
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}}
    for action, verdict in (("sts:AssumeRole", "PASS"), ("sts:*", "FAIL")):
        assert word(tmp_path, "TL_IAM_1", role(trust | {"Action": action})) == verdict


RUN = allow("ec2:RunInstances", "arn:aws:ec2:r:1:subnet/x")


@pytest.mark.parametrize(
    ("kind", "attached"),
    [
        ("AWS::IAM::Policy", {"Roles": [{"Ref": "R"}]}),
        ("AWS::IAM::RolePolicy", {"RoleName": {"Ref": "R"}}),
        ("AWS::IAM::ManagedPolicy", {"Roles": [{"Ref": "R"}]}),
        ("AWS::IAM::ManagedPolicy", {}),
    ],
)
@pytest.mark.parametrize(("here", "there"), [(PASS, RUN), (RUN, PASS)])
def test_role_is_passed_beside_what_another_policy_of_the_principal_runs(
    tmp_path: Path, kind: str, attached: dict[str, Any], here: Any, there: Any
) -> None:
    """Whichever policy has which half; a policy of nobody's, or of another role, is not beside."""
    trust = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}}
    inline = [{"PolicyName": "p", "PolicyDocument": document(here)}]
    body = role(trust | {"Action": "sts:AssumeRole"}, Policies=inline)
    standalone = of_type(kind, {"PolicyDocument": document(there), **attached})
    body["Resources"]["P"] = standalone
    if not attached:
        body["Resources"]["R"]["Properties"]["ManagedPolicyArns"] = [{"Ref": "P"}]
    assert word(tmp_path, "TL_IAM_4", body) == "FAIL"
    body["Resources"]["R"]["Properties"].pop("ManagedPolicyArns", None)
    standalone["Properties"] = {"PolicyDocument": document(there), "Roles": ["another"]}
    assert word(tmp_path, "TL_IAM_4", body) == "PASS"


def test_finding_names_every_action_so_that_its_waiver_waives_no_other(tmp_path: Path) -> None:
    """A fourth action is another message; so many that they are not listed are counted."""

    def said(*actions: str) -> str:
        body = managed(allow(list(actions), "*"))
        return next(one.message for one in findings(tmp_path, body) if one.rule == "TL_IAM_3")

    many = [f"sqs:sendmessage{number:02}" for number in range(21)]
    assert said(*many[:4]) == f"allows {', '.join(many[:4])} on *"
    assert said(*many) == f"allows {', '.join(many[:20])} and 1 more on *"
