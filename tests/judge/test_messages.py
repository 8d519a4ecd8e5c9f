"""Messages spell names as the template and AWS do, and shorten a text in its middle."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.judge.factory import findings, of_type, template
from tljudge.decode.errors import shortened

OTHER_ACCOUNT = {"AWS": "arn:aws:iam::111122223333:root"}


def policy(action: Any, resource: Any) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Action": action, "Resource": resource}
    body = {"PolicyDocument": {"Version": "2012-10-17", "Statement": [statement]}}
    return template({"P": of_type("AWS::IAM::ManagedPolicy", body)})


def trust(principal: Any) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    body = {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [statement]}}
    return template({"R": of_type("AWS::IAM::Role", body)})


@pytest.mark.parametrize(
    ("body", "rule", "messages"),
    [
        (policy(["sqs:SendMessage", "dynamodb:getItem"], "*"), "TL_IAM_3",
         ["allows dynamodb:getItem, sqs:SendMessage on *"]),
        (policy(["iam:PassRole", "ec2:runInstances"], "arn:aws:iam::111122223333:role/r"),
         "TL_IAM_4",
         ["passes a role and allows ec2:RunInstances, which runs code under it",
          "passes a role to any service: no condition on iam:PassedToService"]),
        (policy(["iam:attach*", "iam:GetRole"], "arn:aws:iam::111122223333:role/r"), "TL_IAM_4",
         ["allows iam:attach* on arn:aws:iam::111122223333:role/r, "
          "which can widen its own permissions"]),
        (trust(OTHER_ACCOUNT), "TL_IAM_6",
         ["trusts everybody in account 111122223333; no condition on sts:ExternalId"]),
        (trust({"AWS": "*"}), "TL_IAM_6",
         ["trusts everybody; no condition on aws:PrincipalOrgID or aws:PrincipalAccount"]),
    ],
)  # fmt: skip
def test_names_are_spelled_as_in_the_template_or_by_aws(
    tmp_path: Path, body: dict[str, Any], rule: str, messages: list[str]
) -> None:
    """The template's own spelling where it names an action, else that of AWS."""
    found = findings(tmp_path, body)
    assert [finding.message for finding in found if finding.rule == rule] == messages


def test_long_arn_keeps_its_end(tmp_path: Path) -> None:
    """The end of an ARN names the resource; the middle is cut."""
    arn = "arn:aws:iam::aws:policy/" + "path/" * 40 + "AdministratorAccess"
    body = template({"G": of_type("AWS::IAM::Group", {"ManagedPolicyArns": [arn]})})
    (message,) = [found.message for found in findings(tmp_path, body) if found.rule == "TL_IAM_5"]
    assert message == (
        "attaches arn:aws:iam::aws:policy/path/path/path/path/path/"
        "...ath/path/path/path/path/path/AdministratorAccess"
    )


@given(st.text(max_size=300), st.integers(min_value=10, max_value=200))
def test_shortened_text_keeps_both_ends(text: str, limit: int) -> None:
    """A text within the limit is unchanged; a longer text keeps its start and its end."""
    short = shortened(text, limit)
    assert len(short) == min(len(text), limit)
    if len(text) <= limit:
        assert short == text
    else:
        tail = (limit - 3) // 2
        assert short == f"{text[: limit - 3 - tail]}...{text[len(text) - tail :]}"
