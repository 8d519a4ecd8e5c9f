"""Lays the account's values over the templates of a deployed stack.

Where account and template agree, the template's own text stays, with its references. Where they
differ, the account's value replaces it, and ids of the same stack become references again. So the
rules judge the deployment as it is, with siblings and nested stacks.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from tljudge.data import Tagging, tagging
from tljudge.decode.references import calls, names
from tljudge.resolve.deployment import NESTED, Deployment, Resource, Stack
from tljudge.resolve.scenarios import Choice, Choices, Unreachable
from tljudge.resolve.values import NOVALUE
from tljudge.rules import ALL
from tools.live import tags
from tools.live.compare import EVERYWHERE, Difference, Names
from tools.live.merged_resources import EGRESS, MergedResources
from tools.live.reading import ABSENT, Account, CannotRead, Gone, Read
from tools.live.stacks import LiveStack, document
from tools.live.table import READERS

_WORKERS = 8


@dataclass(frozen=True, slots=True)
class Drift:
    """One property whose value in the account differs from the template's."""

    stack: str
    resource: str
    type: str
    path: str
    template: str
    live: str


@dataclass(slots=True)
class Overlay:
    """The templates of a deployment with the account's values, and what could not be read.

    `documents` are the templates by stack path. `unread` and `gone` name stack and resource, and
    `unread` the reason. `dropped_tags` are required tags that only a stack still has; `assumed` the
    properties that were not read and keep the template's value; `skipped` counts the resources of
    types that no rule judges by more than their template.
    """

    documents: dict[str, dict[str, Any]] = field(default_factory=dict)
    drifts: list[Drift] = field(default_factory=list)
    unread: list[tuple[str, str, str]] = field(default_factory=list)
    gone: list[tuple[str, str]] = field(default_factory=list)
    dropped_tags: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    assumed: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    skipped: dict[str, int] = field(default_factory=dict)


def overlay_account(
    root: LiveStack, deployment: Deployment, account: Account, required: tuple[str, ...]
) -> Overlay:
    """Read every resource and lay its values over its template.

    Args:
        root: the stack as CloudFormation has it.
        deployment: its templates under its parameters.
        account: reads the resources.
        required: the tags that every resource must have.
    """
    builder = _Builder(root, deployment, account, required)
    builder.build()
    return builder.overlay


def _is_judged(kind: str) -> bool:
    return tagging().get(kind) is not None or any(kind in rule.types for rule in ALL)


class _Builder:
    def __init__(
        self, root: LiveStack, deployment: Deployment, account: Account, required: tuple[str, ...]
    ) -> None:
        self._account, self._required = account, required
        self._live = {_world_path(root, each): each for each in root.all()}
        self._stacks: dict[str, Stack] = {stack.path: stack for stack in deployment.stacks}
        self.overlay = Overlay({each.path: document(each) for each in root.all()})
        self._names = Names(
            {
                (path, logical_id): named
                for path, live in self._live.items()
                for logical_id, named in live.resources.items()
            },
            {path: live.pseudo for path, live in self._live.items()},
        )
        self._merged = MergedResources(self._live, self._stacks, self._names)
        # Parameters have the values of the deployment; so have the pseudo parameters.
        deployment.choices = Choices(
            [
                Choice(key, key, 0, [value])
                for path, live in self._live.items()
                for name, value in live.pseudo.items()
                for key in (f"{path}{name}",)
            ]
        )

    def build(self) -> None:
        """Read every resource of every stack, and lay it over."""
        pending = []
        for path, live in self._live.items():
            stack = self._stacks[path]
            for logical_id, (kind, physical_id) in live.resources.items():
                resource = stack.resources.get(logical_id)
                if resource is None:
                    self._unread(live, logical_id, "its template has no such resource")
                elif kind in READERS or (_is_judged(kind) and kind not in (NESTED, EGRESS)):
                    try:
                        pending.append((live, resource, physical_id, *self._known(resource)))
                    except Unreachable as error:
                        self._unread(live, logical_id, str(error))
                elif kind not in (NESTED, EGRESS):
                    self.overlay.skipped[kind] = self.overlay.skipped.get(kind, 0) + 1
        with ThreadPoolExecutor(_WORKERS) as pool:
            answers = list(pool.map(lambda each: self._read(*each[1:]), pending))
        for (live, resource, *_), answer in zip(pending, answers, strict=True):
            if isinstance(answer, Gone):
                self.overlay.gone.append((live.path, resource.id))
                self._keep_tags(live, resource)
            elif isinstance(answer, CannotRead):
                self._unread(live, resource.id, str(answer))
                self._keep_tags(live, resource)
            else:
                self._merged.remove_from(resource, answer)
                self._lay(live, resource, answer)
        self._nested_stacks()
        unread = {(stack, resource) for stack, resource, _ in self.overlay.unread}
        for rule, group in self._merged.unmatched_egress():
            live = self._live[rule.stack.path]
            if group is None or (self._live[group.stack.path].path, group.id) in unread:
                self._unread(live, rule.id, "its group is in none of these stacks, or was not read")
            else:
                self.overlay.gone.append((live.path, rule.id))

    def _unread(self, live: LiveStack, logical_id: str, why: str) -> None:
        self.overlay.unread.append((live.path, logical_id, why))

    def _known(self, resource: Resource) -> tuple[dict[str, str], set[str]]:
        """The values of a resource's properties that are known texts, and all names it sets."""
        body = resource.body.get("Properties")
        wanted = set(body) if isinstance(body, dict) else set()
        texts = {}
        for name in wanted:
            value = resource.get(name)
            if isinstance(value, list) and value:
                name, value = f"{name}[0]", value[0]
            text = None if isinstance(value, dict | list) else self._names.text(value)
            if text is not None and value is not NOVALUE:
                texts[name] = text
        root = self._names.pseudo[resource.stack.path]
        return {**root, **texts}, wanted

    def _read(
        self, resource: Resource, physical_id: str, known: dict[str, str], wanted: set[str]
    ) -> Read | Gone | CannotRead:
        try:
            return self._account.read(resource.type, physical_id, known, wanted)
        except (Gone, CannotRead) as error:
            return error

    # ---- one resource ----

    def _lay(self, live: LiveStack, resource: Resource, read: Read) -> None:
        """Lay the values of one resource over its template."""
        body = self._properties(live, resource)
        how = tagging().get(resource.type)
        declared = set(body) - {how.name if how else ""}
        unread = {name: why for name, why in read.missing.items() if why}
        for name, why in unread.items():
            self._unread(live, resource.id, f"{name}: {why}")
        for name in sorted(declared - read.properties.keys() - read.missing.keys()):
            if read.complete:
                read.properties[name] = ABSENT
            else:
                self.overlay.assumed.setdefault((live.path, resource.id), []).append(name)
        for name, value in read.properties.items():
            wanted = resource.get(name)
            if name == "SecurityGroupEgress" and wanted in (NOVALUE, []) and _is_default(value):
                continue
            if name not in declared and read.complete:
                if value not in (None, "", [], {}):
                    body[name] = self._linked(live, resource.id, value)
                continue
            differences = list(self._names.differences(wanted, value, name))
            if differences:
                self._note(live, resource, differences)
                if value is ABSENT:
                    body.pop(name, None)
                else:
                    raw = resource.body.get("Properties")
                    raw = raw.get(name) if isinstance(raw, dict) else None
                    body[name] = self._names.laid_over(
                        raw, wanted, value, name, lambda own: self._linked(live, resource.id, own)
                    )
        if how is not None:
            self._lay_tags(live, resource, read, body, how)

    def _lay_tags(
        self, live: LiveStack, resource: Resource, read: Read, body: dict[str, Any], how: Tagging
    ) -> None:
        if read.tags is None:
            if "tags" not in read.missing:
                self._unread(live, resource.id, "tags: no call reads them")
            self._keep_tags(live, resource)
            return
        given, differences, dropped = tags.laid_over(
            resource, read.tags, self._names, self._required
        )
        self._note(live, resource, differences)
        if dropped:
            self.overlay.dropped_tags[live.path, resource.id] = dropped
        body[how.name] = given

    def _keep_tags(self, live: LiveStack, resource: Resource) -> None:
        how = tagging().get(resource.type)
        if how is not None:
            body = self._properties(live, resource)
            given = tags.kept(resource, body.get(how.name))
            if given:
                body[how.name] = given

    def _properties(self, live: LiveStack, resource: Resource) -> dict[str, Any]:
        """The properties of a resource in the overlay, to be changed in place."""
        body = self.overlay.documents[live.path]["Resources"][resource.id]
        if not isinstance(body.get("Properties"), dict) or any(
            key.startswith("Fn::") for key in body["Properties"]
        ):
            body["Properties"] = {}
        properties: dict[str, Any] = body["Properties"]
        return properties

    def _note(self, live: LiveStack, resource: Resource, differences: list[Difference]) -> None:
        self.overlay.drifts += [
            Drift(live.path, resource.id, resource.type, each.path, each.template, each.live)
            for each in differences
        ]

    def _nested_stacks(self) -> None:
        """Lay the tags of nested stacks over; their resources are laid over on their own."""
        for path, live in self._live.items():
            for logical_id, child in live.children.items():
                resource = self._stacks[path].resources[logical_id]
                read = Read(tags=dict(child.tags))
                body = self._properties(live, resource)
                self._lay_tags(live, resource, read, body, Tagging("Tags", "list", True))

    # ---- references ----

    def _linked(self, live: LiveStack, logical_id: str, value: Any) -> Any:
        """A live value; ids of the same stack become references, unless that makes a circle."""
        if isinstance(value, dict):
            return {k: self._linked(live, logical_id, v) for k, v in value.items()}
        if isinstance(value, list):
            return [self._linked(live, logical_id, element) for element in value]
        if not isinstance(value, str) or len(value) < 6:
            return value
        for other, (_, physical_id) in live.resources.items():
            if value != physical_id and not (
                value.startswith("arn:") and value.endswith((f":{physical_id}", f"/{physical_id}"))
            ):
                continue
            if other != logical_id and not self._needs(live, other, logical_id):
                return {"Ref": other} if value == physical_id else {"Fn::GetAtt": [other, "Arn"]}
        return value

    def _needs(self, live: LiveStack, first: str, other: str) -> bool:
        """Whether a resource refers to another of its stack, directly or through others."""
        resources = live.template.resources
        seen, pending = set(), [first]
        while pending:
            name = pending.pop()
            if name == other:
                return True
            if name in resources and name not in seen:
                seen.add(name)
                pending += [named for call in calls(resources[name]) for named in names(call)]
        return False


def _world_path(root: LiveStack, stack: LiveStack) -> str:
    below = stack.path[len(root.path) + 1 :]
    return f"{below}/" if below else ""


def _is_default(rules: Any) -> bool:
    plain = [{k: v for k, v in rule.items() if k != "Description"} for rule in rules or []]
    return plain == EVERYWHERE
