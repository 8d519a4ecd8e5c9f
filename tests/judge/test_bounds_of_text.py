"""Text, numbers and messages: just inside a bound they are judged, just beyond it they are unknown.

The numbers stand here a second time on purpose: a bound that grows makes a test fail.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.judge.factory import DEFAULT, findings, of_type, report, template, word
from tljudge.cost.calls import a_month
from tljudge.decode.nodes import Map
from tljudge.decode.scalars import plain
from tljudge.engine.cost_policy import Ceiling
from tljudge.resolve.parameters import admits, number
from tljudge.resolve.quantities import UnknownQuantity
from tljudge.resolve.values import Unknown, display, join
from tljudge.resources import wildcards
from tljudge.rules.egress import destinations

EGRESS = "TL_EGRESS_1"
WORLD = "0.0.0.0/0"
LONG = "y" * 9_000


def group(cidr: Any) -> dict[str, Any]:
    rule = {"IpProtocol": "-1", "CidrIp": cidr}
    return of_type("AWS::EC2::SecurityGroup", {"SecurityGroupEgress": [rule]})


def second(text: Any) -> dict[str, Any]:
    """The piece between the first two bars of a text."""
    return {"Fn::Select": [1, {"Fn::Split": ["|", text]}]}


def egress(folder: Path, cidr: Any, **sections: Any) -> str:
    """FAIL where the judge sees the world, UNKNOWN where a bound hides it."""
    return word(folder, EGRESS, template({"G": group(cidr)}, **sections), name="t.json")


def test_text_is_joined_up_to_a_million_characters(tmp_path: Path) -> None:
    """Each piece counts as one more; a longer text is unknown."""
    ends = f"|{WORLD}|"
    for length, verdict in ((1_000_000, "FAIL"), (1_000_001, "UNKNOWN")):
        pieces = ["x" * (length - len(ends) - 3), ends]
        assert egress(tmp_path, second({"Fn::Join": ["", pieces]})) == verdict


def test_json_is_written_up_to_a_million_characters(tmp_path: Path) -> None:
    """As long as its text, quotes and brackets among it."""
    ends = f"|{WORLD}|"
    for length, verdict in ((1_000_000, "FAIL"), (1_000_001, "UNKNOWN")):
        written = {"Fn::ToJsonString": {"a": "x" * (length - len(ends) - 9) + ends}}
        assert egress(tmp_path, second(written), Transform="AWS::LanguageExtensions") == verdict


@pytest.mark.parametrize(("bars", "verdict"), [(10_000, "FAIL"), (10_001, "UNKNOWN")])
def test_text_is_split_at_ten_thousand_places(tmp_path: Path, bars: int, verdict: str) -> None:
    """One that has more stays whole."""
    assert egress(tmp_path, second(f"|{WORLD}{'|' * (bars - 1)}")) == verdict


@pytest.mark.parametrize(("commas", "verdict"), [(10_000, "FAIL"), (10_001, "UNKNOWN")])
def test_list_of_a_parameter_has_ten_thousand_commas(
    tmp_path: Path, commas: int, verdict: str
) -> None:
    """A longer default is unknown."""
    many = {"Type": "CommaDelimitedList", "Default": f",{WORLD}{',' * (commas - 1)}"}
    listed = {"Fn::Select": [1, {"Ref": "Many"}]}
    assert egress(tmp_path, listed, Parameters={"Many": many}) == verdict


def test_index_of_a_list_has_nine_digits(tmp_path: Path) -> None:
    """A longer one is not taken for a number: Python refuses to read thousands of digits."""
    for index, message in (
        ("9" * 9, "no combination of parameters can be deployed: Fn::Select 999999999 of 2 values"),
        ("9" * 10, "the index of Fn::Select is unknown"),
        ("9" * 5_000, "the index of Fn::Select is unknown"),
    ):
        listed = {"Fn::Select": [index, ["10.0.0.0/8", WORLD]]}
        (found,) = findings(tmp_path, template({"G": group(listed)}), name="t.json")
        assert (found.verdict, message in found.message) == ("UNKNOWN", True), found.message


def test_numbers_have_few_digits() -> None:
    """Longer ones stay text."""
    assert plain("9" * 64) == int("9" * 64)
    assert plain("9" * 65) == "9" * 65
    assert plain("9" * 5_000) == "9" * 5_000
    assert number("9" * 18) == int("9" * 18)
    assert number("9" * 19) == "9" * 19
    assert number("9" * 18 + "." + "9" * 18) == 1e18
    assert number("9" * 19 + ".0") == "9" * 19 + ".0"
    assert number("0." + "9" * 19) == "0." + "9" * 19


def test_pattern_of_a_parameter_is_read_up_to_500_characters() -> None:
    """A longer one admits everything."""
    declared = Map(AllowedPattern="a" * 500)
    assert not admits(declared, "b")
    declared = Map(AllowedPattern="a" * 501)
    assert admits(declared, "b")


def test_wildcards_are_compared_up_to_2048_characters() -> None:
    """A longer pattern covers everything; one without a wildcard is compared as text."""
    assert not wildcards.matches("b", "a" * 2_047 + "*")
    assert wildcards.matches("b", "a" * 2_048 + "*")
    assert not wildcards.matches("b", "a" * 2_049)


def test_what_is_remembered_of_patterns_and_ranges_is_bounded(tmp_path: Path) -> None:
    """However many a run meets."""
    for index in range(2_000):
        wildcards.matches("b", f"a{index}*")
    assert wildcards._compiled.cache_info().currsize == 256
    rules = [{"IpProtocol": "-1", "CidrIp": f"10.{i // 256}.{i % 256}.0/24"} for i in range(2_000)]
    body = template({"G": of_type("AWS::EC2::SecurityGroup", {"SecurityGroupEgress": rules})})
    assert word(tmp_path, EGRESS, body, name="t.json") == "PASS"
    for remembered in (destinations._network, destinations._inside):
        assert remembered.cache_info().currsize <= 1_024


@pytest.mark.parametrize(
    "broken",
    [
        f"{{Resources: {{Q: {{Type: A::B::C, X: !{'y' * 9_000} z}}}}}}",
        f"{{Resources: {{Q: {{Type: A::B::C}}}}, {'y' * 900}: 1}}",
        f"Resources:\n  {'y' * 900}: {{Type: A::B::C}}\n  {'y' * 900}: {{Type: A::B::C}}\n",
        f"{{Resources: {{Q: {{Type: A::B::C, Properties: {{X: !Ref {'y' * 9_000}}}}}}}}}",
        f"{{Resources: {{Q: {{Type: A::B::C}}, 'Fn::ForEach::{'y' * 900}': [N, [a], {{}}]}}}}",
        f"{{Transform: AWS::LanguageExtensions, Resources: {{'Fn::ForEach::{'y' * 900}': [N]}}}}",
        "{Transform: AWS::LanguageExtensions, Resources: {'Fn::ForEach::L': [N, [a, a], "
        f"{{{'y' * 900}: {{Type: A::B::C}}}}]}}}}",
        f"{{Resources: {{'Fn::{'y' * 900}': {{Type: A::B::C}}}}}}",
        f"{{Resources: {{N: {{Type: 'AWS::CloudFormation::Stack', Properties: {{TemplateURL: "
        f"{'y' * 9_000}}}}}}}}}",
    ],
    ids=[
        "tag",
        "section",
        "key",
        "name",
        "loop",
        "loop's shape",
        "loop's twin",
        "function",
        "nested file",
    ],
)
def test_error_quotes_little_of_a_template(tmp_path: Path, broken: str) -> None:
    """However long what it is about."""
    (error,) = report(tmp_path, broken).errors
    assert "y" * 10 in error.message
    assert len(error.message) < 400


def test_value_is_shown_in_a_hundred_characters() -> None:
    """A longer one is cut in the middle, because ARNs differ at their end."""
    assert display("x" * 100) == "x" * 100
    assert display("x" * 50 + "y" * 51) == "x" * 49 + "..." + "y" * 48


@pytest.mark.parametrize(
    "made",
    [
        {"X": group(LONG)},
        {"X": group({"Fn::Sub": f"{{{{resolve:ssm:{LONG}}}}}"})},
        {"X": group({"Fn::FindInMap": ["M", "a", LONG]})},
        {
            "X": of_type(
                "AWS::EC2::SecurityGroup",
                {"SecurityGroupEgress": [{"IpProtocol": "-1", "DestinationPrefixListId": LONG}]},
            )
        },
        {"X": of_type("AWS::Logs::LogGroup", {"RetentionInDays": 7}, DeletionPolicy=LONG)},
        {"X": of_type("AWS::SQS::Queue", {"Tags": [{"Key": LONG.upper(), "Value": "v"}] * 2})},
        {"X": of_type("AWS::SQS::Queue", {"Tags": [{"Key": f"aws:{LONG}", "Value": "v"}]})},
        {
            "X": of_type(
                "AWS::IAM::ManagedPolicy",
                {
                    "PolicyDocument": {
                        "Statement": {
                            "Effect": "Allow",
                            "Action": [f"s3:PutObject{i:03}" for i in range(300)],
                            "Resource": "*",
                        }
                    }
                },
            )
        },
    ],
    ids=["range", "resolve", "map", "prefix list", "deletion", "tag", "reserved", "actions"],
)
def test_finding_quotes_little_of_a_template(tmp_path: Path, made: dict[str, Any]) -> None:
    """However long what it is about."""
    policy = replace(DEFAULT, stack_vanishes=True)
    body = template(made, Mappings={"M": {"a": {"b": "c"}}})
    found = findings(tmp_path, body, policy=policy, name="t.json")
    assert found
    assert max(len(one.message) for one in found) < 800


NAME = "y" * 900  # longer keys are no YAML


def imported(scheme: Any, alternative: str = NAME) -> dict[str, Any]:
    """An HTTP API by OpenAPI whose one route asks for a scheme of this name."""
    paths: dict[str, Any] = {"/x": {"get": {"security": [{alternative: []}]}}}
    schemes = {"securitySchemes": {NAME: scheme}}
    definition = {"openapi": "3.0.1", "paths": paths, "components": schemes}
    return template({"X": of_type("AWS::ApiGatewayV2::Api", {"Body": definition})})


def jwt(authorizer: Any) -> dict[str, Any]:
    return {"type": "oauth2", "x-amazon-apigateway-authorizer": authorizer}


def loop(transform: Any) -> dict[str, Any]:
    """A loop over a list that nobody knows."""
    one = ["X", {"Ref": "P"}, {"Q${X}": of_type("AWS::SQS::Queue")}]
    parameters = {"P": {"Type": "CommaDelimitedList"}}
    return template({f"Fn::ForEach::{NAME}": one}, Parameters=parameters, Transform=transform)


FALSE = {"Fn::Equals": ["a", "b"]}
ELSEWHERE = {"Fn::ImportValue": "elsewhere"}
LONG_NAMES = {
    "reference": template({"X": group({"Ref": NAME})}, Transform="Mine"),
    "rule": template(
        {"X": group(WORLD)}, Rules={NAME: {"Assertions": [{"Assert": FALSE}]}}
    ),
    "assertion": template(
        {"X": group(WORLD)},
        Rules={"R": {"Assertions": [{"Assert": FALSE, "AssertDescription": NAME}]}},
    ),
    "scheme that is not declared": imported({}, alternative=f"{NAME}z"),
    "scheme that is unknown": imported(ELSEWHERE),
    "authorizer that is unknown": imported(jwt(ELSEWHERE)),
    "scheme without an authorizer": imported({"type": "oauth2"}),
    "authorizer without an audience": imported(
        jwt({"type": "jwt", "jwtConfiguration": {"issuer": "i"}})
    ),
    "loop": loop("AWS::LanguageExtensions"),
    "loop of a macro": loop(["Mine", "AWS::LanguageExtensions"]),
    "loop without its transform": loop("Mine"),
    "size": template({"X": of_type("AWS::EC2::Volume", {"Size": NAME, "VolumeType": "gp3"})}),
}  # fmt: skip


@pytest.mark.parametrize("name", LONG_NAMES)
def test_finding_quotes_little_of_a_name(tmp_path: Path, name: str) -> None:
    """However long it is."""
    cost = replace(DEFAULT.cost, idle_month=Ceiling(1.0, "USD"))
    found = findings(tmp_path, LONG_NAMES[name], policy=replace(DEFAULT, cost=cost), name="t.json")
    quoting = [one.message for one in found if "y" * 10 in f"{one.message} {one.resource}"]
    assert quoting != []
    assert max(map(len, quoting)) < 400


def test_ranges_and_schedules_have_few_characters() -> None:
    """Longer ones are not understood; Python refuses to read thousands of digits."""
    assert destinations.network_of("10.0.0.0/8" + " " * 50) is not None
    assert destinations.network_of("10.0.0.0/8" + " " * 51) is None
    for schedule in (
        LONG,
        f"rate({'9' * 5_000} days)",
        f"cron({'9' * 5_000} 0 * * ? *)",
        f"cron(0-{'9' * 5_000} 0 * * ? *)",
        f"cron(0/{'9' * 5_000} 0 * * ? *)",
    ):
        found = a_month(schedule)
        assert isinstance(found, UnknownQuantity), found
        assert len(found.why) < 100


def test_text_that_is_too_long_is_known_by_few_characters() -> None:
    """Its key is compared with others, so it does not hold the text."""
    found = join(["x" * 2_000_000])
    assert isinstance(found, Unknown)
    assert len(found.key) < 100
