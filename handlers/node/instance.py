"""What the instance provides: its settings, its id, its role's credentials.

Each function loads the AWS libraries it needs, so a node started with a settings file and an id
loads botocore for its credentials only.
"""

import http.client
import re
from collections.abc import Callable

from tinyllama.utils.aws.sigv4 import Credentials

METADATA_HOST = "169.254.169.254"
_TIMEOUT_S = 2.0


class InstanceError(Exception):
    """The instance does not provide what was read, or its role may not read it."""


def read_parameter(name: str) -> str:
    """Read the value of an SSM parameter, in the region that the environment names.

    Raises:
        InstanceError
    """
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    # Without limits a network that is not there takes minutes to say so.
    soon = Config(connect_timeout=3, read_timeout=5, retries={"total_max_attempts": 2})
    try:
        answer = boto3.client("ssm", config=soon).get_parameter(Name=name)
    except (BotoCoreError, ClientError) as error:
        code = getattr(error, "response", {}).get("Error", {}).get("Code")
        why = code or type(error).__name__
        raise InstanceError(f"the parameter {name} cannot be read: {why}") from error
    value: str = answer["Parameter"]["Value"]
    return value


def instance_id(host: str = METADATA_HOST) -> str:
    """Read this instance's id, by IMDSv2.

    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-service.html

    Raises:
        InstanceError
    """
    try:
        lifetime = {"X-aws-ec2-metadata-token-ttl-seconds": "60"}
        token = _request(host, "PUT", "/latest/api/token", lifetime)
        token_header = {"X-aws-ec2-metadata-token": token}
        identity = _request(host, "GET", "/latest/meta-data/instance-id", token_header)
    except (OSError, http.client.HTTPException) as error:
        raise InstanceError(f"no instance metadata: {type(error).__name__}") from error
    if not re.fullmatch(r"i-[0-9a-f]{8,17}", identity):
        raise InstanceError("the instance metadata has no instance id")
    return identity


def credentials() -> Callable[[], Credentials]:
    """Return a function that returns the role's current credentials; botocore refreshes them."""
    import botocore.session

    session = botocore.session.get_session()

    def current() -> Credentials:
        refreshable = session.get_credentials()
        frozen = None if refreshable is None else refreshable.get_frozen_credentials()
        if frozen is None or not frozen.access_key or not frozen.secret_key:
            raise InstanceError("no AWS credentials")
        return Credentials(frozen.access_key, frozen.secret_key, frozen.token or None)

    return current


def _request(host: str, method: str, path: str, headers: dict[str, str]) -> str:
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
