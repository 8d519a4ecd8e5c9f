"""Operators that widen a trust policy, or add a permission that leads to more permissions."""

from collections.abc import Callable, Iterator

from tljudge.mutation.edits import GONE, Body, Break, Edit, Part, as_body
from tljudge.mutation.obfuscations import IF, Site, obfuscated, plain
from tljudge.mutation.operator import Operator
from tljudge.mutation.permissions import ROLE, TRUST, documents, listed, trusts
from tljudge.mutation.target import MutationTarget

TRUSTS, PASSES = ("TL_IAM_6",), ("TL_IAM_4",)
STRANGER = "arn:aws:iam::999988887777:root"
DEPUTY = "scheduler.amazonaws.com"
ONE_ROLE = {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:role/mutant"}
TO_EC2 = {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}


def _principal(bad: Part) -> Callable[[MutationTarget], Iterator[Site]]:
    """The principal of each trust statement that has no condition."""

    def sites(target: MutationTarget) -> Iterator[Site]:
        for grant in trusts(target):
            if "Condition" not in grant.body:
                yield Site((*grant.path, "Principal"), bad, grant.body["Principal"])

    return sites


def _aws(bad: Part) -> Callable[[MutationTarget], Iterator[Site]]:
    def sites(target: MutationTarget) -> Iterator[Site]:
        for site in _principal(bad)(target):
            yield Site(site.path, bad, STRANGER.replace("root", "role/x"), lambda v: {"AWS": v})

    return sites


def _deputy(target: MutationTarget) -> Iterator[Site]:
    if DEPUTY in target.policy.deputies:
        yield from _principal({"Service": DEPUTY})(target)


def _statement(body: Body) -> Callable[[MutationTarget], Iterator[Site]]:
    """Append a statement to each trust policy."""

    def sites(target: MutationTarget) -> Iterator[Site]:
        for logical_id, properties in target.resources(ROLE):
            path = ("Resources", logical_id, "Properties", TRUST, "Statement")
            existing = as_body(properties.get(TRUST, {})).get("Statement")
            if isinstance(existing, list):
                yield Site((*path, len(existing)), body, {"Ref": "AWS::NoValue"})

    return sites


def _federated(target: MutationTarget) -> Iterator[tuple[tuple[str | int, ...], str, str]]:
    for grant in trusts(target):
        for operator, tests in as_body(grant.body.get("Condition", {})).items():
            for key in as_body(tests):
                if grant.names("Federated") and key.endswith((":aud", ":sub")):
                    yield (*grant.path, "Condition"), operator, key


def _without_key(ending: str) -> Callable[[MutationTarget], Iterator[Break]]:
    def apply(target: MutationTarget) -> Iterator[Break]:
        for path, operator, key in _federated(target):
            if key.endswith(ending):
                yield (Edit((*path, operator, key), GONE),)

    return apply


def _any(ending: str, bad: Part) -> Callable[[MutationTarget], Iterator[Break]]:
    def apply(target: MutationTarget) -> Iterator[Break]:
        for path, operator, key in _federated(target):
            if key.endswith(ending):
                new = Edit((*path, "StringLike", key), bad)
                yield (
                    (new,)
                    if operator == "StringLike"
                    else (
                        new,
                        Edit((*path, operator, key), GONE),
                    )
                )

    return apply


def _saml_beside(target: MutationTarget) -> Iterator[Break]:
    """Add a SAML action and remove the condition.

    AWS checks the audience of SAML itself, but not that of the web identity beside it.
    """
    for grant in trusts(target):
        if grant.names("Federated") and "Condition" in grant.body:
            actions = [*listed(grant.body["Action"]), "sts:AssumeRoleWithSAML"]
            yield (
                Edit((*grant.path, "Action"), actions),
                Edit((*grant.path, "Condition"), GONE),
            )


def _may(action: Part, resource: Part, **more: Part) -> Callable[[MutationTarget], Iterator[Site]]:
    """Append an Allow statement to each identity policy."""

    def sites(target: MutationTarget) -> Iterator[Site]:
        body = {"Effect": "Allow", "Action": action, "Resource": resource, **more}
        for path, existing, _ in documents(target):
            first = existing[0] if isinstance(existing[0], dict) else {}
            if "Principal" not in first:
                yield Site((*path, len(existing)), body, {"Ref": "AWS::NoValue"})

    return sites


def _runs_beside(target: MutationTarget) -> Iterator[Break]:
    """One policy lets the role pass a role to EC2; another policy lets it run instances."""
    for site in _may("iam:PassRole", ONE_ROLE, Condition=TO_EC2)(target):
        role = str(site.path[1])
        if target.kind(role) == ROLE:
            run = {"Effect": "Allow", "Action": "ec2:RunInstances", "Resource": "arn:aws:ec2:x:1:x"}
            body: Body = {
                "PolicyName": "mutant",
                "Roles": [{"Ref": role}],
                "PolicyDocument": {"Version": "2012-10-17", "Statement": [run]},
            }
            added: Body = {"Type": "AWS::IAM::Policy", "Properties": body}
            yield Edit(site.path, site.bad), Edit(("Resources", "MutantPolicy"), added)


EVERYBODY: Body = {"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}
OPERATORS: tuple[Operator, ...] = (
    plain("principal-all", "a role trusts everybody", TRUSTS, _principal("*")),
    plain("principal-aws-all", "a role trusts every AWS principal", TRUSTS, _aws("*")),
    plain("principal-aws-list", "a role trusts everybody among others", TRUSTS,
          _aws([STRANGER.replace("root", "role/x"), "*"])),
    plain("principal-stranger", "a role trusts another account", TRUSTS, _aws(STRANGER)),
    plain("principal-number", "a role trusts another account, by number", TRUSTS,
          _aws("999988887777")),
    plain("principal-partition", "a role trusts another account, in any partition", TRUSTS,
          _aws({"Fn::Sub": STRANGER.replace(":aws:", ":${AWS::Partition}:")})),
    plain("principal-deputy", "a role trusts a service that acts for any account", TRUSTS,
          _deputy),
    plain("principal-statement", "a second statement trusts everybody", TRUSTS,
          _statement(EVERYBODY)),
    *obfuscated("principal-statement", "a second statement trusts everybody", TRUSTS,
               _statement(EVERYBODY), (IF,)),
    *obfuscated("principal-stranger", "a role trusts another account", TRUSTS, _aws(STRANGER)),
    Operator("audience-gone", "an identity provider's audience is not checked", TRUSTS,
             _without_key(":aud")),
    Operator("audience-all", "a role trusts every audience of an identity provider", TRUSTS,
             _any(":aud", "*")),
    Operator("audience-saml", "an audience is not checked, beside an action that needs none",
             TRUSTS, _saml_beside),
    Operator("subject-gone", "an identity provider's subject is not checked", TRUSTS,
             _without_key(":sub")),
    Operator("subject-all", "a role trusts every subject of an identity provider", TRUSTS,
             _any(":sub", "*")),
    Operator("subject-prefix", "a role trusts every subject with a short prefix", TRUSTS,
             _any(":sub", "repo:*")),
    Operator("subject-mixed", "a role trusts every subject, among named ones", TRUSTS,
             _any(":sub", ["repo:example/app:ref:refs/heads/main", "*"])),
    plain("passing-all", "any role may be passed", PASSES,
          _may("iam:PassRole", "*", Condition=TO_EC2)),
    plain("passing-roles", "any role of the account may be passed", PASSES,
          _may("iam:PassRole", {"Fn::Sub": "arn:aws:iam::${AWS::AccountId}:role/*"},
               Condition=TO_EC2)),
    plain("passing-anywhere", "a role may be passed to any service", PASSES,
          _may("iam:PassRole", ONE_ROLE)),
    plain("passing-and-running", "a role may be passed, and code run with it", PASSES,
          _may(["iam:PassRole", "ec2:RunInstances"], ONE_ROLE, Condition=TO_EC2)),
    Operator("passing-beside", "a role may be passed, and a standalone policy runs code with it",
             PASSES, _runs_beside),
    plain("escalation-attach", "policies may be attached", PASSES,
          _may("iam:AttachRolePolicy", ONE_ROLE)),
    plain("escalation-put", "inline policies may be written", PASSES,
          _may(["iam:PutRolePolicy"], ONE_ROLE)),
    plain("escalation-version", "policies may be replaced", PASSES,
          _may("IAM:createpolicyversion",
               {"Fn::Sub": "arn:aws:iam::${AWS::AccountId}:policy/mutant"})),
    plain("escalation-trust", "a trust policy may be replaced", PASSES,
          _may("iam:UpdateAssumeRolePolicy", ONE_ROLE)),
)  # fmt: skip
