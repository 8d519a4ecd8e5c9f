"""The cost of a deployment as JSON, for other programs."""

import json
from dataclasses import asdict
from typing import Any

from tljudge.cost.bill import NOT_COUNTED
from tljudge.cost.estimate import Estimate, Total
from tljudge.cost.meter import Charge

SCHEMA_VERSION = 1


def render(estimate: Estimate) -> str:
    """The JSON document, in ASCII; amounts in USD. An unknown amount is null, never 0."""
    prices = estimate.prices
    document = {
        "schema_version": SCHEMA_VERSION,
        "verdict": estimate.verdict,
        "region": estimate.region,
        "prices": {
            "file": prices.path,
            "dated": prices.dated.isoformat(),
            "usd_per_eur": prices.usd_per_eur.usd,
        },
        "assumed": asdict(estimate.policy.usage),
        "assumed_of": {name: dict(changed) for name, changed in estimate.policy.usage_of},
        "not_counted": NOT_COUNTED,
        "free_tiers_deducted": dict(estimate.policy.always_free),
        "resources": [
            {
                "file": row.file,
                "line": row.line,
                "resource": row.resource,
                "type": row.type,
                "component": row.component,
                "idle_month_usd": _usd(row.idle_month_usd),
                "active_hour_usd": _usd(row.active_hour_usd),
                "charges": [_charge(charge) for charge in row.charges],
                "unknown": list(row.unknown),
            }
            for row in estimate.rows
        ],
        "totals": [_total(total) for total in estimate.totals],
        "components": [_total(total) for total in estimate.components],
        "survivors": [asdict(survivor) for survivor in estimate.left],
        "complaints": estimate.complaints,
        "errors": estimate.errors,
    }
    return json.dumps(document, indent=2) + "\n"


def _usd(amount: float) -> float:
    return round(amount, 6)


def _charge(charge: Charge) -> dict[str, Any]:
    return {
        "what": charge.what,
        "when": charge.when,
        "per": charge.per,
        "usd": None if charge.usd is None else _usd(charge.usd),
        "why": charge.why,
        "confirmed": all(price.confirmed for price in charge.prices),
        "sources": sorted({price.url for price in charge.prices}),
    }


def _total(total: Total) -> dict[str, Any]:
    return {
        "name": total.name,
        "unit": total.unit,
        "usd": _usd(total.usd),
        "ceiling_usd": None if total.ceiling_usd is None else _usd(total.ceiling_usd),
        "over": total.is_over,
    }
