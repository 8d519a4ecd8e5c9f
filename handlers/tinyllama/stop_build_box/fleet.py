"""The stack's machines and addresses: found on every page, ended one at a time.

A node is stopped, because its volume is kept. A builder is terminated: nobody starts one again, a
stopped one bills for its volume, and CloudFormation did not make it and so does not delete it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from math import inf
from typing import TYPE_CHECKING, Any, Literal

from tinyllama.stop_build_box.clients import code_of
from tinyllama.stop_build_box.settings import GuardSettings

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ec2.type_defs import FilterTypeDef

Role = Literal["gpu-node", "builder"]
PAGE_SIZE = 20
"""Small, so that a test can fill more than one page; EC2 takes 5 to 1000."""
AWAKE = ("pending", "running")
KEPT = ("stopping", "stopped")
_ENDED_AT = re.compile(r"\((\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) (?:GMT|UTC)\)")


@dataclass(frozen=True, slots=True)
class Machine:
    """An instance: its last start, and its end if any; infinite where EC2 does not say when."""

    instance_id: str
    role: Role
    instance_type: str
    state: str
    launched_s: float
    ended_s: float | None = None

    @property
    def bills(self) -> bool:
        """Whether the guard has to end it: a stopped builder bills for its volume for ever."""
        return self.state in AWAKE or (self.role == "builder" and self.state in KEPT)


def find(ec2: "EC2Client", settings: GuardSettings) -> list[Machine]:
    """Every node and builder of the stack, also those that have ended: EC2 tells of a terminated
    one for about an hour."""
    filters: list[FilterTypeDef] = [
        *_own(settings),
        {"Name": "tag:Role", "Values": ["gpu-node", "builder"]},
    ]
    pages = ec2.get_paginator("describe_instances").paginate(
        Filters=filters, PaginationConfig={"PageSize": PAGE_SIZE}
    )
    return [
        _machine(instance)
        for page in pages
        for reservation in page["Reservations"]
        for instance in reservation["Instances"]
    ]


def unattached(ec2: "EC2Client", settings: GuardSettings) -> list[str]:
    """Allocation ids of the stack's addresses that nothing uses. DescribeAddresses has no pages.

    EC2's filter by tag is not relied on alone: an address is given back for good.
    """
    answer = ec2.describe_addresses(Filters=_own(settings))
    own = {"Project": settings.project, "Stack": settings.stack}
    return [
        address["AllocationId"]
        for address in answer["Addresses"]
        if "AssociationId" not in address
        and own.items() <= {t["Key"]: t["Value"] for t in address.get("Tags", [])}.items()
    ]


def end(ec2: "EC2Client", machine: Machine, *, is_rehearsal: bool = False) -> None:
    """Stop a node, terminate a builder; a rehearsal asks EC2 whether it would."""
    ids = [machine.instance_id]
    if machine.role == "builder":
        ec2.terminate_instances(InstanceIds=ids, DryRun=is_rehearsal)
    else:
        ec2.stop_instances(InstanceIds=ids, DryRun=is_rehearsal)


def release(ec2: "EC2Client", allocation_id: str, *, is_rehearsal: bool = False) -> None:
    """Give an address back; EC2 refuses one that has been attached meanwhile."""
    ec2.release_address(AllocationId=allocation_id, DryRun=is_rehearsal)


@dataclass(frozen=True, slots=True)
class Tried:
    """What worked, and what did not and why, each a line for log and mail."""

    done: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()


def each(names: "dict[str, Any]") -> Tried:
    """Call every function of `names`; one refusal does not spare the others.

    A rehearsal's permission arrives as the error `DryRunOperation`, and counts as done.
    """
    done, failed = [], []
    for name, act in names.items():
        refusal = _refusal(act)
        if refusal is None:
            done.append(name)
        else:
            failed.append(f"{name}: {refusal}")
    return Tried(tuple(done), tuple(failed))


def _refusal(act: Any) -> str | None:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        act()
    except (ClientError, BotoCoreError) as error:
        code = code_of(error)
        return None if code == "DryRunOperation" else code
    return None


def _own(settings: GuardSettings) -> "list[FilterTypeDef]":
    return [
        {"Name": "tag:Project", "Values": [settings.project]},
        {"Name": "tag:Stack", "Values": [settings.stack]},
    ]


def _machine(instance: Any) -> Machine:
    tags = {tag["Key"]: tag["Value"] for tag in instance["Tags"]}
    return Machine(
        instance_id=instance["InstanceId"],
        role=tags["Role"],
        instance_type=instance["InstanceType"],
        state=instance["State"]["Name"],
        launched_s=instance["LaunchTime"].timestamp(),
        ended_s=None if instance["State"]["Name"] in AWAKE else _end(instance),
    )


def _end(instance: Any) -> float:
    """When it ended: EC2 says it in a sentence, and that may be empty.

    https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_Instance.html
    """
    found = _ENDED_AT.search(instance.get("StateTransitionReason") or "")
    if found is None:
        return inf
    return datetime.strptime(f"{found[1]} +0000", "%Y-%m-%d %H:%M:%S %z").timestamp()


def described(machines: "list[Machine]") -> Iterator[str]:
    """A line a machine, for log and mail."""
    for machine in machines:
        yield f"{machine.role} {machine.instance_id} ({machine.instance_type})"
