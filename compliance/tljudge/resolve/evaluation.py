"""Evaluate nodes in one scenario: mappings, lists, and by `intrinsics` every function."""

from tljudge.decode.nodes import Call, IncompleteMap, Map, Mark, Node, Seq, is_static
from tljudge.resolve.intrinsics import call_value, chosen_branch
from tljudge.resolve.scope import Scope
from tljudge.resolve.values import NOVALUE, Unknown, Value


def value(scope: Scope, raw: Node) -> Value:
    """The value of a node of the scope's template in this scenario."""
    if isinstance(raw, Call):
        return call_value(scope, raw)
    if isinstance(raw, Map):
        if type(raw) is IncompleteMap:
            first = next(iter(raw.marks.values()))
            return Unknown(f"{scope.path}macro{first}", "a macro or loop makes part of it")
        # A static node contains no intrinsic, so the node itself is the value.
        return raw if raw.static else _map(scope, raw)  # type: ignore[return-value]
    if isinstance(raw, Seq):
        return raw if raw.static else _seq(scope, raw)  # type: ignore[return-value]
    return raw


def _placed(scope: Scope, node: Node, mark: Mark) -> tuple[Value, Mark]:
    """A value and its place; for an `Fn::If`, the place of the branch taken."""
    while type(node) is Call and node.name == "Fn::If":
        branch = chosen_branch(scope, node)
        if isinstance(branch, Unknown):
            return branch, mark
        node, mark = branch
    return value(scope, node), mark


def _map(scope: Scope, raw: Map[Node]) -> Map[Value]:
    # Copying the whole mapping is fastest; the loop replaces entries that contain intrinsics.
    mapping: Map[Value] = Map(raw)  # type: ignore[arg-type]
    moved: dict[str, Mark] = {}
    scope.deployment.memo.work += len(raw)
    for key, node in raw.items():
        if type(node) is str or is_static(node):
            continue
        if type(node) is Call and node.name == "Fn::If":
            resolved, moved[key] = _placed(scope, node, raw.mark(key))
        else:
            resolved = value(scope, node)
        if resolved is NOVALUE:
            del mapping[key]
        else:
            mapping[key] = resolved
    mapping.copy_marks(raw)
    if moved:
        mapping.marks = raw.marks | moved
    mapping.static = True
    return mapping


def _seq(scope: Scope, raw: Seq[Node]) -> Seq[Value]:
    sequence: Seq[Value] = Seq()
    scope.deployment.memo.work += len(raw)
    if any(type(element) is Call for element in raw):
        marks = []
        for node, mark in zip(raw, raw.marks, strict=True):
            element, at = (node, mark) if is_static(node) else _placed(scope, node, mark)
            if element is not NOVALUE:
                sequence.append(element)
                marks.append(at)
        sequence.marks = marks
    else:
        sequence.extend(element if is_static(element) else value(scope, element) for element in raw)
        sequence.copy_marks(raw)
    sequence.static = True
    return sequence
