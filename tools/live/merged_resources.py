"""Resources that templates declare apart and the account keeps inside another resource.

A security group holds the rules that templates declare on their own, and a role the policies that
other resources put into it. Those resources own them, so they are removed from the live values of
the group or role. A standalone rule that is in no group is gone.
"""

from collections.abc import Iterator, Mapping

from tljudge.resolve.deployment import Resource, Stack
from tools.live.compare import Names
from tools.live.reading import Read
from tools.live.stacks import LiveStack

GROUP, EGRESS, INGRESS = (f"AWS::EC2::SecurityGroup{name}" for name in ("", "Egress", "Ingress"))
_POLICIES = ("AWS::IAM::Policy", "AWS::IAM::RolePolicy")


class MergedResources:
    """The deployed resources whose values are kept inside other resources."""

    def __init__(
        self, live: Mapping[str, LiveStack], stacks: Mapping[str, Stack], names: Names
    ) -> None:
        self._names = names
        self._of_type: dict[str, list[tuple[Resource, str]]] = {}
        for path, stack in live.items():
            for logical_id, (kind, physical_id) in stack.resources.items():
                resource = stacks[path].resources.get(logical_id)
                if resource is not None:
                    self._of_type.setdefault(kind, []).append((resource, physical_id))
        self._matched: set[int] = set()

    def remove_from(self, resource: Resource, read: Read) -> None:
        """Remove live values that another resource declares."""
        if resource.type == GROUP:
            group_id = next(own for group, own in self._of_type[GROUP] if group is resource)
            for kind, name in ((EGRESS, "SecurityGroupEgress"), (INGRESS, "SecurityGroupIngress")):
                self._remove_rules(kind, group_id, read.properties.get(name, []))
        elif resource.type == "AWS::IAM::Role":
            inline = {
                self._names.text(policy.get("PolicyName"))
                for kind in _POLICIES
                for policy, _ in self._of_type.get(kind, ())
            }
            policies = read.properties.get("Policies", [])
            policies[:] = [policy for policy in policies if policy["PolicyName"] not in inline]
            managed = {own for _, own in self._of_type.get("AWS::IAM::ManagedPolicy", ())}
            declared = resource.get("ManagedPolicyArns")
            listed = declared if isinstance(declared, list) else []
            named = {self._names.text(arn) for arn in listed}
            arns = read.properties.get("ManagedPolicyArns", [])
            arns[:] = [arn for arn in arns if arn not in managed or arn in named]

    def _remove_rules(self, kind: str, group_id: str, rules: list[object]) -> None:
        for resource, _ in self._of_type.get(kind, ()):
            if self._names.text(resource.get("GroupId")) != group_id:
                continue
            body = resource.body.get("Properties")
            names = body.keys() if isinstance(body, dict) else ()
            wanted = {name: resource.get(name) for name in names if name != "GroupId"}
            for rule in rules:
                if not any(self._names.differences(wanted, rule, "")):
                    rules.remove(rule)
                    self._matched.add(id(resource))
                    break

    def unmatched_egress(self) -> Iterator[tuple[Resource, Resource | None]]:
        """Standalone egress rules that no group has, each with its group where that is known."""
        groups = {own: group for group, own in self._of_type.get(GROUP, ())}
        for resource, _ in self._of_type.get(EGRESS, ()):
            if id(resource) not in self._matched:
                yield resource, groups.get(self._names.text(resource.get("GroupId")) or "")
