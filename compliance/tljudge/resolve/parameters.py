"""The values that a parameter may have: the given value, AllowedValues, the default, or unknown.

A parameter that a condition compares with a literal may also have that literal, whatever its
default: resources that are off by default are also judged as if they were on.
"""

import re
from collections.abc import Mapping, Sequence
from typing import TypeVar

from tljudge.decode.nodes import Call, Map, Node, Seq, as_text, is_static
from tljudge.decode.references import calls
from tljudge.decode.template import Template
from tljudge.resolve.values import MAX_PIECES, Text, Unknown, Value, is_plain, key_of, why

V = TypeVar("V")
_MAX_PATTERN = 500
# Samples of dangerous values: an AllowedPattern that refuses all of them makes a value plain.
_WILD = ("*", "a*", "*a", "?", "a/*", "a:*", "0.0.0.0/0", "https://*", "http://*")


def compared_literals(template: Template) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Collect the literals and map keys that decide the value of a parameter.

    Returns:
        Parameter to the literals that conditions and rules compare it with, and parameter to the
        keys of the maps that it is looked up in. Map keys of pseudo parameters are in the first.
    """
    literals: dict[str, list[str]] = {}
    keys: dict[str, list[str]] = {}
    for call in calls(template.conditions):
        if call.name == "Fn::Equals" and isinstance(call.argument, list):
            _note(call.argument, literals)
    for call in calls(template.rules):
        if call.name in ("Fn::Equals", "Fn::Contains") and isinstance(call.argument, list):
            _note_rule(call.argument, literals)
    for call in template.lookups if template.mappings else ():
        if isinstance(call.argument, Seq):
            _note_keys(call.argument, template, literals, keys)
    return literals, keys


def _note(sides: Sequence[Node], literals: dict[str, list[str]]) -> None:
    for side, literal in (sides, sides[::-1]) if len(sides) == 2 else ():
        name = side.argument if isinstance(side, Call) and side.name == "Ref" else None
        if isinstance(name, str) and isinstance(literal, str | int | float | bool):
            literals_of_name = literals.setdefault(name, [])
            if as_text(literal) not in literals_of_name:
                literals_of_name.append(as_text(literal))


def _note_rule(sides: Sequence[Node], literals: dict[str, list[str]]) -> None:
    """Note the literals of a rule's assertion: the parameter may have each of them."""
    for side, asked in (sides, sides[::-1]) if len(sides) == 2 else ():
        if isinstance(side, Call) and not str(side.argument).startswith("AWS::"):
            for literal in asked if isinstance(asked, list) else [asked]:
                _note([side, literal], literals)


def _note_keys(
    argument: Seq[Node],
    template: Template,
    literals: dict[str, list[str]],
    keys: dict[str, list[str]],
) -> None:
    if len(argument) < 3 or not isinstance(argument[0], str):
        return
    mapping = template.mappings.get(argument[0])
    if not isinstance(mapping, Map):
        return
    inner = [key for below in mapping.values() if isinstance(below, Map) for key in below]
    for key, options in ((argument[1], list(mapping)), (argument[2], inner)):
        if isinstance(key, Call) and key.name == "Ref" and isinstance(key.argument, str):
            noted = (literals if key.argument.startswith("AWS::") else keys).setdefault(
                key.argument, []
            )
            noted.extend(option for option in options if option not in noted)


def parameter_options(
    name: str,
    declared: Node,
    given: Mapping[str, Value],
    wanted: list[str],
    keys: list[str] | None,
    *,
    fixed: bool = False,
    path: str = "",
) -> list[Value]:
    """The values that a parameter is judged with, the most likely first.

    Args:
        name: name of the parameter.
        declared: its declaration.
        given: values from the parameter file or the parent stack.
        wanted: literals that conditions compare it with.
        keys: keys of the maps that it is looked up in.
        fixed: whether a parent stack decides the value.
        path: path of its stack.

    Returns:
        At least one value; an `Unknown` stands for every value that is not listed.
    """
    if not isinstance(declared, Map):
        return [Unknown(f"{path}{name}", f"parameter {name} is not declared as a mapping")]
    kind = as_text(declared.get("Type", "String"))
    if kind.startswith("AWS::SSM::Parameter::Value"):
        return [_symbol(f"{path}{name}", name, declared, kind)]
    allowed = declared.get("AllowedValues")
    listed = allowed if isinstance(allowed, list) else ()
    options = [_literal(value, f"{path}{name}") for value in listed]
    first: Value = None
    if name in given:
        first = given[name]
    elif declared.get("Default") is not None:
        first = _literal(declared["Default"], f"{path}{name}")
    elif fixed:
        return [_symbol(f"{path}{name}", name, declared, kind)]
    if fixed or name in given:
        possible = [w for w in wanted if not options or w in [as_text(o) for o in options]]
        options = [first] if fixed else _distinct([first, *possible])
    elif options:
        options = options if first is None else _distinct([first, *options])
    elif first is not None:
        options = _distinct([first, *wanted])
    else:
        symbol = _symbol(f"{path}{name}", name, declared, kind)
        options = [*wanted, *(key for key in keys or () if key not in wanted), symbol]
    return [_typed(option, kind, name) for option in options]


def _literal(raw: Node, key: str) -> Value:
    """A value of a declaration; `Unknown` for a dynamic reference, which is read at deployment."""
    return raw if is_static(raw) else Unknown(key, f"a value declared for {key} is not a literal")


def _distinct(options: list[Value]) -> list[Value]:
    distinct: list[Value] = []
    seen: set[str] = set()
    for option in options:
        key = option if isinstance(option, str) else _list_key(option)
        if key not in seen:
            seen.add(key)
            distinct.append(option)
    return distinct


def _list_key(option: Value) -> str:
    return ",".join(map(key_of, option)) if isinstance(option, list) else key_of(option)


def _typed(option: Value, kind: str, name: str) -> Value:
    if isinstance(option, Unknown):
        return option
    if kind == "CommaDelimitedList" or kind.startswith("List<"):
        if isinstance(option, Text):
            return Unknown(option.key, why(option), is_plain(option), True)
        if isinstance(option, list):
            return option
        text = as_text(option)
        if text.count(",") > MAX_PIECES:
            return Unknown(name, f"parameter {name} has more than {MAX_PIECES} pieces")
        elements = Seq(piece.strip() for piece in text.split(","))
        elements.marks, elements.static = [(1, 1)] * len(elements), True
        return elements
    if isinstance(option, Text | list | dict):
        return option
    if kind == "Number":
        return number(option)
    return as_text(option)


def number(value: V) -> V | int | float:
    """Convert text that is a number, such as `"30"`; return any other value unchanged."""
    text = as_text(value).strip()
    if re.fullmatch(r"[-+]?[0-9]{1,18}", text):
        return int(text)
    if re.fullmatch(r"[-+]?[0-9]{1,18}\.[0-9]{1,18}", text):
        return float(text)
    return value


def _symbol(key: str, name: str, declared: Map[Node], kind: str) -> Unknown:
    minimum = number(declared.get("MinLength", 0))
    aws_made = kind.startswith(("AWS::EC2::", "List<AWS::EC2::", "AWS::Route53::"))
    refused = [text for text in ("", *_WILD) if not admits(declared, text)]
    return Unknown(
        f"{key}!other",
        f"parameter {name} has no default",
        plain=aws_made or kind == "Number" or len([t for t in refused if t]) == len(_WILD),
        nonempty=aws_made
        or kind == "Number"
        or "" in refused
        or (isinstance(minimum, int | float) and minimum >= 1),
    )


def admits(declared: Map[Node], text: str) -> bool:
    """Whether AllowedPattern admits a text; a pattern that Python cannot read admits all."""
    pattern = declared.get("AllowedPattern")
    if not isinstance(pattern, str) or len(pattern) > _MAX_PATTERN:
        return True
    try:
        return re.fullmatch(pattern, text) is not None
    except (re.error, RecursionError, OverflowError, MemoryError):
        return True
