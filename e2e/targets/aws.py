"""AWS itself, with the operator's own credentials, and a stack that stands there already.

Making a cache and installing a node take longer than a smoke may; so the smoke uses a stack that
was deployed before, leaves it as it was, and keeps its own duration as a metric.
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
    # From stopped to the first reply within the 120 s of the whole smoke.
    patience = Patience(stack_s=60, node_s=100, reply_s=100, logs_s=30)
    servers = None
    records = True

    def __init__(self) -> None:
        """Nothing is asked yet.

        Raises:
            UsageError: no region is set, or the profile named does not exist.
        """
        session = operator_session()
        self.region: str = session.region_name
        self._clients = Clients(session, attempts=6)

    def start(self, zips: Iterable[Path] = ()) -> None:
        """See that somebody is who may ask."""
        try:
            self.client("sts").get_caller_identity()
        except (BotoCoreError, ClientError) as error:
            raise UsageError(
                f"smoke: AWS does not say who you are: {error}; look at the network, "
                "and sign in with the AWS CLI"
            ) from None

    def stop(self) -> None:
        """AWS goes on."""

    def client(self, service: str) -> Any:
        """A boto3 client; throttled calls are tried again."""
        return self._clients(service)

    def cli_environment(self) -> dict[str, str]:
        """The operator's environment is the right one already."""
        return {}

    def api_url(self, api_endpoint: str) -> str:
        """As the stack says."""
        return api_endpoint

    def hosted_ui_url(self, base: str) -> str:
        """As the stack says."""
        return base

    def issuer_keys_url(self, issuer: str) -> str:
        """As OpenID Connect says."""
        return f"{issuer}/.well-known/jwks.json"
