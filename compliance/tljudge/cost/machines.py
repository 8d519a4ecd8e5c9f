"""What machines bill: instances and groups of them, their volumes and addresses."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tljudge.cost.meter import ALWAYS, GROWN, HOUR, RUNNING, Charge, Meter, unpriced
from tljudge.decode.nodes import Map
from tljudge.resolve.deployment import Resource
from tljudge.resolve.quantities import NotKnown, Quantity, amount, is_true, quantity
from tljudge.resolve.values import EMPTY, NOVALUE, Text, Unknown, Value, display, key_of, why

# Of a volume that a machine image names; the template may give it a size.
ROOT_DEVICES = ("/dev/xvda", "/dev/sda1")
# gp3 has so much without a further price: https://aws.amazon.com/ebs/pricing/
_GP3_IOPS, _GP3_MIBPS = 3000, 125
# Detailed monitoring sends so many metrics: https://aws.amazon.com/cloudwatch/pricing/
_DETAILED_METRICS = 7


@dataclass(frozen=True, slots=True)
class Settings:
    """A machine's settings: its own over those of its launch template or configuration."""

    own: Resource | None
    shared: Value | Resource

    def get(self, name: str) -> Value:
        """A setting; unknown where the template is not declared here."""
        value = NOVALUE if self.own is None else self.own.get(name)
        if value is not NOVALUE:
            return value
        if isinstance(self.shared, Resource):
            return self.shared.get(name)
        return self.shared.get(name, NOVALUE) if isinstance(self.shared, dict) else self.shared

    def listed(self, name: str) -> list[Value]:
        """Every element of a list, shared ones first; one unknown where the list is not known."""
        found: list[Value] = []
        for one in (Settings(None, self.shared), Settings(self.own, EMPTY)):
            value = one.get(name)
            if value is not NOVALUE:
                found += value if isinstance(value, list) else [value]
        return found


def launch_data(resource: Resource, specification: Value) -> Value:
    """`LaunchTemplateData` of the template that a specification names."""
    if not isinstance(specification, dict):
        return EMPTY if specification is NOVALUE else specification
    named = specification.get("LaunchTemplateId", specification.get("LaunchTemplateName"))
    template = resource.deployment.at(named.origin) if isinstance(named, Unknown) else None
    if template is None:
        for one in resource.deployment.all_of("AWS::EC2::LaunchTemplate"):
            name = one.get("LaunchTemplateName")
            if isinstance(named, str | Text) and key_of(name) == key_of(named):
                template = one
    if template is None or template.type != "AWS::EC2::LaunchTemplate":
        return Unknown(f"launch:{resource.id}", "its launch template is not declared here")
    data = template.get("LaunchTemplateData")
    return data if isinstance(data, dict | Unknown) else EMPTY


def instance(meter: Meter) -> Iterator[Charge]:
    """AWS::EC2::Instance."""
    settings = Settings(meter.resource, launch_data(meter.resource, meter.get("LaunchTemplate")))
    stopped = [one for one in meter.policy.stopped if one.resource == meter.resource.id]
    yield from _machine(meter, settings, stopped[0].runs_as if stopped else ())


def group(meter: Meter) -> Iterator[Charge]:
    """AWS::AutoScaling::AutoScalingGroup: what it wants, and what it may grow to."""
    if meter.get("MixedInstancesPolicy") is not NOVALUE:
        yield unpriced("mixed instances", HOUR, ALWAYS, "which of them run is not known")
        return
    named = meter.get("LaunchConfigurationName")
    configuration = (
        meter.resource.deployment.at(named.origin) if isinstance(named, Unknown) else None
    )
    shared = configuration or launch_data(meter.resource, meter.get("LaunchTemplate"))
    least = quantity(meter.get("MinSize"))
    wanted = quantity(meter.get("DesiredCapacity"), least)
    most = quantity(meter.get("MaxSize"))
    machine = list(_machine(meter, Settings(None, shared), ()))
    yield from _so_many(machine, wanted, ALWAYS)
    further: Quantity = most if isinstance(most, NotKnown) else 0.0
    if not isinstance(most, NotKnown) and not isinstance(wanted, NotKnown):
        further = max(0.0, most - wanted)
    if further != 0.0:
        yield from _so_many(machine, further, GROWN)


def _so_many(machine: list[Charge], count: Quantity, when: str) -> Iterator[Charge]:
    for one in machine:
        if isinstance(count, NotKnown):
            yield unpriced(one.what, HOUR, when, f"how many: {count.why}")
        elif count:
            # What a group grows by bills by the hour, its volumes too.
            every = one.times(count, f"{amount(count)} × {one.what}")
            usd = None if every.usd is None else every.hourly() if when == GROWN else every.usd
            per = HOUR if when == GROWN else one.per
            yield Charge(every.what, when, per, usd, one.why, one.prices)


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
    """The machine itself; the dearest of the types it may have."""
    value = settings.get("InstanceType")
    if not isinstance(value, str):
        reason = why(value) if isinstance(value, Unknown | Text) else "it is not given"
        return unpriced("instance", HOUR, RUNNING, f"its type: {reason}")
    tenancy = settings.get("Tenancy")
    if tenancy not in (NOVALUE, "default") or settings.get("HostId") is not NOVALUE:
        return unpriced("instance", HOUR, RUNNING, "no price for dedicated hardware")
    every = [
        meter.hourly(kind, f"ec2.{kind}", when=RUNNING) for kind in dict.fromkeys((value, *runs_as))
    ]
    unclear = [one for one in every if one.usd is None]
    return unclear[0] if unclear else max(every, key=Charge.hourly)


def _address(meter: Meter, settings: Settings) -> Iterator[Charge]:
    """A public IPv4 address; one that may be there counts as one."""
    interfaces = settings.listed("NetworkInterfaces")
    wanted = [
        one.get("AssociatePublicIpAddress", NOVALUE) if isinstance(one, dict) else one
        for one in interfaces
    ]
    if not interfaces:
        wanted = [settings.get("AssociatePublicIpAddress")]  # of a launch configuration
    if any(is_true(one) for one in wanted):
        yield meter.hourly("public IPv4", "public_ipv4", when=RUNNING)
        return
    if all(one is not NOVALUE and is_true(one) is False for one in wanted):
        return
    subnets = [one["SubnetId"] for one in interfaces if isinstance(one, dict) and "SubnetId" in one]
    for subnet in subnets or [settings.get("SubnetId")]:
        declared = (
            meter.resource.deployment.at(subnet.origin) if isinstance(subnet, Unknown) else None
        )
        if declared is not None and declared.type == "AWS::EC2::Subnet":
            gives = is_true(declared.get("MapPublicIpOnLaunch"))
        else:
            gives = None
        if gives is not False:
            what = "public IPv4" if gives else "public IPv4, if its subnet gives one"
            yield meter.hourly(what, "public_ipv4", when=RUNNING)
            return


def _volumes(meter: Meter, settings: Settings) -> Iterator[Charge]:
    found, unclear = mappings(settings)
    for why_not in unclear:
        yield unpriced("volumes", "month", ALWAYS, why_not)
    for name, mapping in found.items():
        disk = mapping.get("Ebs", NOVALUE)
        if isinstance(disk, Unknown):
            yield unpriced(f"volume {name}", "month", ALWAYS, why(disk))
        elif isinstance(disk, dict):
            yield from volume(meter, disk)
    if not unclear and not any(name in ROOT_DEVICES for name in found):
        yield from volume(meter, EMPTY)


def mappings(settings: Settings) -> tuple[dict[str, Map[Value]], list[str]]:
    """Device to its mapping, the machine's own over shared ones; and why there may be more."""
    found: dict[str, Map[Value]] = {}
    unclear = []
    for mapping in settings.listed("BlockDeviceMappings"):
        if not isinstance(mapping, dict):
            unclear.append(why(mapping) if isinstance(mapping, Unknown | Text) else "no mapping")
            continue
        name = display(mapping.get("DeviceName", ""))
        if "NoDevice" in mapping:
            found.pop(name, None)
        else:
            found[name] = mapping
    return found, unclear


def volume(
    meter: Meter, disk: Mapping[str, Value], size_name: str = "VolumeSize"
) -> Iterator[Charge]:
    """One volume, from its properties; without a size it is the image's or the snapshot's."""
    assumed = meter.usage.image_volume_gb
    default: Quantity = assumed or NotKnown("only its image or snapshot knows its size")
    size = quantity(disk.get(size_name, NOVALUE), default)
    kind = disk.get("VolumeType", "gp2")
    if not isinstance(kind, str):
        yield unpriced("volume", "month", ALWAYS, f"its type: {why(kind)}")
        return
    name = kind if isinstance(size, NotKnown) else f"{amount(size)} GiB {kind}"
    yield meter.charge(name, ("gb_month", f"volume.{kind}", size))
    if kind in ("io1", "io2"):
        yield meter.charge(f"IOPS of {kind}", ("iops_month", kind, _of(disk, "Iops", 0, 0)))
    elif kind == "gp3":
        for key, unit, included in (
            ("Iops", "iops_month", _GP3_IOPS),
            ("Throughput", "mibps_month", _GP3_MIBPS),
        ):
            further = _of(disk, key, included, included)
            if further != 0.0:
                yield meter.charge(f"{key} beyond {included}", (unit, kind, further))


def _of(disk: Mapping[str, Value], name: str, default: float, included: float) -> Quantity:
    found = quantity(disk.get(name, NOVALUE), float(default))
    return found if isinstance(found, NotKnown) else max(0.0, found - included)


def lone_volume(meter: Meter) -> Iterator[Charge]:
    """AWS::EC2::Volume."""
    names = ("Size", "VolumeType", "Iops", "Throughput")
    disk = {name: meter.get(name) for name in names if meter.get(name) is not NOVALUE}
    yield from volume(meter, disk, "Size")
