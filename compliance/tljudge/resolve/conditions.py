"""Conditions in one scenario: true or false, and where nobody can know, each in turn."""

from tljudge.decode.nodes import Call, Map, Node, as_text
from tljudge.resolve.scope import Scope
from tljudge.resolve.values import NOVALUE, Text, Unknown, Value, has_unknown, identity, key_of

# One value in the whole deployment; the other pseudo parameters differ from stack to scope.
SHARED = frozenset({"AWS::AccountId", "AWS::Partition", "AWS::Region", "AWS::URLSuffix"})


def truth(scope: Scope, body: Node, name: str) -> bool:
    """Whether a condition's body holds; `name` tells apart what nobody can know."""
    named = body.get("Condition") if isinstance(body, Map) else None
    if isinstance(named, str):
        return scope.condition(named)
    if isinstance(body, bool):
        return body
    if isinstance(body, Call) and isinstance(body.argument, list):
        inner = body.argument
        if body.name == "Fn::And":
            return all(truth(scope, one, f"{name}.{i}") for i, one in enumerate(inner))
        if body.name == "Fn::Or":
            return any(truth(scope, one, f"{name}.{i}") for i, one in enumerate(inner))
        if body.name == "Fn::Not" and len(inner) == 1:
            return not truth(scope, inner[0], f"{name}.not")
        if body.name == "Fn::Equals" and len(inner) == 2:
            a, b = compared_value(scope, inner[0]), compared_value(scope, inner[1])
            same = equal(scope, a, b)
            if same is None:
                return _either(scope, " equals ".join(sorted((identity(a), identity(b)))))
            return same
    return _either(scope, f"condition {name}")


def holds(scope: Scope, raw: Node) -> bool:
    """Whether a resource's `Condition` holds where an intrinsic names it, as in a loop."""
    name = scope.value(raw)
    if name is NOVALUE:
        return True
    return scope.condition(name) if isinstance(name, str) else _either(scope, key_of(name))


def compared_value(scope: Scope, raw: Node) -> Value:
    """A value that is compared or looked up: a pseudo parameter is chosen, not symbolic."""
    name = raw.argument if isinstance(raw, Call) and raw.name == "Ref" else None
    if isinstance(name, str) and name in scope.deployment.pseudo:
        return _pseudo(scope, name)
    return scope.value(raw)


def equal(scope: Scope, a: Value, b: Value) -> bool | None:
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
            name = free.key.removesuffix("!other").removeprefix(scope.path)
            known = [*scope.compared.get(name, ()), *scope.deployment.pseudo.get(name, ())]
            if free.key.endswith("!other") and as_text(literal) in known:
                return False
    return None


def _either(scope: Scope, what: str) -> bool:
    """Nobody can know: both are looked at."""
    return scope.deployment.choices.choose(f"{scope.path}?{what}", what, (True, False)) is True


def _pseudo(scope: Scope, name: str) -> Value:
    path = "" if name in SHARED else scope.path
    other = Unknown(f"{path}{name}!other", name, plain=True, nonempty=True)
    options = [*scope.deployment.pseudo.get(name, ()), other]
    return scope.deployment.choices.choose(f"{path}{name}", f"{path}{name}", options)
