"""Laws: how a template is written never changes what is said about it."""

import json
import random
import tempfile
from pathlib import Path
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.judge import strategies
from tests.judge.factory import of_type, template, verdicts
from tests.judge.strategies import SECTIONS, UNKNOWN

quick = settings(max_examples=60, deadline=None)


def said(body: dict[str, Any] | str, name: str = "t.yaml") -> set[tuple[str, str, str]]:
    """(rule, resource, verdict), without tags from the stack."""
    with tempfile.TemporaryDirectory() as folder:
        return verdicts(Path(folder), body, name=name, given={"Parameters": {}})


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

    def represent_dict(self, data: Any) -> yaml.Node:
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
@given(strategies.several, strategies.resources)
def test_another_resource_never_mends_one(resources: dict[str, Any], more: Any) -> None:
    """What failed still fails.

    The one exception is by design and not among these: a log group mends the function that writes
    to it.
    """
    before = said(template(resources, **SECTIONS))
    after = said(template(resources | {"More": more}, **SECTIONS))
    assert before <= after


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where a scalar or an intrinsic stands."""
    if isinstance(value, dict) and not (len(value) == 1 and next(iter(value)) in ("Ref",)):
        if len(value) == 1 and next(iter(value)).startswith("Fn::"):
            return [path]
        return [found for key, one in value.items() for found in places(one, (*path, key))]
    if isinstance(value, list):
        return [found for i, one in enumerate(value) for found in places(one, (*path, i))]
    return [path]


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(value[path[0]], path[1:], new)
    return copy


@quick
@given(strategies.resources, st.data())
def test_value_nobody_could_resolve_is_never_evidence_of_compliance(
    resource: dict[str, Any], data: st.DataObject
) -> None:
    """A value that becomes unresolvable never turns FAIL into PASS."""
    before = said(template({"R": resource}, **SECTIONS))
    options = [path for path in places(resource["Properties"]) if path]
    if not options:
        return
    path = data.draw(st.sampled_from(options))
    new = data.draw(st.sampled_from([UNKNOWN, {"Ref": "Free"}]))
    changed = of_type(resource["Type"], replaced(resource["Properties"], path, new))
    after = said(template({"R": changed}, **SECTIONS))
    if any(verdict == "FAIL" for _, _, verdict in before):
        assert after != set()
