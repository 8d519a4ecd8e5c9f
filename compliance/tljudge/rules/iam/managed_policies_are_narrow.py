"""TL_IAM_5: no role, user or group has an administrator's managed policy."""

from collections.abc import Iterator

from tljudge.engine.policy import Policy
from tljudge.engine.rule import Rule, Verdict, fail, unknown
from tljudge.resolve.deployment import Resource
from tljudge.resolve.values import NOVALUE, Text, Unknown, display, for_matching, is_plain, why

LISTS = {
    "AWS::IAM::Role": ("ManagedPolicyArns",),
    "AWS::IAM::User": ("ManagedPolicyArns",),
    "AWS::IAM::Group": ("ManagedPolicyArns",),
    "AWS::SSO::PermissionSet": ("ManagedPolicies",),
    "AWS::Serverless::Function": ("Policies",),
    "AWS::Serverless::StateMachine": ("Policies",),
}


def check(resource: Resource, policy: Policy) -> Iterator[Verdict]:
    """Judge each managed policy by the last part of its ARN, which is its name."""
    name = LISTS[resource.type][0]
    value, mark = resource.get(name), resource.mark_of(name)
    if value is NOVALUE:
        return
    rows = zip(value, value.marks, strict=True) if isinstance(value, list) else [(value, mark)]
    for arn, arn_mark in rows:
        if not isinstance(arn, str | Text | Unknown):
            continue
        ending = for_matching(arn, "\0").rsplit("/", 1)[-1].lower()
        if ending in policy.forbidden_policies:
            yield fail(f"attaches {display(arn)}", arn_mark)
        elif "\0" in ending and not is_plain(arn):
            yield unknown(f"attaches an unknown policy: {why(arn)}", arn_mark)


RULE = Rule(
    id="TL_IAM_5",
    title="No principal has an administrator's managed policy",
    why="it allows nearly everything in the account",
    fix="attach a policy that names what is needed",
    source="https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_job-functions.html",
    types=tuple(LISTS),
    check=check,
)
