"""References of a template: every name must exist, and no resource may depend on itself."""

from collections.abc import Callable, Iterator

from tljudge.decode.errors import TemplateError, shortened
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
    """Yield every intrinsic at or below a node."""
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
    """Yield the logical ids, parameters and pseudo parameters that an intrinsic names."""
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
    """Yield start, end and content of each `${...}` in the text of a Sub.

    Takes linear time, even for a text with many unclosed `${`.
    """
    begins = text.find("${")
    while begins >= 0:
        ends = text.find("}", begins)
        if ends < 0:
            return
        yield begins, ends + 1, text[begins + 2 : ends]
        begins = text.find("${", ends)


def sub_parts(argument: Node) -> tuple[str, dict[str, Node]]:
    """The text of a Sub and its own variables; `("", {})` if the Sub has another shape."""
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
    """Refuse names that the template does not declare, and dependency cycles.

    Returns:
        Every `Fn::FindInMap` in the resources.

    Raises:
        TemplateError: a name is not declared, or resources or conditions depend on each other.
    """
    # Loops are expanded by now; any other transform may still declare more names.
    may_appear = bool(template.hidden or set(template.transforms) - {LANGUAGE})
    declared = PSEUDO | template.parameters.keys() | template.resources.keys()

    def missing(name: str, mark: Mark, kind: str) -> Exception:
        return TemplateError(
            template.file, mark, f"no {kind} {shortened(name)!r} is declared; correct the name"
        )

    lookups: list[Call] = []
    needs: dict[str, set[str]] = {}
    for logical_id, resource in template.resources.items():
        needed: set[str] = set()
        for call in calls(resource):
            for name in names(call):
                if name not in declared and not may_appear:
                    raise missing(name, call.mark, "parameter or resource")
                needed.add(name)
            if call.name == "Fn::FindInMap":
                lookups.append(call)
            elif call.name == "Fn::If":
                _check_condition(template, call, missing, may_appear)
        dependencies = resource.get("DependsOn", ())
        needed.update(
            name
            for name in (dependencies if isinstance(dependencies, list) else [dependencies])
            if isinstance(name, str) and name
        )
        condition = resource.get("Condition")
        if isinstance(condition, str) and condition not in template.conditions and not may_appear:
            raise missing(condition, resource.marks["Condition"], "condition")
        # The resources that SAM generates may depend on less than the written one.
        is_sam = str(resource["Type"]).startswith("AWS::Serverless::")
        needs[logical_id] = set() if is_sam else needed & template.resources.keys()
    cycle = _cycle(needs)
    if cycle:
        raise TemplateError(
            template.file,
            template.resources.marks[cycle[0]],
            f"{' needs '.join((*cycle, cycle[0]))}; break the cycle",
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
        for needed in needs[name]:
            if needed not in template.conditions and not may_appear:
                raise missing(needed, template.conditions.marks[name], "condition")
        for call in calls(body):
            for target in names(call):
                if target not in PSEUDO and target not in template.parameters and not may_appear:
                    raise missing(target, call.mark, "parameter")
    cycle = _cycle(needs)
    if cycle:
        raise TemplateError(
            template.file,
            template.conditions.marks[cycle[0]],
            f"condition {' needs '.join((*cycle, cycle[0]))}; break the cycle",
        )


def condition_names(body: Node) -> Iterator[str]:
    """Yield the conditions that a condition refers to."""
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


def _cycle(needs: dict[str, set[str]]) -> list[str]:
    """The first cycle, starting at its smallest name; empty if there is none.

    Iterative, because a chain may be longer than the recursion limit.
    """
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
                cycle = path[path.index(following) :]
                smallest = cycle.index(min(cycle))
                return cycle[smallest:] + cycle[:smallest]
            elif following not in done and following in needs:
                path.append(following)
                on_path.add(following)
                pending.append(iter(sorted(needs[following])))
    return []
