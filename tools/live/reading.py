"""One resource as its service has it, in CloudFormation's shape."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jmespath
from botocore.exceptions import ClientError

from tljudge.data import tagging
from tools.live.stacks import Client, reason
from tools.live.table import READERS, Call, Reader

ABSENT = object()
"""The service says that a property is not set."""
_GONE = ("NotFound", "NoSuchEntity", "DoesNotExist")


class Gone(Exception):
    """The service knows no such resource."""


class CannotRead(Exception):
    """Why a resource could not be read."""


@dataclass(slots=True)
class Read:
    """What was read of one resource.

    `tags` is None where they could not be read; `missing` names parts and why they were not read;
    `complete` says that what is not among the properties is not set.
    """

    properties: dict[str, Any] = field(default_factory=dict)
    tags: dict[str, str] | None = None
    missing: dict[str, str] = field(default_factory=dict)
    complete: bool = False


class Account:
    """Every call that is made."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._schemas: dict[str, dict[str, Any]] = {}

    def ask(self, service: str, operation: str, arguments: Mapping[str, Any]) -> Any:
        """The whole answer, all pages of it."""
        client = self._client(service)
        if client.can_paginate(operation):
            return client.get_paginator(operation).paginate(**arguments).build_full_result()
        return getattr(client, operation)(**arguments)

    def read(self, kind: str, physical_id: str, known: Mapping[str, str], wanted: set[str]) -> Read:
        """Read one resource.

        Args:
            kind: its type.
            physical_id: its name in the account.
            known: texts of its properties, and what AWS knows of itself, by name.
            wanted: the properties that the template sets.

        Raises:
            Gone: its service does not know it.
            CannotRead: nobody may, or can, read it.
        """
        try:
            if kind in READERS:
                return self._by_service(READERS[kind], kind, physical_id, known, wanted)
            return self._by_cloud_control(kind, physical_id, known)
        except ClientError as error:
            code = error.response["Error"].get("Code", "")
            if kind in READERS and any(word in code for word in _GONE):
                raise Gone from None
            raise CannotRead(reason(error)) from None
        except (Gone, CannotRead):
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, it was not read
            raise CannotRead(reason(error)) from None

    def _by_service(
        self,
        reader: Reader,
        kind: str,
        physical_id: str,
        known: Mapping[str, str],
        wanted: set[str],
    ) -> Read:
        tail = physical_id.replace("|", "/").rsplit("/", 1)[-1]
        words = {**known, "id": physical_id, "tail": tail}
        answer = _shaped(kind, self._asked(reader.main, words), physical_id)
        if not answer:
            raise Gone
        found = Read()
        for name, row in reader.properties.items():
            value = jmespath.search(row.lstrip("!?"), answer)
            if isinstance(value, dict) and all(inner is None for inner in value.values()):
                value = None
            if value in (None, "") and "?" in row[:2]:
                value = ABSENT
            if value is not None and (row[0] == "!" or name in wanted):
                found.properties[name] = value
        for name, call in reader.more.items():
            value = self._part(found, name, call, words | _texts(answer))
            if value is not None:
                found.properties[name] = value
        if kind == "AWS::IAM::Role":
            self._inline_policies(found, physical_id)
        if isinstance(reader.tags, str):
            found.tags = tag_map(answer.get(reader.tags))
        elif reader.tags is not None:
            tags = self._part(found, "tags", reader.tags, words)
            found.tags = None if "tags" in found.missing else tag_map(tags)
        return found

    def _by_cloud_control(self, kind: str, physical_id: str, known: Mapping[str, str]) -> Read:
        schema = self._schema(kind)
        names = [path.rsplit("/", 1)[-1] for path in schema.get("primaryIdentifier", ())]
        parts = [known.get(name, "") for name in names]
        if len(names) > 1:
            # What the template does not give is what AWS made: the physical id.
            parts = [part or physical_id for part in parts]
            if parts.count(physical_id) > 1:
                raise CannotRead(f"its identifier is made of {', '.join(names)}")
        identifier = "|".join(parts) if len(names) > 1 else physical_id
        try:
            answer = self.ask(
                "cloudcontrol", "get_resource", {"TypeName": kind, "Identifier": identifier}
            )
        except ClientError as error:
            if error.response["Error"].get("Code") == "ResourceNotFoundException":
                why = "Cloud Control knows none of that name: it is gone, or has another name there"
                raise CannotRead(why) from None
            raise
        properties = json.loads(answer["ResourceDescription"]["Properties"])
        how = tagging().get(kind)
        tags = tag_map(properties.pop("Tags" if how is None else how.name, None))
        found = Read(properties, tags, complete=bool(schema))
        for path in schema.get("writeOnlyProperties", ()):
            found.missing[path.split("/")[2]] = ""  # nobody can read it, and nobody need know
        return found

    def _schema(self, kind: str) -> dict[str, Any]:
        """What the registry says of a type; nothing where it may not be asked."""
        if kind not in self._schemas:
            try:
                answer = self.ask(
                    "cloudformation", "describe_type", {"Type": "RESOURCE", "TypeName": kind}
                )
                self._schemas[kind] = json.loads(answer["Schema"])
            except ClientError:
                self._schemas[kind] = {}
        return self._schemas[kind]

    def _asked(self, call: Call, words: Mapping[str, str]) -> Any:
        answer = self.ask(call.service, call.operation, _filled(call.arguments, words))
        return jmespath.search(_filled(call.path, words), answer)

    def _part(self, found: Read, name: str, call: Call, words: Mapping[str, str]) -> Any:
        try:
            return self._asked(call, words)
        except Exception as error:  # noqa: BLE001 - whatever it is, the part was not read
            found.missing[name] = reason(error)
            return None

    def _inline_policies(self, found: Read, role: str) -> None:
        try:
            names = self.ask("iam", "list_role_policies", {"RoleName": role})["PolicyNames"]
            found.properties["Policies"] = [
                {key: one[key] for key in ("PolicyName", "PolicyDocument")}
                for one in (
                    self.ask("iam", "get_role_policy", {"RoleName": role, "PolicyName": name})
                    for name in names
                )
            ]
        except Exception as error:  # noqa: BLE001 - whatever it is, the part was not read
            found.missing["Policies"] = reason(error)


def tag_map(tags: Any) -> dict[str, str]:
    """Tags of any form, without AWS's own."""
    if isinstance(tags, list):
        tags = {one.get("Key"): one.get("Value", "") for one in tags}
    return {k: str(v) for k, v in (tags or {}).items() if not str(k).startswith("aws:")}


def _shaped(kind: str, answer: Any, physical_id: str) -> Any:
    """An answer in a shape that a row of the table can be applied to."""
    if answer and kind == "AWS::EC2::SecurityGroup":
        return answer | {
            name: [one for entry in answer.get(name, []) for one in _ways(entry, other)]
            for name, other in (("IpPermissionsEgress", "Destination"), ("IpPermissions", "Source"))
        }
    if answer and kind == "AWS::Lambda::Permission":
        for one in json.loads(answer)["Statement"]:
            if one.get("Sid") == physical_id:
                return _permission(one)
        return None
    return answer


def _permission(statement: dict[str, Any]) -> dict[str, Any]:
    principal = statement.get("Principal")
    if isinstance(principal, dict):
        principal = next(iter(principal.values()), None)
    found = {"Action": statement.get("Action"), "Principal": principal}
    for test in statement.get("Condition", {}).values():
        for key, value in test.items():
            found["SourceArn" if key.lower() == "aws:sourcearn" else "SourceAccount"] = value
    return found


def _ways(entry: dict[str, Any], other: str) -> list[dict[str, Any]]:
    """One rule for each way out of, or into, a group."""
    how = {k: entry[k] for k in ("IpProtocol", "FromPort", "ToPort") if entry.get(k) is not None}
    found = []
    for key, inside, name in (
        ("IpRanges", "CidrIp", "CidrIp"),
        ("Ipv6Ranges", "CidrIpv6", "CidrIpv6"),
        ("PrefixListIds", "PrefixListId", f"{other}PrefixListId"),
        ("UserIdGroupPairs", "GroupId", f"{other}SecurityGroupId"),
    ):
        for one in entry.get(key, []):
            text = {"Description": one["Description"]} if one.get("Description") else {}
            found.append(how | {name: one[inside]} | text)
    return found


def _texts(answer: Any) -> dict[str, str]:
    """First elements of lists of texts, for calls that lead on."""
    return {
        f"{key}[0]": value[0]
        for key, value in answer.items()
        if isinstance(value, list) and value and isinstance(value[0], str)
    }


def _filled(value: Any, words: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        for word, text in words.items():
            value = value.replace(f"{{{word}}}", text)
        return value
    if isinstance(value, dict):
        return {key: _filled(inner, words) for key, inner in value.items()}
    return [_filled(inner, words) for inner in value] if isinstance(value, list) else value
