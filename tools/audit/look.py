"""Looks for every kind in every region; what cannot be listed is said, never taken for empty."""

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

from tools.audit.kinds import KINDS, Kind
from tools.deploy.calls import FAILURES, items, reason
from tools.deploy.listings import LISTINGS

GLOBAL = "global"
_WORKERS = 16


class Account(Protocol):
    """Makes boto3 clients of one account."""

    def client(self, service: str, region: str) -> Any:
        """The client of a service in a region; made once."""


@dataclass(frozen=True, slots=True)
class Found:
    """A resource: its kind, its region or `GLOBAL`, its id, and what its service says of it."""

    kind: Kind
    region: str
    id: str
    item: Any


@dataclass(frozen=True, slots=True)
class NotLooked:
    """A kind in a region that could not be listed, and AWS's word for why."""

    kind: str
    region: str
    why: str


@dataclass(frozen=True, slots=True)
class Sight:
    """All that was found, what was looked at (kind and region), and what could not be."""

    found: tuple[Found, ...]
    looked_at: tuple[tuple[str, str], ...]
    not_looked: tuple[NotLooked, ...]


def look(account: Account, regions: Iterable[str], home: str) -> Sight:
    """List every kind in every region, those of global services once.

    Args:
        account: whose resources.
        regions: where to look for what is regional.
        home: the region that global services are asked in.

    Raises:
        UnknownCall: a listing does not fit its service's model.
    """
    places = [
        (kind, place)
        for kind in KINDS.values()
        for place in ([GLOBAL] if kind.is_global else list(regions))
    ]
    # Made in turn, because making them is not thread-safe.
    clients = {
        (kind.name, place): account.client(_service(kind), home if place == GLOBAL else place)
        for kind, place in places
    }
    with ThreadPoolExecutor(_WORKERS) as pool:
        seen = list(pool.map(lambda at: _listed(clients[at[0].name, at[1]], *at), places))
    found, looked_at, not_looked = [], [], []
    for (kind, place), answer in zip(places, seen, strict=True):
        if isinstance(answer, NotLooked):
            not_looked.append(answer)
        else:
            looked_at.append((kind.name, place))
            found += [Found(kind, place, own, item) for own, item in answer.items()]
    return Sight(tuple(found), tuple(looked_at), tuple(not_looked))


def _service(kind: Kind) -> str:
    return LISTINGS[kind.name].call.service


def _listed(client: Any, kind: Kind, place: str) -> Mapping[str, Any] | NotLooked:
    try:
        return items(client, LISTINGS[kind.name])
    except FAILURES as error:
        return NotLooked(kind.name, place, reason(error))
