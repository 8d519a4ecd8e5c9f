"""The inventory of an account: each service is asked, whatever was deployed.

Resources that are there before a deployment belong to the account; those that are there after its
destruction and were not there before are residues.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

from tools.deploy.calls import FAILURES, Listing, ids
from tools.deploy.listings import LISTINGS

_WORKERS = 8


class Account(Protocol):
    """Whatever makes boto3 clients of one account and region."""

    def client(self, service: str) -> Any:
        """The client of one service."""


@dataclass(frozen=True, slots=True)
class Inventory:
    """Every resource as `kind id`, and the kinds that could not be listed."""

    resources: frozenset[str]
    not_listed: tuple[str, ...]

    def minus(self, before: "Inventory") -> list[str]:
        """The resources that an earlier inventory does not have, sorted."""
        return sorted(self.resources - before.resources)


def take(account: Account, listings: Mapping[str, Listing] = LISTINGS) -> Inventory:
    """List every kind.

    Returns:
        An inventory; a kind whose call fails is named in `not_listed`, never taken for empty.

    Raises:
        UnknownCall: a listing does not fit its service's model.
    """
    clients = make_clients(account, listings)
    with ThreadPoolExecutor(_WORKERS) as pool:
        by_kind = dict(
            zip(
                listings,
                pool.map(lambda kind: _ids(clients, kind), listings.values()),
                strict=True,
            )
        )
    return Inventory(
        frozenset(f"{kind} {own}" for kind, listed in by_kind.items() for own in listed or ()),
        tuple(kind for kind, listed in by_kind.items() if listed is None),
    )


def make_clients(account: Account, listings: Mapping[str, Listing] = LISTINGS) -> Mapping[str, Any]:
    """The client of each service, by name; made in turn, because making them is not thread-safe."""
    services = sorted({listing.call.service for listing in listings.values()})
    return {service: account.client(service) for service in services}


def _ids(clients: Mapping[str, Any], listing: Listing) -> list[str] | None:
    """The ids of one kind; None when the service did not list them all."""
    try:
        return ids(clients[listing.call.service], listing)
    except FAILURES:
        return None
