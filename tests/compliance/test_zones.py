"""The zones are the region's first two, or two different ones that the operator names."""

from typing import Any

import pytest

from tests.compliance.templates import Template, named, properties, read

A, B = "eu-central-1a", "eu-central-1b"


def holds(assertion: Any, parameters: dict[str, str]) -> Any:
    """The value of an assertion of `Rules`, by the functions that ours use."""
    if not isinstance(assertion, dict):
        return assertion
    ((name, given),) = assertion.items()
    match name:
        case "Ref":
            return parameters[given]
        case "Fn::Equals":
            return holds(given[0], parameters) == holds(given[1], parameters)
        case "Fn::Not":
            return not holds(given[0], parameters)
        case "Fn::And":
            return all(holds(one, parameters) for one in given)
        case "Fn::Or":
            return any(holds(one, parameters) for one in given)
    raise AssertionError(f"{name} is no function that the rules here use")


def zones_of(network: Template) -> dict[str, Any]:
    """The zone of each subnet."""
    return {
        logical_id: properties(subnet)["AvailabilityZone"]
        for logical_id, subnet in network.resources("AWS::EC2::Subnet").items()
    }


@pytest.mark.parametrize(
    ("zones", "is_taken"),
    [(("", ""), True), ((A, B), True), ((A, A), False), ((A, ""), False), (("", B), False)],
)
def test_zones_are_two_or_none(zones: tuple[str, str], is_taken: bool) -> None:
    """Half a choice, or the same zone twice, is refused before anything is made."""
    (assertion,) = named("stack.yaml").body["Rules"]["ZonesAreTwo"]["Assertions"]
    assert holds(assertion["Assert"], dict(zip(("ZoneA", "ZoneB"), zones, strict=True))) is is_taken


def test_each_subnet_takes_the_zone_that_is_given() -> None:
    """Node, EC2 endpoint and a private subnet share ZoneA; cache and functions span both zones."""
    first, second = (
        {"Fn::If": ["ZonesGiven", {"Ref": zone}, {"Fn::Select": [index, {"Fn::GetAZs": ""}]}]}
        for index, zone in enumerate(("ZoneA", "ZoneB"))
    )
    network = named("network.yaml")
    wanted = {"PublicSubnet": first, "PrivateSubnetA": first, "PrivateSubnetB": second}
    assert zones_of(network) == wanted
    broken = network.text.replace("!Ref ZoneB", "!Ref ZoneA")
    assert zones_of(read(broken, "network.yaml")) != wanted
