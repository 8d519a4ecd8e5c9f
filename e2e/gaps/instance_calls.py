"""MiniStack's EC2 has no dry run, no pages of instances, and launches without a template.

Installed after `instance`, whose actions it wraps.
"""

import re
import time
from collections.abc import Callable
from typing import Any

from e2e.gaps.gap import Gap
from e2e.gaps.instance_behaviour import behaviour
from e2e.gaps.instance_launch import launch

GAP = Gap(
    name="instance-calls",
    lacks="DryRun, pages of DescribeInstances, ClientToken and launch templates of RunInstances, "
    "the end of a terminated instance's volume, and tags of addresses in IAM's conditions",
    stand_in="they are added before MiniStack's own actions",
)
_ENDING = ("StopInstances", "TerminateInstances", "ReleaseAddress")
_launched: dict[str, Any] = {}

Action = Callable[[Any], Any]


def install() -> None:
    """Wrap the actions in a MiniStack process."""
    from ministack.services import ec2, tagging

    for name in _ENDING:
        ec2._ACTION_MAP[name] = _careful(ec2._ACTION_MAP[name])
    ec2._ACTION_MAP["DescribeInstances"] = _paged(ec2._ACTION_MAP["DescribeInstances"])
    ec2._ACTION_MAP["RunInstances"] = _from_template(ec2._ACTION_MAP["RunInstances"])
    instances = tagging._COLLECTORS["ec2"]

    def collect() -> Any:
        from ministack.core.responses import get_account_id, get_region

        yield from instances()
        for own in list(ec2._addresses.keys()):
            arn = f"arn:aws:ec2:{get_region()}:{get_account_id()}:elastic-ip/{own}"
            yield arn, ec2._tags.get(own, [])

    tagging._COLLECTORS["ec2"] = tagging._RESOURCE_TAG_COLLECTORS["ec2"] = collect


def _careful(act: Action) -> Action:
    """With a dry run, and with the one refusal that a test may ask for."""

    def call(params: Any) -> Any:
        from ministack.services import ec2

        if behaviour.refuses_end in ec2._parse_member_list(params, "InstanceId"):
            return ec2._error("IncorrectInstanceState", "as a test asked for", 400)
        if ec2._p(params, "DryRun") == "true":
            return ec2._error("DryRunOperation", "Request would have succeeded", 412)
        answer = act(params)
        for own in ec2._parse_member_list(params, "InstanceId"):
            _drop_volumes(ec2._instances.get(own) or {})
        return answer

    return call


def _drop_volumes(instance: dict[str, Any]) -> None:
    """Delete what goes with a terminated instance; MiniStack keeps it."""
    from ministack.services import ec2

    if instance.get("State", {}).get("Name") != "terminated":
        return
    for mapping in instance.get("BlockDeviceMappings", []):
        if mapping["Ebs"]["DeleteOnTermination"]:
            ec2._volumes.pop(mapping["Ebs"]["VolumeId"], None)
            ec2._tags.pop(mapping["Ebs"]["VolumeId"], None)


def _paged(act: Action) -> Action:
    """With MaxResults and NextToken, a number here."""

    def call(params: Any) -> Any:
        from ministack.services import ec2

        for own, age_s in behaviour.launch_ages_s.items():
            ago = time.gmtime(time.time() - age_s)
            ec2._instances[own]["LaunchTime"] = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", ago)
        status, headers, body = act(params)
        most = int(ec2._p(params, "MaxResults") or 0)
        if status != 200 or not most:
            return status, headers, body
        first = int(ec2._p(params, "NextToken") or 0)
        head, *items = re.split(r"(?=<item>\s*<reservationId>)", _text(body))
        if not items:
            return status, headers, body
        last, tail = items[-1].rsplit("</reservationSet>", 1)
        items[-1] = last
        page = "".join(items[first : first + most])
        more = first + most < len(items)
        token = f"<nextToken>{first + most}</nextToken>" if more else ""
        return status, headers, f"{head}{page}</reservationSet>{token}{tail}".encode()

    return call


def _from_template(act: Action) -> Action:
    """One instance of a launch template, as RunInstances makes it; the same token, the same one."""

    def call(params: Any) -> Any:
        from ministack.services import ec2

        template = ec2._p(params, "LaunchTemplate.LaunchTemplateId")
        if not template:
            return act(params)
        token = ec2._p(params, "ClientToken")
        instance = _launched.get(token) if token else None
        if instance is None:
            reference = {"LaunchTemplateId": template}
            instance = launch("RunInstances", {"LaunchTemplate": reference})
            instance["PublicIpAddress"] = ec2._random_ip("54.")
            _launched[token] = instance
        items = ec2._instance_xml(instance)
        own = f"<instancesSet>{items}</instancesSet><reservationId>r-0</reservationId>"
        return ec2._xml(200, "RunInstancesResponse", own)

    return call


def _text(body: Any) -> str:
    return body.decode() if isinstance(body, bytes) else str(body)
