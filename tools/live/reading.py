"""One resource as its service has it, in CloudFormation's shape."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jmespath
from botocore.exceptions import ClientError

from tljudge.data import tagging
from tools.deploy.calls import Call, ask, reason, tags_by_key
from tools.live.stacks import Client
from tools.live.table import READERS, Reader

ABSENT = object()
"""The value of a property of which the service says that it is not set."""
GET_RESOURCE = Call(
    "cloudcontrol", "get_resource", {"TypeName": "{type}", "Identifier": "{identifier}"},
    "ResourceDescription.Properties",
)  # fmt: skip
DESCRIBE_TYPE = Call(
    "cloudformation", "describe_type", {"Type": "RESOURCE", "TypeName": "{type}"}, "Schema"
)
LIST_ROLE_POLICIES = Call(
    "iam", "list_role_policies", {"RoleName": "{role}"}, "PolicyNames", has_list=True
)
GET_ROLE_POLICY = Call("iam", "get_role_policy", {"RoleName": "{role}", "PolicyName": "{name}"})
_GONE = ("NotFound", "NoSuchEntity", "DoesNotExist")


class Gone(Exception):
    """The service does not know the resource."""


class CannotRead(Exception):
    """A resource could not be read; says why."""


@dataclass(slots=True)
class Read:
    """The properties and tags that a service gave for one resource.

    `tags` is None where they could not be read; `missing` maps each part that was not read to the
    reason; `complete` says that every property that is not among `properties` is not set.
    """

    properties: dict[str, Any] = field(default_factory=dict)
    tags: dict[str, str] | None = None
    missing: dict[str, str] = field(default_factory=dict)
    complete: bool = False


class Account:
    """Reads resources of one account and region."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._schemas: dict[str, dict[str, Any]] = {}

    def ask(self, call: Call, words: Mapping[str, str]) -> Any:
        """Fill the words into a call, make it, and return what its path leads to."""
        return ask(self._client(call.service), call.filled(words))

    def read(self, kind: str, physical_id: str, known: Mapping[str, str], wanted: set[str]) -> Read:
        """Read one resource.

        Args:
            kind: its CloudFormation type.
            physical_id: its name in the account.
            known: values of its properties and of pseudo parameters, by name.
            wanted: the properties that the template sets.

        Raises:
            Gone: its service does not know it.
            CannotRead: a call was refused or failed; says which and why.
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
        answer = _shaped(kind, self.ask(reader.main, words), physical_id)
        if not answer:
            raise Gone
        read = Read()
        for name, row in reader.properties.items():
            value = jmespath.search(row.lstrip("!?"), answer)
            if isinstance(value, dict) and all(inner is None for inner in value.values()):
                value = None
            if value in (None, "") and "?" in row[:2]:
                value = ABSENT
            if value is not None and (row[0] == "!" or name in wanted):
                read.properties[name] = value
        for name, call in reader.more.items():
            value = self._part(read, name, call, words | _first_texts(answer))
            if value is not None:
                read.properties[name] = value
        if kind == "AWS::IAM::Role":
            self._inline_policies(read, physical_id)
        if isinstance(reader.tags, str):
            read.tags = tag_map(answer.get(reader.tags))
        elif reader.tags is not None:
            tags = self._part(read, "tags", reader.tags, words)
            read.tags = None if "tags" in read.missing else tag_map(tags)
        return read

    def _by_cloud_control(self, kind: str, physical_id: str, known: Mapping[str, str]) -> Read:
        schema = self._schema(kind)
        names = [path.rsplit("/", 1)[-1] for path in schema.get("primaryIdentifier", ())]
        parts = [known.get(name, "") for name in names]
        if len(names) > 1:
            # The part that the template does not give is the one that AWS made: the physical id.
            parts = [part or physical_id for part in parts]
            if parts.count(physical_id) > 1:
                raise CannotRead(f"its identifier is made of {', '.join(names)}")
        identifier = "|".join(parts) if len(names) > 1 else physical_id
        try:
            body = self.ask(GET_RESOURCE, {"type": kind, "identifier": identifier})
        except ClientError as error:
            if error.response["Error"].get("Code") == "ResourceNotFoundException":
                why = "Cloud Control knows none of that name: it is gone, or has another name there"
                raise CannotRead(why) from None
            raise
        properties = json.loads(body)
        how = tagging().get(kind)
        tags = tag_map(properties.pop("Tags" if how is None else how.name, None))
        read = Read(properties, tags, complete=bool(schema))
        for path in schema.get("writeOnlyProperties", ()):
            read.missing[path.split("/")[2]] = ""  # write-only by design, so no reason is due
        return read

    def _schema(self, kind: str) -> dict[str, Any]:
        """A type's schema in the registry; empty where the caller may not read it."""
        if kind not in self._schemas:
            try:
                self._schemas[kind] = json.loads(self.ask(DESCRIBE_TYPE, {"type": kind}))
            except ClientError:
                self._schemas[kind] = {}
        return self._schemas[kind]

    def _part(self, read: Read, name: str, call: Call, words: Mapping[str, str]) -> Any:
        try:
            return self.ask(call, words)
        except Exception as error:  # noqa: BLE001 - whatever it is, the part was not read
            read.missing[name] = reason(error)
            return None

    def _inline_policies(self, read: Read, role: str) -> None:
        try:
            policies = []
            for name in self.ask(LIST_ROLE_POLICIES, {"role": role}):
                policy = self.ask(GET_ROLE_POLICY, {"role": role, "name": name})
                policies.append({key: policy[key] for key in ("PolicyName", "PolicyDocument")})
            read.properties["Policies"] = policies
        except Exception as error:  # noqa: BLE001 - whatever it is, the part was not read
            read.missing["Policies"] = reason(error)


def tag_map(tags: Any) -> dict[str, str]:
    """Tags by key, from a list or a mapping, without those that AWS itself sets."""
    return {k: v for k, v in tags_by_key(tags).items() if not k.startswith("aws:")}


def _shaped(kind: str, answer: Any, physical_id: str) -> Any:
    """The answer in a shape that the rows of the table can be applied to."""
    if answer and kind == "AWS::EC2::SecurityGroup":
        return answer | {
            name: [rule for entry in answer.get(name, []) for rule in _rules(entry, end)]
            for name, end in (("IpPermissionsEgress", "Destination"), ("IpPermissions", "Source"))
        }
    if answer and kind == "AWS::SNS::TopicPolicy":
        return answer | {"Policy": json.loads(answer["Policy"])}
    if answer and kind == "AWS::Lambda::Permission":
        for statement in json.loads(answer)["Statement"]:
            if statement.get("Sid") == physical_id:
                return _permission(statement)
        return None
    return answer


def _permission(statement: dict[str, Any]) -> dict[str, Any]:
    principal = statement.get("Principal")
    if isinstance(principal, dict):
        principal = next(iter(principal.values()), None)
    permission = {"Action": statement.get("Action"), "Principal": principal}
    for test in statement.get("Condition", {}).values():
        for key, value in test.items():
            permission["SourceArn" if key.lower() == "aws:sourcearn" else "SourceAccount"] = value
    return permission


def _rules(entry: dict[str, Any], end: str) -> list[dict[str, Any]]:
    """EC2's permission as CloudFormation writes it: one rule for each range, list or group.

    Args:
        entry: from IpPermissions or IpPermissionsEgress.
        end: how CloudFormation names the other side, `Source` or `Destination`.
    """
    ports = {k: entry[k] for k in ("IpProtocol", "FromPort", "ToPort") if entry.get(k) is not None}
    rules = []
    for key, inside, name in (
        ("IpRanges", "CidrIp", "CidrIp"),
        ("Ipv6Ranges", "CidrIpv6", "CidrIpv6"),
        ("PrefixListIds", "PrefixListId", f"{end}PrefixListId"),
        ("UserIdGroupPairs", "GroupId", f"{end}SecurityGroupId"),
    ):
        for peer in entry.get(key, []):
            text = {"Description": peer["Description"]} if peer.get("Description") else {}
            rules.append(ports | {name: peer[inside]} | text)
    return rules


def _first_texts(answer: Any) -> dict[str, str]:
    """The first element of each list of texts, as `Name[0]`, for the calls that follow."""
    return {
        f"{key}[0]": value[0]
        for key, value in answer.items()
        if isinstance(value, list) and value and isinstance(value[0], str)
    }
