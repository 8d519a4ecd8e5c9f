"""Intrinsics in one scenario: every value known, unknown, or not there; nothing guessed.

Long because each intrinsic has a function, and the table of all of them stands below.
"""

import json
from collections.abc import Callable, Mapping

from tljudge.decode.nodes import Call, Map, Mark, Node, Partial, Seq, as_text, is_static
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


def value(scope: Scope, raw: Node) -> Value:
    """A value of this stack's template in this scenario."""
    if isinstance(raw, Call):
        return _call(scope, raw)
    if isinstance(raw, Map):
        if type(raw) is Partial:
            first = next(iter(raw.marks.values()))
            return Unknown(f"{scope.path}macro{first}", "a macro or loop makes part of it")
        # Static: no intrinsic is below, so that it is a value as it stands.
        return raw if raw.static else _map(scope, raw)  # type: ignore[return-value]
    if isinstance(raw, Seq):
        return raw if raw.static else _seq(scope, raw)  # type: ignore[return-value]
    return raw


def _at(scope: Scope, raw: Node, mark: Mark) -> tuple[Value, Mark]:
    """A value and where it stands: inside an `Fn::If`, the branch taken."""
    while type(raw) is Call and raw.name == "Fn::If":
        argument = raw.argument
        if not isinstance(argument, Seq) or len(argument) != 3:
            return _opaque(scope, raw, "Fn::If takes a condition and two values"), mark
        if not isinstance(argument[0], str):
            return _opaque(scope, raw, "Fn::If does not name a condition"), mark
        branch = 1 if scope.condition(argument[0]) else 2
        raw, mark = argument[branch], argument.marks[branch]
    return value(scope, raw), mark


def _map(scope: Scope, raw: Map[Node]) -> Map[Value]:
    # Copied as a whole, which is faster; what is no value yet is replaced below.
    found: Map[Value] = Map(raw)  # type: ignore[arg-type]
    moved: dict[str, Mark] = {}
    scope.deployment.memo.work += len(raw)
    for key, inner in raw.items():
        if type(inner) is str or is_static(inner):
            continue
        if type(inner) is Call and inner.name == "Fn::If":
            one, moved[key] = _at(scope, inner, raw.mark(key))
        else:
            one = value(scope, inner)
        if one is NOVALUE:
            del found[key]
        else:
            found[key] = one
    found.stands_where(raw)
    if moved:
        found.marks = raw.marks | moved
    found.static = True
    return found


def _seq(scope: Scope, raw: Seq[Node]) -> Seq[Value]:
    found: Seq[Value] = Seq()
    scope.deployment.memo.work += len(raw)
    if any(type(one) is Call for one in raw):
        marks = []
        for inner, mark in zip(raw, raw.marks, strict=True):
            one, at = (inner, mark) if is_static(inner) else _at(scope, inner, mark)
            if one is not NOVALUE:
                found.append(one)
                marks.append(at)
        found.marks = marks
    else:
        found.extend(one if is_static(one) else value(scope, one) for one in raw)
        found.stands_where(raw)
    found.static = True
    return found


def _opaque(
    scope: Scope, call: Call, why: str, *, plain: bool = False, inputs: str = ""
) -> Unknown:
    return Unknown(f"{scope.path}{call.name}({inputs or call.mark})", why, plain, plain)


def _call(scope: Scope, call: Call) -> Value:
    resolve = _INTRINSICS.get(call.name)
    if resolve is None:
        return _opaque(scope, call, f"{call.name} is not resolved")
    return resolve(scope, call)


def _zones(scope: Scope, call: Call) -> Value:
    return _opaque(scope, call, "Fn::GetAZs", plain=True, inputs=identity(call.argument))


def _import(scope: Scope, call: Call) -> Value:
    of = identity(scope.value(call.argument))
    return Unknown(f"import:{of}", f"Fn::ImportValue {of} is another stack's")


def _length(scope: Scope, call: Call) -> Value:
    inner = scope.value(call.argument)
    return len(inner) if isinstance(inner, list) else _opaque(scope, call, "Fn::Length")


def _json(scope: Scope, call: Call) -> Value:
    inner = scope.value(call.argument)
    if has_unknown(inner, plain_too=True):
        return _opaque(scope, call, "Fn::ToJsonString is not resolved")
    text = json.dumps(inner)
    return text if len(text) <= MAX_LENGTH else _opaque(scope, call, "it is too long")


def _of_two(
    resolve: "Callable[[Scope, Call, Value, Value], Value]",
) -> "Callable[[Scope, Call], Value]":
    """An intrinsic that takes two arguments, each resolved before it."""

    def resolved(scope: Scope, call: Call) -> Value:
        argument = call.argument
        if not isinstance(argument, Seq) or len(argument) != 2:
            return _opaque(scope, call, f"{call.name} is not resolved")
        return resolve(scope, call, scope.value(argument[0]), scope.value(argument[1]))

    return resolved


def _named(scope: Scope, name: Node, call: Call) -> Value:
    if not isinstance(name, str):
        named = value(scope, name)
        if not isinstance(named, str):
            return _opaque(scope, call, "what Ref names is not known")
        name = named
    if name == "AWS::NoValue":
        return NOVALUE
    if name in scope.template.parameters:
        return scope.parameter(name)
    if name in scope.resources:
        key = f"{scope.path}{name}"
        return Unknown(key, f"{name} is made at deployment", True, True, (scope.path, name, ""))
    if name in PSEUDO:
        path = "" if name in SHARED else scope.path
        return Unknown(f"{path}{name}", name, True, True)
    return _opaque(scope, call, f"{name[:80]} is not declared here")


def _attribute(scope: Scope, argument: Node | list[str], call: Call) -> Value:
    if not isinstance(argument, list) or len(argument) != 2:
        return _opaque(scope, call, "Fn::GetAtt takes a resource and an attribute")
    name, attribute = argument[0], argument[1]
    if not isinstance(name, str) or name not in scope.resources:
        return _opaque(scope, call, "Fn::GetAtt of what is not declared here")
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
    why = f"{name}.{attribute} is made at deployment"
    sure = made_by_aws and attribute.endswith(("Arn", "Id"))
    return Unknown(key, why, made_by_aws, sure, (scope.path, name, attribute))


def _sub(scope: Scope, call: Call) -> Value:
    text, given = sub_parts(call.argument)
    if not text:
        return "" if call.argument == "" else _opaque(scope, call, "Fn::Sub takes text")
    parts: list[Value] = []
    mine: dict[str, Value] = {}
    at = 0
    for begins, ends, inside in placeholders(text):
        parts.append(_dynamic(text[at:begins]))
        at, name = ends, inside.strip()
        if inside[:1] == "!":
            parts.append("${" + inside[1:] + "}")
        elif name in given:
            # Once, however often it is named: Subs in Subs would double with each level.
            if name not in mine:
                mine[name] = scope.value(given[name])
            parts.append(mine[name])
        elif "." in name:
            parts.append(_attribute(scope, name.split(".", 1), call))
        else:
            parts.append(_named(scope, name, call))
    parts.append(_dynamic(text[at:]))
    return join(part for part in parts if part is not NOVALUE)


def _dynamic(text: str) -> Value:
    if "{{resolve:" not in text:
        return text
    parts: list[Value] = []
    while (start := text.find("{{resolve:")) >= 0:
        end = text.find("}}", start)
        end = len(text) if end < 0 else end + 2
        reference = text[start:end]
        parts += [text[:start], Unknown(reference, f"{reference[:80]} is read at deployment")]
        text = text[end:]
    return join([*parts, text])


def _join(scope: Scope, call: Call, separator: Value, items: Value) -> Value:
    if not isinstance(items, list):
        return _opaque(scope, call, _why_of(items), plain=is_plain(items), inputs=identity(items))
    parts: list[Value] = []
    for index, item in enumerate(items):
        parts += [separator, item] if index else [item]
    return join(parts)


def _split(scope: Scope, call: Call, separator: Value, text: Value) -> Value:
    if isinstance(separator, str) and separator and isinstance(text, str):
        if text.count(separator) > MAX_PIECES:
            return _opaque(scope, call, f"Fn::Split gives more than {MAX_PIECES} pieces")
        found = Seq(text.split(separator))
        found.marks, found.static = [call.mark] * len(found), True
        return found
    if isinstance(text, list | dict):
        return _opaque(scope, call, "Fn::Split takes text")
    return _opaque(scope, call, _why_of(text), plain=is_plain(text), inputs=key_of(text))


def _select(scope: Scope, call: Call, index: Value, items: Value) -> Value:
    number = as_text(index)
    if not isinstance(items, list):
        if isinstance(items, Unknown):
            return Unknown(f"{items.key}[{number}]", items.why, items.plain, items.nonempty)
        return _opaque(scope, call, "Fn::Select takes a list")
    if not number.isdecimal() or len(number) > 9:
        return _opaque(scope, call, "the index is not known")
    if int(number) >= len(items):
        raise Unreachable(f"Fn::Select {number} of {len(items)} values")
    return items[int(number)]


def _find(scope: Scope, call: Call) -> Value:
    argument = call.argument
    if not isinstance(argument, Seq) or len(argument) < 3:
        return _opaque(scope, call, "Fn::FindInMap takes a map and two keys")
    name = scope.value(argument[0])
    here: Node = scope.template.mappings.get(name) if isinstance(name, str) else None
    if not isinstance(here, Map):
        return _opaque(scope, call, "the map is not declared here")
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
            known = sorted(here) if isinstance(here, Map) else [""]
            keys = [*known, *([] if default is NOVALUE else ["any other key"])]
            key = scope.deployment.choices.choose(f"{scope.path}{call.mark}{position}", label, keys)
        if not isinstance(here, Map) or as_text(key) not in here:
            if default is not NOVALUE:
                return scope.value(default)
            raise Unreachable(f"a map has no key {as_text(key)[:80]}")
        here = here[as_text(key)]
    return scope.value(here)


def _why_of(value: Value) -> str:
    reasons = [p.why for p in pieces(value) if isinstance(p, Unknown)]
    return reasons[0] if reasons else "not known"


_INTRINSICS: Mapping[str, Callable[[Scope, Call], Value]] = {
    "Ref": lambda scope, call: _named(scope, call.argument, call),
    "Fn::If": lambda scope, call: _at(scope, call, call.mark)[0],
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
"""Intrinsics that resolve to a value; every other is unknown."""
