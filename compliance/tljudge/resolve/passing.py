"""Parameters that a stack passes to a nested stack, and the values that the nested stack sees."""

from tljudge.decode.nodes import Map, Node
from tljudge.decode.references import calls
from tljudge.resolve.parameters import parameter_options
from tljudge.resolve.scope import Scope
from tljudge.resolve.values import NOVALUE, Unknown, Value, as_map


def compare_in_parent(child: Scope, parent: Scope, passed: Node) -> None:
    """Add to each parent parameter the literals that the child compares it with.

    The child sees the parent's value under another name, so both must choose the same literals.

    Args:
        child: the nested stack.
        parent: the stack above; its `compared` is extended.
        passed: the property `Parameters` of the nested-stack resource.
    """
    for name, wanted in child.compared.items():
        for call in calls(passed.get(name)) if isinstance(passed, Map) else ():
            text = call.argument if call.name in ("Ref", "Fn::Sub") else None
            source = text.removeprefix("${").removesuffix("}") if type(text) is str else ""
            if source in parent.template.parameters:
                literals = parent.compared.setdefault(source, [])
                literals.extend(literal for literal in wanted if literal not in literals)


def passed_options(child: Scope, parent: Scope, name: str, passed: Value) -> list[Value]:
    """The values that a parameter of a nested stack may have.

    Args:
        child: the nested stack.
        parent: the stack above.
        name: name of the parameter.
        passed: value of the property `Parameters` of the nested-stack resource.

    Returns:
        The passed value; where it is unknown and compared with literals, each literal and "any
        other value".
    """
    if isinstance(passed, Unknown):
        return [Unknown(f"{child.path}{name}", passed.why)]
    value = NOVALUE if passed is NOVALUE else as_map(passed).get(name, NOVALUE)
    given = {} if value is NOVALUE else {name: value}
    declared = child.template.parameters[name]
    options = parameter_options(name, declared, given, [], None, fixed=True, path=child.path)
    wanted = child.compared.get(name)
    first = options[0]
    if wanted and isinstance(first, Unknown):
        any_other = Unknown(f"{child.path}{name}!other", first.why, first.plain, first.nonempty)
        if _is_any_other(first, parent, wanted):
            return [any_other]
        return [*wanted, any_other]
    return options


def _is_any_other(passed: Unknown, parent: Scope, wanted: list[str]) -> bool:
    """Whether the parent has already chosen a value that is none of these literals."""
    if not passed.key.endswith("!other"):
        return False
    source = passed.key.removesuffix("!other").removeprefix(parent.path)
    return set(wanted) <= set(parent.compared.get(source, []))
