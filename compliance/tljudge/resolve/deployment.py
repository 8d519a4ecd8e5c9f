"""Template to concrete values under one scenario, three-valued: known, unknown, or not there.

A `Deployment` is a root stack and, below it, the nested stacks whose templates are local files,
with the parameters that their parents pass. It resolves nothing before a rule asks for it.

Long because a deployment, its stacks and their resources each refer to the other two.
"""

from collections.abc import Callable, Hashable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

from tljudge.decode.loader import decode
from tljudge.decode.nodes import Call, Map, Mark, Node, Partial, is_static, made_map
from tljudge.decode.references import PSEUDO, calls
from tljudge.decode.source import Source
from tljudge.decode.template import Template
from tljudge.resolve.conditions import holds, truth
from tljudge.resolve.intrinsics import value
from tljudge.resolve.nesting import check_bounds, literals, path_below
from tljudge.resolve.parameters import admitted, compared
from tljudge.resolve.scenarios import Choices, Memo
from tljudge.resolve.values import NOVALUE, Unknown, Value, as_map, has_unknown

T = TypeVar("T")
NESTED = "AWS::CloudFormation::Stack"


class Deployment:
    """One deployment; `choices` are those of the run in progress."""

    def __init__(
        self,
        template: Template,
        given: Mapping[str, Value] | None = None,
        tags: Mapping[str, Value] | None = None,
        read: Callable[[Path], Source] = Source.read,
    ) -> None:
        self.read = read
        self.given = given or {}
        self.tags: dict[str, Value] = dict(tags or {})
        self.choices = Choices()
        self.memo = Memo()
        self.notes: dict[str, object] = {}
        """What a rule found out about all scenarios together, by the rule's name for it."""
        self.unresolved: set[tuple[str, str, str]] = set()
        self.not_followed: list[str] = []
        self.stacks: list[Stack] = []
        self.files: dict[str, str] = {}
        self.bytes_below = 0
        self.root = Stack(self, template, "", None, "")
        self.has_rules = any(stack.template.rules for stack in self.stacks)
        self._by_type: dict[str, list[Resource]] = {}
        self._by_path = {stack.path: stack for stack in self.stacks}
        self.pseudo: dict[str, list[str]] = {}
        for stack in self.stacks:
            for resource in stack.resources.values():
                self._by_type.setdefault(resource.type, []).append(resource)
            for name, found in stack.compared.items():
                if name in PSEUDO:
                    known = self.pseudo.setdefault(name, [])
                    known.extend(v for v in found if v not in known)

    def close(self) -> None:
        """Let go of everything, so that it is freed at once and not when somebody collects."""
        for stack in self.stacks:
            stack.resources.clear()
            stack.children.clear()
        self._by_type.clear()
        self._by_path.clear()
        self.stacks.clear()
        self.notes.clear()
        self.memo = Memo()
        del self.root

    def all_of(self, *kinds: str) -> Iterator["Resource"]:
        """Resources of these types, whether or not this scenario has them."""
        for kind in kinds:
            yield from self._by_type.get(kind, ())

    def of_type(self, *kinds: str) -> Iterator["Resource"]:
        """Resources of these types that exist in this scenario, in any stack."""
        return (resource for resource in self.all_of(*kinds) if resource.exists())

    def at(self, origin: tuple[str, str, str] | None) -> "Resource | None":
        """The resource a reference leads to."""
        stack = None if origin is None else self._by_path.get(origin[0])
        return None if stack is None or origin is None else stack.resources.get(origin[1])

    def get_or_compute(self, key: Hashable, compute: Callable[[], T]) -> T:
        """What `compute` gives in this scenario."""
        return self.memo.get_or_compute(self.choices, key, compute)


class Resource:
    """One resource of one stack."""

    __slots__ = ("_condition", "_known", "body", "deployment", "id", "mark", "stack", "type")

    def __init__(self, stack: "Stack", logical_id: str, body: Map[Node], mark: Mark) -> None:
        self.stack, self.id, self.body, self.mark = stack, logical_id, body, mark
        self.deployment = stack.deployment
        self.type = str(body["Type"])
        self._condition = body.get("Condition")
        self._known: dict[str, Value] = {}

    def __repr__(self) -> str:
        return f"Resource({self.stack.path}{self.id}, {self.type})"

    def exists(self) -> bool:
        """Whether this scenario has it."""
        stack, condition = self.stack, self._condition
        if stack.parent is not None and not stack.exists():
            return False
        return condition is None or (
            stack.condition(condition) if type(condition) is str else holds(stack, condition)
        )

    def get(self, name: str) -> Value:
        """A property's value, `NOVALUE` when it is not there."""
        if name in self._known:
            return self._known[name]
        asked = self.deployment.choices.asked
        before = len(asked)
        found = self.stack.property(self, name)
        if len(asked) == before:
            self._known[name] = found
        return found

    def mark_of(self, *names: str) -> Mark:
        """Where a property stands; the resource where it does not."""
        here = self.body.get("Properties")
        mark = self.mark
        for name in names:
            if not isinstance(here, Map) or name not in here:
                break
            mark, here = here.mark(name), here[name]
        return mark


class Stack:
    """One template with its parameters, at one place in the deployment."""

    def __init__(
        self,
        deployment: Deployment,
        template: Template,
        path: str,
        parent: "Stack | None",
        parent_id: str,
    ) -> None:
        self.deployment, self.template, self.path = deployment, template, path
        self.parent, self.parent_id = parent, parent_id
        self.compared, self.looked_up = compared(template)
        self.children: dict[str, Stack] = {}
        self._options: dict[str, list[Value]] = {}
        marks = template.resources.marks
        self.resources = {
            logical_id: Resource(self, logical_id, body, marks[logical_id])
            for logical_id, body in template.resources.items()
        }
        deployment.stacks.append(self)
        deployment.files[template.file] = template.digest
        for resource in self.resources.values():
            if resource.type == NESTED:
                self._nest(resource)

    def _nest(self, resource: Resource) -> None:
        body = resource.body.get("Properties")
        body = body if isinstance(body, Map) else made_map({}, {})
        url = body.get("TemplateURL")
        if not isinstance(url, str) or "://" in url or url.startswith("/"):
            self.deployment.not_followed.append(
                f"{self.template.file}:{resource.mark[0]} {resource.id}"
            )
            return
        mark = resource.mark_of("TemplateURL")
        source = self.deployment.read(path_below(self._files(), mark, resource.id, url))
        self.deployment.bytes_below += len(source.content)
        stacks = len(self.deployment.stacks)
        check_bounds(self.template.file, mark, stacks, self.deployment.bytes_below)
        child_path = f"{self.path}{resource.id}/"
        template = decode(source, literals(body))
        child = Stack(self.deployment, template, child_path, self, resource.id)
        self.children[resource.id] = child
        self._compare_too(child, body.get("Parameters"))

    def _files(self) -> Iterator[str]:
        """The file of this stack, then those of the stacks above it."""
        stack: Stack | None = self
        while stack is not None:
            yield stack.template.file
            stack = stack.parent

    def _compare_too(self, child: "Stack", passed: Node) -> None:
        """What a child compares a parameter with, this stack's own may be as well."""
        for name, wanted in child.compared.items():
            for call in calls(passed.get(name)) if isinstance(passed, Map) else ():
                text = call.argument if call.name in ("Ref", "Fn::Sub") else None
                whose = text.removeprefix("${").removesuffix("}") if type(text) is str else ""
                if whose in self.template.parameters:
                    known = self.compared.setdefault(whose, [])
                    known.extend(one for one in wanted if one not in known)

    def exists(self) -> bool:
        """Whether this scenario has it."""
        return self.parent is None or self.parent.resources[self.parent_id].exists()

    def parameter(self, name: str) -> Value:
        """A parameter's value in this scenario."""
        options = self._options.get(name)
        if options is None:
            if self.parent is None:
                options = admitted(
                    name,
                    self.template.parameters[name],
                    self.deployment.given,
                    self.compared.get(name, []),
                    self.looked_up.get(name),
                )
                self._options[name] = options
            else:
                key = (self, "parameter", name)
                above = self.parent.resources[self.parent_id]
                options = self.deployment.get_or_compute(key, lambda: self._passed(name, above))
        if len(options) == 1:
            return options[0]
        label = f"{self.path}{name}"
        return self.deployment.choices.choose(label, label, options)

    def _passed(self, name: str, above: Resource) -> list[Value]:
        """What the parent's value leaves a parameter."""
        passed = above.get("Parameters")
        if isinstance(passed, Unknown):
            return [Unknown(f"{self.path}{name}", passed.why)]
        one = NOVALUE if passed is NOVALUE else as_map(passed).get(name, NOVALUE)
        bound = {} if one is NOVALUE else {name: one}
        declared = self.template.parameters[name]
        options = admitted(name, declared, bound, [], None, fixed=True, path=self.path)
        wanted = self.compared.get(name)
        one = options[0]
        if wanted and isinstance(one, Unknown):
            key = f"{self.path}{name}!other"
            other = Unknown(key, one.why, one.plain, one.nonempty)
            options = [other] if self._is_other(one, wanted) else [*wanted, other]
        return options

    def _is_other(self, passed: Unknown, wanted: list[str]) -> bool:
        """Whether the parent chose its parameter to be none of these already."""
        above = self.parent
        if above is None or not passed.key.endswith("!other"):
            return False
        known = above.compared.get(passed.key.removesuffix("!other").removeprefix(above.path), [])
        return set(wanted) <= set(known)

    def condition(self, name: str) -> bool:
        """Whether a condition holds in this scenario."""
        return self.deployment.get_or_compute(
            (self, "condition", name),
            lambda: truth(self, self.template.conditions.get(name), name),
        )

    def property(self, resource: Resource, name: str) -> Value:
        """A resource's property in this scenario."""
        body = resource.body.get("Properties")
        if type(body) is Map:
            if name not in body:
                return NOVALUE
            raw = body[name]
            if is_static(raw):
                return raw
        return self.deployment.get_or_compute(
            (resource, name), lambda: self._property(resource, name)
        )

    def _property(self, resource: Resource, name: str) -> Value:
        body = resource.body.get("Properties")
        found: Value = NOVALUE
        if isinstance(body, Call):
            whole = self.value(body)
            if isinstance(whole, Unknown):
                found = whole
            elif isinstance(whole, Map):
                found = whole.get(name, NOVALUE)
        elif type(body) is Partial and (name not in body or "Fn::Transform" in body):
            found = Unknown(f"{self.path}{resource.id}.{name}", "a macro or loop may make it")
        elif isinstance(body, Map) and name in body:
            found = self.value(body[name])
        if has_unknown(found):
            self.deployment.unresolved.add((self.template.file, resource.id, name))
        return found

    def output(self, name: str) -> Value:
        """An output's value in this scenario."""
        declared = self.template.outputs.get(name)
        if not isinstance(declared, Map) or "Value" not in declared:
            return Unknown(f"{self.path}Outputs.{name}", f"output {name} is not declared")
        return self.deployment.get_or_compute(
            (self, "output", name), lambda: self.value(declared["Value"])
        )

    def value(self, raw: Node) -> Value:
        """A value of this stack's template in this scenario."""
        return value(self, raw)
