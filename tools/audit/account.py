"""One account: its number, its regions, clients by service and region, and a count of calls."""

import threading
from typing import Any

import boto3

from tljudge.cli.errors import CouldNotFinish
from tools.deploy.calls import FAILURES, Call, ask, reason
from tools.deploy.clients import Clients

_REGIONS = Call("ec2", "describe_regions", {"AllRegions": True}, "Regions[]", has_list=True)
_WHO = Call("sts", "get_caller_identity", {}, "Account", has_list=True)
ON = ("opt-in-not-required", "opted-in")


class Account:
    """Clients of one account.

    Args:
        session: credentials, and the home region.
        endpoint: base URL of every service; AWS's own when None.
    """

    def __init__(self, session: boto3.Session, endpoint: str | None = None) -> None:
        credentials: Any = session.get_credentials()
        frozen = credentials.get_frozen_credentials()
        self._credentials = (frozen.access_key, frozen.secret_key, frozen.token)
        self._endpoint = endpoint
        self._regional: dict[str, Clients] = {}
        self._counted: set[tuple[str, str]] = set()
        self._lock = threading.Lock()
        self.home: str = session.region_name
        self.calls = 0

    def client(self, service: str, region: str) -> Any:
        """The client of a service in a region, whose calls are counted."""
        if region not in self._regional:
            session = boto3.Session(*self._credentials, region_name=region)
            self._regional[region] = Clients(session, self._endpoint, attempts=5)
        client = self._regional[region](service)
        if (service, region) not in self._counted:
            self._counted.add((service, region))
            client.meta.events.register("before-send", self._count)
        return client

    def id(self) -> str:
        """The account's number.

        Raises:
            CouldNotFinish: AWS did not say it; most likely the credentials are not accepted.
        """
        try:
            return str(ask(self.client("sts", self.home), _WHO))
        except FAILURES as error:
            raise CouldNotFinish(
                f"audit: AWS did not say whose account it is: {reason(error)}; sign in again, or "
                "correct AWS_PROFILE"
            ) from None

    def regions(self) -> tuple[list[str], list[str]]:
        """The regions that can be looked at, and those that are switched off and may still bill.

        Raises CouldNotFinish: they cannot be listed.
        """
        try:
            rows = ask(self.client("ec2", self.home), _REGIONS)
        except FAILURES as error:
            why = reason(error)
            raise CouldNotFinish(f"audit: cannot list regions: {why}; allow it") from None
        on = sorted(row["RegionName"] for row in rows if row.get("OptInStatus", ON[0]) in ON)
        return on, sorted({row["RegionName"] for row in rows} - set(on))

    def _count(self, **_: Any) -> None:
        with self._lock:
            self.calls += 1
