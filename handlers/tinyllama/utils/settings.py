"""The settings of a function: environment variables from the template, checked at first use.

A wrong setting raises an error with the variable's name and the rule it breaks, never its value, so
that a secret put into the wrong variable stays out of the log.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

_ISSUER = r"https://cognito-idp\.[a-z0-9-]+\.[a-z0-9.-]+/[A-Za-z0-9-]+_[A-Za-z0-9]+"
_QUEUE_VARIABLES = ("TL_QUEUE_HOST", "TL_QUEUE_PORT", "TL_QUEUE_CACHE", "TL_QUEUE_USER")


class InvalidSetting(Exception):
    """A variable is missing or wrong; the message names it and the rule it breaks."""


@dataclass(frozen=True, slots=True)
class QueueAddress:
    """The cache's address, and the user who connects to it."""

    host: str
    port: int
    cache: str
    user: str


@dataclass(frozen=True, slots=True)
class KeySettings:
    """The issuer of the signing keys, and the table that stores them."""

    issuer: str
    keys_table: str
    region: str
    dynamodb_url: str

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> "KeySettings":
        """Raises InvalidSetting."""
        region = _region(environment)
        issuer = _matching(environment, "TL_ISSUER", _ISSUER, "the user pool's issuer URL")
        # cognito-idp.<region>.<suffix of the partition>
        suffix = urlsplit(issuer).netloc.split(".", 2)[2]
        return cls(
            issuer=issuer,
            keys_table=_matching(
                environment, "TL_KEYS_TABLE", r"[A-Za-z0-9_.-]{3,255}", "a DynamoDB table's name"
            ),
            region=region,
            dynamodb_url=endpoint(
                environment, "DYNAMODB", default=f"https://dynamodb.{region}.{suffix}"
            ),
        )


@dataclass(frozen=True, slots=True)
class ControlSettings:
    """The table that says whether the node may be started."""

    table: str
    region: str
    dynamodb_url: str

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> "ControlSettings":
        """Raises InvalidSetting."""
        region = _region(environment)
        suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
        return cls(
            table=_matching(
                environment, "TL_CONTROL_TABLE", r"[A-Za-z0-9_.-]{3,255}", "a DynamoDB table's name"
            ),
            region=region,
            dynamodb_url=endpoint(
                environment, "DYNAMODB", default=f"https://dynamodb.{region}.{suffix}"
            ),
        )


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """The stack whose node a function looks for: its name, its tag Project, its region."""

    stack: str
    project: str
    region: str

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> "NodeSettings":
        """Raises InvalidSetting."""
        return cls(
            stack=_stack(environment), project=_project(environment), region=_region(environment)
        )


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of every function behind the API."""

    stack: str
    project: str
    audience: str
    keys: KeySettings

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> "Settings":
        """Raises InvalidSetting."""
        return cls(
            stack=_stack(environment),
            project=_project(environment),
            audience=_matching(
                environment, "TL_AUDIENCE", r"[A-Za-z0-9_+]{1,128}", "an app client's id"
            ),
            keys=KeySettings.read(environment),
        )


def read_queue(environment: Mapping[str, str]) -> QueueAddress | None:
    """Read the queue's address; None if all four variables are empty, as the stack has no queue.

    Raises InvalidSetting.
    """
    if not any(environment.get(name) for name in _QUEUE_VARIABLES):
        return None
    port = int(_matching(environment, "TL_QUEUE_PORT", r"[0-9]{1,5}", "a port"))
    if not 1 <= port <= 65_535:
        raise InvalidSetting("TL_QUEUE_PORT must be 1 to 65535")
    identity = r"[A-Za-z][A-Za-z0-9-]{0,39}"
    return QueueAddress(
        host=_matching(environment, "TL_QUEUE_HOST", r"[A-Za-z0-9.:-]{1,253}", "a host name"),
        port=port,
        cache=_matching(environment, "TL_QUEUE_CACHE", identity, "a replication group's id"),
        user=_matching(environment, "TL_QUEUE_USER", identity, "a cache user's id"),
    )


def read_topic(environment: Mapping[str, str]) -> str:
    """Read the ARN of the topic that failures are mailed by. Raises InvalidSetting."""
    return _matching(
        environment, "TL_ALARM_TOPIC", r"arn:[a-z-]+:sns:[a-z0-9-]+:[0-9]{12}:\S+", "a topic's ARN"
    )


def router_is_disabled(environment: Mapping[str, str]) -> bool:
    """Read the switch TL_DISABLE_LAM_ROUTER. Raises InvalidSetting."""
    return _matching(environment, "TL_DISABLE_LAM_ROUTER", r"[01]", '"0" or "1"') == "1"


def endpoint(environment: Mapping[str, str], service: str, *, default: str) -> str:
    """Return the URL of an AWS service, scheme and host only, by the rules of every AWS SDK.

    https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html
    Raises InvalidSetting.
    """
    for name in (f"AWS_ENDPOINT_URL_{service}", "AWS_ENDPOINT_URL"):
        if url := environment.get(name):
            parts = urlsplit(url)
            if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
                raise InvalidSetting(f"{name} must be an http or https URL without a user")
            return f"{parts.scheme}://{parts.netloc}"
    return default


def _stack(environment: Mapping[str, str]) -> str:
    return _matching(environment, "TL_STACK", r"[A-Za-z][A-Za-z0-9-]{0,127}", "a stack's name")


def _project(environment: Mapping[str, str]) -> str:
    return _matching(environment, "TL_PROJECT", r"[ -~]{1,256}", "the value of the tag Project")


def _region(environment: Mapping[str, str]) -> str:
    return _matching(environment, "AWS_REGION", r"[a-z]{2,4}(-[a-z]+)+-[0-9]+", "a region")


def _matching(environment: Mapping[str, str], name: str, pattern: str, rule: str) -> str:
    value = environment.get(name, "")
    if not re.fullmatch(pattern, value):
        raise InvalidSetting(f"{name} must be {rule}" if value else f"{name} is not set")
    return value
