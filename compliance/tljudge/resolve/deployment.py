"""A deployment: a root stack, its nested stacks, and their resources, in one scenario at a time.

Nested stacks are followed where their templates are local files. Values are known, unknown or
absent, and resolved only when a rule asks for them.
"""

from collections.abc import Callable, Hashable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

from tljudge.decode.loader import decode
from tljudge.decode.nodes import Call, IncompleteMap, Map, Mark, Node, is_static, new_map
from tljudge.decode.references import PSEUDO
from tljudge.decode.source import Source
from tljudge.decode.template import Template
from tljudge.resolve.conditions import holds, truth
from tljudge.resolve.evaluation import value
from tljudge.resolve.nesting import check_bounds, literals, path_below
from tljudge.resolve.parameters import compared_literals, parameter_options
from tljudge.resolve.passing import compare_in_parent, passed_options
from tljudge.resolve.scenarios import Choices, Memo
from tljudge.resolve.values import NOVALUE, Unknown, Value, has_unknown

T = TypeVar("T")
NESTED = "AWS::CloudFormation::Stack"


class Deployment:
    """A root template with its nested stacks.

    Attributes:
        read: reads a nested template.
        given: parameter values that the user passes.
        tags: stack tags that the user passes.
        choices: the scenario in progress.
        memo: results of earlier computations.
        notes: results that a rule keeps for all scenarios together, by the rule's own key.
        unresolved: (file, logical id, property) of each property with an unknown part.
        not_followed: places of nested stacks whose template is not a local file.
        stacks: every stack, the root first.
        files: path of each template to its digest.
        pseudo: pseudo parameters to the literals that conditions compare them with.
    """

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
            for name, wanted in stack.compared.items():
                if name in PSEUDO:
                    noted = self.pseudo.setdefault(name, [])
                    noted.extend(v for v in wanted if v not in noted)

    def close(self) -> None:
        """Break the reference cycles, so that memory is freed without the cyclic collector."""
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
        """Yield resources of these types, whether or not they exist in this scenario."""
        for kind in kinds:
            yield from self._by_type.get(kind, ())

    def of_type(self, *kinds: str) -> Iterator["Resource"]:
        """Yield resources of these types, of any stack, that exist in this scenario."""
        return (resource for resource in self.all_of(*kinds) if resource.exists())

    def at(self, origin: tuple[str, str, str] | None) -> "Resource | None":
        """The resource that a reference leads to; None if it leads outside the deployment."""
        stack = None if origin is None else self._by_path.get(origin[0])
        return None if stack is None or origin is None else stack.resources.get(origin[1])

    def get_or_compute(self, key: Hashable, compute: Callable[[], T]) -> T:
        """The result of `compute` in this scenario, memoised by its choices."""
        return self.memo.get_or_compute(self.choices, key, compute)


class Resource:
    """A resource of a stack: its body as written, and its property values in each scenario."""

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
        """Whether the resource exists in this scenario: its condition and its stacks allow it."""
        stack, condition = self.stack, self._condition
        if stack.parent is not None and not stack.exists():
            return False
        return condition is None or (
            stack.condition(condition) if type(condition) is str else holds(stack, condition)
        )

    def get(self, name: str) -> Value:
        """The value of a property; `NOVALUE` if it is absent."""
        if name in self._known:
            return self._known[name]
        asked = self.deployment.choices.asked
        before = len(asked)
        value = self.stack.property(self, name)
        if len(asked) == before:
            self._known[name] = value
        return value

    def mark_of(self, *names: str) -> Mark:
        """The place of a property; of the nearest key above it if it is absent."""
        node = self.body.get("Properties")
        mark = self.mark
        for name in names:
            if not isinstance(node, Map) or name not in node:
                break
            mark, node = node.mark(name), node[name]
        return mark


class Stack:
    """A template at its place in the deployment, with its parameters.

    Attributes:
        path: logical ids from the root, each followed by `/`; empty for the root.
        parent: the stack above; None for the root.
        parent_id: logical id of this stack in its parent.
        compared: parameters to the literals that conditions compare them with.
        lookup_keys: parameters to the keys of the maps that they are looked up in.
        children: nested stacks that were followed, by logical id.
        resources: by logical id.
    """

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
        self.compared, self.lookup_keys = compared_literals(template)
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
        body = body if isinstance(body, Map) else new_map({}, {})
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
        compare_in_parent(child, self, body.get("Parameters"))

    def _files(self) -> Iterator[str]:
        """Yield the file of this stack, then the files of the stacks above it."""
        stack: Stack | None = self
        while stack is not None:
            yield stack.template.file
            stack = stack.parent

    def exists(self) -> bool:
        """Whether the stack exists in this scenario."""
        return self.parent is None or self.parent.resources[self.parent_id].exists()

    def parameter(self, name: str) -> Value:
        """The value of a parameter in this scenario."""
        options = self._options.get(name)
        if options is None:
            if self.parent is None:
                options = parameter_options(
                    name,
                    self.template.parameters[name],
                    self.deployment.given,
                    self.compared.get(name, []),
                    self.lookup_keys.get(name),
                )
                self._options[name] = options
            else:
                parent, nested = self.parent, self.parent.resources[self.parent_id]
                options = self.deployment.get_or_compute(
                    (self, "parameter", name),
                    lambda: passed_options(self, parent, name, nested.get("Parameters")),
                )
        if len(options) == 1:
            return options[0]
        label = f"{self.path}{name}"
        return self.deployment.choices.choose(label, label, options)

    def condition(self, name: str) -> bool:
        """Whether a condition is true in this scenario."""
        return self.deployment.get_or_compute(
            (self, "condition", name),
            lambda: truth(self, self.template.conditions.get(name), name),
        )

    def property(self, resource: Resource, name: str) -> Value:
        """The value of a property of a resource in this scenario; `NOVALUE` if it is absent."""
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
        resolved: Value = NOVALUE
        if isinstance(body, Call):
            whole = self.value(body)
            if isinstance(whole, Unknown):
                resolved = whole
            elif isinstance(whole, Map):
                resolved = whole.get(name, NOVALUE)
        elif type(body) is IncompleteMap and (name not in body or "Fn::Transform" in body):
            resolved = Unknown(f"{self.path}{resource.id}.{name}", "a macro or loop may make it")
        elif isinstance(body, Map) and name in body:
            resolved = self.value(body[name])
        if has_unknown(resolved):
            self.deployment.unresolved.add((self.template.file, resource.id, name))
        return resolved

    def output(self, name: str) -> Value:
        """The value of an output in this scenario; `Unknown` if it is not declared."""
        declared = self.template.outputs.get(name)
        if not isinstance(declared, Map) or "Value" not in declared:
            return Unknown(f"{self.path}Outputs.{name}", f"output {name} is not declared")
        return self.deployment.get_or_compute(
            (self, "output", name), lambda: self.value(declared["Value"])
        )

    def value(self, raw: Node) -> Value:
        """The value of a node of this stack's template in this scenario."""
        return value(self, raw)
