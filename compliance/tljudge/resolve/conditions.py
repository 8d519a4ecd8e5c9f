"""Conditions in one scenario: true or false, and where nobody can know, each in turn."""

from typing import TYPE_CHECKING, Any

from tljudge.decode.nodes import Call, Map, as_text
from tljudge.resolve.values import NOVALUE, Text, Unknown, has_unknown, key_of, key_of_any

if TYPE_CHECKING:
    from tljudge.resolve.deployment import Stack

# One value in the whole deployment; the other pseudo parameters differ from stack to stack.
SHARED = frozenset({"AWS::AccountId", "AWS::Partition", "AWS::Region", "AWS::URLSuffix"})


def truth(stack: "Stack", body: Any, name: str) -> bool:
    """Whether a condition's body holds; `name` tells apart what nobody can know."""
    if isinstance(body, Map) and isinstance(body.get("Condition"), str):
        return stack.condition(body["Condition"])
    if isinstance(body, bool):
        return body
    if isinstance(body, Call) and isinstance(body.argument, list):
        inner = body.argument
        if body.name == "Fn::And":
            return all(truth(stack, one, f"{name}.{i}") for i, one in enumerate(inner))
        if body.name == "Fn::Or":
            return any(truth(stack, one, f"{name}.{i}") for i, one in enumerate(inner))
        if body.name == "Fn::Not" and len(inner) == 1:
            return not truth(stack, inner[0], f"{name}.not")
        if body.name == "Fn::Equals" and len(inner) == 2:
            a, b = compared_value(stack, inner[0]), compared_value(stack, inner[1])
            same = equal(stack, a, b)
            if same is None:
                return _either(stack, " equals ".join(sorted((key_of_any(a), key_of_any(b)))))
            return same
    return _either(stack, f"condition {name}")


def holds(stack: "Stack", raw: Any) -> bool:
    """Whether a resource's `Condition` holds where an intrinsic names it, as in a loop."""
    name = stack.value(raw)
    if name is NOVALUE:
        return True
    return stack.condition(name) if isinstance(name, str) else _either(stack, key_of(name))


def compared_value(stack: "Stack", raw: Any) -> Any:
    """A value that is compared or looked up: a pseudo parameter is chosen, not symbolic."""
    name = raw.argument if isinstance(raw, Call) and raw.name == "Ref" else None
    if isinstance(name, str) and name in stack.world.pseudo:
        return _pseudo(stack, name)
    return stack.value(raw)


def equal(stack: "Stack", a: Any, b: Any) -> bool | None:
    """Whether two values are the same; None where nobody can know."""
    if isinstance(a, list | dict) or isinstance(b, list | dict):
        unclear = has_unknown(a, plain_too=True) or has_unknown(b, plain_too=True)
        return True if a == b else None if unclear else False
    one, other = key_of(a), key_of(b)
    if one == other:
        return True
    if not isinstance(a, Unknown | Text) and not isinstance(b, Unknown | Text):
        return False
    for free, literal in ((a, b), (b, a)):
        # Chosen as "any other value" than those it is compared with.
        if isinstance(free, Unknown) and not isinstance(literal, Unknown | Text):
            name = free.key.removesuffix("!other").removeprefix(stack.path)
            known = [*stack.compared.get(name, ()), *stack.world.pseudo.get(name, ())]
            if free.key.endswith("!other") and as_text(literal) in known:
                return False
    return None


def _either(stack: "Stack", what: str) -> bool:
    """Nobody can know: both are looked at."""
    found: bool = stack.world.choices.choose(f"{stack.path}?{what}", what, (True, False))
    return found


def _pseudo(stack: "Stack", name: str) -> Any:
    path = "" if name in SHARED else stack.path
    other = Unknown(f"{path}{name}!other", name, plain=True, nonempty=True)
    options = [*stack.world.pseudo.get(name, ()), other]
    return stack.world.choices.choose(f"{path}{name}", f"{path}{name}", options)
