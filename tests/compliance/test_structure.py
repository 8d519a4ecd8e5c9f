"""Templates read alike: one order, each parameter bound and shown, no word of an emulator."""

import re
from typing import Any

import pytest
import yaml

from tests.compliance.templates import Template, named, ours, properties, read

SECTIONS = (
    "AWSTemplateFormatVersion",
    "Description",
    "Metadata",
    "Parameters",
    "Rules",
    "Conditions",
    "Resources",
    "Outputs",
)

# Loopback origins are where the GUI listens; the name is nowhere else.
GUI_ORIGIN = re.compile(r"http://localhost:8765|\(127\\\.0\\\.0\\\.1\|localhost\)")
EMULATOR_WORD = re.compile(r"ministack|localstack|localhost|\bmoto\b|emulator", re.IGNORECASE)


def emulator_words(template: Template) -> list[str]:
    """Words that only a local stand-in for AWS needs."""
    return [
        f"{template.name}:{number}: {match.group()}"
        for number, line in enumerate(template.text.splitlines(), 1)
        for match in EMULATOR_WORD.finditer(GUI_ORIGIN.sub("", line))
    ]


def unbound_parameters(template: Template) -> list[str]:
    """Parameters whose value nothing limits, or that no group shows."""
    groups = template.body["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    shown = [name for group in groups for name in group["Parameters"]]
    found = [
        f"{template.name} {name}: no such parameter"
        for name in shown
        if name not in template.body["Parameters"]
    ]
    for name, given in template.body["Parameters"].items():
        is_bound = {"AllowedValues", "AllowedPattern", "MinLength"} & given.keys()
        is_bound |= {"MinValue"} if {"MinValue", "MaxValue"} <= given.keys() else set()
        is_typed = given["Type"].startswith(("AWS::", "List<AWS::"))
        if not (is_bound or is_typed or given.get("Default") == ""):
            found.append(f"{template.name} {name}: nothing limits its value")
        if not given.get("Description", "").endswith("."):
            found.append(f"{template.name} {name}: has no description")
        if "AllowedPattern" in given and "for example" not in given.get(
            "ConstraintDescription", ""
        ):
            found.append(f"{template.name} {name}: a refusal shows no example")
        if shown.count(name) != 1:
            found.append(f"{template.name} {name}: stands in {shown.count(name)} groups")
    return found


@pytest.mark.parametrize("law", [emulator_words, unbound_parameters], ids=lambda law: law.__name__)
@pytest.mark.parametrize("template", ours(), ids=lambda template: template.name)
def test_template_keeps_the_law(template: Template, law: Any) -> None:
    """Both laws, in each of our templates."""
    assert law(template) == []


@pytest.mark.parametrize("template", ours(), ids=lambda template: template.name)
def test_template_has_its_sections_in_order(template: Template) -> None:
    """Version, description, metadata, parameters, rules, conditions, resources, outputs."""
    assert list(template.body) == [name for name in SECTIONS if name in template.body]
    assert {"Description", "Metadata", "Parameters", "Outputs"} <= template.body.keys()
    assert all(given.get("Description") for given in template.body["Outputs"].values())


def test_every_template_is_nested() -> None:
    """A template that is not nested anywhere would be judged and never deployed."""
    root = named("stack.yaml").resources("AWS::CloudFormation::Stack").values()
    nested = {properties(stack)["TemplateURL"].removeprefix("./") for stack in root}
    assert nested | {"stack.yaml"} == {template.name for template in ours()}


def test_duplicate_key_is_found() -> None:
    """YAML would silently keep the second of two resources with one name."""
    with pytest.raises(yaml.YAMLError, match="the key 'Api' stands twice"):
        read("Resources:\n  Api: {Type: A}\n  Api: {Type: B}\n")


@pytest.mark.parametrize("word", ["LocalStack", "ministack", "localhost", "moto"])
def test_emulator_word_is_found(word: str) -> None:
    """In any letter case; a loopback address with another port than the GUI's is one too."""
    text = named("edge.yaml").text
    line = text[: text.index("ProtocolType")].count("\n") + 1
    broken = text.replace("ProtocolType: HTTP", f"ProtocolType: HTTP # http://{word}:4566")
    assert emulator_words(read(broken, "edge.yaml")) == [f"edge.yaml:{line}: {word}"]


@pytest.mark.parametrize(
    ("before", "after", "findings"),
    [
        (
            "    AllowedPattern: ^[a-z][a-z0-9-]{0,31}$\n",
            "",
            ["Environment: nothing limits its value"],
        ),
        (", for example dev", "", ["Environment: a refusal shows no example"]),
        ("    MaxValue: 11000000000\n", "", ["ModelBytes: nothing limits its value"]),
        (
            "Description: Tag Environment on everything; 1 to 32 lower-case characters.",
            'Description: ""',
            ["Environment: has no description"],
        ),
        (
            "Parameters: [UseGpu, ",
            "Parameters: [UseCpu, ",
            ["UseCpu: no such parameter", "UseGpu: stands in 0 groups"],
        ),
    ],
)
def test_unbound_parameter_is_found(before: str, after: str, findings: list[str]) -> None:
    """Our own root, broken in one place each."""
    text = named("stack.yaml").text
    assert text.count(before) == 1
    assert unbound_parameters(read(text.replace(before, after), "stack.yaml")) == [
        f"stack.yaml {finding}" for finding in findings
    ]
