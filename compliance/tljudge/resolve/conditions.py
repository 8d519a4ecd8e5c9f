"""Conditions in one scenario: true or false; an undecidable condition is explored both ways."""

from tljudge.decode.nodes import Call, Map, Node, as_text
from tljudge.resolve.scope import Scope
from tljudge.resolve.values import NOVALUE, Text, Unknown, Value, has_unknown, identity, key_of

# These have one value in the whole deployment; other pseudo parameters differ per stack.
SHARED = frozenset({"AWS::AccountId", "AWS::Partition", "AWS::Region", "AWS::URLSuffix"})


def truth(scope: Scope, body: Node, name: str) -> bool:
    """Whether a condition's body is true; `name` keys the choice if it cannot be decided."""
    named = body.get("Condition") if isinstance(body, Map) else None
    if isinstance(named, str):
        return scope.condition(named)
    if isinstance(body, bool):
        return body
    if isinstance(body, Call) and isinstance(body.argument, list):
        parts = body.argument
        if body.name == "Fn::And":
            return all(truth(scope, part, f"{name}.{i}") for i, part in enumerate(parts))
        if body.name == "Fn::Or":
            return any(truth(scope, part, f"{name}.{i}") for i, part in enumerate(parts))
        if body.name == "Fn::Not" and len(parts) == 1:
            return not truth(scope, parts[0], f"{name}.not")
        if body.name == "Fn::Equals" and len(parts) == 2:
            a, b = compared_value(scope, parts[0]), compared_value(scope, parts[1])
            same = equal(scope, a, b)
            if same is None:
                return _either(scope, " equals ".join(sorted((identity(a), identity(b)))))
            return same
    return _either(scope, f"condition {name}")


def holds(scope: Scope, raw: Node) -> bool:
    """Whether a resource's `Condition` is true where an intrinsic gives its name, as in a loop."""
    name = scope.value(raw)
    if name is NOVALUE:
        return True
    return scope.condition(name) if isinstance(name, str) else _either(scope, key_of(name))


def compared_value(scope: Scope, raw: Node) -> Value:
    """The value of an operand or map key; here a pseudo parameter is a choice, not `Unknown`."""
    name = raw.argument if isinstance(raw, Call) and raw.name == "Ref" else None
    if isinstance(name, str) and name in scope.deployment.pseudo:
        return _pseudo(scope, name)
    return scope.value(raw)


def equal(scope: Scope, a: Value, b: Value) -> bool | None:
    """Whether two values are equal; None if an unknown part leaves it open."""
    if isinstance(a, list | dict) or isinstance(b, list | dict):
        unclear = has_unknown(a, plain_too=True) or has_unknown(b, plain_too=True)
        return True if a == b else None if unclear else False
    key_a, key_b = key_of(a), key_of(b)
    if key_a == key_b:
        return True
    if not isinstance(a, Unknown | Text) and not isinstance(b, Unknown | Text):
        return False
    for free, literal in ((a, b), (b, a)):
        # "Any other value" differs from every literal that conditions compare it with.
        if isinstance(free, Unknown) and not isinstance(literal, Unknown | Text):
            name = free.key.removesuffix("!other").removeprefix(scope.path)
            compared = [*scope.compared.get(name, ()), *scope.deployment.pseudo.get(name, ())]
            if free.key.endswith("!other") and as_text(literal) in compared:
                return False
    return None


def _either(scope: Scope, label: str) -> bool:
    """Choose true or false: the template does not decide, so both are explored."""
    return scope.deployment.choices.choose(f"{scope.path}?{label}", label, (True, False)) is True


def _pseudo(scope: Scope, name: str) -> Value:
    path = "" if name in SHARED else scope.path
    any_other = Unknown(f"{path}{name}!other", name, plain=True, nonempty=True)
    options = [*scope.deployment.pseudo.get(name, ()), any_other]
    return scope.deployment.choices.choose(f"{path}{name}", f"{path}{name}", options)
