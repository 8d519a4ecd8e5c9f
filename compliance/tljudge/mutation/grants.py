"""Operators that add permissions: a second statement, an inline, standalone or managed policy."""

import json
from collections.abc import Callable, Iterator

from tljudge.mutation.edits import GONE, Body, Break, Edit, Part, as_body, as_rows
from tljudge.mutation.obfuscations import IF, ON, UNKNOWABLE, Site, obfuscated, plain, switch
from tljudge.mutation.operator import Operator
from tljudge.mutation.permissions import (
    BROAD,
    MEAN_THEMSELVES,
    ROLE,
    ROLE_LIKE,
    document,
    documents,
    is_broad,
    limitable,
    statements,
)
from tljudge.mutation.target import MutationTarget

ACTIONS, RESOURCES, INVERTED = ("TL_IAM_1",), ("TL_IAM_3",), ("TL_IAM_2",)
MANAGED = ("TL_IAM_5",)
BROAD_RESOURCE: Body = {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": ["*"]}
ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"
HARMLESS = "arn:aws:iam::aws:policy/AWSXRayDaemonWriteAccess"


def _second(statement: Body) -> Callable[[MutationTarget], Iterator[Site]]:
    """Append `statement` to each policy, for the principal of the policy's first statement."""

    def sites(target: MutationTarget) -> Iterator[Site]:
        for path, existing, owner in documents(target):
            if statement is BROAD_RESOURCE and target.kind(owner) in MEAN_THEMSELVES:
                continue
            first = existing[0] if isinstance(existing[0], dict) else {}
            principal = {key: first[key] for key in ("Principal",) if key in first}
            yield Site((*path, len(existing)), statement | principal, {"Ref": "AWS::NoValue"})

    return sites


def _only(target: MutationTarget) -> Iterator[Break]:
    """Replace the statement list by one broad statement, written as an object."""
    for path, existing, _ in documents(target):
        if isinstance(existing[0], dict) and "Principal" not in existing[0]:
            yield (Edit(path, BROAD),)


def _second_policy(target: MutationTarget) -> Iterator[Site]:
    body: Body = {"PolicyName": "mutant", "PolicyDocument": document(BROAD)}
    for logical_id, properties in target.resources(*ROLE_LIKE):
        count = len(as_rows(properties.get("Policies", [])))
        path = ("Resources", logical_id, "Properties", "Policies")
        if count:
            yield Site((*path, count), body, {"Ref": "AWS::NoValue"})
        else:
            yield Site(path, body, {"Ref": "AWS::NoValue"}, lambda value: [value])


def _standalone(kind: str, **names: Part) -> Callable[[MutationTarget], Iterator[Break]]:
    """Add a standalone policy resource of type `kind` for each role."""

    def apply(target: MutationTarget) -> Iterator[Break]:
        for logical_id, _ in target.resources(ROLE):
            attached = {
                key: [{"Ref": logical_id}] if value == [ROLE] else {"Ref": logical_id}
                for key, value in names.items()
                if value in (ROLE, [ROLE])
            }
            others = {key: value for key, value in names.items() if value not in (ROLE, [ROLE])}
            body = attached | others | {"PolicyDocument": document(BROAD_RESOURCE)}
            added: Body = {"Type": kind, "Properties": body}
            yield (Edit(("Resources", f"MutantOf{logical_id}"), added),)

    return apply


def _standalone_later(target: MutationTarget) -> Iterator[Break]:
    """Add a standalone policy for each role, under a condition that is off by default."""
    for logical_id, _ in target.resources(ROLE):
        body: Body = {
            "Type": "AWS::IAM::Policy",
            "Condition": ON,
            "Properties": {
                "PolicyName": "mutant",
                "Roles": [{"Ref": logical_id}],
                "PolicyDocument": document(BROAD),
            },
        }
        yield (Edit(("Resources", f"MutantOf{logical_id}"), body), *switch(target))


def _not_action(target: MutationTarget) -> Iterator[Break]:
    for grant in statements(target):
        if "Action" in grant.body:
            actions = grant.body["Action"]
            yield (Edit((*grant.path, "NotAction"), actions), Edit((*grant.path, "Action"), GONE))


def _not_principal(target: MutationTarget) -> Iterator[Break]:
    for grant in statements(target):
        if "Principal" in grant.body:
            principal = grant.body["Principal"]
            path = grant.path
            yield (Edit((*path, "NotPrincipal"), principal), Edit((*path, "Principal"), GONE))


def _as_text(target: MutationTarget) -> Iterator[Break]:
    """Replace the policy document by JSON text that contains a pseudo parameter."""
    text = json.dumps(document(BROAD)).replace("example-bucket", "${AWS::StackName}")
    for path, existing, _ in documents(target):
        if "Principal" not in as_body(existing[0]):
            yield (Edit(path[:-1], {"Fn::Sub": text}),)


def _imported(target: MutationTarget) -> Iterator[Site]:
    for path, _, _owner in documents(target):
        yield Site(path[:-1], "", None)


def _denied(target: MutationTarget) -> Iterator[Site]:
    """Turn a Deny on every resource into an Allow, where the action supports resources."""
    for grant in statements(target, "Deny"):
        if limitable(grant) and any(is_broad(value) for value in grant.resources):
            yield Site((*grant.path, "Effect"), "Allow", "Deny")


def _attached(arn: Part) -> Callable[[MutationTarget], Iterator[Site]]:
    def sites(target: MutationTarget) -> Iterator[Site]:
        for logical_id, properties in target.resources(*ROLE_LIKE):
            path = ("Resources", logical_id, "Properties", "ManagedPolicyArns")
            others = as_rows(properties.get("ManagedPolicyArns", []))
            if others:
                yield Site((*path, len(others)), arn, HARMLESS)
            else:
                yield Site(path, arn, HARMLESS, lambda value: [value])

    return sites


OPERATORS: tuple[Operator, ...] = (
    plain("statement-action", "a second statement with all actions of a service", ACTIONS,
          _second(BROAD)),
    plain("statement-resource", "a second statement on every resource", RESOURCES,
          _second(BROAD_RESOURCE)),
    *obfuscated("statement-resource", "a second statement on every resource", RESOURCES,
               _second(BROAD_RESOURCE), (IF,)),
    Operator("statement-object", "one broad statement instead of the list", ACTIONS, _only),
    plain("policy-inline", "a second inline policy", ACTIONS, _second_policy),
    *obfuscated("policy-inline", "a second inline policy", ACTIONS, _second_policy, (IF,)),
    Operator("policy-standalone", "an AWS::IAM::Policy of the role", RESOURCES,
             _standalone("AWS::IAM::Policy", PolicyName="mutant", Roles=[ROLE])),
    Operator("policy-role-policy", "an AWS::IAM::RolePolicy of the role", RESOURCES,
             _standalone("AWS::IAM::RolePolicy", PolicyName="mutant", RoleName=ROLE)),
    Operator("policy-managed", "an AWS::IAM::ManagedPolicy of the role", RESOURCES,
             _standalone("AWS::IAM::ManagedPolicy", Roles=[ROLE])),
    Operator("policy-standalone-later", "a standalone policy that is off by default", ACTIONS,
             _standalone_later),
    Operator("action-not", "Action becomes NotAction", INVERTED, _not_action),
    Operator("principal-not", "Principal becomes NotPrincipal", INVERTED, _not_principal),
    plain("effect-allow", "a Deny of everything becomes an Allow", RESOURCES, _denied),
    *obfuscated("effect-allow", "a Deny of everything becomes an Allow", RESOURCES, _denied, (IF,)),
    Operator("document-text", "a broad policy, written as JSON text", ACTIONS, _as_text),
    *obfuscated("document", "a policy document that is stored elsewhere", ACTIONS, _imported,
               UNKNOWABLE),
    plain("managed-administrator", "AdministratorAccess is attached", MANAGED,
          _attached(ADMINISTRATOR)),
    plain("managed-partition", "AdministratorAccess of any partition is attached", MANAGED,
          _attached({"Fn::Sub": "arn:${AWS::Partition}:iam::aws:policy/AdministratorAccess"})),
    plain("managed-power-user", "PowerUserAccess is attached", MANAGED,
          _attached("arn:aws:iam::aws:policy/PowerUserAccess")),
    *obfuscated("managed-administrator", "AdministratorAccess is attached", MANAGED,
               _attached(ADMINISTRATOR)),
)  # fmt: skip
