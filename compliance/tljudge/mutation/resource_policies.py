"""Operators that open a resource policy: to everybody, or to a service acting for everybody."""

from collections.abc import Callable, Iterator

from tljudge.mutation.edits import GONE, NO_VALUE, Break, Edit, Part
from tljudge.mutation.obfuscations import IF, Site, obfuscated, plain
from tljudge.mutation.operator import Operator
from tljudge.mutation.permissions import resource_policies
from tljudge.mutation.target import MutationTarget

NAMED = ("TL_IAM_7",)
ENDPOINT, PERMISSION = "AWS::EC2::VPCEndpoint", "AWS::Lambda::Permission"
DEPUTY = "cloudtrail.amazonaws.com"
ANOTHER_ROLE = "arn:aws:iam::111122223333:role/somebody"


def _whole(bad: Part) -> Callable[[MutationTarget], Iterator[Site]]:
    """The principal of each resource policy statement that has no condition."""

    def sites(target: MutationTarget) -> Iterator[Site]:
        for grant in resource_policies(target):
            if "Condition" not in grant.body:
                yield Site((*grant.path, "Principal"), bad, grant.body["Principal"])

    return sites


def _accounts(bad: Part) -> Callable[[MutationTarget], Iterator[Site]]:
    def sites(target: MutationTarget) -> Iterator[Site]:
        for site in _whole(bad)(target):
            yield Site(site.path, bad, ANOTHER_ROLE, lambda value: {"AWS": value})

    return sites


def _deputy(target: MutationTarget) -> Iterator[Site]:
    if DEPUTY in target.policy.deputies:
        yield from _whole({"Service": DEPUTY})(target)


def _endpoints(target: MutationTarget) -> Iterator[Site]:
    for logical_id, properties in target.resources(ENDPOINT):
        if "PolicyDocument" in properties:
            path = ("Resources", logical_id, "Properties", "PolicyDocument")
            yield Site(path, NO_VALUE, properties["PolicyDocument"])


def _sources(target: MutationTarget) -> Iterator[Site]:
    """The source that limits on whose behalf a service may invoke a function."""
    for logical_id, properties in target.resources(PERMISSION):
        if "SourceArn" in properties and "SourceAccount" not in properties:
            path = ("Resources", logical_id, "Properties", "SourceArn")
            yield Site(path, NO_VALUE, properties["SourceArn"])


def _removed(
    sites: Callable[[MutationTarget], Iterator[Site]],
) -> Callable[[MutationTarget], Iterator[Break]]:
    def apply(target: MutationTarget) -> Iterator[Break]:
        for site in sites(target):
            yield (Edit(site.path, GONE),)

    return apply


def _anybody(target: MutationTarget) -> Iterator[Break]:
    for site in _sources(target):
        yield Edit((*site.path[:-1], "Principal"), "*"), Edit(site.path, GONE)


EVERY_AWS_PRINCIPAL = _accounts("*")
OPERATORS: tuple[Operator, ...] = (
    plain("open-all", "a resource policy admits everybody", NAMED, _whole("*")),
    plain("open-aws", "a resource policy admits every AWS principal", NAMED, EVERY_AWS_PRINCIPAL),
    plain("open-mixed", "a resource policy admits everybody, among others", NAMED,
          _accounts([ANOTHER_ROLE, "*"])),
    *obfuscated("open-aws", "a resource policy admits every AWS principal", NAMED,
               EVERY_AWS_PRINCIPAL),
    plain("open-deputy", "a resource policy admits a service that acts for any account", NAMED,
          _deputy),
    Operator("endpoint-policy-gone", "an endpoint has no policy", NAMED, _removed(_endpoints)),
    *obfuscated("endpoint-policy", "an endpoint has no policy", NAMED, _endpoints, (IF,)),
    Operator("source-gone", "a service may invoke a function for any account", NAMED,
             _removed(_sources)),
    *obfuscated("source", "a service may invoke a function for any account", NAMED, _sources,
               (IF,)),
    Operator("source-anybody", "everybody may invoke a function", NAMED, _anybody),
)  # fmt: skip
