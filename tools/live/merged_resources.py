"""What the account keeps in one resource and templates declare in several.

A security group holds the rules that stand alone in templates, and a role the policies that other
resources put into it. They are theirs, so they are taken out of what was read of the group or role;
a standalone rule that is in no group is gone.
"""

from collections.abc import Iterator, Mapping

from tljudge.resolve.deployment import Resource, Stack
from tools.live.compare import Names
from tools.live.reading import Read
from tools.live.stacks import LiveStack

GROUP, EGRESS, INGRESS = (f"AWS::EC2::SecurityGroup{name}" for name in ("", "Egress", "Ingress"))
_POLICIES = ("AWS::IAM::Policy", "AWS::IAM::RolePolicy")


class Shares:
    """The deployed resources that are parts of others."""

    def __init__(
        self, live: Mapping[str, LiveStack], stacks: Mapping[str, Stack], names: Names
    ) -> None:
        self._names = names
        self._of_type: dict[str, list[tuple[Resource, str]]] = {}
        for path, one in live.items():
            for logical_id, (kind, physical_id) in one.resources.items():
                resource = stacks[path].resources.get(logical_id)
                if resource is not None:
                    self._of_type.setdefault(kind, []).append((resource, physical_id))
        self._met: set[int] = set()

    def take_out(self, resource: Resource, found: Read) -> None:
        """Leave of what was read what the resource itself declares, or nobody does."""
        if resource.type == GROUP:
            group = next(own for one, own in self._of_type[GROUP] if one is resource)
            for kind, name in ((EGRESS, "SecurityGroupEgress"), (INGRESS, "SecurityGroupIngress")):
                self._take_out_rules(kind, group, found.properties.get(name, []))
        elif resource.type == "AWS::IAM::Role":
            inline = {
                self._names.text(one.get("PolicyName"))
                for kind in _POLICIES
                for one, _ in self._of_type.get(kind, ())
            }
            policies = found.properties.get("Policies", [])
            policies[:] = [one for one in policies if one["PolicyName"] not in inline]
            managed = {own for _, own in self._of_type.get("AWS::IAM::ManagedPolicy", ())}
            declared = resource.get("ManagedPolicyArns")
            listed = declared if isinstance(declared, list) else []
            named = {self._names.text(one) for one in listed}
            arns = found.properties.get("ManagedPolicyArns", [])
            arns[:] = [one for one in arns if one not in managed or one in named]

    def _take_out_rules(self, kind: str, group: str, rules: list[object]) -> None:
        for resource, _ in self._of_type.get(kind, ()):
            if self._names.text(resource.get("GroupId")) != group:
                continue
            body = resource.body.get("Properties")
            names = body.keys() if isinstance(body, dict) else ()
            wanted = {name: resource.get(name) for name in names if name != "GroupId"}
            for one in rules:
                if not any(self._names.differences(wanted, one, "")):
                    rules.remove(one)
                    self._met.add(id(resource))
                    break

    def not_met(self) -> Iterator[tuple[Resource, Resource | None]]:
        """Standalone egress rules that no group has, and their groups where these are known."""
        groups = {own: one for one, own in self._of_type.get(GROUP, ())}
        for resource, _ in self._of_type.get(EGRESS, ()):
            if id(resource) not in self._met:
                yield resource, groups.get(self._names.text(resource.get("GroupId")) or "")
