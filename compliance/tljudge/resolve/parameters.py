"""Which values a parameter may have: what it is given, its AllowedValues, its default, or unknown.

A parameter that a condition compares with a literal may also have that literal, whatever its
default: what is off today is judged as it is when somebody turns it on.
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
_WILD = ("*", "a*", "*a", "?", "a/*", "a:*", "0.0.0.0/0", "https://*", "http://*")


def compared(template: Template) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Names to the literals conditions compare them with, and to the map keys they must be.

    For pseudo parameters the map keys are among the first.
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
    for one, other in (sides, sides[::-1]) if len(sides) == 2 else ():
        name = one.argument if isinstance(one, Call) and one.name == "Ref" else None
        if isinstance(name, str) and isinstance(other, str | int | float | bool):
            known = literals.setdefault(name, [])
            if as_text(other) not in known:
                known.append(as_text(other))


def _note_rule(sides: Sequence[Node], literals: dict[str, list[str]]) -> None:
    """What a rule of the template asks of a parameter is a value it may have."""
    for one, other in (sides, sides[::-1]) if len(sides) == 2 else ():
        if isinstance(one, Call) and not str(one.argument).startswith("AWS::"):
            for literal in other if isinstance(other, list) else [other]:
                _note([one, literal], literals)


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
            known = (literals if key.argument.startswith("AWS::") else keys).setdefault(
                key.argument, []
            )
            known.extend(option for option in options if option not in known)


def admitted(
    name: str,
    declared: Node,
    given: Mapping[str, Value],
    wanted: list[str],
    keys: list[str] | None,
    *,
    fixed: bool = False,
    path: str = "",
) -> list[Value]:
    """The values a parameter is judged with, the likeliest first.

    Args:
        name: of the parameter.
        declared: its declaration.
        given: what the parameter file or the parent stack passes.
        wanted: literals that conditions compare it with.
        keys: keys of maps it is looked up in.
        fixed: a parent stack passes it, so nothing else can come in.
        path: of the stack it belongs to.
    """
    if not isinstance(declared, Map):
        return [Unknown(f"{path}{name}", f"parameter {name} is not declared as a mapping")]
    kind = as_text(declared.get("Type", "String"))
    if kind.startswith("AWS::SSM::Parameter::Value"):
        return [_symbol(f"{path}{name}", name, declared, kind)]
    allowed = declared.get("AllowedValues")
    listed = allowed if isinstance(allowed, list) else ()
    options = [_literal(one, f"{path}{name}") for one in listed]
    first: Value = None
    if name in given:
        first = given[name]
    elif declared.get("Default") is not None:
        first = _literal(declared["Default"], f"{path}{name}")
    elif fixed:
        return [_symbol(f"{path}{name}", name, declared, kind)]
    if fixed or name in given:
        also = [w for w in wanted if not options or w in [as_text(o) for o in options]]
        options = [first] if fixed else _distinct([first, *also])
    elif options:
        options = options if first is None else _distinct([first, *options])
    elif first is not None:
        options = _distinct([first, *wanted])
    else:
        symbol = _symbol(f"{path}{name}", name, declared, kind)
        options = [*wanted, *(key for key in keys or () if key not in wanted), symbol]
    return [_typed(option, kind, name) for option in options]


def _literal(raw: Node, key: str) -> Value:
    """A value that a declaration lists; a dynamic reference there is read at deployment."""
    return raw if is_static(raw) else Unknown(key, f"a value declared for {key} is no literal")


def _distinct(options: list[Value]) -> list[Value]:
    found: list[Value] = []
    seen: set[str] = set()
    for option in options:
        key = option if isinstance(option, str) else _list_key(option)
        if key not in seen:
            seen.add(key)
            found.append(option)
    return found


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
        found = Seq(piece.strip() for piece in text.split(","))
        found.marks, found.static = [(1, 1)] * len(found), True
        return found
    if isinstance(option, Text | list | dict):
        return option
    if kind == "Number":
        return number(option)
    return as_text(option)


def number(value: V) -> V | int | float:
    """A number where the text is one; `"30"` is 30."""
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
    """Whether the parameter's pattern lets a text in; a pattern nobody can read lets all in."""
    pattern = declared.get("AllowedPattern")
    if not isinstance(pattern, str) or len(pattern) > _MAX_PATTERN:
        return True
    try:
        return re.fullmatch(pattern, text) is not None
    except (re.error, RecursionError, OverflowError, MemoryError):
        return True
