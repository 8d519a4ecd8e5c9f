"""boto3 clients of one account, each made once: boto3 reads a large service description for it."""

import os
from collections.abc import Callable
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from tljudge.cli.errors import UsageError


def operator_session() -> boto3.Session:
    """A session with the operator's credentials and region.

    Raises:
        UsageError: no region or no credentials are set, or the profile named does not exist.
    """
    try:
        # The AWS CLI reads AWS_REGION, boto3 alone does not.
        session = boto3.Session(region_name=os.environ.get("AWS_REGION") or None)
    except BotoCoreError as error:
        raise UsageError(f"aws: {error}; correct AWS_PROFILE") from None
    if session.region_name is None:
        raise UsageError("aws: no region is set; export AWS_REGION, for example eu-central-1")
    if session.get_credentials() is None:
        raise UsageError("aws: no credentials are set; run `aws configure`, or export AWS_PROFILE")
    return session


class Clients:
    """Clients by service name.

    Args:
        session: credentials and region.
        endpoint: base URL of every service; AWS's own when None.
        attempts: the most times that a call is sent.
    """

    def __init__(
        self, session: boto3.Session, endpoint: str | None = None, *, attempts: int = 2
    ) -> None:
        self._session, self._endpoint = session, endpoint
        retries: Any = {"total_max_attempts": attempts, "mode": "standard"}
        self._config = Config(retries=retries, max_pool_connections=32, connect_timeout=5)
        self._made: dict[str, Any] = {}

    def __call__(self, service: str) -> Any:
        """The client of one service."""
        if service not in self._made:
            make: Callable[..., Any] = self._session.client
            self._made[service] = make(service, endpoint_url=self._endpoint, config=self._config)
        return self._made[service]
