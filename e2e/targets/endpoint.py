"""A LocalStack-compatible endpoint that is running already, here or on another machine.

The smoke neither starts nor stops it. It deploys a stack under a name of its own and destroys it
again, also after a failure. APIs, sign-in pages and keys have addresses by path there: https://docs.localstack.cloud/aws/services/apigateway/
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from e2e.gaps.gap import Gap
from e2e.gaps.outside import LOCALSTACK, NO_SERVERS, UNKNOWN_ENDPOINT
from e2e.targets.target import Patience
from tljudge.cli.errors import UsageError
from tools.deploy.clients import Clients

LOCALSTACK_URL = "http://127.0.0.1:4566"


class Endpoint:
    """An AWS-like account behind one URL."""

    patience = Patience(stack_s=90, node_s=90, reply_s=60, logs_s=10)
    servers = None
    records = False

    def __init__(self, name: str, url: str) -> None:
        """Read address and credentials; no call is made yet.

        Args:
            name: `localstack`, or `endpoint` for any other.
            url: base URL; credentials and region come from the environment, else `test`.

        Raises:
            UsageError: `url` is not a base URL.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UsageError(
                f"smoke: --endpoint is {url!r}; write a base URL such as {LOCALSTACK_URL}"
            )
        self.name = name
        self.endpoint = url.rstrip("/")
        known: Gap = LOCALSTACK if name == "localstack" else UNKNOWN_ENDPOINT
        self.gaps = (known, *NO_SERVERS)
        environment = os.environ
        self.region = environment.get("AWS_REGION") or environment.get(
            "AWS_DEFAULT_REGION", "eu-central-1"
        )
        self._key = environment.get("AWS_ACCESS_KEY_ID", "test")
        self._secret = environment.get("AWS_SECRET_ACCESS_KEY", "test")
        session = boto3.Session(
            aws_access_key_id=self._key,
            aws_secret_access_key=self._secret,
            region_name=self.region,
        )
        self._clients = Clients(session, self.endpoint)

    def start(self, zips: Iterable[Path] = ()) -> None:
        """Check that an AWS endpoint answers (STS)."""
        try:
            self.client("sts").get_caller_identity()
        except (BotoCoreError, ClientError) as error:
            raise UsageError(
                f"smoke: no AWS endpoint answers at {self.endpoint}: {error}; "
                "start it, or name another with --endpoint"
            ) from None

    def stop(self) -> None:
        """Nothing to stop: the endpoint is not ours."""

    def client(self, service: str) -> Any:
        """A boto3 client with the credentials of the environment."""
        return self._clients(service)

    def cli_environment(self) -> dict[str, str]:
        """The endpoint and its credentials."""
        return {
            "AWS_ACCESS_KEY_ID": self._key,
            "AWS_SECRET_ACCESS_KEY": self._secret,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_ENDPOINT_URL": self.endpoint,
        }

    def api_url(self, api_endpoint: str) -> str:
        """The HTTP API's address by path, because its host name has no DNS record."""
        api_id = urlsplit(api_endpoint).netloc.split(".")[0]
        return f"{self.endpoint}/_aws/execute-api/{api_id}/$default"

    def hosted_ui_url(self, base: str) -> str:
        """The endpoint serves the hosted page itself."""
        return self.endpoint

    def issuer_keys_url(self, issuer: str) -> str:
        """The pool's public signing keys, by the pool's id."""
        return f"{self.endpoint}/{issuer.rpartition('/')[2]}/.well-known/jwks.json"
