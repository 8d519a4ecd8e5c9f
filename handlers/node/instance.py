"""What the instance can say of itself: its settings, its id, its role's credentials.

The AWS libraries are loaded when they are asked for, so that a node started with a settings file
and an id needs them for credentials only.
"""

import http.client
import re
from collections.abc import Callable

from tinyllama.utils.aws.sigv4 import Credentials

METADATA_HOST = "169.254.169.254"
_TIMEOUT_S = 2.0


class InstanceError(Exception):
    """The instance does not know, or may not say."""


def read_parameter(name: str) -> str:
    """The value of an SSM parameter, in the region the environment names.

    Raises:
        InstanceError
    """
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        answer = boto3.client("ssm").get_parameter(Name=name)
    except (BotoCoreError, ClientError) as error:
        code = getattr(error, "response", {}).get("Error", {}).get("Code")
        why = code or type(error).__name__
        raise InstanceError(f"the parameter {name} cannot be read: {why}") from error
    value: str = answer["Parameter"]["Value"]
    return value


def instance_id(host: str = METADATA_HOST) -> str:
    """This instance's id, by IMDSv2.

    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-service.html

    Raises:
        InstanceError
    """
    try:
        lifetime = {"X-aws-ec2-metadata-token-ttl-seconds": "60"}
        token = _ask(host, "PUT", "/latest/api/token", lifetime)
        named = {"X-aws-ec2-metadata-token": token}
        found = _ask(host, "GET", "/latest/meta-data/instance-id", named)
    except (OSError, http.client.HTTPException) as error:
        raise InstanceError(f"no instance metadata: {type(error).__name__}") from error
    if not re.fullmatch(r"i-[0-9a-f]{8,17}", found):
        raise InstanceError("the instance metadata has no instance id")
    return found


def credentials() -> Callable[[], Credentials]:
    """A function that gives the role's credentials as they are now; botocore refreshes them."""
    import botocore.session

    session = botocore.session.get_session()

    def current() -> Credentials:
        found = session.get_credentials()
        frozen = None if found is None else found.get_frozen_credentials()
        if frozen is None or not frozen.access_key or not frozen.secret_key:
            raise InstanceError("no AWS credentials")
        return Credentials(frozen.access_key, frozen.secret_key, frozen.token or None)

    return current


def _ask(host: str, method: str, path: str, headers: dict[str, str]) -> str:
    connection = http.client.HTTPConnection(host, timeout=_TIMEOUT_S)
    try:
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        content = response.read(4096).decode("ascii", "replace")
    finally:
        connection.close()
    if response.status != 200:
        raise InstanceError(f"the instance metadata answers {response.status} to {path}")
    return content
