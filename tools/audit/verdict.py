"""The verdict of an audit: its state, and each residue with its proof and its price."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal

import jmespath

from tljudge.data.prices import Prices
from tools.audit.ledger import Ledger
from tools.audit.look import GLOBAL, Found, NotLooked, Sight
from tools.audit.proof import is_going, is_of_aws, is_untagged_since, why_ours
from tools.deploy.calls import FAILURES, Call, ask, reason, tags_by_key
from tools.deploy.listings import LISTINGS

State = Literal["CLEAN", "DIRTY", "COULD_NOT_LOOK"]
_WORKERS = 16
UNTAGGED = "made since the stack was, and nothing says whose it is"


@dataclass(frozen=True, slots=True)
class Residue:
    """A resource that is left.

    Attributes:
        type: CloudFormation's name of its kind.
        why: what proves that it is the stack's.
        usd_per_month: what it bills; None where that is not known.
        is_going: whether it ends by itself.
    """

    type: str
    id: str
    region: str
    why: str
    usd_per_month: float | None
    is_going: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an audit found."""

    residues: tuple[Residue, ...]
    not_looked: tuple[NotLooked, ...]
    looked_at: tuple[tuple[str, str], ...]

    @property
    def state(self) -> State:
        """DIRTY where something is left; else COULD_NOT_LOOK where something was not looked at."""
        if any(not one.is_going for one in self.residues):
            return "DIRTY"
        return "COULD_NOT_LOOK" if self.not_looked else "CLEAN"

    @property
    def usd_per_month(self) -> float:
        """What the residues with a known price bill."""
        return sum(one.usd_per_month or 0.0 for one in self.residues)


class TagReader:
    """Reads the tags of what was found, from the listing or by a call of its own."""

    def __init__(self, account: Any, number: str, partition: str) -> None:
        self._account = account
        self._words = {"AWS::Partition": partition, "AWS::AccountId": number}

    def read(self, found: Found) -> dict[str, str]:
        """The tags by key; empty where nothing reads them.

        Raises as `ask` does: they could not be read.
        """
        tags = LISTINGS[found.kind.name].tags
        if tags is None:
            return {}
        if isinstance(tags, str):
            return tags_by_key(jmespath.search(tags, found.item))
        region = self._account.home if found.region == GLOBAL else found.region
        call: Call = tags.filled({**self._words, "AWS::Region": region, "id": found.id})
        return tags_by_key(ask(self._account.client(call.service, region), call))


def judge(
    sight: Sight, ledger: Ledger, others: Ledger, tags: TagReader, prices: Prices, home: str
) -> Verdict:
    """Prove what is the stack's among all that was seen.

    Args:
        sight: what was found, and what could not be looked at.
        ledger: what CloudFormation remembers of the stack.
        others: what it knows of all other stacks.
        tags: reads tags.
        prices: the price file.
        home: the region whose prices stand for global services.
    """
    candidates = [one for one in sight.found if not is_of_aws(one)]
    with ThreadPoolExecutor(_WORKERS) as pool:
        looked = list(pool.map(lambda one: _judged(one, ledger, others, tags), candidates))
    residues, not_looked = [], list(sight.not_looked)
    for found, why in zip(candidates, looked, strict=True):
        if isinstance(why, NotLooked):
            not_looked.append(why)
        elif why:
            residues.append(
                Residue(found.kind.type, found.id, found.region, why,
                        0.0 if is_going(found) else _usd(found, prices, home), is_going(found))
            )  # fmt: skip
    order = sorted(residues, key=lambda one: (-(one.usd_per_month or 0.0), one.type, one.id))
    return Verdict(tuple(order), tuple(dict.fromkeys(not_looked)), sight.looked_at)


def _judged(found: Found, ledger: Ledger, others: Ledger, tags: TagReader) -> str | NotLooked:
    """Why a resource is the stack's; empty where nothing proves it."""
    if why := why_ours(found, {}, ledger):
        return why
    if why_ours(found, {}, others):
        return ""
    try:
        own = tags.read(found)
    except FAILURES as error:
        return NotLooked(found.kind.name, found.region, f"tags: {reason(error)}")
    if why := why_ours(found, own, ledger):
        return why
    has_tags = LISTINGS[found.kind.name].tags is not None
    return UNTAGGED if has_tags and is_untagged_since(found, own, ledger.since) else ""


def _usd(found: Found, prices: Prices, home: str) -> float | None:
    region = home if found.region == GLOBAL else found.region

    def price(unit: str, item: str) -> float | None:
        line = prices.of(region, unit, item)
        return None if line is None else line.usd

    return found.kind.charge(found.item, price)
