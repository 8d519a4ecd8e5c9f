"""An audit as text for a person, and as JSON for a program."""

from typing import Any

from tools.audit.verdict import Residue, Verdict


def as_json(verdict: Verdict, *, stack: str, account: str, calls: int) -> dict[str, Any]:
    """The document that `--json` writes."""
    return {
        "schema_version": 1,
        "state": verdict.state,
        "stack": stack,
        "account": account,
        "residues": [
            {
                "type": one.type,
                "id": one.id,
                "region": one.region,
                "why": one.why,
                "usd_per_month": one.usd_per_month,
                "ends_by_itself": one.is_going,
            }
            for one in verdict.residues
        ],
        "looked_at": [{"kind": kind, "region": region} for kind, region in verdict.looked_at],
        "could_not_look": [
            {"kind": one.kind, "region": one.region, "why": one.why} for one in verdict.not_looked
        ],
        "calls": calls,
    }


def as_lines(verdict: Verdict) -> list[str]:
    """What is left, what was not looked at, and the result in the last line."""
    lines = [_line(one) for one in verdict.residues]
    lines += [f"not looked at: {one.region} {one.kind}: {one.why}" for one in verdict.not_looked]
    left = sum(not one.is_going for one in verdict.residues)
    unknown = sum(one.usd_per_month is None for one in verdict.residues)
    said = f"audit: {verdict.state}: {left} left"
    if verdict.residues:
        said += f", {verdict.usd_per_month:.2f} USD a month"
    if unknown:
        said += f" and {unknown} without a known price"
    if verdict.not_looked:
        said += f"; {len(verdict.not_looked)} not looked at"
    kinds = {kind for kind, _ in verdict.looked_at}
    regions = {region for _, region in verdict.looked_at}
    return [*lines, f"{said}; looked for {len(kinds)} kinds in {len(regions)} places"]


def _line(one: Residue) -> str:
    if one.is_going:
        return f"going: {one.region} {one.type} {one.id}: {one.why}"
    usd = "price unknown" if one.usd_per_month is None else f"{one.usd_per_month:.2f} USD a month"
    return f"left: {one.region} {one.type} {one.id}: {one.why}; {usd}"
