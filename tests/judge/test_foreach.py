"""`Fn::ForEach` is written out, and what it makes is judged; what cannot be is UNKNOWN."""

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from tests.judge.factory import DEFAULT, TAGS, TODAY, findings, of_type, report, template, word
from tljudge.decode.errors import TemplateError
from tljudge.decode.loader import read
from tljudge.decode.nodes import Call
from tljudge.runner.check import check

EGRESS = "TL_EGRESS_1"
TRANSFORM = "AWS::LanguageExtensions"


def loop(name: str, items: Any, body: dict[str, Any], loop_name: str = "L") -> dict[str, Any]:
    return {f"Fn::ForEach::{loop_name}": [name, items, body]}


def group(cidr: Any) -> dict[str, Any]:
    rule = {"IpProtocol": "-1", "CidrIp": cidr}
    return of_type("AWS::EC2::SecurityGroup", {"SecurityGroupEgress": [rule]})


def groups(items: Any, **sections: Any) -> dict[str, Any]:
    """One group for each range."""
    return template(
        loop("Range", items, {"G&{Range}": group({"Ref": "Range"})}),
        Transform=TRANSFORM,
        **sections,
    )


def flat(value: Any) -> Any:
    """Long form, without places."""
    if isinstance(value, Call):
        return {value.name: flat(value.argument)}
    if isinstance(value, dict):
        return {key: flat(inner) for key, inner in value.items()}
    return [flat(inner) for inner in value] if isinstance(value, list) else value


def test_what_a_loop_makes_is_judged(tmp_path: Path) -> None:
    """Each item in its turn; one of them is the world."""
    assert word(tmp_path, EGRESS, groups(["10.0.0.0/8", "172.16.0.0/12"])) == "PASS"
    found = findings(tmp_path, groups(["10.0.0.0/8", "0.0.0.0/0"]))
    assert [(one.rule, one.resource, one.verdict) for one in found] == [(EGRESS, "G00000", "FAIL")]


def parameter(**more: Any) -> dict[str, Any]:
    return {"Ranges": {"Type": "CommaDelimitedList", **more}}


@pytest.mark.parametrize(
    ("declared", "verdict"),
    [
        ({"Default": "10.0.0.0/8, 172.16.0.0/12"}, "PASS"),
        ({"Default": "10.0.0.0/8, 0.0.0.0/0"}, "FAIL"),
        ({}, "UNKNOWN"),
        ({"Default": "10.0.0.0/8", "AllowedValues": ["10.0.0.0/8", "0.0.0.0/0"]}, "UNKNOWN"),
        ({"Type": "AWS::SSM::Parameter::Value<List<String>>", "Default": "/a"}, "UNKNOWN"),
        ({"Default": ""}, "UNKNOWN"),
    ],
)  # fmt: skip
def test_collection_from_a_parameter(
    tmp_path: Path, declared: dict[str, Any], verdict: str
) -> None:
    """Its default is known; without one, nobody can say how many groups there are."""
    body = groups({"Ref": "Ranges"}, Parameters=parameter(**declared))
    found = {one.verdict for one in findings(tmp_path, body)}
    assert found == ({verdict} - {"PASS"})


def test_parameter_file_replaces_the_default_collection(tmp_path: Path) -> None:
    """What is passed is what is made."""
    body = groups({"Ref": "Ranges"}, Parameters=parameter(Default="10.0.0.0/8"))
    given = {"Parameters": {"Ranges": "10.0.0.0/8,0.0.0.0/0"}, "Tags": TAGS}
    assert word(tmp_path, EGRESS, body, given=given) == "FAIL"


@pytest.mark.parametrize(
    ("passed", "verdicts"),
    [
        ({"Ranges": "10.0.0.0/8"}, set()),
        ({"Ranges": "0.0.0.0/0"}, {"FAIL"}),
        ({"Ranges": {"Fn::ImportValue": "x"}}, {"UNKNOWN"}),
        ({}, {"FAIL"}),
        ({"Fn::ImportValue": "x"}, {"UNKNOWN"}),
    ],
)
def test_nested_stack_loops_over_what_its_parent_passes(
    tmp_path: Path, passed: dict[str, Any], verdicts: set[str]
) -> None:
    """A literal is known; the default counts only where nothing is passed."""
    child = groups({"Ref": "Ranges"}, Parameters=parameter(Default="0.0.0.0/0"))
    (tmp_path / "child.json").write_text(json.dumps(child))
    inside = {"TemplateURL": "./child.json", "Parameters": passed}
    nest = {"N": of_type("AWS::CloudFormation::Stack", inside)}
    (tmp_path / "parent.json").write_text(json.dumps(template(nest)))
    found = check([tmp_path], DEFAULT, {"Tags": TAGS}, today=TODAY)
    assert found.errors == []
    assert {one.verdict for one in found.findings} == verdicts


def test_loop_nobody_can_write_out_says_why(tmp_path: Path) -> None:
    """In a section and in a property, where it stands."""
    inner = loop("Name", {"Fn::Split": [",", "a,b"]}, {"${Name}": "x"}, "Inner")
    body = template(
        {
            "T": of_type("AWS::SNS::Topic"),
            **loop("N", {"Ref": "Ranges"}, {"Q${N}": of_type("AWS::SQS::Queue")}, "Outer"),
            "F": of_type("AWS::SNS::Topic", {"DataProtectionPolicy": inner}),
        },
        Transform=TRANSFORM,
        Parameters=parameter(),
    )
    assert {(one.resource, one.verdict, one.message) for one in findings(tmp_path, body)} == {
        ("Fn::ForEach::Outer", "UNKNOWN", "Fn::ForEach::Outer is not expanded: the value of "
         "parameter Ranges is unknown: the result was not judged"),
        ("Fn::ForEach::Inner", "UNKNOWN", "Fn::ForEach::Inner is not expanded: its collection is "
         "unknown: the result was not judged"),
    }  # fmt: skip


def test_property_that_a_loop_may_make_is_unknown(tmp_path: Path) -> None:
    """A role whose properties hold a loop nobody can write out may have any policy."""
    role = of_type("AWS::IAM::Role", loop("N", {"Ref": "Ranges"}, {"${N}": "x"}))
    body = template({"R": role}, Transform=TRANSFORM, Parameters=parameter())
    assert word(tmp_path, "TL_IAM_1", body) == "UNKNOWN"


EXAMPLES = [
    # Topics, nested loops and properties as the documentation has them.
    loop("Name", ["A", "B"], {"Topic${Name}": of_type("AWS::SNS::Topic", {"TopicName": {
        "Fn::Join": [".", [{"Ref": "Name"}, "fifo"]]}, "FifoTopic": True})}),
    loop("P", ["Transit", "Public"], {
        "Nacl${P}": of_type("AWS::EC2::NetworkAcl", {"VpcId": "v"}),
        **loop("S", ["A", "B"], {"${P}Subnet${S}": of_type("AWS::EC2::SubnetNetworkAclAssociation",
            {"SubnetId": {"Fn::Sub": "${AWS::StackName}-${P}-${S}"},
             "NetworkAclId": {"Ref": {"Fn::Sub": "Nacl${P}"}}})}, "Inner"),
    }),
    {"I": of_type("AWS::EC2::Instance", {
        "ImageId": "i", **loop("Prop", ["Monitoring", "EbsOptimized"], {"${Prop}": False})})},
    {**loop("Ip", ["10.0.2.7", "10-a"], {"I&{Ip}": of_type("AWS::EC2::Instance", {
        "PrivateIpAddress": {"Ref": "Ip"}, "UserData": {"Fn::Sub": "${Ip} &{Ip}"}})}),
     "Last": of_type("AWS::SNS::Topic", {"TopicName": {"Fn::GetAtt": ["I10a", "PrivateIp"]}})},
    loop("N", ["A"], {"T${N}": of_type("AWS::SNS::Topic", {"TopicName": {
        "Fn::Sub": ["${N}${V}", {"V": {"Ref": "N"}}]}})}),
]  # fmt: skip


@pytest.mark.parametrize("resources", EXAMPLES, ids=["topics", "nested", "property", "ids", "sub"])
def test_expansion_is_that_of_cfn_lint(resources: dict[str, Any]) -> None:
    """An implementation of its own says the same."""
    from cfnlint.template.template import Template
    from cfnlint.template.transforms._language_extensions import language_extension

    body = template(resources, Transform=TRANSFORM)
    matches, theirs = language_extension(Template("t.json", body, ["us-east-1"]))
    assert matches == []
    assert flat(read(json.dumps(body)).resources) == theirs["Resources"]


def test_conditions_and_outputs_have_loops_too(tmp_path: Path) -> None:
    """A condition of a loop decides over a resource of a loop, and its output names it."""
    made = {"G${X}": {**group({"Fn::If": ["Is${X}", "0.0.0.0/0", "10.0.0.0/8"]}),
                      "Condition": "Is${X}"}}  # fmt: skip
    equal = {"Fn::Equals": [{"Ref": "Stage"}, {"Ref": "X"}]}
    body = template(
        loop("X", ["dev", "prod"], made),
        Transform=TRANSFORM,
        Parameters={"Stage": {"Type": "String", "AllowedValues": ["dev", "prod", "test"]}},
        Conditions=loop("X", ["dev", "prod"], {"Is${X}": equal}, "C"),
        Outputs=loop("X", ["dev"], {"O${X}": {"Value": {"Fn::GetAtt": ["G${X}", "GroupId"]}}}, "O"),
    )
    found = [(one.resource, one.scenario) for one in findings(tmp_path, body)]
    assert found == [("Gdev", {"Stage": "dev"}), ("Gprod", {"Stage": "prod"})]
    outputs = read(json.dumps(body)).outputs
    assert flat(outputs) == {"Odev": {"Value": {"Fn::GetAtt": ["Gdev", "GroupId"]}}}


def test_condition_of_a_resource_may_be_looked_up(tmp_path: Path) -> None:
    """By item in a map; without an entry, the resource is always there."""
    named = {"Fn::FindInMap": ["When", "Condition", {"Ref": "X"},
                               {"DefaultValue": {"Ref": "AWS::NoValue"}}]}  # fmt: skip
    body = template(
        loop("X", ["A", "B"], {"G${X}": {**group("0.0.0.0/0"), "Condition": named}}),
        Transform=TRANSFORM,
        Parameters={"P": {"Type": "String", "AllowedValues": ["on", "off"]}},
        Conditions={"On": {"Fn::Equals": [{"Ref": "P"}, "off"]}},
        Mappings={"When": {"Condition": {"B": "On"}}},
    )
    found = [(one.resource, one.scenario) for one in findings(tmp_path, body)]
    assert found == [("GA", {}), ("GB", {"P": "off"})]


def test_place_is_that_of_the_loops_text(tmp_path: Path) -> None:
    """The property in the loop, for each that fails."""
    text = f"""\
Transform: {TRANSFORM}
Resources:
  Fn::ForEach::Groups:
    - Range
    - ["10.0.0.0/8", "0.0.0.0/0", "1.2.3.0/24"]
    - G&{{Range}}:
        Type: AWS::EC2::SecurityGroup
        Properties:
          SecurityGroupEgress:
            - IpProtocol: "-1"
              CidrIp: !Ref Range
"""
    found = [(one.resource, one.line, one.column) for one in findings(tmp_path, text)]
    assert found == [("G00000", 11, 15), ("G1230" + "24", 11, 15)]


def test_order_of_keys_never_matters() -> None:
    """Of loops, and of what stands beside them."""
    inner = loop("S", ["a", "b"], {"Q${P}${S}": of_type("AWS::SQS::Queue")}, "Inner")
    parts = {
        **loop("P", ["x", "y"], {"T${P}": of_type("AWS::SNS::Topic"), **inner}, "Outer"),
        **loop("P", ["z"], {"U${P}": of_type("AWS::SNS::Topic")}, "Other"),
        "Last": of_type("AWS::SNS::Topic"),
    }
    expected = {"Tx", "Ty", "Qxa", "Qxb", "Qya", "Qyb", "Uz", "Last"}
    for order in itertools.permutations(parts.items()):
        body = template(dict(order), Transform=TRANSFORM)
        assert read(json.dumps(body)).resources.keys() == expected


def deep(levels: int) -> dict[str, Any]:
    body: dict[str, Any] = {"Q" + "".join(f"${{N{i}}}" for i in range(levels)): of_type("A::B::C")}
    for i in range(levels):
        body = loop(f"N{i}", ["a", "b"], body, f"L{i}")
    return body


def test_five_loops_stand_in_each_other() -> None:
    """The service's own limit."""
    assert len(read(json.dumps(template(deep(5), Transform=TRANSFORM))).resources) == 32


@pytest.mark.parametrize(
    ("resources", "words"),
    [
        (deep(6), "deeper than 5"),
        (loop("N", ["a", "b"], {"Q": of_type("A::B::C")}), "makes 'Q' twice"),
        (loop("N", ["a", "a"], {"Q${N}": of_type("A::B::C")}), "makes 'Qa' twice"),
        ({"Qa": of_type("A::B::C"), **loop("N", ["a"], {"Q${N}": of_type("A::B::C")})},
         "makes 'Qa' twice"),
        ({"Fn::ForEach::L": ["N", ["a"]]}, "needs an identifier, a collection and a mapping"),
        ({"Fn::ForEach::L": [["N"], ["a"], {}]}, "needs an identifier"),
        (loop("N", list(range(2_000)), {"Q${N}": of_type("A::B::C")}), "more than 1000"),
        (loop("N", [str(i) for i in range(400)], {
            "Q${N}": of_type("A::B::C", {str(i): "x" for i in range(600)})}), "more than 200000"),
        (loop("N", [f"{i}{'x' * 9_000}" for i in range(2)], {
            "Q${N}": of_type("A::B::C", {"X": "${N}" * 1_000})}), "characters"),
    ],
    ids=["levels", "same", "items", "beside", "short", "shape", "many", "values", "characters"],
)  # fmt: skip
def test_what_nobody_could_deploy_is_an_error(resources: dict[str, Any], words: str) -> None:
    """And what grows beyond bounds."""
    with pytest.raises(TemplateError) as caught:
        read(json.dumps(template(resources, Transform=TRANSFORM)))
    assert words in caught.value.message


def test_loop_without_the_transform_is_an_error(tmp_path: Path) -> None:
    """CloudFormation would take it for a resource; only a macro could make something of it."""
    body = template(loop("N", ["a"], {"Q${N}": of_type("AWS::SQS::Queue")}))
    assert [one.message for one in report(tmp_path, body).errors] == [
        "Fn::ForEach::L needs Transform: AWS::LanguageExtensions; add it"
    ]
    assert {one.verdict for one in findings(tmp_path, {**body, "Transform": "Mine"})} == {"UNKNOWN"}


def test_name_that_stands_nowhere_is_an_error_inside_a_loop_too(tmp_path: Path) -> None:
    """All loops are written out, so that nothing can still appear."""
    body = template(
        loop("N", ["a"], {"Q${N}": of_type("AWS::SQS::Queue", {"QueueName": {"Ref": "Nobody"}})}),
        Transform=TRANSFORM,
    )
    (error,) = report(tmp_path, body).errors
    assert "'Nobody' is declared" in error.message
