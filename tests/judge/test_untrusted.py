"""Hostile input ends in a clear error, soon, and never in a traceback."""

import json
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.judge.factory import DEFAULT, TODAY, of_type, report, template
from tests.timing import slowness
from tljudge.decode.errors import TemplateError
from tljudge.decode.loader import read
from tljudge.decode.source import MAX_BYTES
from tljudge.engine import evaluate as judge_module
from tljudge.runner import check as judge


@pytest.fixture(autouse=True)
def soon() -> Iterator[None]:
    """Each within seconds of work, whatever the size."""
    began = time.process_time()
    yield
    assert time.process_time() - began < 15 * slowness()


def laughs() -> str:
    lines = ["Metadata:", "  a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"  a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
    return "\n".join([*lines, "Resources: {Q: {Type: A::B::C}}"])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (laughs(), "with aliases expanded"),
        ("[" * 100_000, "nested deeper"),
        ("Resources: " + "{a: " * 5_000, "nested deeper"),
        ("\n".join("  " * i + "a:" for i in range(500)), "nested deeper"),
        (
            "Resources:\n" + "".join(f"  a{i}: {{Type: b}}\n" for i in range(1_500)),
            "more than 1000",
        ),
        ("x" * (MAX_BYTES + 1), "longer than"),
        ("Resources: {Q: {Type: A::B::C, X: &x [*x]}}", "contains itself"),
        ("\x00", "does not parse"),
    ],
    ids=["laughs", "brackets", "braces", "blocks", "resources", "size", "self", "zero byte"],
)
def test_bounded(text: str, words: str) -> None:
    """Size, depth, expansion and number are bounded."""
    with pytest.raises(TemplateError) as caught:
        read(text)
    assert words in caught.value.message


def test_deep_alias_chain_is_bounded() -> None:
    """Depth that only aliases reach."""
    lines = ["  a0: &a0 [x]"]
    lines += [f"  a{i}: &a{i} {'[' * 50}*a{i - 1}{']' * 50}" for i in range(1, 40)]
    with pytest.raises(TemplateError) as caught:
        read("\n".join(["Metadata:", *lines, "Resources: {Q: {Type: A::B::C}}"]))
    assert "through aliases" in caught.value.message


def test_absurd_pattern_and_parameters(tmp_path: Path) -> None:
    """A pattern nobody can compile, or that explodes, admits everything."""
    tags = [{"Key": "Project", "Value": {"Ref": "P"}}]
    for pattern in ("(" * 400, "(a+)+$" * 50, "[", "(a{60000}){60000}"):
        body = template(
            {"Q": of_type("AWS::SQS::Queue", {"Tags": tags})},
            Parameters={"P": {"Type": "String", "AllowedPattern": pattern}},
        )
        assert report(tmp_path, body).errors == []


def test_thousands_of_conditions(tmp_path: Path) -> None:
    """Only what a rule depends on is looked at; the rest costs nothing."""
    many = range(1_000)
    body = template(
        {"G": of_type("AWS::EC2::SecurityGroup", Condition="C999")},
        Parameters={f"P{i}": {"Type": "String", "AllowedValues": ["a", "b"]} for i in many},
        Conditions={f"C{i}": {"Fn::Equals": [{"Ref": f"P{i}"}, "a"]} for i in many},
    )
    found = [one.scenario for one in report(tmp_path, body).findings]
    assert found == [{"P999": "a"}]


def test_resources_that_all_depend_on_everything(tmp_path: Path) -> None:
    """The number of judgements is bounded, and reaching it is reported."""
    names = [f"C{i}" for i in range(12)]
    condition = {"Fn::Or": [{"Condition": name} for name in names[:10]]}
    rules = [{"Fn::If": [n, {"CidrIp": "10.0.0.0/8"}, {"CidrIp": "10.0.0.0/9"}]} for n in names]
    body = template(
        {
            f"G{i}": of_type("AWS::EC2::SecurityGroup", {"SecurityGroupEgress": rules})
            for i in range(400)
        },
        Parameters={f"P{n}": {"Type": "String", "AllowedValues": ["a", "b"]} for n in names},
        Conditions={n: {"Fn::Equals": [{"Ref": f"P{n}"}, "a"]} for n in names} | {"Any": condition},
    )
    verdicts = {(one.rule, one.verdict) for one in report(tmp_path, body).findings}
    assert verdicts == {("TL_EGRESS_1", "UNKNOWN"), ("TL_TEMPLATE_1", "UNKNOWN")}


def test_files_that_are_none(tmp_path: Path) -> None:
    """A pipe, a folder's pipe, a dangling link, a big file, another encoding."""
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "link.yaml").symlink_to(tmp_path / "nowhere")
    (tmp_path / "latin.yaml").write_bytes(b"Description: \xe9\nResources: {}\n# AWS::\n")
    with (tmp_path / "big.json").open("wb") as file:
        file.truncate(100 * 1024 * 1024)
    paths = [tmp_path / name for name in ("pipe.yaml", "link.yaml", "latin.yaml", "big.json")]
    found = judge.check(paths, DEFAULT, today=TODAY)
    assert [(Path(one.file).name, one.message.split(";")[0]) for one in found.errors] == [
        ("big.json", "has 104857600 bytes, more than the limit of 4194304"),
        ("latin.yaml", "byte 13 is not UTF-8"),
        ("link.yaml", "is a link that leads nowhere"),
        ("pipe.yaml", "is not a regular file"),
    ]


def test_nested_stack_does_not_nest_itself(tmp_path: Path) -> None:
    """Nor does it read what is no template."""
    for url in ("./t.json", "./nothing.yaml"):
        stack = of_type("AWS::CloudFormation::Stack", {"TemplateURL": url})
        found = report(tmp_path, template({"N": stack}), name="t.json")
        assert len(found.errors) == 1
        assert found.exit_code() == 3


def nested_sub(levels: int) -> dict[str, Any]:
    """Each level names the one below twice."""
    inner: Any = "x" * 10
    for _ in range(levels):
        inner = {"Fn::Sub": ["${A}${A}", {"A": inner}]}
    return {"Fn::Sub": ["${A}", {"A": inner}]}


def nested_json(levels: int) -> dict[str, Any]:
    """Each level escapes the quotes and backslashes of the one below."""
    inner: Any = '"'
    for _ in range(levels):
        inner = {"Fn::ToJsonString": {"a": inner}}
    return {"Fn::Sub": ["${A}", {"A": inner}]}


@pytest.mark.parametrize(
    "value",
    [
        nested_sub(25),
        nested_json(40),
        {"Fn::Sub": "${" * 1_000_000},
        {"Fn::Sub": "${!a}" * 500_000},
        {"Fn::Sub": "${A}" * 500_000},
        {"Fn::Join": ["", ["x" * 20] * 100_000]},
        {"Fn::Select": [7, {"Fn::Split": ["a", "a" * 2_000_000]}]},
        {"Fn::Select": [7, {"Ref": "Many"}]},
    ],
    ids=["subs", "json", "open", "escaped", "names", "join", "split", "list"],
)
def test_text_that_grows_is_bounded(tmp_path: Path, value: Any) -> None:
    """Doubling at each level, or quadratic in the text: unknown, and soon."""
    sub = isinstance(value.get("Fn::Sub"), str)
    rules = [{"CidrIp": {"Fn::Join": ["", [value, "/1"]]} if not sub else value}]
    body = template(
        {"G": of_type("AWS::EC2::SecurityGroup", {"SecurityGroupEgress": rules})},
        Parameters={
            "A": {"Type": "String", "Default": "aa"},
            "Many": {"Type": "CommaDelimitedList", "Default": "," * 500_000},
        },
    )
    found = report(tmp_path, body, name="t.json")
    assert found.errors == []
    assert {(one.rule, one.resource) for one in found.findings} == {("TL_EGRESS_1", "G")}
    assert max(len(one.message) for one in found.findings) < 400


def test_text_that_doubles_from_stack_to_stack_is_bounded(tmp_path: Path) -> None:
    """Each nested stack hands on twice what it was given."""
    child = template(
        {"T": of_type("AWS::SNS::Topic", {"DisplayName": {"Ref": "P"}})},
        Parameters={"P": {"Type": "String"}},
        Outputs={"O": {"Value": {"Fn::Sub": "${P}${P}"}}},
    )
    (tmp_path / "child.json").write_text(json.dumps(child))
    nests: dict[str, Any] = {}
    passed: Any = "x" * 100
    for i in range(90):
        inside = {"TemplateURL": "./child.json", "Parameters": {"P": passed}}
        nests[f"N{i:02}"] = of_type("AWS::CloudFormation::Stack", inside)
        passed = {"Fn::GetAtt": [f"N{i:02}", "Outputs.O"]}
    rules = [{"CidrIp": passed}]
    nests["G"] = of_type("AWS::EC2::SecurityGroup", {"SecurityGroupEgress": rules})
    found = report(tmp_path, template(nests), name="t.json")
    assert {(one.rule, one.verdict) for one in found.findings} == {("TL_EGRESS_1", "UNKNOWN")}


def test_work_for_one_deployment_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many combinations of a large resource: given up after a while, and said so."""
    monkeypatch.setattr(judge_module, "MAX_SECONDS", 0.5)
    names = [f"C{i}" for i in range(12)]
    rules = [
        {"Fn::If": [names[i % 12], {"CidrIp": "10.0.0.0/8"}, {"CidrIp": "10.0.0.0/9"}]}
        for i in range(20_000)
    ]
    body = template(
        {
            f"G{i}": of_type("AWS::EC2::SecurityGroup", {"SecurityGroupEgress": rules})
            for i in range(1)
        },
        Parameters={f"P{n}": {"Type": "String", "AllowedValues": ["a", "b"]} for n in names},
        Conditions={n: {"Fn::Equals": [{"Ref": f"P{n}"}, "a"]} for n in names},
    )
    found = report(tmp_path, body, policy=replace(DEFAULT, scenario_cap=4_096), name="t.json")
    assert [(one.rule, one.verdict, one.message) for one in found.findings] == [
        (
            "TL_TEMPLATE_1",
            "UNKNOWN",
            "judging takes more than 0 CPU seconds: the rest was not judged",
        )
    ]
