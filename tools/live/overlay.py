"""A template with the account's values in it, where they are not what it says.

Where account and template agree the template's own words stay, with their references; what differs
stands there as the account has it, with ids of the same stack turned back into references. So the
rules see one deployment, siblings and nested stacks included, as it is.
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
from tools.live.merged_resources import EGRESS, Shares
from tools.live.reading import ABSENT, Account, CannotRead, Gone, Read
from tools.live.stacks import LiveStack, document
from tools.live.table import READERS

_WORKERS = 8


@dataclass(frozen=True, slots=True)
class Drift:
    """One property that is not as the template says."""

    stack: str
    resource: str
    type: str
    path: str
    template: str
    live: str


@dataclass(slots=True)
class Seen:
    """What the account says of a deployment.

    `unread` and `gone` name (stack, resource) and why; `dropped_tags` the tags that only a parent
    still gives; `assumed` properties that nobody could read, taken from the template; `skipped`
    counts types about which there is nothing to judge.
    """

    documents: dict[str, dict[str, Any]] = field(default_factory=dict)
    drifts: list[Drift] = field(default_factory=list)
    unread: list[tuple[str, str, str]] = field(default_factory=list)
    gone: list[tuple[str, str]] = field(default_factory=list)
    dropped_tags: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    assumed: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    skipped: dict[str, int] = field(default_factory=dict)


def see(
    root: LiveStack, deployment: Deployment, account: Account, required: tuple[str, ...]
) -> Seen:
    """Read every resource and lay it over its template.

    Args:
        root: the stack, as CloudFormation tells.
        deployment: its templates, under its parameters.
        account: makes the calls.
        required: tags without which a resource has no owner.
    """
    run = _Overlay(root, deployment, account, required)
    run.read()
    return run.seen


def _is_judged(kind: str) -> bool:
    return tagging().get(kind) is not None or any(kind in rule.types for rule in ALL)


class _Overlay:
    def __init__(
        self, root: LiveStack, deployment: Deployment, account: Account, required: tuple[str, ...]
    ) -> None:
        self._account, self._required = account, required
        self._live = {_world_path(root, one): one for one in root.all()}
        self._stacks: dict[str, Stack] = {stack.path: stack for stack in deployment.stacks}
        self.seen = Seen({one.path: document(one) for one in root.all()})
        self._names = Names(
            {
                (path, logical_id): named
                for path, one in self._live.items()
                for logical_id, named in one.resources.items()
            },
            {path: one.pseudo for path, one in self._live.items()},
        )
        self._shares = Shares(self._live, self._stacks, self._names)
        # Parameters have what they were given; region and account are those of the stack.
        deployment.choices = Choices(
            [
                Choice(key, key, 0, [value])
                for path, one in self._live.items()
                for name, value in one.pseudo.items()
                for key in (f"{path}{name}",)
            ]
        )

    def read(self) -> None:
        wanted = []
        for path, live in self._live.items():
            stack = self._stacks[path]
            for logical_id, (kind, physical_id) in live.resources.items():
                resource = stack.resources.get(logical_id)
                if resource is None:
                    self.seen.unread.append((live.path, logical_id, "its template has none such"))
                elif kind in READERS or (_is_judged(kind) and kind not in (NESTED, EGRESS)):
                    try:
                        wanted.append((live, resource, physical_id, *self._known(resource)))
                    except Unreachable as error:
                        self.seen.unread.append((live.path, logical_id, str(error)))
                elif kind not in (NESTED, EGRESS):
                    self.seen.skipped[kind] = self.seen.skipped.get(kind, 0) + 1
        with ThreadPoolExecutor(_WORKERS) as pool:
            answers = list(pool.map(lambda one: self._read(*one[1:]), wanted))
        for (live, resource, *_), answer in zip(wanted, answers, strict=True):
            place = (live.path, resource.id)
            if isinstance(answer, Gone):
                self.seen.gone.append(place)
                self._keep_tags(live, resource)
            elif isinstance(answer, CannotRead):
                self.seen.unread.append((*place, str(answer)))
                self._keep_tags(live, resource)
            else:
                self._shares.take_out(resource, answer)
                self._lay(live, resource, answer)
        self._nested_stacks()
        unread = {(stack, resource) for stack, resource, _ in self.seen.unread}
        for rule, group in self._shares.not_met():
            live = self._live[rule.stack.path]
            if group is None or (self._live[group.stack.path].path, group.id) in unread:
                why = "its group is not one of these stacks, or was not read"
                self.seen.unread.append((live.path, rule.id, why))
            else:
                self.seen.gone.append((live.path, rule.id))

    def _known(self, resource: Resource) -> tuple[dict[str, str], set[str]]:
        body = resource.body.get("Properties")
        wanted = set(body) if isinstance(body, dict) else set()
        texts = {}
        for name in wanted:
            value = resource.get(name)
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

    def _lay(self, live: LiveStack, resource: Resource, found: Read) -> None:
        place = (live.path, resource.id)
        body = self._properties(live, resource)
        how = tagging().get(resource.type)
        declared = set(body) - {how.name if how else ""}
        unread = {name: why for name, why in found.missing.items() if why}
        for name, why in unread.items():
            self.seen.unread.append((*place, f"{name}: {why}"))
        for name in sorted(declared - found.properties.keys() - found.missing.keys()):
            if found.complete:
                found.properties[name] = ABSENT
            else:
                self.seen.assumed.setdefault(place, []).append(name)
        for name, value in found.properties.items():
            wanted = resource.get(name)
            if name == "SecurityGroupEgress" and wanted in (NOVALUE, []) and _is_default(value):
                continue
            if name not in declared and found.complete:
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
                        raw, wanted, value, name, lambda one: self._linked(live, resource.id, one)
                    )
        if how is not None:
            self._lay_tags(live, resource, found, body, how)

    def _lay_tags(
        self, live: LiveStack, resource: Resource, found: Read, body: dict[str, Any], how: Tagging
    ) -> None:
        if found.tags is None:
            if "tags" not in found.missing:
                self.seen.unread.append((live.path, resource.id, "tags: no call reads them"))
            self._keep_tags(live, resource)
            return
        given, differences, dropped = tags.laid_over(
            resource, found.tags, self._names, self._required
        )
        self._note(live, resource, differences)
        if dropped:
            self.seen.dropped_tags[live.path, resource.id] = dropped
        body[how.name] = given

    def _keep_tags(self, live: LiveStack, resource: Resource) -> None:
        how = tagging().get(resource.type)
        if how is not None:
            body = self._properties(live, resource)
            given = tags.kept(resource, body.get(how.name))
            if given:
                body[how.name] = given

    def _properties(self, live: LiveStack, resource: Resource) -> dict[str, Any]:
        whole = self.seen.documents[live.path]["Resources"][resource.id]
        if not isinstance(whole.get("Properties"), dict) or any(
            key.startswith("Fn::") for key in whole["Properties"]
        ):
            whole["Properties"] = {}
        properties: dict[str, Any] = whole["Properties"]
        return properties

    def _note(self, live: LiveStack, resource: Resource, found: list[Difference]) -> None:
        self.seen.drifts += [
            Drift(live.path, resource.id, resource.type, one.path, one.template, one.live)
            for one in found
        ]

    def _nested_stacks(self) -> None:
        """A nested stack is what its resources are; its own are its tags."""
        for path, live in self._live.items():
            for logical_id, child in live.children.items():
                resource = self._stacks[path].resources[logical_id]
                found = Read(tags=dict(child.tags))
                body = self._properties(live, resource)
                self._lay_tags(live, resource, found, body, Tagging("Tags", "list", True))

    # ---- references ----

    def _linked(self, live: LiveStack, logical_id: str, value: Any) -> Any:
        """A live value, with ids of the same stack as references where that makes no circle."""
        if isinstance(value, dict):
            return {k: self._linked(live, logical_id, v) for k, v in value.items()}
        if isinstance(value, list):
            return [self._linked(live, logical_id, one) for one in value]
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

    def _needs(self, live: LiveStack, one: str, other: str) -> bool:
        """Whether one resource of a stack refers to another, however far."""
        resources = live.template.resources
        seen, pending = set(), [one]
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
    plain = [{k: v for k, v in one.items() if k != "Description"} for one in rules or []]
    return plain == EVERYWHERE
