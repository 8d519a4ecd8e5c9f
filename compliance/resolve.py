"""Template to concrete values under one scenario, three-valued: known, unknown, or not there.

A `World` is one deployment: a root stack and, below it, the nested stacks whose templates are local
files, with the parameters their parents pass. Nothing is resolved before a rule asks for it.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from compliance.document import Call, Map, Mark, Seq, TemplateError, as_text
from compliance.domains import admitted, compared
from compliance.references import PLACEHOLDER, PSEUDO, sub_parts
from compliance.scenarios import Choices, Unreachable
from compliance.template import Template, load
from compliance.values import NOVALUE, Text, Unknown, is_plain, join, key_of, pieces

MAX_STACKS = 100
NESTED = "AWS::CloudFormation::Stack"
# One value in the whole deployment; the other pseudo parameters differ from stack to stack.
_SHARED = frozenset({"AWS::AccountId", "AWS::Partition", "AWS::Region", "AWS::URLSuffix"})


class World:
    """One deployment; `choices` are those of the run in progress."""

    def __init__(
        self, template: Template, given: dict[str, Any] | None = None, tags: Any = None
    ) -> None:
        self.given = given or {}
        self.tags: dict[str, Any] = dict(tags or {})
        self.choices = Choices()
        self.memory: dict[Any, Any] = {}
        self.unresolved: set[tuple[str, str, str]] = set()
        self.not_followed: list[str] = []
        self.stacks: list[Stack] = []
        self.files: set[str] = set()
        self.root = Stack(self, template, "", None, "")
        self._by_type: dict[str, list[Resource]] = {}
        self.pseudo: dict[str, list[str]] = {}
        for stack in self.stacks:
            for resource in stack.resources.values():
                self._by_type.setdefault(resource.type, []).append(resource)
            for name, found in stack.compared.items():
                if name in PSEUDO:
                    known = self.pseudo.setdefault(name, [])
                    known.extend(v for v in found if v not in known)

    def all_of(self, *kinds: str) -> Iterator["Resource"]:
        """Resources of these types, whether or not this scenario has them."""
        for kind in kinds:
            yield from self._by_type.get(kind, ())

    def of_type(self, *kinds: str) -> Iterator["Resource"]:
        """Resources of these types that exist in this scenario, in any stack."""
        return (resource for resource in self.all_of(*kinds) if resource.exists())

    def at(self, origin: tuple[str, str, str] | None) -> "Resource | None":
        """The resource a reference leads to."""
        if origin is None:
            return None
        for stack in self.stacks:
            if stack.path == origin[0]:
                return stack.resources.get(origin[1])
        return None


@dataclass(frozen=True, slots=True, eq=False)
class Resource:
    """One resource of one stack."""

    stack: "Stack"
    id: str
    type: str
    body: Map = field(repr=False)

    @property
    def world(self) -> World:
        return self.stack.world

    @property
    def mark(self) -> Mark:
        return self.stack.template.resources.marks[self.id]

    def exists(self) -> bool:
        """Whether this scenario has it."""
        condition = self.body.get("Condition")
        return self.stack.exists() and (condition is None or self.stack.condition(condition))

    def get(self, name: str) -> Any:
        """A property's value, `NOVALUE` when it is not there."""
        return self.stack.property(self, name)

    def mark_of(self, *names: str) -> Mark:
        """Where a property stands; the resource where it does not."""
        here = self.body.get("Properties")
        mark = self.mark
        for name in names:
            if not isinstance(here, Map) or name not in here:
                break
            mark, here = here.marks[name], here[name]
        return mark


class Stack:
    """One template with its parameters, at one place in the deployment."""

    def __init__(
        self, world: World, template: Template, path: str, parent: "Stack | None", parent_id: str
    ) -> None:
        self.world, self.template, self.path = world, template, path
        self.parent, self.parent_id = parent, parent_id
        self.compared, self.looked_up = compared(template)
        self.children: dict[str, Stack] = {}
        self.resources = {
            logical_id: Resource(self, logical_id, body["Type"], body)
            for logical_id, body in template.resources.items()
        }
        world.stacks.append(self)
        world.files.add(template.file)
        for resource in self.resources.values():
            if resource.type == NESTED:
                self._nest(resource)

    def _nest(self, resource: Resource) -> None:
        body = resource.body.get("Properties")
        url = body.get("TemplateURL") if isinstance(body, Map) else None
        here = Path(self.template.file)
        if not isinstance(url, str) or "://" in url or url.startswith("/"):
            self.world.not_followed.append(f"{self.template.file}:{resource.mark[0]} {resource.id}")
            return
        mark = resource.mark_of("TemplateURL")
        above: Stack | None = self
        path = Path(*(here.parent / url).parts)
        while above is not None:
            if Path(above.template.file).resolve() == path.resolve():
                raise TemplateError(str(here), mark, f"{resource.id} nests its own template")
            above = above.parent
        if len(self.world.stacks) >= MAX_STACKS:
            raise TemplateError(str(here), mark, f"more than {MAX_STACKS} nested stacks; split")
        if not path.is_file():
            raise TemplateError(str(here), mark, f"no template {url[:200]}; correct the path")
        child_path = f"{self.path}{resource.id}/"
        self.children[resource.id] = Stack(self.world, load(path), child_path, self, resource.id)

    def exists(self) -> bool:
        return self.parent is None or self.parent.resources[self.parent_id].exists()

    # ---- parameters and conditions ----

    def parameter(self, name: str) -> Any:
        choices = self.world.choices
        key = (self.path, "parameter", name)
        return choices.remembered(self.world.memory, key, lambda: self._parameter(name))

    def _parameter(self, name: str) -> Any:
        declared = self.template.parameters[name]
        wanted = self.compared.get(name, [])
        if self.parent is None:
            options = admitted(name, declared, self.world.given, wanted, self.looked_up.get(name))
        else:
            passed = self.parent.resources[self.parent_id].get("Parameters")
            if isinstance(passed, Unknown):
                options = [Unknown(f"{self.path}{name}", passed.why)]
            else:
                bound = {} if passed is NOVALUE else {name: passed.get(name, NOVALUE)}
                if bound.get(name, NOVALUE) is NOVALUE:
                    bound = {}
                options = admitted(name, declared, bound, [], None, fixed=True, path=self.path)
                if wanted and isinstance(options[0], Unknown):
                    key = f"{self.path}{name}!other"
                    one = options[0]
                    options = [*wanted, Unknown(key, one.why, one.plain, one.nonempty)]
        return self.world.choices.choose(f"{self.path}{name}", f"{self.path}{name}", options)

    def condition(self, name: str) -> bool:
        choices = self.world.choices
        key = (self.path, "condition", name)
        found: bool = choices.remembered(
            self.world.memory, key, lambda: self._truth(self.template.conditions.get(name), name)
        )
        return found

    def _either(self, what: str) -> bool:
        """Nobody can know: both are looked at."""
        found: bool = self.world.choices.choose(f"{self.path}?{what}", what, (True, False))
        return found

    def _truth(self, body: Any, name: str) -> bool:
        if isinstance(body, Map) and isinstance(body.get("Condition"), str):
            return self.condition(body["Condition"])
        if isinstance(body, bool):
            return body
        if isinstance(body, Call) and isinstance(body.argument, list):
            inner = body.argument
            if body.name == "Fn::And":
                return all(self._truth(one, f"{name}.{i}") for i, one in enumerate(inner))
            if body.name == "Fn::Or":
                return any(self._truth(one, f"{name}.{i}") for i, one in enumerate(inner))
            if body.name == "Fn::Not" and len(inner) == 1:
                return not self._truth(inner[0], f"{name}.not")
            if body.name == "Fn::Equals" and len(inner) == 2:
                return self._equal(inner[0], inner[1])
        return self._either(f"condition {name}")

    def _equal(self, left: Any, right: Any) -> bool:
        a, b = self._compared(left), self._compared(right)
        if isinstance(a, list | dict) or isinstance(b, list | dict):
            return bool(a == b)
        keys = sorted((key_of(a), key_of(b)))
        if keys[0] == keys[1]:
            return True
        if not isinstance(a, Unknown | Text) and not isinstance(b, Unknown | Text):
            return False
        for one, other in ((a, b), (b, a)):
            # Chosen as "any other value" than those it is compared with.
            if isinstance(one, Unknown) and not isinstance(other, Unknown | Text):
                name = one.key.removesuffix("!other").removeprefix(self.path)
                known = [*self.compared.get(name, ()), *self.world.pseudo.get(name, ())]
                if one.key.endswith("!other") and as_text(other) in known:
                    return False
        return self._either(f"{keys[0]} equals {keys[1]}")

    def _compared(self, raw: Any) -> Any:
        if isinstance(raw, Call) and raw.name == "Ref" and raw.argument in self.world.pseudo:
            return self._pseudo(raw.argument)
        return self.value(raw)

    def _pseudo(self, name: str) -> Any:
        path = "" if name in _SHARED else self.path
        other = Unknown(f"{path}{name}!other", name, plain=True, nonempty=True)
        options = [*self.world.pseudo.get(name, ()), other]
        return self.world.choices.choose(f"{path}{name}", f"{path}{name}", options)

    # ---- properties and outputs ----

    def property(self, resource: Resource, name: str) -> Any:
        key = (self.path, resource.id, name)
        return self.world.choices.remembered(
            self.world.memory, key, lambda: self._property(resource, name)
        )

    def _property(self, resource: Resource, name: str) -> Any:
        body = resource.body.get("Properties")
        if isinstance(body, Call):
            body = self.value(body)
        if isinstance(body, Unknown):
            self.world.unresolved.add((self.template.file, resource.id, name))
            return body
        if not isinstance(body, Map) or (name not in body and "Fn::Transform" not in body):
            return NOVALUE
        if "Fn::Transform" in body:
            found: Any = Unknown(f"{self.path}{resource.id}.{name}", "Fn::Transform adds to it")
        else:
            found = self.value(body[name])
        if _has_unknown(found):
            self.world.unresolved.add((self.template.file, resource.id, name))
        return found

    def output(self, name: str) -> Any:
        declared = self.template.outputs.get(name)
        if not isinstance(declared, Map) or "Value" not in declared:
            return Unknown(f"{self.path}Outputs.{name}", f"output {name} is not declared")
        return self.world.choices.remembered(
            self.world.memory, (self.path, "output", name), lambda: self.value(declared["Value"])
        )

    # ---- values ----

    def value(self, raw: Any) -> Any:
        """A value of this stack's template in this scenario."""
        kind = type(raw)
        if kind is Call:
            return self._call(raw)
        if kind is Map:
            return raw if raw.static and not _has_macro(raw) else self._map(raw)
        if kind is Seq:
            return raw if raw.static else self._seq(raw)
        return raw

    def _at(self, raw: Any, mark: Mark) -> tuple[Any, Mark]:
        """A value and where it stands: inside an `Fn::If`, the branch taken."""
        while isinstance(raw, Call) and raw.name == "Fn::If":
            argument = raw.argument
            if not isinstance(argument, Seq) or len(argument) != 3:
                return self._opaque(raw, "Fn::If takes a condition and two values"), mark
            if not isinstance(argument[0], str):
                return self._opaque(raw, "Fn::If does not name a condition"), mark
            branch = 1 if self.condition(argument[0]) else 2
            raw, mark = argument[branch], argument.marks[branch]
        return self.value(raw), mark

    def _map(self, raw: Map) -> Any:
        if _has_macro(raw):
            first = next(iter(raw.marks.values()))
            return Unknown(f"{self.path}macro{first}", "a macro or loop makes part of it")
        found, marks = Map(), {}
        for key, inner in raw.items():
            value, mark = self._at(inner, raw.marks[key])
            if value is not NOVALUE:
                found[key], marks[key] = value, mark
        found.marks, found.static = marks, True
        return found

    def _seq(self, raw: Seq) -> Seq:
        found, marks = Seq(), []
        for inner, at in zip(raw, raw.marks, strict=True):
            value, mark = self._at(inner, at)
            if value is not NOVALUE:
                found.append(value)
                marks.append(mark)
        found.marks, found.static = marks, True
        return found

    def _opaque(self, call: Call, why: str, *, plain: bool = False, inputs: Any = "") -> Unknown:
        return Unknown(f"{self.path}{call.name}({inputs or call.mark})", why, plain, plain)

    def _call(self, call: Call) -> Any:
        name, argument = call.name, call.argument
        if name == "Ref":
            return self._ref(argument, call)
        if name == "Fn::If":
            return self._at(call, call.mark)[0]
        if name == "Fn::GetAtt":
            return self._attribute(argument, call)
        if name == "Fn::Sub":
            return self._sub(call)
        if name == "Dynamic":
            return self._dynamic(argument)
        if name == "Fn::FindInMap":
            return self._find(call)
        if name == "Fn::GetAZs":
            return self._opaque(call, "Fn::GetAZs", plain=True, inputs=key_of_any(argument))
        if name == "Fn::ImportValue":
            of = key_of_any(self.value(argument))
            return Unknown(f"import:{of}", f"Fn::ImportValue {of} is another stack's")
        two = {"Fn::Join": self._join, "Fn::Split": self._split, "Fn::Select": self._select}
        if name in two and isinstance(argument, Seq) and len(argument) == 2:
            return two[name](call, self.value(argument[0]), self.value(argument[1]))
        if name == "Fn::Length":
            inner = self.value(argument)
            return len(inner) if isinstance(inner, list) else self._opaque(call, "Fn::Length")
        if name == "Fn::ToJsonString":
            inner = self.value(argument)
            if not _has_unknown(inner, plain_too=True):
                return json.dumps(inner)
        return self._opaque(call, f"{name} is not resolved")

    def _ref(self, name: Any, call: Call) -> Any:
        if name == "AWS::NoValue":
            return NOVALUE
        if name in self.template.parameters:
            return self.parameter(name)
        if name in self.resources:
            key = f"{self.path}{name}"
            return Unknown(key, f"{name} is made at deployment", True, True, (self.path, name, ""))
        if name in PSEUDO:
            path = "" if name in _SHARED else self.path
            return Unknown(f"{path}{name}", name, True, True)
        return self._opaque(call, f"{str(name)[:80]} is not declared here")

    def _attribute(self, argument: Any, call: Call) -> Any:
        if not isinstance(argument, list) or len(argument) != 2:
            return self._opaque(call, "Fn::GetAtt takes a resource and an attribute")
        name, attribute = argument[0], argument[1]
        if not isinstance(name, str) or name not in self.resources:
            return self._opaque(call, "Fn::GetAtt of what is not declared here")
        if not isinstance(attribute, str):
            attribute = key_of_any(self.value(attribute))
        resource = self.resources[name]
        if name in self.children and attribute.startswith("Outputs."):
            return self.children[name].output(attribute[8:])
        if attribute == "CidrBlock" and resource.type in ("AWS::EC2::VPC", "AWS::EC2::Subnet"):
            block = resource.get("CidrBlock")
            if block is not NOVALUE:
                return block
        made_by_aws = resource.type.startswith("AWS::") and not resource.type.startswith(
            "AWS::CloudFormation::"
        )
        key = f"{self.path}{name}.{attribute}"
        why = f"{name}.{attribute} is made at deployment"
        sure = made_by_aws and attribute.endswith(("Arn", "Id"))
        return Unknown(key, why, made_by_aws, sure, (self.path, name, attribute))

    def _sub(self, call: Call) -> Any:
        text, given = sub_parts(call.argument)
        if not text:
            return "" if call.argument == "" else self._opaque(call, "Fn::Sub takes text")
        parts: list[Any] = []
        at = 0
        for match in PLACEHOLDER.finditer(text):
            parts.append(self._dynamic(text[at : match.start()]))
            at = match.end()
            escaped, name = match[1], match[2].strip()
            if escaped:
                parts.append("${" + match[2] + "}")
            elif name in given:
                parts.append(self.value(given[name]))
            elif "." in name:
                parts.append(self._attribute(name.split(".", 1), call))
            else:
                parts.append(self._ref(name, call))
        parts.append(self._dynamic(text[at:]))
        return join(part for part in parts if part is not NOVALUE)

    def _dynamic(self, text: str) -> Any:
        if "{{resolve:" not in text:
            return text
        parts: list[Any] = []
        while (start := text.find("{{resolve:")) >= 0:
            end = text.find("}}", start)
            end = len(text) if end < 0 else end + 2
            reference = text[start:end]
            parts += [text[:start], Unknown(reference, f"{reference[:80]} is read at deployment")]
            text = text[end:]
        return join([*parts, text])

    def _join(self, call: Call, separator: Any, items: Any) -> Any:
        if not isinstance(items, list):
            return self._opaque(
                call, why_of(items), plain=is_plain(items), inputs=key_of_any(items)
            )
        parts: list[Any] = []
        for index, item in enumerate(items):
            parts += [separator, item] if index else [item]
        return join(parts)

    def _split(self, call: Call, separator: Any, text: Any) -> Any:
        if isinstance(separator, str) and separator and isinstance(text, str):
            found = Seq(text.split(separator))
            found.marks, found.static = [call.mark] * len(found), True
            return found
        if isinstance(text, list | dict):
            return self._opaque(call, "Fn::Split takes text")
        return self._opaque(call, why_of(text), plain=is_plain(text), inputs=key_of(text))

    def _select(self, call: Call, index: Any, items: Any) -> Any:
        number = as_text(index)
        if not isinstance(items, list):
            if isinstance(items, Unknown):
                return Unknown(f"{items.key}[{number}]", items.why, items.plain, items.nonempty)
            return self._opaque(call, "Fn::Select takes a list")
        if not number.isdecimal() or len(number) > 9:
            return self._opaque(call, "the index is not known")
        if int(number) >= len(items):
            raise Unreachable(f"Fn::Select {number} of {len(items)} values")
        return items[int(number)]

    def _find(self, call: Call) -> Any:
        argument = call.argument
        if not isinstance(argument, Seq) or len(argument) < 3:
            return self._opaque(call, "Fn::FindInMap takes a map and two keys")
        here: Any = self.template.mappings.get(self.value(argument[0]))
        if not isinstance(here, Map):
            return self._opaque(call, "the map is not declared here")
        for position in (1, 2):
            key = self._compared(argument[position])
            if isinstance(key, Unknown | Text):
                if isinstance(key, Unknown) and key.key.endswith("!other"):
                    raise Unreachable(f"the map has no key for {key.why}")
                label = f"Fn::FindInMap in line {call.mark[0]}, key {position}"
                key = self.world.choices.choose(
                    f"{self.path}{call.mark}{position}", label, sorted(here)
                )
            if not isinstance(here, Map) or as_text(key) not in here:
                if len(argument) == 4 and isinstance(argument[3], Map):
                    return self.value(argument[3].get("DefaultValue"))
                raise Unreachable(f"a map has no key {as_text(key)[:80]}")
            here = here[as_text(key)]
        return here


def key_of_any(value: Any) -> str:
    """A stable text for any value."""
    if isinstance(value, list | dict):
        return json.dumps(value, default=repr, sort_keys=True)
    if isinstance(value, Call):
        return f"{value.name}({key_of_any(value.argument)})"
    return key_of(value)


def why_of(value: Any) -> str:
    reasons = [p.why for p in pieces(value) if isinstance(p, Unknown)]
    return reasons[0] if reasons else "not known"


def _has_macro(raw: Map) -> bool:
    return len(raw) > 0 and any(key.startswith("Fn::") for key in raw)


def _has_unknown(value: Any, *, plain_too: bool = False) -> bool:
    if isinstance(value, dict):
        return any(_has_unknown(v, plain_too=plain_too) for v in value.values())
    if isinstance(value, list):
        return any(_has_unknown(v, plain_too=plain_too) for v in value)
    if isinstance(value, Unknown | Text):
        return plain_too or not is_plain(value)
    return False
