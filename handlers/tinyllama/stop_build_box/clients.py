"""The AWS clients of the guard, made when the first event needs them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_ec2 import EC2Client

CONNECT_TIMEOUT_S, READ_TIMEOUT_S = 2.0, 10.0
ATTEMPTS = 3
"""Each call may be repeated: all of them do the same once more."""


@dataclass(frozen=True, slots=True)
class Clients:
    """One client a service. Budgets is a global service; its endpoint needs no region of ours."""

    ec2: "EC2Client"
    dynamodb: "DynamoDBClient"
    cloudformation: "CloudFormationClient"
    elasticache: Any
    budgets: Any
    sns: Any


def make(region: str) -> Clients:
    """Load boto3 and make the clients."""
    import boto3
    from botocore.config import Config

    config = Config(
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=READ_TIMEOUT_S,
        retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
    )
    session: Any = boto3.Session(region_name=region)
    services = ("ec2", "dynamodb", "cloudformation", "elasticache", "budgets", "sns")
    return Clients(**{name: session.client(name, config=config) for name in services})


def code_of(error: Exception) -> str:
    """AWS's own word for a failure, for log and mail: a code, never a message that quotes input."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        return str(response.get("Error", {}).get("Code", "Unknown"))
    return type(error).__name__
