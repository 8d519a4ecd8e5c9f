"""Laws: how a template is written never changes what is said about it."""

import json
import random
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.judge import strategies
from tests.judge.factory import TODAY, of_type, template
from tests.judge.strategies import SECTIONS, UNRESOLVABLE, places, replaced
from tljudge.engine.cost_policy import Ceiling
from tljudge.rules import ALL
from tljudge.runner.check import check

quick = settings(max_examples=60, deadline=None)
Said = set[tuple[str, str, str]]
STRICT = replace(
    strategies.strict(),
    cost=replace(strategies.strict().cost, idle_month=Ceiling(3.0, "EUR")),
)


def said(body: dict[str, Any] | str, name: str = "t.yaml", **others: dict[str, Any]) -> Said:
    """(rule, resource, verdict), without tags from the stack; others are nested templates."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        text = body if isinstance(body, str) else yaml.safe_dump(body, sort_keys=False)
        path.write_text(text, "utf-8")
        for other, nested in others.items():
            (Path(folder) / f"{other}.json").write_text(json.dumps(nested))
        found = check([path], STRICT, {}, today=TODAY)
    assert found.errors == []
    return {(one.rule, one.resource, one.verdict) for one in found.findings}


def failed(found: Said) -> set[tuple[str, str]]:
    return {(rule, resource) for rule, resource, verdict in found if verdict == "FAIL"}


@pytest.mark.parametrize("rule", ALL, ids=lambda rule: rule.id)
def test_laws_are_about_every_rule(rule: Any) -> None:
    """Each has a kind of resource among the strategies that it is asked about."""
    if rule.id == "TL_COST_4":  # what it says under another policy, TL_COST_3 says under this one
        assert not rule.applies(STRICT)
    else:
        assert rule.applies(STRICT)
        assert not {*strategies.KINDS, "*", "**"}.isdisjoint(rule.types)


def shuffled(value: Any, by: random.Random) -> Any:
    if isinstance(value, dict):
        keys = list(value)
        by.shuffle(keys)
        return {key: shuffled(value[key], by) for key in keys}
    return [shuffled(one, by) for one in value] if isinstance(value, list) else value


@quick
@given(strategies.several, st.randoms(use_true_random=False))
def test_order_of_resources_and_keys_never_matters(
    resources: dict[str, Any], by: random.Random
) -> None:
    """A mapping has no order."""
    body = template(resources, **SECTIONS)
    assert said(body) == said(shuffled(body, by))


@quick
@given(strategies.several)
def test_json_and_yaml_are_the_same(resources: dict[str, Any]) -> None:
    """Both notations, and YAML in flow style."""
    body = template(resources, **SECTIONS)
    expected = said(body)
    assert said(json.dumps(body), "t.json") == expected
    assert said(yaml.safe_dump(body, default_flow_style=True)) == expected


class _Short(yaml.SafeDumper):
    """Writes every intrinsic in its short form."""

    def represent_dict(self, data: Any) -> Any:
        if len(data) == 1:
            ((name, argument),) = data.items()
            if name == "Ref" or name.startswith("Fn::"):
                node = self.represent_data(argument)
                node.tag = "!" + name.removeprefix("Fn::")
                if isinstance(node, yaml.ScalarNode):
                    node.style = '"'
                return node
        return self.represent_mapping("tag:yaml.org,2002:map", data)


_Short.add_representer(dict, _Short.represent_dict)


@quick
@given(strategies.several)
def test_short_and_long_intrinsics_are_the_same(resources: dict[str, Any]) -> None:
    """`!Ref X` is `{"Ref": "X"}`."""
    body = template(resources, **SECTIONS)
    text = yaml.dump(body, Dumper=_Short, sort_keys=False)
    assert "Fn::" not in text
    assert said(text) == said(body)


@quick
@given(strategies.several, st.sampled_from(["IsOther", "AAA", "zzz"]))
def test_what_has_nothing_to_do_with_it_never_matters(resources: dict[str, Any], name: str) -> None:
    """A parameter, a condition and a resource that nothing refers to, and a rule always kept."""
    before = said(template(resources, **SECTIONS))
    sections = {
        "Parameters": {**SECTIONS["Parameters"], "Other": {"Type": "String", "Default": "x"}},
        "Conditions": {**SECTIONS["Conditions"], name: {"Fn::Equals": [{"Ref": "Other"}, "y"]}},
        "Mappings": {"M": {"a": {"b": "c"}}},
        "Rules": {"R": {"Assertions": [{"Assert": {"Fn::Equals": ["a", "a"]}}]}},
        "Outputs": {"O": {"Value": {"Ref": "Other"}}},
    }
    more = {"Handle": {"Type": "AWS::CloudFormation::WaitConditionHandle", "Condition": name}}
    assert said(template({**more, **resources}, **sections)) == before


@quick
@given(strategies.several, st.one_of(*[
    strategies.KINDS[kind] for kind in sorted(strategies.KINDS)
    if not kind.endswith(("::LogGroup", "::Stage", "::NatGateway", "::Volume"))
]))  # fmt: skip
def test_another_resource_never_mends_one(resources: dict[str, Any], more: Any) -> None:
    """What failed still fails.

    Left out by design: a log group mends the function that writes to it, a stage the routes that
    nobody else throttles, and the sum of all costs is a finding of what costs most.
    """
    before = said(template(resources, **SECTIONS))
    after = said(template(resources | {"More": more}, **SECTIONS))
    assert failed(before) <= failed(after)


@quick
@given(strategies.resources)
def test_resource_behind_a_condition_is_judged_where_it_exists(resource: dict[str, Any]) -> None:
    """A condition that some parameters reach hides nothing; one that none reach hides all."""
    before = said(template({"R": resource}, **SECTIONS))
    gates = {"On": {"Fn::Equals": [{"Ref": "Gate"}, "on"]}, "Never": {"Fn::Equals": ["a", "b"]}}
    sections = {
        "Parameters": {**SECTIONS["Parameters"], "Gate": {"Type": "String", "Default": "off"}},
        "Conditions": {**SECTIONS["Conditions"], **gates},
    }
    assert said(template({"R": {**resource, "Condition": "On"}}, **sections)) == before
    assert said(template({"R": {**resource, "Condition": "Never"}}, **sections)) == set()


@quick
@given(strategies.several)
def test_nested_stack_is_judged_as_if_it_stood_there(resources: dict[str, Any]) -> None:
    """The same resources below a parent that passes its own parameters on."""
    passed = {name: {"Ref": name} for name in SECTIONS["Parameters"]}
    inside = {"TemplateURL": "./child.json", "Parameters": passed}
    parent = template({"N": of_type("AWS::CloudFormation::Stack", inside)}, **SECTIONS)
    found = said(parent, child=template(resources, **SECTIONS))
    assert {one for one in found if one[1] != "N"} == said(template(resources, **SECTIONS))


@quick
@given(strategies.several)
def test_loop_of_one_is_what_it_makes(resources: dict[str, Any]) -> None:
    """Each resource made by a loop over its own name."""
    loops = {
        f"Fn::ForEach::{name}": ["Name", [name], {"${Name}": body}]
        for name, body in resources.items()
    }
    body = template(loops, **SECTIONS, Transform="AWS::LanguageExtensions")
    assert said(body) == said(template(resources, **SECTIONS))


def scalars(value: Any) -> list[tuple[Any, ...]]:
    """Where a scalar or a whole intrinsic stands."""
    found = []
    for path in places(value):
        here, inside = value, False
        for step in path:
            inside = inside or (isinstance(here, dict) and _is_call(here))
            here = here[step]
        if not inside and path and (not isinstance(here, dict | list) or _is_call(here)):
            found.append(path)
    return found


def _is_call(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and len(value) == 1
        and next(iter(value)).startswith(("Ref", "Fn::"))
    )


@settings(max_examples=200, deadline=None)
@given(strategies.several, st.data())
def test_value_nobody_could_resolve_is_never_evidence_of_compliance(
    resources: dict[str, Any], data: st.DataObject
) -> None:
    """A value that becomes unresolvable never turns FAIL into PASS."""
    before = said(template(resources, **SECTIONS))
    name = data.draw(st.sampled_from(sorted(resources)))
    options = scalars(resources[name].get("Properties", {}))
    if not options:
        return
    path = (name, "Properties", *data.draw(st.sampled_from(options)))
    changed = replaced(resources, path, data.draw(st.sampled_from(UNRESOLVABLE)))
    after = said(template(changed, **SECTIONS))
    # By family, because an action nobody knows is said once, whatever it might have been. A sum of
    # costs is a finding of what costs most, which may now be another.
    sums = {("TL_COST", one) for one in resources if ("TL_COST_1", one) in failed(before)}
    still = {family((rule, one)) for rule, one, _ in after}
    assert {family(one) for one in failed(before)} - sums <= still
    assert bool(sums) <= any(rule == "TL_COST_1" for rule, _, _ in after)


def family(finding: tuple[str, str]) -> tuple[str, str]:
    """`TL_IAM`, and whose."""
    rule, resource = finding
    return rule.rpartition("_")[0], resource
