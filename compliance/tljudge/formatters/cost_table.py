"""The cost of a deployment as a table, at most 80 columns wide."""

import textwrap

from tljudge.cost.bill import NOT_COUNTED
from tljudge.cost.estimate import Estimate, Residue, Row, Total
from tljudge.cost.survivors import STAYS, UNBILLED
from tljudge.resolve.quantities import amount

WIDTH = 80
_RED, _YELLOW, _GREEN, _BOLD, _DIM, _END = (
    "\x1b[31m", "\x1b[33m", "\x1b[32m", "\x1b[1m", "\x1b[2m", "\x1b[0m",
)  # fmt: skip
_NAME, _WHAT, _SUM = 26, 34, 28
_UNSEEN_USD = 0.00005


def render(estimate: Estimate, *, colour: bool = False) -> str:
    """The bill by component, totals beside ceilings, survivors, assumptions; the result is last.

    Nothing but errors if no template could be read: a sum of nothing is not a price.
    """
    paint = _Paint(colour)
    lines: list[str] = []
    for error in estimate.errors:
        lines += _wrapped(error, paint, _RED)
    for complaint in estimate.complaints:
        lines += _wrapped(complaint, paint, _YELLOW)
    if lines:
        lines.append("")
    if estimate.errors and not estimate.templates:
        return "\n".join((*lines, result(estimate))) + "\n"
    if estimate.rows:
        lines += _table(estimate, paint)
    else:
        lines.append("no resource here is billed")
    lines += ["", *_sums(estimate, paint), ""]
    lines += _survivors(estimate, paint)
    lines += ["", *_assumed(estimate, paint)]
    return "\n".join((*lines, result(estimate))) + "\n"


def result(estimate: Estimate) -> str:
    """A line with the verdict and the totals in USD."""
    idle, active, *_ = estimate.totals
    word = "COULD NOT FINISH" if estimate.errors else estimate.verdict
    if estimate.errors and not estimate.templates:
        return f"cost: {word}: no template could be priced"
    unknown = f"; {len(estimate.unknown)} unknown" if estimate.unknown else ""
    sums = f"idle {idle.usd:.2f} USD a month, active {active.usd:.3f} an hour"
    return f"cost: {word}: {sums}{unknown}"


class _Paint:
    def __init__(self, colour: bool) -> None:
        self._colour = colour

    def __call__(self, text: str, tint: str) -> str:
        return f"{tint}{text}{_END}" if self._colour and tint else text


def _table(estimate: Estimate, paint: _Paint) -> list[str]:
    head = f"{'resource':<{_NAME}} {'what':<{_WHAT}}{'idle':>9}{'active':>9}"
    unit = f"{'USD, ' + estimate.region:<{_NAME}} {'':<{_WHAT}}{'/month':>9}{'/hour':>9}"
    lines = [paint(head, _BOLD), paint(unit, _DIM)]
    for component in dict.fromkeys(row.component for row in estimate.rows):
        rows = [row for row in estimate.rows if row.component == component]
        idle = sum(row.idle_month_usd for row in rows)
        active = sum(row.active_hour_usd for row in rows)
        title = _safe(component) or "(no component)"
        lines.append("─" * (WIDTH - 1))
        lines.append(paint(_row(title, "", _month(idle), _hour(active)), _BOLD))
        for row in rows:
            lines += _resource(row, paint)
    return lines


def _resource(row: Row, paint: _Paint) -> list[str]:
    marks = ["~" if any(not p.confirmed for p in c.prices) else "" for c in row.charges]
    parts = [f"{mark}{_safe(c.what)}" for mark, c in zip(marks, row.charges, strict=True)]
    what = textwrap.wrap(", ".join(parts), _WHAT, break_on_hyphens=False) or [""]
    name = f"  {_safe(row.resource)}"
    if len(name) > _NAME:
        name = f"{name[: _NAME - 1]}…"
    lines = [_row(name, what[0], _month(row.idle_month_usd), _hour(row.active_hour_usd))]
    lines += [_row("", more, "", "") for more in what[1:]]
    for reason in row.unknown:
        lines += _wrapped(f"UNKNOWN {_safe(reason)}", paint, _YELLOW, indent=4)
    return lines


def _row(name: str, what: str, idle: str, active: str) -> str:
    return f"{name:<{_NAME}} {what:<{_WHAT}}{idle:>9}{active:>9}".rstrip()


def _month(usd: float) -> str:
    return "–" if usd < _UNSEEN_USD else f"{usd:,.2f}" if usd >= 0.005 else "<0.01"


def _hour(usd: float) -> str:
    return "–" if usd < 1e-9 else f"{usd:,.4f}" if usd >= _UNSEEN_USD else "<0.0001"


def _sums(estimate: Estimate, paint: _Paint) -> list[str]:
    lines = []
    for total in estimate.totals:
        digits = 2 if total.unit == "month" else 4
        lines.append(_sum(f"{total.unit}, {total.name}", total, digits, paint))
    hours = estimate.policy.usage.active_hours_month
    if any(total.ceiling is not None for total in estimate.components):
        lines.append(f"of a month with {hours:g} active hours:")
        lines += [_sum(f"  {total.name}", total, 2, paint) for total in estimate.components
                  if total.ceiling is not None]  # fmt: skip
    if not any(total.ceiling for total in (*estimate.totals, *estimate.components)):
        lines.append("the policy sets no ceiling")
    return lines


def _sum(name: str, total: Total, digits: int, paint: _Paint) -> str:
    text = f"{_safe(name):<{_SUM}}{total.usd:>10,.{digits}f} USD"
    if total.ceiling is None or total.ceiling_usd is None:
        return text
    limit = f"{total.ceiling_usd:,.{digits}f}"
    if total.ceiling.currency != "USD":
        limit += f" ({amount(total.ceiling.amount, digits=2)} {total.ceiling.currency})"
    if not total.resources:
        return f"{text}  nothing here, of {limit}"
    word = paint("over", _RED) if total.is_over else paint("within", _GREEN)
    return f"{text}  {word} {limit}"


def _survivors(estimate: Estimate, paint: _Paint) -> list[str]:
    if not estimate.left:
        return ["after the stack is deleted, no resource is billed"]
    lines = ["after the stack is deleted:"]
    for survivor in estimate.left:
        tint = "" if survivor.state == UNBILLED else _RED if survivor.state == STAYS else _YELLOW
        lines += _wrapped(_survivor(survivor), paint, tint, indent=4)
    return lines


def _survivor(survivor: Residue) -> str:
    price = "" if survivor.month_usd is None else f", {survivor.month_usd:.2f} USD a month"
    unbilled = ", not billed" if survivor.state == UNBILLED else ""
    return f"{survivor.file}:{survivor.line} {survivor.resource}: {survivor.what}{price}{unbilled}"


def _assumed(estimate: Estimate, paint: _Paint) -> list[str]:
    usage = estimate.policy.usage
    requests = amount(usage.requests_month, digits=0)
    free = " and ".join(f"{amount(n)} {item}s" for item, n in estimate.policy.always_free if n)
    text = (
        f"assumed of a month: {amount(usage.active_hours_month)} active hours, {requests} requests "
        f"of {amount(usage.function_ms)} ms and {amount(usage.log_kb_call)} kB of log, "
        f"{amount(usage.stored_gb)} GB stored, {amount(usage.users_month)} users, "
        f"{amount(usage.mails_month)} mails; not counted: {NOT_COUNTED}; "
        + (f"of free tiers only {free} are deducted" if free else "no free tier is deducted")
    )
    lines = _wrapped(text, paint, _DIM)
    doubtful = {
        charge.what
        for row in estimate.rows
        for charge in row.charges
        if any(not price.confirmed for price in charge.prices)
    }
    dated = f"prices of {estimate.prices.dated}"
    if doubtful:
        dated += "; ~ marks prices not confirmed at their source"
    return lines + _wrapped(dated, paint, _DIM)


def _wrapped(line: str, paint: _Paint, tint: str, indent: int = 2) -> list[str]:
    lines = textwrap.wrap(
        _safe(line),
        WIDTH,
        initial_indent=" " * (indent if indent > 2 else 0),
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [paint(part, tint) for part in lines]


def _safe(text: str) -> str:
    # A name may contain a control sequence of the terminal.
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
