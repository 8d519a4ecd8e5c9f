"""A call that reads, where in its answer the wanted part is, and how all its pages are read.

The inventory and the reader of deployed stacks describe their calls with these types. A mistyped
operation or path would read as "nothing is there", so both are compared with the service's own
model before the call is made.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import jmespath
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from tools.deploy.paths import UnknownPath, first_members, follow
from tools.texts import shortened

# Services that have pages and no paginator in boto3 take the token back under the name they gave.
_TOKEN = re.compile(r"(next|page|pagination|continuation)*(token|marker)", re.IGNORECASE)


class UnknownCall(Exception):
    """A description names an operation or a path that the service's model does not have."""


class IncompleteAnswer(Exception):
    """A service left out the list it was asked for, or gave pages without an end."""


FAILURES = (BotoCoreError, ClientError, ResponseParserError, IncompleteAnswer)
"""What `ask` raises where a service did not say it all: never to be taken for empty."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call that reads.

    Texts in `parameters` and `path` may hold words in braces, such as `{id}`, for `filled`. `path`
    is a JMESPath expression on the whole answer. `has_list` says that the service always sends what
    the path begins with, empty or not: an answer without it is refused, not taken for empty.
    """

    service: str
    operation: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    path: str = "@"
    has_list: bool = False

    def filled(self, words: Mapping[str, str]) -> "Call":
        """The call with the words in braces replaced by their texts."""
        parameters = _filled(self.parameters, words)
        return replace(self, parameters=parameters, path=_filled(self.path, words))


@dataclass(frozen=True, slots=True)
class Listing:
    """How one kind of resource is listed.

    `call` lists all of the kind; its path leads to one item a resource. `id` is the JMESPath of the
    resource's id or name in an item. `tags` says where its tags are: a member of the item, or a
    call in which `{id}` is that id; None where nothing reads them. `each_of` lists the names of
    what holds the kind, where it is listed for each holder alone: `{holder}` in `call`.
    """

    kind: str
    call: Call
    id: str = "@"
    tags: Call | str | None = None
    each_of: Call | None = None

    def one(self, parameters: Mapping[str, Any], pick: str = "[0]") -> Call:
        """The same call for one resource.

        Args:
            parameters: added to those of the listing, to limit it to `{id}`.
            pick: JMESPath that takes the resource out of the items.
        """
        path = f"{self.call.path} | {pick}"
        return replace(self.call, parameters={**self.call.parameters, **parameters}, path=path)


def ask(client: Any, call: Call) -> Any:
    """Make a call and return what its path is in the answer, all pages of it.

    Args:
        client: boto3 client of the call's service.
        call: every word in braces filled.

    Raises:
        UnknownCall: the service's model has no such operation, or its answer no such path.
        IncompleteAnswer: the answer lacks the list, or its pages do not end.
        botocore.exceptions.BotoCoreError, ClientError: the call failed.
    """
    operation = _operation(client, call)
    where = f"{call.service}:{operation.name}"
    try:
        follow(call.path, operation.output_shape)
    except UnknownPath as error:
        raise UnknownCall(f"{where}: {call.path}: {error}; correct the path") from None
    expected = first_members(call.path) if call.has_list else frozenset()
    answer: dict[str, Any] = {}
    for page in _pages(client, call):
        if expected and expected.isdisjoint(page):
            names = ", ".join(sorted(expected))
            raise IncompleteAnswer(f"{where}: the answer has no {names}")
        _add(answer, page)
    return jmespath.search(call.path, answer)


def items(client: Any, listing: Listing) -> dict[str, Any]:
    """Every resource of a kind by its id, as the service describes it.

    Raises as `ask` does, and IncompleteAnswer where an item has no id.
    """
    if listing.each_of is None:
        calls = [listing.call]
    else:
        holders = ask(client, listing.each_of) or []
        calls = [listing.call.filled({"holder": holder}) for holder in holders]
    found: dict[str, Any] = {}
    for item in (item for call in calls for item in ask(client, call) or []):
        resource_id = jmespath.search(listing.id, item)
        if not (isinstance(resource_id, str) and resource_id):
            raise IncompleteAnswer(f"{listing.kind}: an item has no {listing.id}")
        found[resource_id] = item
    return found


def reason(error: Exception) -> str:
    """Why a call failed, in one short line."""
    if isinstance(error, ClientError):
        answer = error.response["Error"]
        return f"{answer.get('Code', '?')} when calling {error.operation_name}"
    return shortened(f"{type(error).__name__}: {error}", 200)


def tags_by_key(tags: Any) -> dict[str, str]:
    """Tags by key, from a list or a mapping."""
    if isinstance(tags, list):
        tags = {tag.get("Key"): tag.get("Value", "") for tag in tags}
    return {str(key): str(value) for key, value in (tags or {}).items()}


def ids(client: Any, listing: Listing) -> list[str]:
    """The ids of every resource of a kind; raises as `items` does."""
    return list(items(client, listing))


def _operation(client: Any, call: Call) -> Any:
    """botocore's model of the operation."""
    name = client.meta.method_to_api_mapping.get(call.operation)
    if name is None:
        raise UnknownCall(f"{call.service}: no operation {call.operation}; correct its name")
    return client.meta.service_model.operation_model(name)


def _pages(client: Any, call: Call) -> Iterator[Mapping[str, Any]]:
    """Every page of an answer: by boto3's paginator, else by the token that a page carries."""
    if client.can_paginate(call.operation):
        yield from client.get_paginator(call.operation).paginate(**call.parameters)
        return
    operation = _operation(client, call)
    token = token_member(operation)
    parameters = dict(call.parameters)
    seen: set[str] = set()
    while True:
        page = getattr(client, call.operation)(**parameters)
        yield page
        following = page.get(token) if token else None
        if not following:
            return
        if following in seen:
            raise IncompleteAnswer(f"{call.service}:{operation.name}: a page leads to itself")
        seen.add(following)
        parameters[token] = following


def token_member(operation: Any) -> str:
    """The member that leads to the next page, as answer and parameter; empty where there is none.

    Raises:
        UnknownCall: pages go on in a way that is not known, so that only the first would be read.
    """
    given = _members(operation.output_shape)
    tokens = [name for name in given if _TOKEN.fullmatch(name)]
    known = [name for name in tokens if name in _members(operation.input_shape)]
    if tokens and not known:
        raise UnknownCall(
            f"{operation.name}: no parameter takes {tokens[0]}, which leads to its next page; "
            "read its pages another way"
        )
    return known[0] if known else ""


def _members(shape: Any) -> list[str]:
    return [] if shape is None else list(shape.members)


def _add(answer: dict[str, Any], page: Mapping[str, Any]) -> None:
    """Join a page to what earlier pages hold: lists grow, everything else stays."""
    for name, value in page.items():
        if isinstance(value, list):
            answer.setdefault(name, []).extend(value)
        elif isinstance(value, dict) and isinstance(answer.get(name), dict):
            _add(answer[name], value)
        else:
            answer.setdefault(name, value)


def _filled(value: Any, words: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        for word, text in words.items():
            value = value.replace(f"{{{word}}}", text)
        return value
    if isinstance(value, dict):
        return {key: _filled(inner, words) for key, inner in value.items()}
    return [_filled(inner, words) for inner in value] if isinstance(value, list) else value
