"""What a template refers to: every name must exist, and nothing may depend on itself."""

from collections.abc import Callable, Iterator

from tljudge.decode.errors import TemplateError
from tljudge.decode.nodes import Call, Map, Mark, Node, Seq
from tljudge.decode.template import LANGUAGE, Template

PSEUDO = frozenset(
    [
        "AWS::AccountId",
        "AWS::NotificationARNs",
        "AWS::NoValue",
        "AWS::Partition",
        "AWS::Region",
        "AWS::StackId",
        "AWS::StackName",
        "AWS::URLSuffix",
    ]
)
_Missing = Callable[[str, Mark, str], Exception]


def calls(value: Node) -> Iterator[Call]:
    """Every intrinsic at or below a value."""
    pending = [value]
    while pending:
        value = pending.pop()
        if type(value) is str:
            continue
        if type(value) is Call:
            yield value
            pending.append(value.argument)
        elif isinstance(value, Map):
            if not value.static:
                pending.extend(value.values())
        elif isinstance(value, Seq) and not value.static:
            pending.extend(value)


def names(call: Call) -> Iterator[str]:
    """The logical ids, parameters and pseudo parameters an intrinsic names itself."""
    if call.name == "Ref":
        if isinstance(call.argument, str):
            yield call.argument
    elif call.name == "Fn::GetAtt":
        if isinstance(call.argument, list) and call.argument and isinstance(call.argument[0], str):
            yield call.argument[0]
    elif call.name == "Fn::Sub":
        text, given = sub_parts(call.argument)
        for _, _, name in placeholders(text):
            if name[:1] != "!" and name.strip() not in given:
                yield name.strip().split(".", 1)[0]


def placeholders(text: str) -> Iterator[tuple[int, int, str]]:
    """Each `${...}` of a Sub's text: where it begins and ends, and what is inside.

    In time that only grows with the text, whatever is left open in it.
    """
    begins = text.find("${")
    while begins >= 0:
        ends = text.find("}", begins)
        if ends < 0:
            return
        yield begins, ends + 1, text[begins + 2 : ends]
        begins = text.find("${", ends)


def sub_parts(argument: Node) -> tuple[str, dict[str, Node]]:
    """The text of a Sub and the variables it brings itself; nothing where it has another shape."""
    text, given = argument, dict[str, Node]()
    if isinstance(argument, list) and len(argument) == 2:
        text, brought = argument
        if not isinstance(brought, Map):
            return "", {}
        given = brought
    if isinstance(text, Call) and text.name == "Dynamic":
        text = text.argument
    return (text, given) if isinstance(text, str) else ("", {})


def check_references(template: Template) -> tuple[Call, ...]:
    """Refuse names that the template does not declare, and circles.

    Returns:
        Every `Fn::FindInMap` of a resource.

    Raises:
        TemplateError: a name or a circle that CloudFormation refuses.
    """
    # Loops are written out by now; what another transform makes is not there yet.
    may_appear = bool(template.hidden or set(template.transforms) - {LANGUAGE})
    known = PSEUDO | template.parameters.keys() | template.resources.keys()

    def missing(name: str, mark: Mark, kind: str) -> Exception:
        return TemplateError(
            template.file, mark, f"no {kind} {name[:80]!r} is declared; correct the name"
        )

    lookups: list[Call] = []
    needs: dict[str, set[str]] = {}
    for logical_id, resource in template.resources.items():
        needed: set[str] = set()
        for call in calls(resource):
            for name in names(call):
                if name not in known and not may_appear:
                    raise missing(name, call.mark, "parameter or resource")
                needed.add(name)
            if call.name == "Fn::FindInMap":
                lookups.append(call)
            elif call.name == "Fn::If":
                _check_condition(template, call, missing, may_appear)
        after = resource.get("DependsOn", ())
        needed.update(
            name
            for name in (after if isinstance(after, list) else [after])
            if isinstance(name, str) and name
        )
        condition = resource.get("Condition")
        if isinstance(condition, str) and condition not in template.conditions and not may_appear:
            raise missing(condition, resource.marks["Condition"], "condition")
        # What SAM makes of a resource may need less than what was written.
        is_sam = str(resource["Type"]).startswith("AWS::Serverless::")
        needs[logical_id] = set() if is_sam else needed & template.resources.keys()
    circle = _circle(needs)
    if circle:
        raise TemplateError(
            template.file,
            template.resources.marks[circle[0]],
            f"{' needs '.join((*circle, circle[0]))}; break the circle",
        )
    _check_conditions(template, missing, may_appear)
    return tuple(lookups)


def _check_condition(template: Template, call: Call, missing: _Missing, may_appear: bool) -> None:
    argument = call.argument
    if isinstance(argument, list) and argument and isinstance(argument[0], str):
        unknown = argument[0] not in template.conditions
        if unknown and not may_appear:
            raise missing(argument[0], call.mark, "condition")


def _check_conditions(template: Template, missing: _Missing, may_appear: bool) -> None:
    needs: dict[str, set[str]] = {}
    for name, body in template.conditions.items():
        needs[name] = set(condition_names(body))
        for other in needs[name]:
            if other not in template.conditions and not may_appear:
                raise missing(other, template.conditions.marks[name], "condition")
        for call in calls(body):
            for target in names(call):
                if target not in PSEUDO and target not in template.parameters and not may_appear:
                    raise missing(target, call.mark, "parameter")
    circle = _circle(needs)
    if circle:
        raise TemplateError(
            template.file,
            template.conditions.marks[circle[0]],
            f"condition {' needs '.join((*circle, circle[0]))}; break the circle",
        )


def condition_names(body: Node) -> Iterator[str]:
    """The conditions a condition names."""
    pending = [body]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            name = value.get("Condition")
            if isinstance(name, str):
                yield name
            pending.extend(value.values())
        elif isinstance(value, list):
            pending.extend(value)
        elif isinstance(value, Call):
            pending.append(value.argument)


def _circle(needs: dict[str, set[str]]) -> list[str]:
    """The first circle, from its smallest name; without recursion, for any length of chain."""
    done: set[str] = set()
    for start in needs:
        if start in done or not needs[start]:
            continue
        path: list[str] = [start]
        on_path = {start}
        pending = [iter(sorted(needs[start]))]
        while pending:
            following = next(pending[-1], None)
            if following is None:
                pending.pop()
                last = path.pop()
                on_path.discard(last)
                done.add(last)
            elif following in on_path:
                found = path[path.index(following) :]
                first = found.index(min(found))
                return found[first:] + found[:first]
            elif following not in done and following in needs:
                path.append(following)
                on_path.add(following)
                pending.append(iter(sorted(needs[following])))
    return []
