"""AWS itself, with the operator's credentials, and a stack that is deployed already.

Creating a cache and installing a node take longer than a smoke may. So the smoke uses a deployed
stack, leaves it as it was, and records its own duration as a metric.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from e2e.gaps.outside import NO_SERVERS
from e2e.targets.target import Patience
from tljudge.cli.errors import UsageError
from tools.deploy.clients import Clients, operator_session


class Aws:
    """The account and region of the default credentials."""

    name = "aws"
    gaps = NO_SERVERS
    # A stopped node must answer within the 120 s of the whole smoke.
    patience = Patience(stack_s=60, node_s=100, reply_s=100, logs_s=30)
    servers = None
    records = True

    def __init__(self) -> None:
        """Read the session; no call is made yet.

        Raises:
            UsageError: no region is set, or the profile named does not exist.
        """
        session = operator_session()
        self.region: str = session.region_name
        self._clients = Clients(session, attempts=6)

    def start(self, zips: Iterable[Path] = ()) -> None:
        """Check that the credentials work (STS)."""
        try:
            self.client("sts").get_caller_identity()
        except (BotoCoreError, ClientError) as error:
            raise UsageError(
                f"smoke: sts:GetCallerIdentity failed: {error}; check the network, "
                "and sign in with the AWS CLI"
            ) from None

    def stop(self) -> None:
        """Nothing to stop: AWS is not ours."""

    def client(self, service: str) -> Any:
        """A boto3 client; it repeats throttled calls."""
        return self._clients(service)

    def cli_environment(self) -> dict[str, str]:
        """Nothing to add: the AWS CLI reads the operator's environment."""
        return {}

    def api_url(self, api_endpoint: str) -> str:
        """The stack's own output."""
        return api_endpoint

    def hosted_ui_url(self, base: str) -> str:
        """The stack's own output."""
        return base

    def issuer_keys_url(self, issuer: str) -> str:
        """The pool's public signing keys, where OpenID Connect puts them."""
        return f"{issuer}/.well-known/jwks.json"
