"""Intrinsic functions in one scenario, each a function of its `Call`; none guesses a value.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference.html
"""

import json
from collections.abc import Callable, Mapping

from tljudge.decode.errors import shortened
from tljudge.decode.nodes import Call, Map, Mark, Node, Seq, as_text
from tljudge.decode.references import PSEUDO, placeholders, sub_parts
from tljudge.resolve.conditions import SHARED, compared_value
from tljudge.resolve.scenarios import Unreachable
from tljudge.resolve.scope import Scope
from tljudge.resolve.values import (
    MAX_LENGTH,
    MAX_PIECES,
    NOVALUE,
    NoValue,
    Text,
    Unknown,
    Value,
    has_unknown,
    identity,
    is_plain,
    join,
    key_of,
    pieces,
)


def call_value(scope: Scope, call: Call) -> Value:
    """The value of an intrinsic; `Unknown` for a function that the judge does not resolve."""
    resolve = _INTRINSICS.get(call.name)
    if resolve is None:
        return _opaque(scope, call, f"{call.name} is not resolved")
    return resolve(scope, call)


def _opaque(
    scope: Scope, call: Call, why: str, *, plain: bool = False, inputs: str = ""
) -> Unknown:
    """An unknown result: the same for equal `inputs`, else only for this place."""
    return Unknown(f"{scope.path}{call.name}({inputs or call.mark})", why, plain, plain)


def chosen_branch(scope: Scope, call: Call) -> tuple[Node, Mark] | Unknown:
    """The branch that an `Fn::If` takes, with its place; `Unknown` for a malformed one."""
    argument = call.argument
    if not isinstance(argument, Seq) or len(argument) != 3:
        return _opaque(scope, call, "Fn::If needs a condition and two values")
    if not isinstance(argument[0], str):
        return _opaque(scope, call, "Fn::If does not name a condition")
    index = 1 if scope.condition(argument[0]) else 2
    return argument[index], argument.marks[index]


def _if(scope: Scope, call: Call) -> Value:
    branch = chosen_branch(scope, call)
    return branch if isinstance(branch, Unknown) else scope.value(branch[0])


def _zones(scope: Scope, call: Call) -> Value:
    """Fn::GetAZs: unknown, but plain, and the same for the same region."""
    return _opaque(scope, call, "Fn::GetAZs", plain=True, inputs=identity(call.argument))


def _import(scope: Scope, call: Call) -> Value:
    """Fn::ImportValue: unknown, because another stack exports it."""
    export = identity(scope.value(call.argument))
    return Unknown(f"import:{export}", f"another stack exports {export}")


def _length(scope: Scope, call: Call) -> Value:
    """Fn::Length of a list."""
    elements = scope.value(call.argument)
    return len(elements) if isinstance(elements, list) else _opaque(scope, call, "Fn::Length")


def _json(scope: Scope, call: Call) -> Value:
    """Fn::ToJsonString of a known value."""
    content = scope.value(call.argument)
    if has_unknown(content, plain_too=True):
        return _opaque(scope, call, "Fn::ToJsonString is not resolved")
    text = json.dumps(content)
    return (
        text
        if len(text) <= MAX_LENGTH
        else _opaque(scope, call, f"Fn::ToJsonString gives more than {MAX_LENGTH} characters")
    )


def _of_two(
    resolve: "Callable[[Scope, Call, Value, Value], Value]",
) -> "Callable[[Scope, Call], Value]":
    """Wrap an intrinsic of two arguments: both are resolved before it is called."""

    def resolved(scope: Scope, call: Call) -> Value:
        argument = call.argument
        if not isinstance(argument, Seq) or len(argument) != 2:
            return _opaque(scope, call, f"{call.name} is not resolved")
        return resolve(scope, call, scope.value(argument[0]), scope.value(argument[1]))

    return resolved


def _named(scope: Scope, name: Node, call: Call) -> Value:
    """Ref: the value of a parameter; unknown but plain for a resource or a pseudo parameter."""
    if not isinstance(name, str):
        resolved = scope.value(name)
        if not isinstance(resolved, str):
            return _opaque(scope, call, "the name in Ref is unknown")
        name = resolved
    if name == "AWS::NoValue":
        return NOVALUE
    if name in scope.template.parameters:
        return scope.parameter(name)
    if name in scope.resources:
        key = f"{scope.path}{name}"
        return Unknown(key, f"{name} is created at deployment", True, True, (scope.path, name, ""))
    if name in PSEUDO:
        path = "" if name in SHARED else scope.path
        return Unknown(f"{path}{name}", name, True, True)
    return _opaque(scope, call, f"{shortened(name)} is not declared in this template")


def _attribute(scope: Scope, argument: Node | list[str], call: Call) -> Value:
    """Fn::GetAtt: an output of a nested stack, a CIDR block, or an unknown value."""
    if not isinstance(argument, list) or len(argument) != 2:
        return _opaque(scope, call, "Fn::GetAtt needs a resource and an attribute")
    name, attribute = argument[0], argument[1]
    if not isinstance(name, str) or name not in scope.resources:
        return _opaque(scope, call, "the resource of Fn::GetAtt is not declared here")
    if not isinstance(attribute, str):
        attribute = identity(scope.value(attribute))
    resource = scope.resources[name]
    if name in scope.children and attribute.startswith("Outputs."):
        return scope.children[name].output(attribute[8:])
    if attribute == "CidrBlock" and resource.type in ("AWS::EC2::VPC", "AWS::EC2::Subnet"):
        block = resource.get("CidrBlock")
        if block is not NOVALUE:
            return block
    made_by_aws = resource.type.startswith("AWS::") and not resource.type.startswith(
        "AWS::CloudFormation::"
    )
    key = f"{scope.path}{name}.{attribute}"
    why = f"{name}.{attribute} is set at deployment"
    nonempty = made_by_aws and attribute.endswith(("Arn", "Id"))
    return Unknown(key, why, made_by_aws, nonempty, (scope.path, name, attribute))


def _sub(scope: Scope, call: Call) -> Value:
    """Fn::Sub: known text where all placeholders are known, else text with unknown pieces."""
    text, given = sub_parts(call.argument)
    if not text:
        return "" if call.argument == "" else _opaque(scope, call, "Fn::Sub needs text")
    parts: list[Value] = []
    variables: dict[str, Value] = {}
    position = 0
    for start, end, content in placeholders(text):
        parts.append(_dynamic(text[position:start]))
        position, name = end, content.strip()
        if content[:1] == "!":
            parts.append("${" + content[1:] + "}")
        elif name in given:
            # Resolve each variable once: nested Subs would otherwise double the work per level.
            if name not in variables:
                variables[name] = scope.value(given[name])
            parts.append(variables[name])
        elif "." in name:
            parts.append(_attribute(scope, name.split(".", 1), call))
        else:
            parts.append(_named(scope, name, call))
    parts.append(_dynamic(text[position:]))
    return join(part for part in parts if part is not NOVALUE)


def _dynamic(text: str) -> Value:
    """Text with an unknown piece for each dynamic reference `{{resolve:...}}`."""
    if "{{resolve:" not in text:
        return text
    parts: list[Value] = []
    while (start := text.find("{{resolve:")) >= 0:
        end = text.find("}}", start)
        end = len(text) if end < 0 else end + 2
        reference = text[start:end]
        parts += [text[:start], Unknown(reference, f"{shortened(reference)} is read at deployment")]
        text = text[end:]
    return join([*parts, text])


def _join(scope: Scope, call: Call, separator: Value, items: Value) -> Value:
    """Fn::Join of a known list; an unknown list gives an unknown text."""
    if not isinstance(items, list):
        return _opaque(scope, call, _why_of(items), plain=is_plain(items), inputs=identity(items))
    parts: list[Value] = []
    for index, item in enumerate(items):
        parts += [separator, item] if index else [item]
    return join(parts)


def _split(scope: Scope, call: Call, separator: Value, text: Value) -> Value:
    """Fn::Split of known text; unknown text gives an unknown list."""
    if isinstance(separator, str) and separator and isinstance(text, str):
        if text.count(separator) > MAX_PIECES:
            return _opaque(scope, call, f"Fn::Split gives more than {MAX_PIECES} pieces")
        parts = Seq(text.split(separator))
        parts.marks, parts.static = [call.mark] * len(parts), True
        return parts
    if isinstance(text, list | dict):
        return _opaque(scope, call, "Fn::Split needs text")
    return _opaque(scope, call, _why_of(text), plain=is_plain(text), inputs=key_of(text))


def _select(scope: Scope, call: Call, index: Value, items: Value) -> Value:
    """Fn::Select of a known list by a known index; an index past its end is unreachable."""
    number = as_text(index)
    if not isinstance(items, list):
        if isinstance(items, Unknown):
            return Unknown(f"{items.key}[{number}]", items.why, items.plain, items.nonempty)
        return _opaque(scope, call, "Fn::Select needs a list")
    if not number.isdecimal() or len(number) > 9:
        return _opaque(scope, call, "the index of Fn::Select is unknown")
    if int(number) >= len(items):
        raise Unreachable(f"Fn::Select {number} of {len(items)} values")
    return items[int(number)]


def _find(scope: Scope, call: Call) -> Value:
    """Fn::FindInMap; an unknown key is a choice among the keys of the map."""
    argument = call.argument
    if not isinstance(argument, Seq) or len(argument) < 3:
        return _opaque(scope, call, "Fn::FindInMap needs a map and two keys")
    name = scope.value(argument[0])
    level: Node = scope.template.mappings.get(name) if isinstance(name, str) else None
    if not isinstance(level, Map):
        return _opaque(scope, call, "the map of Fn::FindInMap is not declared in this template")
    last = argument[3] if len(argument) == 4 else None
    default: Node | NoValue = NOVALUE
    if isinstance(last, Map) and "DefaultValue" in last:
        default = last["DefaultValue"]
    for position in (1, 2):
        key = compared_value(scope, argument[position])
        if isinstance(key, Unknown | Text):
            if isinstance(key, Unknown) and key.key.endswith("!other"):
                if default is not NOVALUE:
                    return scope.value(default)
                raise Unreachable(f"the map has no key for {key.why}")
            label = f"Fn::FindInMap in line {call.mark[0]}, key {position}"
            keys_of_level = sorted(level) if isinstance(level, Map) else [""]
            keys = [*keys_of_level, *([] if default is NOVALUE else ["any other key"])]
            key = scope.deployment.choices.choose(f"{scope.path}{call.mark}{position}", label, keys)
        if not isinstance(level, Map) or as_text(key) not in level:
            if default is not NOVALUE:
                return scope.value(default)
            raise Unreachable(f"a map has no key {shortened(as_text(key))}")
        level = level[as_text(key)]
    return scope.value(level)


def _why_of(value: Value) -> str:
    reasons = [p.why for p in pieces(value) if isinstance(p, Unknown)]
    return reasons[0] if reasons else "unknown"


_INTRINSICS: Mapping[str, Callable[[Scope, Call], Value]] = {
    "Ref": lambda scope, call: _named(scope, call.argument, call),
    "Fn::If": _if,
    "Fn::GetAtt": lambda scope, call: _attribute(scope, call.argument, call),
    "Fn::Sub": _sub,
    "Dynamic": lambda scope, call: _dynamic(as_text(call.argument)),
    "Fn::FindInMap": _find,
    "Fn::GetAZs": _zones,
    "Fn::ImportValue": _import,
    "Fn::Join": _of_two(_join),
    "Fn::Split": _of_two(_split),
    "Fn::Select": _of_two(_select),
    "Fn::Length": _length,
    "Fn::ToJsonString": _json,
}
"""Name of each resolved intrinsic to its function; every other intrinsic is unknown."""
