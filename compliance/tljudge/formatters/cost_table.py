"""What a deployment costs, for a person: a table readable at 80 columns."""

import textwrap

from tljudge.cost.bill import NOT_COUNTED
from tljudge.cost.estimate import Estimate, Left, Row, Total
from tljudge.cost.survivors import STAYS, UNBILLED
from tljudge.resolve.quantities import amount

WIDTH = 80
_RED, _YELLOW, _GREEN, _BOLD, _DIM, _END = (
    "\x1b[31m", "\x1b[33m", "\x1b[32m", "\x1b[1m", "\x1b[2m", "\x1b[0m",
)  # fmt: skip
_NAME, _WHAT, _SUM = 26, 34, 28
_UNSEEN_USD = 0.00005


def render(found: Estimate, *, colour: bool = False) -> str:
    """The bill by component, sums beside ceilings, what stays, what is assumed; then the result."""
    paint = _Paint(colour)
    lines: list[str] = []
    for error in found.errors:
        lines += _wrapped(error, paint, _RED)
    for complaint in found.complaints:
        lines += _wrapped(complaint, paint, _YELLOW)
    if lines:
        lines.append("")
    if found.rows:
        lines += _table(found, paint)
    else:
        lines.append("nothing here bills")
    lines += ["", *_sums(found, paint), ""]
    lines += _left(found, paint)
    lines += ["", *_assumed(found, paint)]
    return "\n".join((*lines, result(found))) + "\n"


def result(found: Estimate) -> str:
    """One line with the verdict and the sums."""
    idle, active, *_ = found.totals
    word = "COULD NOT FINISH" if found.errors else found.verdict
    unknown = f"; {len(found.unknown)} unknown" if found.unknown else ""
    sums = f"idle {idle.usd:.2f} USD a month, active {active.usd:.3f} an hour"
    return f"cost: {word}: {sums}{unknown}"


class _Paint:
    def __init__(self, colour: bool) -> None:
        self._colour = colour

    def __call__(self, text: str, tint: str) -> str:
        return f"{tint}{text}{_END}" if self._colour and tint else text


def _table(found: Estimate, paint: _Paint) -> list[str]:
    head = f"{'resource':<{_NAME}} {'what':<{_WHAT}}{'idle':>9}{'active':>9}"
    unit = f"{'USD, ' + found.region:<{_NAME}} {'':<{_WHAT}}{'/month':>9}{'/hour':>9}"
    lines = [paint(head, _BOLD), paint(unit, _DIM)]
    for component in dict.fromkeys(row.component for row in found.rows):
        mine = [row for row in found.rows if row.component == component]
        idle = sum(row.idle_month_usd for row in mine)
        active = sum(row.active_hour_usd for row in mine)
        title = _safe(component) or "(no component)"
        lines.append("─" * (WIDTH - 1))
        lines.append(paint(_row(title, "", _month(idle), _hour(active)), _BOLD))
        for row in mine:
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


def _sums(found: Estimate, paint: _Paint) -> list[str]:
    lines = []
    for one in found.totals:
        digits = 2 if one.unit == "month" else 4
        lines.append(_sum(f"{one.unit}, {one.name}", one, digits, paint))
    hours = found.policy.usage.active_hours_month
    if any(one.ceiling is not None for one in found.components):
        lines.append(f"of a month with {hours:g} active hours:")
        lines += [_sum(f"  {one.name}", one, 2, paint) for one in found.components
                  if one.ceiling is not None]  # fmt: skip
    if not any(one.ceiling for one in (*found.totals, *found.components)):
        lines.append("the policy has no ceiling, so nothing is over one")
    return lines


def _sum(name: str, one: Total, digits: int, paint: _Paint) -> str:
    text = f"{_safe(name):<{_SUM}}{one.usd:>10,.{digits}f} USD"
    if one.ceiling is None or one.ceiling_usd is None:
        return text
    limit = f"{one.ceiling_usd:,.{digits}f}"
    if one.ceiling.currency != "USD":
        limit += f" ({amount(one.ceiling.amount, digits=2)} {one.ceiling.currency})"
    if not one.resources:
        return f"{text}  nothing here, of {limit}"
    word = paint("over", _RED) if one.is_over else paint("within", _GREEN)
    return f"{text}  {word} {limit}"


def _left(found: Estimate, paint: _Paint) -> list[str]:
    if not found.left:
        return ["after the stack is deleted nothing goes on billing"]
    lines = ["after the stack is deleted:"]
    for one in found.left:
        tint = "" if one.state == UNBILLED else _RED if one.state == STAYS else _YELLOW
        lines += _wrapped(_survivor(one), paint, tint, indent=4)
    return lines


def _survivor(one: Left) -> str:
    price = "" if one.month_usd is None else f", {one.month_usd:.2f} USD a month"
    unbilled = ", not billed" if one.state == UNBILLED else ""
    return f"{one.file}:{one.line} {one.resource}: {one.what}{price}{unbilled}"


def _assumed(found: Estimate, paint: _Paint) -> list[str]:
    usage = found.policy.usage
    requests = amount(usage.requests_month, digits=0)
    text = (
        f"assumed of a month: {amount(usage.active_hours_month)} active hours, {requests} requests "
        f"of {amount(usage.function_ms)} ms and {amount(usage.log_kb_call)} kB of log, "
        f"{amount(usage.stored_gb)} GB stored, {amount(usage.users_month)} users, "
        f"{amount(usage.mails_month)} mails; not counted: {NOT_COUNTED}; "
        "free tiers are not deducted"
    )
    lines = _wrapped(text, paint, _DIM)
    doubtful = {
        charge.what
        for row in found.rows
        for charge in row.charges
        if any(not price.confirmed for price in charge.prices)
    }
    dated = f"prices of {found.prices.dated}"
    if doubtful:
        dated += "; ~ marks those that nobody confirmed at their source"
    return lines + _wrapped(dated, paint, _DIM)


def _wrapped(line: str, paint: _Paint, tint: str, indent: int = 2) -> list[str]:
    found = textwrap.wrap(
        _safe(line),
        WIDTH,
        initial_indent=" " * (indent if indent > 2 else 0),
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [paint(one, tint) for one in found]


def _safe(text: str) -> str:
    # A name may hold anything, a control sequence of the terminal too.
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
