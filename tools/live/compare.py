"""What a template makes a property, and whether the account has it so.

A template's value may hold what only deployment knows. References to resources are known by their
physical ids; the rest agrees with anything, because it says nothing.
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

# What AWS adds to a mapping by itself differs from service to service; what is below these keys is
# the user's alone, so that one more key is a difference.
_EXACT = ("Policies", "AssumeRolePolicyDocument", "PolicyDocument", "RouteSettings", "Variables")
_PROTOCOLS = {"6": "tcp", "17": "udp", "1": "icmp", "58": "icmpv6", "all": "-1"}
EVERYWHERE = [{"IpProtocol": "-1", "CidrIp": "0.0.0.0/0"}]
"""The rule that AWS gives to a group that declares no egress."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One place where template and account differ; `template` or `live` may be empty."""

    path: str
    template: str
    live: str


@dataclass(frozen=True, slots=True)
class Names:
    """Type and physical id by (stack path, logical id); what AWS knows of itself by stack path."""

    physical: Mapping[tuple[str, str], tuple[str, str]]
    pseudo: Mapping[str, Mapping[str, str]]

    def pattern(self, piece: str | Unknown) -> str:
        """A regular expression for one piece of a text."""
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
        """A scalar as the account writes it; None where it is not wholly known."""
        found = ""
        for piece in pieces(value):
            if isinstance(piece, str):
                found += piece
            elif piece.origin is not None:
                own = self._id(piece)
                if own is None or piece.origin[2].endswith("Arn"):
                    return None
                found += own
            else:
                path, _, name = piece.key.removesuffix("!other").rpartition("AWS::")
                known = self.pseudo.get(path, {}).get(f"AWS::{name}")
                if known is None:
                    return None
                found += known
        return found

    def differences(
        self, wanted: Any, live: Any, path: str, exact: bool = False
    ) -> Iterator[Difference]:
        """Every place where the account's value is not what the template says."""
        exact = exact or path.rsplit(".", 1)[-1] in _EXACT
        if wanted is NOVALUE or live is ABSENT:
            if not (_is_empty(wanted) and _is_empty(live)):
                yield Difference(path, self.words(wanted), self.words(live))
        elif isinstance(wanted, Unknown | Text):
            if isinstance(live, dict | list):
                if isinstance(live, list) and len(live) == 1:
                    yield from self.differences(wanted, live[0], path, exact)
                return  # a list or mapping that only deployment knows
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
        """Live to wanted elements that agree, and what is left on both sides.

        Order means nothing in most of CloudFormation's lists.
        """
        pairs: dict[int, int] = {}
        missing = []
        for index, one in enumerate(wanted):
            for other, value in enumerate(live):
                if other not in pairs and not any(self.differences(one, value, path, exact)):
                    pairs[other] = index
                    break
            else:
                missing.append(index)
        return pairs, missing, [index for index in range(len(live)) if index not in pairs]

    def laid_over(
        self, raw: Any, wanted: Any, live: Any, path: str, link: Callable[[Any], Any]
    ) -> Any:
        """The account's value, in the template's words wherever they agree.

        Args:
            raw: as the template has it.
            wanted: what that is in this deployment.
            live: as the account has it.
            path: of the property.
            link: what to write of a live value that is not in the template.
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
        """A value for a person."""
        if value is NOVALUE or value is ABSENT:
            return ""
        if isinstance(value, dict | list):
            text = json.dumps(value, default=lambda one: self.text(one) or display(one))
            return text if len(text) <= 160 else f"{text[:160]}..."
        return self.text(value) or display(value, 160)


def _is_empty(value: Any) -> bool:
    return value is NOVALUE or value is ABSENT or value in (None, False, "", 0) or value in ([], {})


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _parsed(value: Any) -> Any:
    """A mapping also where it is written as JSON, or as a list of one."""
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
