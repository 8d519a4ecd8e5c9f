"""Survivors: resources, snapshots and volumes that stay after their stack is deleted.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-attribute-deletionpolicy.html
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/preserving-volumes-on-termination.html
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tljudge.cost.machines import ROOT_DEVICES, Settings, launch_data, mappings
from tljudge.decode.nodes import Map, Mark
from tljudge.resolve.deployment import NESTED, Resource
from tljudge.resolve.quantities import is_true
from tljudge.resolve.values import EMPTY, NOVALUE, Text, Unknown, Value, display, why

STAYS, MAY_STAY, UNBILLED = "stays", "may stay", "stays for a time, without a bill"
_KEEPS = ("Retain", "RetainExceptOnCreate", "Snapshot")
LAUNCHES = (
    "AWS::EC2::Instance",
    "AWS::EC2::LaunchTemplate",
    "AWS::AutoScaling::LaunchConfiguration",
)


@dataclass(frozen=True, slots=True)
class Survivor:
    """A survivor: its message, its state, and its place.

    `silent` is true if AWS keeps it although the template does not ask for it.
    """

    what: str
    state: str
    mark: Mark
    silent: bool = False


def survivors(resource: Resource) -> Iterator[Survivor]:
    """Yield every survivor of a resource."""
    yield from _policies(resource)
    yield from _protected(resource)
    if resource.type in LAUNCHES:
        yield from _volumes(resource)
    if resource.type in _PARTICULAR:
        yield from _PARTICULAR[resource.type](resource)


def _policies(resource: Resource) -> Iterator[Survivor]:
    for name in ("DeletionPolicy", "UpdateReplacePolicy"):
        raw = resource.body.get(name)
        mark = resource.body.marks.get(name, resource.mark)
        value = resource.stack.value(raw)
        event = "after the stack" if name == "DeletionPolicy" else "after its replacement"
        if raw is None:
            if name == "DeletionPolicy" and _snapshot_by_default(resource):
                yield Survivor(
                    "a snapshot stays after the stack: without a DeletionPolicy AWS creates one",
                    STAYS,
                    resource.mark,
                    silent=True,
                )
        elif isinstance(value, str) and value in _KEEPS:
            survivor = "a snapshot stays" if value == "Snapshot" else "stays"
            yield Survivor(f"{survivor} {event}: {name} {value}", STAYS, mark)
        elif value != "Delete":
            yield Survivor(f"whether it stays {event} is unknown: {name}", MAY_STAY, mark)


def _snapshot_by_default(resource: Resource) -> bool:
    alone = resource.type == "AWS::RDS::DBInstance" and (
        resource.get("DBClusterIdentifier") is NOVALUE
    )
    return alone or resource.type == "AWS::RDS::DBCluster"


_PROTECTIONS = (
    "DeletionProtection",
    "DeletionProtectionEnabled",
    "DisableApiTermination",
)


def _protected(resource: Resource) -> Iterator[Survivor]:
    for name in _PROTECTIONS:
        value = resource.get(name)
        if value is NOVALUE:
            continue
        mark = resource.mark_of(name)
        if isinstance(value, Unknown | Text):
            reason = f"whether AWS refuses its deletion is unknown: {why(value)}"
            yield Survivor(reason, MAY_STAY, mark)
        elif is_true(value) or value == "ACTIVE":
            yield Survivor(f"stays, because {name} refuses its deletion", STAYS, mark)
    attributes = resource.get("LoadBalancerAttributes")
    mark = resource.mark_of("LoadBalancerAttributes")
    for attribute in attributes if isinstance(attributes, list) else [attributes]:
        if isinstance(attribute, Unknown):
            reason = f"whether AWS refuses its deletion is unknown: {why(attribute)}"
            yield Survivor(reason, MAY_STAY, mark)
            continue
        key, value = (
            (attribute.get("Key"), attribute.get("Value"))
            if isinstance(attribute, dict)
            else (None, None)
        )
        if key == "deletion_protection.enabled" or isinstance(key, Unknown | Text):
            refused = is_true(value)
            if refused is not False:
                is_certain = refused and isinstance(key, str)
                state = STAYS if is_certain else MAY_STAY
                yield Survivor(
                    "stays, because deletion protection refuses its deletion", state, mark
                )


def _volumes(resource: Resource) -> Iterator[Survivor]:
    name = "BlockDeviceMappings"
    mark = resource.mark_of(name)
    launch_data_of_template: Map[Value] | Unknown = EMPTY
    if resource.type == "AWS::EC2::LaunchTemplate":
        data = resource.get("LaunchTemplateData")
        launch_data_of_template, mark = (
            data if isinstance(data, dict | Unknown) else EMPTY,
            resource.mark_of("LaunchTemplateData", name),
        )
        by_device, unclear = mappings(Settings(None, launch_data_of_template))
    else:
        by_device, unclear = mappings(Settings(resource, EMPTY))
    if resource.type == "AWS::EC2::Instance":
        shared = launch_data(resource, resource.get("LaunchTemplate"))
        if isinstance(shared, Unknown):
            unclear.append(why(shared))
    for reason in unclear:
        yield Survivor(f"whether its volumes stay is unknown: {reason}", MAY_STAY, mark)
    for device, mapping in by_device.items():
        disk = mapping.get("Ebs", NOVALUE)
        if isinstance(disk, Unknown):
            yield Survivor(f"whether volume {device} stays is unknown", MAY_STAY, mark)
        elif isinstance(disk, dict):
            yield from _volume(resource, device, disk, mark)


def _volume(resource: Resource, device: str, disk: Map[Value], mark: Mark) -> Iterator[Survivor]:
    value = disk.get("DeleteOnTermination", NOVALUE)
    at = disk.marks.get("DeleteOnTermination", mark)
    if value is NOVALUE:
        # A group deletes the volumes it launched; elsewhere only the root volume defaults to true.
        if resource.type != "AWS::AutoScaling::LaunchConfiguration" and device not in ROOT_DEVICES:
            message = f"volume {device} may stay: DeleteOnTermination is not set"
            yield Survivor(message, MAY_STAY, at)
    elif is_true(value) is None:
        yield Survivor(f"whether volume {device} stays is unknown: {why(value)}", MAY_STAY, at)
    elif not is_true(value):
        message = f"volume {device} stays after its instance: DeleteOnTermination false"
        yield Survivor(message, STAYS, at)


def _bucket(resource: Resource) -> Iterator[Survivor]:
    message = "stays unless something empties it first: a bucket with objects is not deleted"
    yield Survivor(message, MAY_STAY, resource.mark)


def _repository(resource: Resource) -> Iterator[Survivor]:
    value = resource.get("EmptyOnDelete")
    if is_true(value) is False:
        message = "stays while it holds an image: no EmptyOnDelete"
        yield Survivor(message, STAYS, resource.mark_of("EmptyOnDelete"))
    elif is_true(value) is None:
        message = f"whether it stays with its images is unknown: {why(value)}"
        yield Survivor(message, MAY_STAY, resource.mark_of("EmptyOnDelete"))


def _set(name: str, message: str) -> Callable[[Resource], Iterator[Survivor]]:
    def survivors_of(resource: Resource) -> Iterator[Survivor]:
        if resource.get(name) is not NOVALUE:
            yield Survivor(message, STAYS, resource.mark_of(name))

    return survivors_of


def _database(resource: Resource) -> Iterator[Survivor]:
    name = "DeleteAutomatedBackups"
    value = resource.get(name)
    if value is not NOVALUE and is_true(value) is not True:
        state = MAY_STAY if is_true(value) is None else STAYS
        yield Survivor("its automated backups stay", state, resource.mark_of(name))


def _files(resource: Resource) -> Iterator[Survivor]:
    backup = resource.get("BackupPolicy")
    status = backup.get("Status", NOVALUE) if isinstance(backup, dict) else backup
    if status not in (NOVALUE, "DISABLED"):
        state = STAYS if status == "ENABLED" else MAY_STAY
        yield Survivor(
            "its backups stay in the backup vault", state, resource.mark_of("BackupPolicy")
        )


def _key(resource: Resource) -> Iterator[Survivor]:
    days = resource.get("PendingWindowInDays")
    text = "30" if days is NOVALUE else display(days, 20)
    # https://aws.amazon.com/kms/pricing/
    yield Survivor(f"waits {text} days for its deletion", UNBILLED, resource.mark)


def _secret(resource: Resource) -> Iterator[Survivor]:
    # https://docs.aws.amazon.com/secretsmanager/latest/userguide/manage_delete-secret.html
    yield Survivor("waits 7 to 30 days for its deletion", UNBILLED, resource.mark)


_PARTICULAR: dict[str, Callable[[Resource], Iterator[Survivor]]] = {
    "AWS::ECR::Repository": _repository,
    "AWS::EFS::FileSystem": _files,
    "AWS::ElastiCache::ServerlessCache": _set("FinalSnapshotName", "a final snapshot stays"),
    "AWS::KMS::Key": _key,
    "AWS::RDS::DBCluster": _database,
    "AWS::RDS::DBInstance": _database,
    "AWS::S3::Bucket": _bucket,
    "AWS::SecretsManager::Secret": _secret,
}
# These cost nothing themselves, but their content or what they launch does.
HOLDERS = ("AWS::Logs::LogGroup", NESTED, *LAUNCHES)
