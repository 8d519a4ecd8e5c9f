"""One account: its number, its regions, clients by service and region, and a count of calls."""

import threading
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from tljudge.cli.errors import UsageError
from tools.audit.look import reason
from tools.deploy.calls import Call, ask
from tools.deploy.clients import Clients

_REGIONS = Call("ec2", "describe_regions", {"AllRegions": True}, "Regions[]", has_list=True)
ON = ("opt-in-not-required", "opted-in")


class Account:
    """Clients of one account.

    Args:
        session: credentials, and the home region.
        endpoint: base URL of every service; AWS's own when None.
    """

    def __init__(self, session: boto3.Session, endpoint: str | None = None) -> None:
        self._session, self._endpoint = session, endpoint
        self._regional: dict[str, Clients] = {}
        self._lock = threading.Lock()
        self.home: str = session.region_name
        self.calls = 0

    def client(self, service: str, region: str) -> Any:
        """The client of a service in a region, whose calls are counted."""
        if region not in self._regional:
            session = boto3.Session(*_credentials(self._session), region_name=region)
            self._regional[region] = Clients(session, self._endpoint, attempts=5)
        client = self._regional[region](service)
        client.meta.events.register("before-send", self._count, unique_id="tl-audit")
        return client

    def id(self) -> str:
        """The account's number. Raises UsageError where the credentials are not accepted."""
        try:
            return str(self.client("sts", self.home).get_caller_identity()["Account"])
        except (BotoCoreError, ClientError) as error:
            raise UsageError(
                f"audit: AWS does not know these credentials: {reason(error)}; sign in again, or "
                "correct AWS_PROFILE"
            ) from None

    def regions(self) -> tuple[list[str], list[str]]:
        """The regions that can be looked at, and those that are switched off and may still bill."""
        try:
            rows = ask(self.client("ec2", self.home), _REGIONS)
        except (BotoCoreError, ClientError) as error:
            why = reason(error)
            raise UsageError(f"audit: cannot list regions: {why}; name them: --region") from None
        on = sorted(row["RegionName"] for row in rows if row.get("OptInStatus", ON[0]) in ON)
        return on, sorted({row["RegionName"] for row in rows} - set(on))

    def _count(self, **_: Any) -> None:
        with self._lock:
            self.calls += 1


def _credentials(session: boto3.Session) -> tuple[str | None, str | None, str | None]:
    found = session.get_credentials()
    if found is None:
        raise UsageError("aws: no credentials; run `aws configure`, or export AWS_PROFILE")
    frozen = found.get_frozen_credentials()
    return frozen.access_key, frozen.secret_key, frozen.token
