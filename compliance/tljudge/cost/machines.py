"""Charges of machines: instances, Auto Scaling groups, their volumes and public addresses."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tljudge.cost.meter import ALWAYS, GROWN, HOUR, RUNNING, Charge, Meter, unpriced
from tljudge.decode.nodes import Map
from tljudge.resolve.deployment import Resource
from tljudge.resolve.quantities import Quantity, UnknownQuantity, amount, is_true, quantity
from tljudge.resolve.values import EMPTY, NOVALUE, Text, Unknown, Value, display, key_of, why

# Device names of the root volume, which the machine image declares.
ROOT_DEVICES = ("/dev/xvda", "/dev/sda1")
# Included in the price of gp3: https://aws.amazon.com/ebs/pricing/
_GP3_IOPS, _GP3_MIBPS = 3000, 125
# Number of metrics of detailed monitoring: https://aws.amazon.com/cloudwatch/pricing/
_DETAILED_METRICS = 7


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of a machine: its own, else those of its launch template or configuration."""

    own: Resource | None
    shared: Value | Resource

    def get(self, name: str) -> Value:
        """The value of a setting; `Unknown` if the launch template is not declared."""
        value = NOVALUE if self.own is None else self.own.get(name)
        if value is not NOVALUE:
            return value
        if isinstance(self.shared, Resource):
            return self.shared.get(name)
        return self.shared.get(name, NOVALUE) if isinstance(self.shared, dict) else self.shared

    def listed(self, name: str) -> list[Value]:
        """Every element of a list, shared ones first; an unknown list is an `Unknown` element."""
        elements: list[Value] = []
        for layer in (Settings(None, self.shared), Settings(self.own, EMPTY)):
            value = layer.get(name)
            if value is not NOVALUE:
                elements += value if isinstance(value, list) else [value]
        return elements


def launch_data(resource: Resource, specification: Value) -> Value:
    """The `LaunchTemplateData` of the launch template that a specification refers to."""
    if not isinstance(specification, dict):
        return EMPTY if specification is NOVALUE else specification
    named = specification.get("LaunchTemplateId", specification.get("LaunchTemplateName"))
    template = resource.deployment.at(named.origin) if isinstance(named, Unknown) else None
    if template is None:
        for candidate in resource.deployment.all_of("AWS::EC2::LaunchTemplate"):
            name = candidate.get("LaunchTemplateName")
            if isinstance(named, str | Text) and key_of(name) == key_of(named):
                template = candidate
    if template is None or template.type != "AWS::EC2::LaunchTemplate":
        return Unknown(
            f"launch:{resource.id}", "its launch template is not declared in this deployment"
        )
    data = template.get("LaunchTemplateData")
    return data if isinstance(data, dict | Unknown) else EMPTY


def instance(meter: Meter) -> Iterator[Charge]:
    """Charges of AWS::EC2::Instance."""
    settings = Settings(meter.resource, launch_data(meter.resource, meter.get("LaunchTemplate")))
    stopped = [entry for entry in meter.policy.stopped if entry.resource == meter.resource.id]
    yield from _machine(meter, settings, stopped[0].runs_as if stopped else ())


def group(meter: Meter) -> Iterator[Charge]:
    """Charges of AWS::AutoScaling::AutoScalingGroup: desired capacity, and growth to MaxSize."""
    if meter.get("MixedInstancesPolicy") is not NOVALUE:
        yield unpriced("mixed instances", HOUR, ALWAYS, "which types run is unknown")
        return
    named = meter.get("LaunchConfigurationName")
    configuration = (
        meter.resource.deployment.at(named.origin) if isinstance(named, Unknown) else None
    )
    shared = configuration or launch_data(meter.resource, meter.get("LaunchTemplate"))
    minimum = quantity(meter.get("MinSize"))
    desired = quantity(meter.get("DesiredCapacity"), minimum)
    maximum = quantity(meter.get("MaxSize"))
    machine = list(_machine(meter, Settings(None, shared), ()))
    yield from _multiplied(machine, desired, ALWAYS)
    growth: Quantity = maximum if isinstance(maximum, UnknownQuantity) else 0.0
    if not isinstance(maximum, UnknownQuantity) and not isinstance(desired, UnknownQuantity):
        growth = max(0.0, maximum - desired)
    if growth != 0.0:
        yield from _multiplied(machine, growth, GROWN)


def _multiplied(machine: list[Charge], count: Quantity, when: str) -> Iterator[Charge]:
    for charge in machine:
        if isinstance(count, UnknownQuantity):
            yield unpriced(charge.what, HOUR, when, f"how many: {count.why}")
        elif count:
            # Growth bills by the hour, because also its volumes exist only for that time.
            total = charge.times(count, f"{amount(count)} × {charge.what}")
            usd = None if total.usd is None else total.hourly() if when == GROWN else total.usd
            per = HOUR if when == GROWN else charge.per
            yield Charge(total.what, when, per, usd, charge.why, charge.prices)


def _machine(meter: Meter, settings: Settings, runs_as: tuple[str, ...]) -> Iterator[Charge]:
    yield _runs(meter, settings, runs_as)
    yield from _address(meter, settings)
    yield from _volumes(meter, settings)
    monitoring = settings.get("Monitoring")
    if isinstance(monitoring, dict):
        monitoring = monitoring.get("Enabled", NOVALUE)
    if is_true(monitoring) is not False:
        yield meter.metrics(_DETAILED_METRICS, RUNNING)
    if meter.usage.metrics:
        yield meter.metrics(meter.usage.metrics, RUNNING)


def _runs(meter: Meter, settings: Settings, runs_as: tuple[str, ...]) -> Charge:
    """The charge of the machine itself, by the most expensive type that it may have."""
    value = settings.get("InstanceType")
    if not isinstance(value, str):
        reason = why(value) if isinstance(value, Unknown | Text) else "it is not set"
        return unpriced("instance", HOUR, RUNNING, f"its type: {reason}")
    tenancy = settings.get("Tenancy")
    if tenancy not in (NOVALUE, "default") or settings.get("HostId") is not NOVALUE:
        return unpriced("instance", HOUR, RUNNING, "no price for dedicated hardware")
    charges_by_type = [
        meter.hourly(kind, f"ec2.{kind}", when=RUNNING) for kind in dict.fromkeys((value, *runs_as))
    ]
    unpriced_types = [charge for charge in charges_by_type if charge.usd is None]
    return unpriced_types[0] if unpriced_types else max(charges_by_type, key=Charge.hourly)


def _address(meter: Meter, settings: Settings) -> Iterator[Charge]:
    """The charge of a public IPv4 address; a possible address counts."""
    interfaces = settings.listed("NetworkInterfaces")
    flags = [
        i.get("AssociatePublicIpAddress", NOVALUE) if isinstance(i, dict) else i for i in interfaces
    ]
    if not interfaces:
        # Launch configurations have it at the top level.
        flags = [settings.get("AssociatePublicIpAddress")]
    if any(is_true(flag) for flag in flags):
        yield meter.hourly("public IPv4", "public_ipv4", when=RUNNING)
        return
    if all(flag is not NOVALUE and is_true(flag) is False for flag in flags):
        return
    subnets = [
        interface["SubnetId"]
        for interface in interfaces
        if isinstance(interface, dict) and "SubnetId" in interface
    ]
    for subnet in subnets or [settings.get("SubnetId")]:
        declared = (
            meter.resource.deployment.at(subnet.origin) if isinstance(subnet, Unknown) else None
        )
        if declared is not None and declared.type == "AWS::EC2::Subnet":
            assigns = is_true(declared.get("MapPublicIpOnLaunch"))
        else:
            assigns = None
        if assigns is not False:
            label = "public IPv4" if assigns else "public IPv4, if its subnet gives one"
            yield meter.hourly(label, "public_ipv4", when=RUNNING)
            return


def _volumes(meter: Meter, settings: Settings) -> Iterator[Charge]:
    by_device, unclear = mappings(settings)
    for why_not in unclear:
        yield unpriced("volumes", "month", ALWAYS, why_not)
    for name, mapping in by_device.items():
        disk = mapping.get("Ebs", NOVALUE)
        if isinstance(disk, Unknown):
            yield unpriced(f"volume {name}", "month", ALWAYS, why(disk))
        elif isinstance(disk, dict):
            yield from volume(meter, disk)
    if not unclear and not any(name in ROOT_DEVICES for name in by_device):
        yield from volume(meter, EMPTY)


def mappings(settings: Settings) -> tuple[dict[str, Map[Value]], list[str]]:
    """Device name to its mapping, own mappings over shared; and reasons why there may be more."""
    by_device: dict[str, Map[Value]] = {}
    unclear = []
    for mapping in settings.listed("BlockDeviceMappings"):
        if not isinstance(mapping, dict):
            unclear.append(why(mapping) if isinstance(mapping, Unknown | Text) else "no mapping")
            continue
        name = display(mapping.get("DeviceName", ""))
        if "NoDevice" in mapping:
            by_device.pop(name, None)
        else:
            by_device[name] = mapping
    return by_device, unclear


def volume(
    meter: Meter, disk: Mapping[str, Value], size_name: str = "VolumeSize"
) -> Iterator[Charge]:
    """Charges of a volume.

    Args:
        meter: meter of the machine or volume.
        disk: properties of the volume.
        size_name: name of the property with the size in GiB; without it, the image decides.
    """
    assumed = meter.usage.image_volume_gb
    default: Quantity = assumed or UnknownQuantity("only its image or snapshot defines its size")
    size = quantity(disk.get(size_name, NOVALUE), default)
    kind = disk.get("VolumeType", "gp2")
    if not isinstance(kind, str):
        yield unpriced("volume", "month", ALWAYS, f"its type: {why(kind)}")
        return
    name = kind if isinstance(size, UnknownQuantity) else f"{amount(size)} GiB {kind}"
    yield meter.charge(name, ("gb_month", f"volume.{kind}", size))
    if kind in ("io1", "io2"):
        yield meter.charge(f"IOPS of {kind}", ("iops_month", kind, _beyond(disk, "Iops", 0, 0)))
    elif kind == "gp3":
        for key, unit, included in (
            ("Iops", "iops_month", _GP3_IOPS),
            ("Throughput", "mibps_month", _GP3_MIBPS),
        ):
            further = _beyond(disk, key, included, included)
            if further != 0.0:
                yield meter.charge(f"{key} beyond {included}", (unit, kind, further))


def _beyond(disk: Mapping[str, Value], name: str, default: float, included: float) -> Quantity:
    number = quantity(disk.get(name, NOVALUE), float(default))
    return number if isinstance(number, UnknownQuantity) else max(0.0, number - included)


def lone_volume(meter: Meter) -> Iterator[Charge]:
    """Charges of AWS::EC2::Volume."""
    names = ("Size", "VolumeType", "Iops", "Throughput")
    disk = {name: meter.get(name) for name in names if meter.get(name) is not NOVALUE}
    yield from volume(meter, disk, "Size")
