"""Counts what was spent since the last sample, by what AWS says is there, and writes it down."""

from collections.abc import Mapping
from contextlib import suppress
from math import inf

from tinyllama.stop_build_box import fleet, meter, prices, queue_switch
from tinyllama.stop_build_box.clients import Clients, code_of
from tinyllama.stop_build_box.ledger import Ledger, Month
from tinyllama.stop_build_box.settings import GuardSettings


def count(
    clients: Clients, settings: GuardSettings, ledger: Ledger, now_s: int
) -> tuple[Month, str]:
    """The month with what was spent until now; another run's count if that came first.

    Returns:
        Also why nothing could be counted: the next sample makes up for it, and the kill that the
        Budget asks for must not wait for it.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    before = ledger.month(now_s)
    if before.sampled_s is not None and before.sampled_s >= now_s:
        return before, ""
    try:
        machines = fleet.find(clients.ec2, settings)
    except (ClientError, BotoCoreError) as error:
        return before, code_of(error)
    steady_usd_hour, refused = _steady(clients, settings)
    sight = meter.Sight(_machines(settings, machines, before.running), steady_usd_hour)
    usd = meter.spent_since(before.sampled_s, now_s, sight)
    running = {one.instance_id: one.instance_type for one in machines if one.ended_s is None}
    ledger.add(before, usd, now_s, running)
    return ledger.month(now_s), refused


def _steady(clients: Clients, settings: GuardSettings) -> tuple[float, str]:
    """What bills without a machine, in USD an hour; and why it could not be looked at: then cache
    and endpoint count as there, unless their stack says that it is off."""
    from botocore.exceptions import BotoCoreError, ClientError

    refused = ""
    try:
        caches = len(queue_switch.caches(clients.elasticache, settings.queue_stack))
        endpoints = len(queue_switch.endpoints(clients.ec2, settings.stack))
    except (ClientError, BotoCoreError) as error:
        refused, caches, endpoints = code_of(error), 1, 1
        with suppress(ClientError, BotoCoreError):
            is_on = queue_switch.look(clients.cloudformation, settings.queue_stack).is_on
            caches = endpoints = int(is_on)
    known = prices.of_region(settings.region, prices.table())
    return known.steady(caches=caches, endpoints=endpoints), refused


def _machines(
    settings: GuardSettings, machines: list[fleet.Machine], before: Mapping[str, str]
) -> list[meter.Machine]:
    """What may have billed since the last sample, when `before` ran: types by id."""
    price = prices.of_region(settings.region, prices.table()).machine
    seen = [
        meter.Machine(
            # Of a type that has changed since, which one ran how long is not known.
            max(price(one.instance_type), price(before.get(one.instance_id, one.instance_type))),
            one.launched_s,
            one.ended_s,
            one.instance_id in before,
        )
        for one in machines
    ]
    gone = before.keys() - {one.instance_id for one in machines}
    return seen + [meter.Machine(price(before[own]), 0, inf, True) for own in gone]
