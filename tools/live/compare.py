"""Compares a property's value in the template with its value in the account.

A template's value may hold parts that are known only after deployment. References to resources are
known by physical ids. Any other unknown part agrees with every value.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tljudge.decode.nodes import as_text
from tljudge.resolve.values import NOVALUE, Text, Unknown, display, pieces
from tools.live.reading import ABSENT
from tools.live.stacks import as_json
from tools.texts import shortened

# Services add keys of their own to a mapping, so a key that only the account has is no difference.
# Below these names only the user sets keys, so there it is one.
_EXACT = ("Policies", "AssumeRolePolicyDocument", "PolicyDocument", "RouteSettings", "Variables")
# Characters of a value in a message, and of one that is cut in the middle afterwards.
_WIDTH, _LONGEST = 160, 10_000
_PROTOCOLS = {"6": "tcp", "17": "udp", "1": "icmp", "58": "icmpv6", "all": "-1"}
EVERYWHERE = [{"IpProtocol": "-1", "CidrIp": "0.0.0.0/0"}]
"""The egress rule that AWS gives a group that declares none."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One place where template and account differ, both as text; empty means "not set"."""

    path: str
    template: str
    live: str


@dataclass(frozen=True, slots=True)
class Names:
    """Type and physical id by (stack path, logical id), and pseudo parameters by stack path."""

    physical: Mapping[tuple[str, str], tuple[str, str]]
    pseudo: Mapping[str, Mapping[str, str]]

    def pattern(self, piece: str | Unknown) -> str:
        """A regular expression for the values that a piece of a template's text can have."""
        if isinstance(piece, str):
            return re.escape(piece)
        if piece.origin is not None:
            own = self._id(piece)
            if own is None:
                return ".*"
            tail = re.escape(re.split(r"[/|]", own)[-1])
            attribute = piece.origin[2]
            if attribute.endswith("Arn"):
                return rf".*{tail}.*"
            return rf"(?:.*[/:|])?{tail}|{re.escape(own)}"
        path, _, name = piece.key.removesuffix("!other").rpartition("AWS::")
        known = self.pseudo.get(path, {}).get(f"AWS::{name}")
        return ".*" if known is None else re.escape(known)

    def _id(self, piece: Unknown) -> str | None:
        """The physical id that a reference is, or that its ARN ends with."""
        path, logical_id, attribute = piece.origin or ("", "", "")
        kind, physical_id = self.physical.get((path, logical_id), ("", ""))
        name = kind.rsplit("::", 1)[-1]
        same = ("", "Id", "GroupId", f"{name}Id", "Arn", f"{name}Arn")
        return physical_id if physical_id and attribute in same else None

    def text(self, value: Any) -> str | None:
        """A scalar as the account writes it; None where a part of it is unknown."""
        text = ""
        for piece in pieces(value):
            if isinstance(piece, str):
                text += piece
            elif piece.origin is not None:
                own = self._id(piece)
                if own is None or piece.origin[2].endswith("Arn"):
                    return None
                text += own
            else:
                path, _, name = piece.key.removesuffix("!other").rpartition("AWS::")
                known = self.pseudo.get(path, {}).get(f"AWS::{name}")
                if known is None:
                    return None
                text += known
        return text

    def differences(
        self, wanted: Any, live: Any, path: str, exact: bool = False
    ) -> Iterator[Difference]:
        """Every place where the account's value is not the template's.

        Args:
            wanted: the template's value in this deployment.
            live: the account's value.
            path: of the property.
            exact: whether a key that only the account has is a difference.
        """
        exact = exact or path.rsplit(".", 1)[-1] in _EXACT
        if wanted is NOVALUE or live is ABSENT:
            if not (_is_empty(wanted) and _is_empty(live)):
                yield Difference(path, self.words(wanted), self.words(live))
        elif isinstance(wanted, Unknown | Text):
            if isinstance(live, dict | list):
                if isinstance(live, list) and len(live) == 1:
                    yield from self.differences(wanted, live[0], path, exact)
                return  # a list or mapping that is known only after deployment
            pattern = "".join(f"(?:{self.pattern(piece)})" for piece in pieces(wanted))
            if not re.fullmatch(pattern, as_text(live), re.DOTALL):
                yield Difference(path, self.words(wanted), self.words(live))
        elif isinstance(wanted, dict) or isinstance(live, dict):
            yield from self._of_maps(_parsed(wanted), _parsed(live), path, exact)
        elif isinstance(wanted, list) or isinstance(live, list):
            yield from self._of_lists(_listed(wanted), _listed(live), path, exact)
        elif not _same(wanted, live):
            yield Difference(path, self.words(wanted), self.words(live))

    def _of_maps(self, wanted: Any, live: Any, path: str, exact: bool) -> Iterator[Difference]:
        if not isinstance(wanted, dict) or not isinstance(live, dict):
            yield Difference(path, self.words(wanted), self.words(live))
            return
        for key, inner in wanted.items():
            yield from self.differences(inner, live.get(key, ABSENT), f"{path}.{key}", exact)
        for key in live.keys() - wanted.keys():
            if exact and not _is_empty(live[key]):
                yield Difference(f"{path}.{key}", "", self.words(live[key]))

    def _of_lists(
        self, wanted: list[Any], live: list[Any], path: str, exact: bool
    ) -> Iterator[Difference]:
        _, missing, extra = self._pairs(wanted, live, path, exact)
        if len(missing) == len(extra) == 1 and isinstance(wanted[missing[0]], dict):
            yield from self.differences(wanted[missing[0]], live[extra[0]], path, exact)
            return
        for index in missing:
            yield Difference(path, self.words(wanted[index]), "")
        for index in extra:
            yield Difference(path, "", self.words(live[index]))

    def _pairs(
        self, wanted: list[Any], live: list[Any], path: str, exact: bool
    ) -> tuple[dict[int, int], list[int], list[int]]:
        """Indexes of elements that agree (live to wanted), and those left of each list.

        Order is ignored, because it means nothing in most of CloudFormation's lists.
        """
        pairs: dict[int, int] = {}
        missing = []
        for index, element in enumerate(wanted):
            for other, value in enumerate(live):
                if other not in pairs and not any(self.differences(element, value, path, exact)):
                    pairs[other] = index
                    break
            else:
                missing.append(index)
        return pairs, missing, [index for index in range(len(live)) if index not in pairs]

    def laid_over(
        self, raw: Any, wanted: Any, live: Any, path: str, link: Callable[[Any], Any]
    ) -> Any:
        """The account's value, with the template's own text wherever both agree.

        Args:
            raw: the template's value as it is written.
            wanted: the template's value in this deployment.
            live: the account's value.
            path: of the property.
            link: turns ids in a value of the account into references.
        """
        exact = any(part in _EXACT for part in path.split("."))
        if not any(self.differences(wanted, live, path, exact)):
            return as_json(raw)
        if isinstance(raw, dict) and isinstance(wanted, dict) and isinstance(live, dict):
            return {
                key: self.laid_over(raw[key], wanted[key], value, f"{path}.{key}", link)
                if key in raw and key in wanted
                else link(value)
                for key, value in live.items()
            }
        if (
            isinstance(raw, list)
            and isinstance(wanted, list)
            and isinstance(live, list)
            and len(raw) == len(wanted)
        ):
            pairs, missing, extra = self._pairs(wanted, live, path, exact)
            if len(missing) == len(extra) == 1:
                pairs[extra[0]] = missing[0]
            return [
                self.laid_over(raw[pairs[index]], wanted[pairs[index]], value, path, link)
                if index in pairs
                else link(value)
                for index, value in enumerate(live)
            ]
        return link(live)

    def words(self, value: Any) -> str:
        """A value as a person reads it, in at most 160 characters."""
        if value is NOVALUE or value is ABSENT:
            return ""
        if isinstance(value, dict | list):
            text = json.dumps(value, default=lambda part: self.text(part) or display(part))
        else:
            text = self.text(value) or display(value, _LONGEST)
        return shortened(text, _WIDTH)


def _is_empty(value: Any) -> bool:
    return value is NOVALUE or value is ABSENT or value in (None, False, "", 0) or value in ([], {})


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _parsed(value: Any) -> Any:
    """The mapping in a JSON text or in a list of one element; any other value as it is."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _same(wanted: Any, live: Any) -> bool:
    left, right = as_text(wanted), as_text(live)
    if left == right or _PROTOCOLS.get(left, left) == _PROTOCOLS.get(right, right):
        return True
    try:
        return float(left) == float(right)
    except ValueError:
        return left.startswith("{") and _parsed(left) == _parsed(right)
