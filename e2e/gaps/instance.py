"""MiniStack's instances run nothing, have no pending or stopping state and no CloudFormation type.

A process of `machine.py` stands in for the machine. It starts when the instance starts, and gets
SIGTERM when the instance stops. An instance whose machine powers itself off becomes `stopped`, as
its shutdown behaviour says. `instance_behaviour.py` says how long states last.
"""

import base64
import contextvars
import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from e2e.gaps import instance_behaviour, instance_signals
from e2e.gaps.gap import Gap
from e2e.gaps.instance_behaviour import behaviour
from e2e.gaps.instance_launch import Props, launch, tag_pairs
from e2e.gaps.instance_signals import SOON_S, emit

GAP = Gap(
    name="instance",
    lacks="AWS::EC2::Instance, ModifyInstanceAttribute, the states pending and stopping, their "
    "events, the condition key ec2:InstanceType, and anything that runs on an instance",
    stand_in="a local process boots the node's package with the instance's own role and settings; "
    "each change of a state is an event on MiniStack's own bus, and IAM is told the type",
)

POWER_OFF_LIMIT_S = 20.0
_CODES = {"pending": 0, "running": 16, "stopping": 64, "stopped": 80}

_machines: dict[str, subprocess.Popen[bytes]] = {}


def install() -> None:
    """Register the type and the lifecycle in a MiniStack process."""
    from ministack.services import ec2, tagging
    from ministack.services.cloudformation import provisioners

    ec2._ACTION_MAP["StartInstances"] = _start_instances
    ec2._ACTION_MAP["StopInstances"] = _stop_instances
    ec2._ACTION_MAP["ModifyInstanceAttribute"] = _modify_instance_attribute
    terminate = ec2._ACTION_MAP["TerminateInstances"]

    def terminate_with_machine(params: Any) -> Any:
        for instance_id in ec2._parse_member_list(params, "InstanceId"):
            _power_off(instance_id, signal.SIGKILL)
        return terminate(params)

    ec2._ACTION_MAP["TerminateInstances"] = terminate_with_machine
    provisioners._RESOURCE_HANDLERS["AWS::EC2::Instance"] = {
        "create": _create,
        "update": _update,
        "update_with_logical_id": True,
        "delete": _delete,
    }
    provisioners._STACK_TAG_PROPERTY["AWS::EC2::Instance"] = ("Tags", "list")
    tagging._COLLECTORS["ec2"] = tagging._RESOURCE_TAG_COLLECTORS["ec2"] = _instance_tags
    instance_behaviour.install()
    instance_signals.install()


def _create(logical_id: str, props: Props, stack: str) -> tuple[str, Props]:
    instance = launch(logical_id, props)
    _power_on(instance, first_boot=True)
    return instance["InstanceId"], {
        "InstanceId": instance["InstanceId"],
        "PrivateIp": instance["PrivateIpAddress"],
        "AvailabilityZone": instance["Placement"]["AvailabilityZone"],
    }


def _update(
    physical_id: str, old: Props, new: Props, stack: str, logical_id: str | None = None
) -> tuple[str, Props]:
    """Apply what changed between two templates: tags and type in place, else a new instance."""
    from ministack.services import ec2

    instance = ec2._instances[physical_id]
    changed = {k for k in {*old, *new} if old.get(k) != new.get(k)}
    if changed - {"Tags", "InstanceType"}:
        _delete(physical_id, old)
        return _create(logical_id or physical_id, new, stack)
    if "InstanceType" in changed:
        instance["InstanceType"] = new["InstanceType"]
    if "Tags" in changed:
        ec2._tags[physical_id] = tag_pairs(new.get("Tags") or [])
    return physical_id, {
        "InstanceId": physical_id,
        "PrivateIp": instance["PrivateIpAddress"],
        "AvailabilityZone": instance["Placement"]["AvailabilityZone"],
    }


def _delete(physical_id: str, props: Props) -> None:
    from ministack.services import ec2

    _power_off(physical_id, signal.SIGKILL)
    instance = ec2._instances.pop(physical_id, None)
    ec2._tags.pop(physical_id, None)
    for mapping in (instance or {}).get("BlockDeviceMappings", []):
        if mapping["Ebs"]["DeleteOnTermination"]:
            ec2._volumes.pop(mapping["Ebs"]["VolumeId"], None)
            ec2._tags.pop(mapping["Ebs"]["VolumeId"], None)


def _start_instances(params: Any) -> Any:
    from ministack.services import ec2

    if behaviour.start_error:
        status = 400 if behaviour.start_error == "VcpuLimitExceeded" else 500
        return ec2._error(behaviour.start_error, "as a test asked for", status)
    answer = _transition(params, "StartInstances", "stopped", {"pending", "running"}, _power_on)
    return (200, {"Content-Type": "text/xml"}, b"") if behaviour.lose_answer else answer


def _stop_instances(params: Any) -> Any:
    def stop(instance: Props) -> None:
        _set(instance, "stopping")
        instance["_stopped_at"] = time.monotonic() + behaviour.stopping_s
        if not _power_off(instance["InstanceId"], signal.SIGTERM):
            _after(behaviour.stopping_s, _set, instance, "stopped")

    return _transition(params, "StopInstances", "running", {"stopping", "stopped"}, stop)


def _transition(
    params: Any, action: str, leaves: str, already: set[str], act: Callable[[Props], None]
) -> Any:
    """Change the state of each named instance; the answer has its old and its new state."""
    from ministack.services import ec2

    items = ""
    for instance_id in ec2._parse_member_list(params, "InstanceId"):
        instance = ec2._instances.get(instance_id)
        if instance is None:
            message = f"The instance ID '{instance_id}' does not exist"
            return ec2._error("InvalidInstanceID.NotFound", message, 400)
        before = dict(instance["State"])
        if before["Name"] == leaves:
            act(instance)
        elif before["Name"] not in already:
            message = f"The instance '{instance_id}' is not in a state from which it can be changed"
            return ec2._error("IncorrectInstanceState", message, 400)
        after = instance["State"]
        items += (
            f"<item><instanceId>{instance_id}</instanceId>"
            f"<previousState><code>{before['Code']}</code><name>{before['Name']}</name>"
            f"</previousState><currentState><code>{after['Code']}</code>"
            f"<name>{after['Name']}</name></currentState></item>"
        )
    return ec2._xml(200, f"{action}Response", f"<instancesSet>{items}</instancesSet>")


def _modify_instance_attribute(params: Any) -> Any:
    from ministack.services import ec2

    instance = ec2._instances.get(ec2._p(params, "InstanceId"))
    shape = ec2._p(params, "InstanceType.Value")
    if instance is None:
        return ec2._error("InvalidInstanceID.NotFound", "The instance ID does not exist", 400)
    if not shape:
        return ec2._error("InvalidParameterCombination", "Only InstanceType can be modified", 400)
    if instance["State"]["Name"] != "stopped":
        return ec2._error("IncorrectInstanceState", "The instance is not stopped", 400)
    instance["InstanceType"] = shape
    return ec2._xml(200, "ModifyInstanceAttributeResponse", "<return>true</return>")


def _power_on(instance: Props, first_boot: bool = False) -> None:
    """Start the machine's process; the instance is `stopped` when the process ends."""
    instance_id = instance["InstanceId"]
    machine = Path(__file__).with_name("machine.py")
    command = [os.environ["TL_GAP_MACHINE_PYTHON"], "-I", str(machine), instance_id]
    boot = {
        "userData": base64.b64decode(instance["UserData"]).decode(),
        "firstBoot": first_boot,
        "stateDir": os.environ["TL_GAP_STATE_DIR"],
        "modelUrl": os.environ["TL_GAP_MODEL_URL"],
        "endpoint": f"http://127.0.0.1:{os.environ['GATEWAY_PORT']}",
    }
    keep = ("PATH", "HOME", "TMPDIR", "LANG", "SSL_CERT_FILE")
    environment = {name: os.environ[name] for name in keep if name in os.environ}
    environment |= _role_credentials(instance)
    _set(instance, "pending")
    instance["LaunchTime"] = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())

    def run() -> None:
        if instance["State"]["Name"] != "pending":
            return  # terminated meanwhile
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=sys.stderr, env=environment
        )
        _machines[instance_id] = process
        assert process.stdin is not None  # noqa: S101 - asked for above; for the type checker
        process.stdin.write(json.dumps(boot).encode())
        process.stdin.close()
        _set(instance, "running")
        context = contextvars.copy_context()
        threading.Thread(
            target=context.run, args=(_follow, instance, process), daemon=True, name=instance_id
        ).start()

    _after(0 if first_boot else behaviour.pending_s, run)


def _after(delay_s: float, act: Callable[..., None], *arguments: Any) -> None:
    """Act after a while, for the same account and region; now if there is nothing to wait for."""
    if not delay_s:
        act(*arguments)
        return
    timer = threading.Timer(delay_s, contextvars.copy_context().run, (act, *arguments))
    timer.daemon = True
    timer.start()


def _follow(instance: Props, process: subprocess.Popen[bytes]) -> None:
    process.wait()
    time.sleep(max(0.0, instance.pop("_stopped_at", 0) - time.monotonic()))
    if _machines.get(instance["InstanceId"]) is process:
        _machines.pop(instance["InstanceId"], None)
        _set(instance, "stopped")


def _power_off(instance_id: str, how: signal.Signals) -> bool:
    """Send the machine a signal, and kill it after a while, as EC2 does; False when it is off."""
    process = _machines.get(instance_id)
    if process is None or process.poll() is not None:
        return False
    process.send_signal(how)
    cut_off = threading.Timer(POWER_OFF_LIMIT_S, process.kill)
    cut_off.daemon = True
    cut_off.start()
    return True


def _set(instance: Props, state: str) -> None:
    if (instance.get("State") or {}).get("Name") != state and behaviour.events:
        _after(SOON_S, emit, instance["InstanceId"], state)
    instance["State"] = {"Code": _CODES[state], "Name": state}
    awake = state in {"pending", "running"}
    if not (awake and instance.get("_address_while_running")):
        instance["PublicIpAddress"] = ""
    elif not instance.get("PublicIpAddress"):
        from ministack.services import ec2

        instance["PublicIpAddress"] = ec2._random_ip("54.")


def _role_credentials(instance: Props) -> dict[str, str]:
    """Credentials of the role in the instance's profile, as the metadata service gives them."""
    from ministack.core.responses import get_account_id, get_region
    from ministack.services import iam, sts

    profile = iam._lookup_instance_profile(arn=(instance["IamInstanceProfile"] or {}).get("Arn"))
    region = {"AWS_REGION": get_region(), "AWS_DEFAULT_REGION": get_region()}
    if not profile or not profile["Roles"]:
        return region
    (role,) = profile["Roles"]
    role_name = role["RoleName"] if isinstance(role, dict) else role
    seed = f"{instance['InstanceId']}:{role_name}:{os.environ['TL_GAP_SEED']}"
    digest = hashlib.sha256(seed.encode()).hexdigest()
    session = {
        "Arn": f"arn:aws:sts::{get_account_id()}:assumed-role/{role_name}/{instance['InstanceId']}",
        "UserId": f"{role_name}:{instance['InstanceId']}",
        "SecretAccessKey": digest[:40],
        "SessionToken": digest,
    }
    access_key = f"ASIA{digest[-16:].upper()}"
    sts.register_session(access_key, session)
    return region | {
        "AWS_ACCESS_KEY_ID": access_key,
        "AWS_SECRET_ACCESS_KEY": session["SecretAccessKey"],
        "AWS_SESSION_TOKEN": session["SessionToken"],
    }


def _instance_tags() -> Any:
    """The ARN and tags of every instance, for `aws:ResourceTag` in policies."""
    from ministack.core.responses import get_account_id, get_region
    from ministack.services import ec2

    for instance_id in list(ec2._instances.keys()):
        arn = f"arn:aws:ec2:{get_region()}:{get_account_id()}:instance/{instance_id}"
        yield arn, ec2._tags.get(instance_id, [])
