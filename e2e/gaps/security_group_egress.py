"""MiniStack's CloudFormation does not know standalone egress rules of a security group."""

from typing import Any

from e2e.gaps.gap import Gap

GAP = Gap(
    name="security-group-egress",
    lacks="AWS::EC2::SecurityGroupEgress is an unknown resource type",
    stand_in="the rule is written into the group, where DescribeSecurityGroups shows it",
)

Rule = dict[str, Any]


def install() -> None:
    """Register the resource type in a MiniStack process."""
    from ministack.services import ec2
    from ministack.services.cloudformation import provisioners

    def permission(props: Rule) -> Rule:
        return dict(provisioners._ec2_sg_permissions([props])[0])

    def create(logical_id: str, props: Rule, stack: str) -> tuple[str, Rule]:
        group = ec2._security_groups.get(props["GroupId"])
        if group is None:
            raise ValueError(
                f"{logical_id}: the security group '{props['GroupId']}' does not exist"
            )
        group["IpPermissionsEgress"].append(permission(props))
        rule_id = ec2._new_sg_id().replace("sg-", "sgr-")
        return rule_id, {"Id": rule_id}

    def delete(physical_id: str, props: Rule) -> None:
        group = ec2._security_groups.get(props["GroupId"])
        if group is not None and permission(props) in group["IpPermissionsEgress"]:
            group["IpPermissionsEgress"].remove(permission(props))

    provisioners._RESOURCE_HANDLERS["AWS::EC2::SecurityGroupEgress"] = {
        "create": create,
        "delete": delete,
    }
