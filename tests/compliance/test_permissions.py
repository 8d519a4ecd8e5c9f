"""Every permission says why it is there, and none is wider than its action allows."""

import pytest

from tests.compliance.templates import Template, ours, policy_statements, read

# Actions that take no resource in their permission; everything else must name one.
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html
WITHOUT_RESOURCE = frozenset(
    {
        "cloudwatch:GetMetricData",
        "cloudwatch:PutMetricData",
        "ec2:DescribeAddresses",
        "ec2:DescribeInstances",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeSecurityGroupRules",
        "ec2:DescribeSecurityGroups",
        "ec2:DescribeSubnets",
        "ec2:DescribeVpcEndpoints",
        "ec2:DescribeVpcs",
        "ecr:GetAuthorizationToken",
        "ssmmessages:CreateControlChannel",
        "ssmmessages:CreateDataChannel",
        "ssmmessages:OpenControlChannel",
        "ssmmessages:OpenDataChannel",
    }
)
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/iam-cw-condition-keys-namespace.html
NARROWED_BY = {"cloudwatch:PutMetricData": "cloudwatch:namespace"}


def unexplained(template: Template) -> list[str]:
    """IAM statements without a comment of three words at least directly above them."""
    lines = template.text.splitlines()
    found = []
    for line in template.statements:
        words = 0
        above = line - 1
        while lines[above].strip().startswith("#"):
            words += len(lines[above].strip(" #").split())
            above -= 1
        if words < 3:
            found.append(f"{template.name}:{line + 1}: say above the statement why it is needed")
    return found


def too_wide(template: Template) -> list[str]:
    """Allow statements with a wildcard action, or every resource where one could be named."""
    found = []
    for statement in policy_statements(template.body):
        if statement["Effect"] != "Allow":
            continue
        actions = statement.get("Action", ["NotAction"])
        actions = [actions] if isinstance(actions, str) else actions
        resources = statement.get("Resource", [])
        resources = resources if isinstance(resources, list) else [resources]
        is_everything = any(
            (r.get("Fn::Sub") if isinstance(r, dict) else r) == "*" for r in resources
        )
        for action in actions:
            if "*" in action or "?" in action or action == "NotAction":
                found.append(f"{template.name}: the action {action} is not one action")
            elif is_everything and action not in WITHOUT_RESOURCE:
                found.append(f"{template.name}: {action} on every resource; name the resource")
            key, narrowed = NARROWED_BY.get(action), statement.get("Condition", {})
            if key is not None and key not in narrowed.get("StringEquals", {}):
                found.append(f"{template.name}: {action} without StringEquals on {key}")
    return found


@pytest.mark.parametrize("template", ours(), ids=lambda template: template.name)
def test_statement_says_why(template: Template) -> None:
    """The line above each statement is a comment."""
    assert unexplained(template) == []


@pytest.mark.parametrize("template", ours(), ids=lambda template: template.name)
def test_statement_names_actions_and_resources(template: Template) -> None:
    """`Resource: "*"` stands only where AWS knows no resource for the action."""
    assert too_wide(template) == []


def test_statements_are_found_in_every_carrier() -> None:
    """The laws above are about something: so many statements, trust and endpoint policies too."""
    assert {template.name: len(template.statements) for template in ours()} == {
        "builder.yaml": 8,
        "edge.yaml": 3,
        "guard.yaml": 21,
        "network.yaml": 2,
        "node.yaml": 7,
        "ops.yaml": 2,
        "queue.yaml": 2,
        "queue_health.yaml": 7,
        "report.yaml": 10,
        "resize.yaml": 18,
        "router.yaml": 19,
        "stack.yaml": 0,
        "waker.yaml": 9,
    }
    assert {template.name: len([*policy_statements(template.body)]) for template in ours()} == {
        template.name: len(template.statements) for template in ours()
    }


POLICY = """\
Resources:
  Role:
    Type: AWS::IAM::Role
    Properties:
      Policies:
        - PolicyDocument:
            Statement:
              # Reads the one item that holds the keys.
              - Effect: Allow
                Action: dynamodb:GetItem
                Resource: !Sub arn:${AWS::Partition}:dynamodb:eu-central-1:111122223333:table/keys
              # Looks at the queue, while there is one.
              - !If
                - UseGpu
                - Effect: Allow
                  Action: elasticache:Connect
                  Resource: !Ref Queue
                - !Ref AWS::NoValue
"""


@pytest.mark.parametrize(
    ("comment", "line"), [("# Reads the one", 9), ("# Looks at the queue", 13)]
)
def test_statement_without_a_word_is_found(comment: str, line: int) -> None:
    """A missing comment, and one that says nothing; also above a statement inside an If."""
    finding = [f"broken.yaml:{line}: say above the statement why it is needed"]
    lines = POLICY.splitlines()
    (place,) = (at for at, text in enumerate(lines) if comment in text)
    assert unexplained(read(POLICY)) == []
    lines[place] = ""
    assert unexplained(read("\n".join(lines))) == finding
    lines[place] = "              # needed"
    assert unexplained(read("\n".join(lines))) == finding


@pytest.mark.parametrize(
    ("before", "after", "finding"),
    [
        ("dynamodb:GetItem", "dynamodb:*", "the action dynamodb:* is not one action"),
        (
            "dynamodb:GetItem",
            '["dynamodb:Get?tem"]',
            "the action dynamodb:Get?tem is not one action",
        ),
        (
            "Action: dynamodb:GetItem",
            "NotAction: s3:GetObject",
            "the action NotAction is not one action",
        ),
        ("!Ref Queue", '"*"', "elasticache:Connect on every resource; name the resource"),
        ("!Ref Queue", '!Sub "*"', "elasticache:Connect on every resource; name the resource"),
        (
            "dynamodb:GetItem",
            "cloudwatch:PutMetricData",
            "cloudwatch:PutMetricData without StringEquals on cloudwatch:namespace",
        ),
        (
            "!Ref Queue",
            '[!Ref Queue, "*"]',
            "elasticache:Connect on every resource; name the resource",
        ),
    ],
)
def test_too_wide_statement_is_found(before: str, after: str, finding: str) -> None:
    """Each spelling of too much."""
    assert too_wide(read(POLICY)) == []
    assert too_wide(read(POLICY.replace(before, after))) == [f"broken.yaml: {finding}"]
