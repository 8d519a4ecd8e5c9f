"""Intrinsics in one scenario: every value known, unknown, or not there; nothing guessed."""

import json
from typing import TYPE_CHECKING, Any

from tljudge.decode.nodes import Call, Map, Mark, Partial, Seq, as_text, is_static
from tljudge.decode.references import PSEUDO, placeholders, sub_parts
from tljudge.resolve.conditions import SHARED, compared_value
from tljudge.resolve.scenarios import Unreachable
from tljudge.resolve.values import (
    MAX_LENGTH,
    MAX_PIECES,
    NOVALUE,
    Text,
    Unknown,
    has_unknown,
    is_plain,
    join,
    key_of,
    key_of_any,
    pieces,
)

if TYPE_CHECKING:
    from tljudge.resolve.deployment import Stack


def value(stack: "Stack", raw: Any) -> Any:
    """A value of this stack's template in this scenario."""
    kind = type(raw)
    if kind is Call:
        return _call(stack, raw)
    if kind is Map:
        return raw if raw.static else _map(stack, raw)
    if kind is Seq:
        return raw if raw.static else _seq(stack, raw)
    if kind is Partial:
        first = next(iter(raw.marks.values()))
        return Unknown(f"{stack.path}macro{first}", "a macro or loop makes part of it")
    return raw


def _at(stack: "Stack", raw: Any, mark: Mark) -> tuple[Any, Mark]:
    """A value and where it stands: inside an `Fn::If`, the branch taken."""
    while type(raw) is Call and raw.name == "Fn::If":
        argument = raw.argument
        if not isinstance(argument, Seq) or len(argument) != 3:
            return _opaque(stack, raw, "Fn::If takes a condition and two values"), mark
        if not isinstance(argument[0], str):
            return _opaque(stack, raw, "Fn::If does not name a condition"), mark
        branch = 1 if stack.condition(argument[0]) else 2
        raw, mark = argument[branch], argument.marks[branch]
    return value(stack, raw), mark


def _map(stack: "Stack", raw: Map) -> Map:
    found = Map(raw)
    moved: dict[str, Mark] = {}
    stack.world.memory.work += len(raw)
    for key, inner in raw.items():
        if type(inner) is str or is_static(inner):
            continue
        if type(inner) is Call and inner.name == "Fn::If":
            one, moved[key] = _at(stack, inner, raw.mark(key))
        else:
            one = value(stack, inner)
        if one is NOVALUE:
            del found[key]
        else:
            found[key] = one
    found.stands_where(raw)
    if moved:
        found.marks = raw.marks | moved
    found.static = True
    return found


def _seq(stack: "Stack", raw: Seq) -> Seq:
    found = Seq()
    stack.world.memory.work += len(raw)
    if any(type(one) is Call for one in raw):
        marks = []
        for inner, mark in zip(raw, raw.marks, strict=True):
            one, at = (inner, mark) if is_static(inner) else _at(stack, inner, mark)
            if one is not NOVALUE:
                found.append(one)
                marks.append(at)
        found.marks = marks
    else:
        found.extend(one if is_static(one) else value(stack, one) for one in raw)
        found.stands_where(raw)
    found.static = True
    return found


def _opaque(
    stack: "Stack", call: Call, why: str, *, plain: bool = False, inputs: Any = ""
) -> Unknown:
    return Unknown(f"{stack.path}{call.name}({inputs or call.mark})", why, plain, plain)


def _call(stack: "Stack", call: Call) -> Any:
    name, argument = call.name, call.argument
    if name == "Ref":
        return _ref(stack, argument, call)
    if name == "Fn::If":
        return _at(stack, call, call.mark)[0]
    if name == "Fn::GetAtt":
        return _attribute(stack, argument, call)
    if name == "Fn::Sub":
        return _sub(stack, call)
    if name == "Dynamic":
        return _dynamic(argument)
    if name == "Fn::FindInMap":
        return _find(stack, call)
    if name == "Fn::GetAZs":
        return _opaque(stack, call, "Fn::GetAZs", plain=True, inputs=key_of_any(argument))
    if name == "Fn::ImportValue":
        of = key_of_any(stack.value(argument))
        return Unknown(f"import:{of}", f"Fn::ImportValue {of} is another stack's")
    two = {"Fn::Join": _join, "Fn::Split": _split, "Fn::Select": _select}
    if name in two and isinstance(argument, Seq) and len(argument) == 2:
        return two[name](stack, call, stack.value(argument[0]), stack.value(argument[1]))
    if name == "Fn::Length":
        inner = stack.value(argument)
        return len(inner) if isinstance(inner, list) else _opaque(stack, call, "Fn::Length")
    if name == "Fn::ToJsonString":
        inner = stack.value(argument)
        if not has_unknown(inner, plain_too=True):
            text = json.dumps(inner)
            return text if len(text) <= MAX_LENGTH else _opaque(stack, call, "it is too long")
    return _opaque(stack, call, f"{name} is not resolved")


def _ref(stack: "Stack", name: Any, call: Call) -> Any:
    if not isinstance(name, str):
        name = value(stack, name)
    if not isinstance(name, str):
        return _opaque(stack, call, "what Ref names is not known")
    if name == "AWS::NoValue":
        return NOVALUE
    if name in stack.template.parameters:
        return stack.parameter(name)
    if name in stack.resources:
        key = f"{stack.path}{name}"
        return Unknown(key, f"{name} is made at deployment", True, True, (stack.path, name, ""))
    if name in PSEUDO:
        path = "" if name in SHARED else stack.path
        return Unknown(f"{path}{name}", name, True, True)
    return _opaque(stack, call, f"{name[:80]} is not declared here")


def _attribute(stack: "Stack", argument: Any, call: Call) -> Any:
    if not isinstance(argument, list) or len(argument) != 2:
        return _opaque(stack, call, "Fn::GetAtt takes a resource and an attribute")
    name, attribute = argument[0], argument[1]
    if not isinstance(name, str) or name not in stack.resources:
        return _opaque(stack, call, "Fn::GetAtt of what is not declared here")
    if not isinstance(attribute, str):
        attribute = key_of_any(stack.value(attribute))
    resource = stack.resources[name]
    if name in stack.children and attribute.startswith("Outputs."):
        return stack.children[name].output(attribute[8:])
    if attribute == "CidrBlock" and resource.type in ("AWS::EC2::VPC", "AWS::EC2::Subnet"):
        block = resource.get("CidrBlock")
        if block is not NOVALUE:
            return block
    made_by_aws = resource.type.startswith("AWS::") and not resource.type.startswith(
        "AWS::CloudFormation::"
    )
    key = f"{stack.path}{name}.{attribute}"
    why = f"{name}.{attribute} is made at deployment"
    sure = made_by_aws and attribute.endswith(("Arn", "Id"))
    return Unknown(key, why, made_by_aws, sure, (stack.path, name, attribute))


def _sub(stack: "Stack", call: Call) -> Any:
    text, given = sub_parts(call.argument)
    if not text:
        return "" if call.argument == "" else _opaque(stack, call, "Fn::Sub takes text")
    parts: list[Any] = []
    mine: dict[str, Any] = {}
    at = 0
    for begins, ends, inside in placeholders(text):
        parts.append(_dynamic(text[at:begins]))
        at, name = ends, inside.strip()
        if inside[:1] == "!":
            parts.append("${" + inside[1:] + "}")
        elif name in given:
            # Once, however often it is named: Subs in Subs would double with each level.
            if name not in mine:
                mine[name] = stack.value(given[name])
            parts.append(mine[name])
        elif "." in name:
            parts.append(_attribute(stack, name.split(".", 1), call))
        else:
            parts.append(_ref(stack, name, call))
    parts.append(_dynamic(text[at:]))
    return join(part for part in parts if part is not NOVALUE)


def _dynamic(text: str) -> Any:
    if "{{resolve:" not in text:
        return text
    parts: list[Any] = []
    while (start := text.find("{{resolve:")) >= 0:
        end = text.find("}}", start)
        end = len(text) if end < 0 else end + 2
        reference = text[start:end]
        parts += [text[:start], Unknown(reference, f"{reference[:80]} is read at deployment")]
        text = text[end:]
    return join([*parts, text])


def _join(stack: "Stack", call: Call, separator: Any, items: Any) -> Any:
    if not isinstance(items, list):
        return _opaque(stack, call, _why_of(items), plain=is_plain(items), inputs=key_of_any(items))
    parts: list[Any] = []
    for index, item in enumerate(items):
        parts += [separator, item] if index else [item]
    return join(parts)


def _split(stack: "Stack", call: Call, separator: Any, text: Any) -> Any:
    if isinstance(separator, str) and separator and isinstance(text, str):
        if text.count(separator) > MAX_PIECES:
            return _opaque(stack, call, f"Fn::Split gives more than {MAX_PIECES} pieces")
        found = Seq(text.split(separator))
        found.marks, found.static = [call.mark] * len(found), True
        return found
    if isinstance(text, list | dict):
        return _opaque(stack, call, "Fn::Split takes text")
    return _opaque(stack, call, _why_of(text), plain=is_plain(text), inputs=key_of(text))


def _select(stack: "Stack", call: Call, index: Any, items: Any) -> Any:
    number = as_text(index)
    if not isinstance(items, list):
        if isinstance(items, Unknown):
            return Unknown(f"{items.key}[{number}]", items.why, items.plain, items.nonempty)
        return _opaque(stack, call, "Fn::Select takes a list")
    if not number.isdecimal() or len(number) > 9:
        return _opaque(stack, call, "the index is not known")
    if int(number) >= len(items):
        raise Unreachable(f"Fn::Select {number} of {len(items)} values")
    return items[int(number)]


def _find(stack: "Stack", call: Call) -> Any:
    argument = call.argument
    if not isinstance(argument, Seq) or len(argument) < 3:
        return _opaque(stack, call, "Fn::FindInMap takes a map and two keys")
    name = stack.value(argument[0])
    here: Any = stack.template.mappings.get(name) if isinstance(name, str) else None
    if not isinstance(here, Map):
        return _opaque(stack, call, "the map is not declared here")
    last = argument[3] if len(argument) == 4 else None
    default = last["DefaultValue"] if isinstance(last, Map) and "DefaultValue" in last else NOVALUE
    for position in (1, 2):
        key = compared_value(stack, argument[position])
        if isinstance(key, Unknown | Text):
            if isinstance(key, Unknown) and key.key.endswith("!other"):
                if default is not NOVALUE:
                    return stack.value(default)
                raise Unreachable(f"the map has no key for {key.why}")
            label = f"Fn::FindInMap in line {call.mark[0]}, key {position}"
            keys = [*sorted(here), *([] if default is NOVALUE else ["any other key"])]
            key = stack.world.choices.choose(f"{stack.path}{call.mark}{position}", label, keys)
        if not isinstance(here, Map) or as_text(key) not in here:
            if default is not NOVALUE:
                return stack.value(default)
            raise Unreachable(f"a map has no key {as_text(key)[:80]}")
        here = here[as_text(key)]
    return stack.value(here)


def _why_of(value: Any) -> str:
    reasons = [p.why for p in pieces(value) if isinstance(p, Unknown)]
    return reasons[0] if reasons else "not known"
