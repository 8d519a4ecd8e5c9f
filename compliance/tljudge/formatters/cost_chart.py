"""The cost of a deployment as an SVG chart: an idle month and an active hour, in USD.

The file has shapes and text only: no script, and no font or image from another place.
"""

from collections.abc import Iterator
from html import escape

from tljudge.cost.estimate import Estimate, Row, Total

_WIDTH, _MARGIN, _LABEL, _BAR, _GAP = 780, 28, 190, 18, 9
_ROWS = 10
# Colour-blind safe, after Okabe and Ito.
_COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#8a8a8a")
_INK, _QUIET, _LINE, _PAPER, _OVER = "#1b1f24", "#5b6570", "#d7dce1", "#ffffff", "#b3261e"
_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"


def render(estimate: Estimate) -> str:
    """The SVG document."""
    components = list(dict.fromkeys(row.component for row in estimate.rows))
    colours = {name: _COLOURS[min(i, len(_COLOURS) - 1)] for i, name in enumerate(components)}
    parts: list[str] = []
    y = _MARGIN + 14.0
    parts.append(_text(_MARGIN, y, "What it costs", size=20, weight=600))
    dated = f"{estimate.region} · prices of {estimate.prices.dated} · USD, without tax"
    parts.append(_text(_MARGIN, y + 20, dated, size=12, colour=_QUIET))
    y += 44
    y = _legend(parts, y, colours)
    idle, active = estimate.totals[:2]
    for title, total, amounts, digits in (
        ("An idle month", idle, [(row.idle_month_usd, row) for row in estimate.rows], 2),
        ("An active hour", active, [(row.active_hour_usd, row) for row in estimate.rows], 3),
    ):
        y = _panel(parts, y + 18, title, total, amounts, digits, colours)
    if estimate.unknown or estimate.complaints:
        count = len(estimate.unknown) + len(estimate.complaints)
        note = f"{count} amount{'s are' if count != 1 else ' is'} unknown: see tl cost"
        parts.append(_text(_MARGIN, y + 22, note, size=12, colour=_OVER, weight=600))
        y += 26
    height = round(y + _MARGIN)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
        f'width="{_WIDTH}" height="{height}" role="img" font-family="{escape(_FONT)}">\n'
        f"<title>{_safe(f'What it costs: {idle.usd:.2f} USD an idle month')}</title>\n"
        f'<rect width="{_WIDTH}" height="{height}" rx="10" fill="{_PAPER}"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _legend(parts: list[str], y: float, colours: dict[str, str]) -> float:
    x = float(_MARGIN)
    for name, colour in colours.items():
        shown = name or "no component"
        width = 26 + 7.0 * len(shown[:24])
        if x + width > _WIDTH - _MARGIN:
            x, y = float(_MARGIN), y + 18
        parts.append(_rect(x, y - 9, 11, 11, colour, radius=2))
        parts.append(_text(x + 17, y, shown[:24], size=12, colour=_QUIET))
        x += width + 8
    return y


def _panel(
    parts: list[str],
    y: float,
    title: str,
    total: Total,
    amounts: list[tuple[float, Row]],
    digits: int,
    colours: dict[str, str],
) -> float:
    """Draw a total with its ceiling, then its largest resources; return the y below the panel."""
    parts.append(f'<path d="M{_MARGIN} {y:g}H{_WIDTH - _MARGIN}" stroke="{_LINE}"/>')
    y += 28
    parts.append(_text(_MARGIN, y, title, size=15, weight=600))
    sum_text = f"{total.usd:,.{digits}f} USD"
    if total.ceiling_usd is not None:
        sum_text += f" of {total.ceiling_usd:,.{digits}f}"
    colour = _OVER if total.is_over else _INK
    parts.append(_text(_WIDTH - _MARGIN, y, sum_text, size=15, weight=600, colour=colour, end=True))
    y += 14
    y = _stacked(parts, y, total, amounts, colours)
    largest = sorted(
        (pair for pair in amounts if pair[0] > 0), key=lambda p: (-p[0], p[1].resource)
    )
    shown, rest = largest[:_ROWS], largest[_ROWS:]
    most = shown[0][0] if shown else 1.0
    room = _WIDTH - 2 * _MARGIN - _LABEL - 74
    for usd, row in shown:
        length = max(1.5, room * usd / most)
        name = row.resource if len(row.resource) <= 26 else f"{row.resource[:25]}…"
        parts.append(_text(_MARGIN + _LABEL - 10, y + 13, name, size=12, end=True))
        parts.append(_rect(_MARGIN + _LABEL, y, length, _BAR, colours[row.component], radius=3))
        at = _MARGIN + _LABEL + length + 7
        parts.append(_text(at, y + 13, _amount(usd, digits), size=12, colour=_QUIET))
        y += _BAR + _GAP
    if rest:
        more = f"and {len(rest)} more: {_amount(sum(usd for usd, _ in rest), digits)}"
        parts.append(_text(_MARGIN + _LABEL, y + 12, more, size=12, colour=_QUIET))
        y += _BAR + _GAP
    if not shown:
        parts.append(_text(_MARGIN, y + 12, "nothing", size=12, colour=_QUIET))
        y += _BAR + _GAP
    return y


def _stacked(
    parts: list[str],
    y: float,
    total: Total,
    amounts: list[tuple[float, Row]],
    colours: dict[str, str],
) -> float:
    """Draw the total as a bar with a piece for each component and a mark at the ceiling.

    Returns the y below the bar.
    """
    room = float(_WIDTH - 2 * _MARGIN)
    scale = room / (max(total.usd, total.ceiling_usd or 0.0) * 1.04 or 1.0)
    parts.append(_rect(_MARGIN, y, room, 12, "#f0f2f4", radius=3))
    x = float(_MARGIN)
    for name, usd in _pieces(amounts):
        width = usd * scale
        if width >= 0.4:
            parts.append(_rect(x, y, width, 12, colours[name]))
        x += width
    if total.ceiling_usd is not None:
        at = _MARGIN + total.ceiling_usd * scale
        colour = _OVER if total.is_over else _INK
        parts.append(f'<path d="M{at:.1f} {y - 4:g}v20" stroke="{colour}" stroke-width="2"/>')
        parts.append(_text(at, y + 29, "ceiling", size=11, colour=colour, end=True))
        return y + 42
    return y + 26


def _pieces(amounts: list[tuple[float, Row]]) -> Iterator[tuple[str, float]]:
    by_component: dict[str, float] = {}
    for usd, row in amounts:
        by_component[row.component] = by_component.get(row.component, 0.0) + usd
    yield from sorted(by_component.items(), key=lambda pair: -pair[1])


def _amount(usd: float, digits: int) -> str:
    least = 10.0**-digits
    return f"{usd:,.{digits}f}" if usd >= least / 2 else f"<{least:.{digits}f}"


def _rect(x: float, y: float, width: float, height: float, colour: str, radius: float = 0) -> str:
    corner = f' rx="{radius:g}"' if radius else ""
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:g}"{corner} '
        f'fill="{colour}"/>'
    )


def _text(
    x: float,
    y: float,
    text: str,
    *,
    size: int,
    colour: str = _INK,
    weight: int = 400,
    end: bool = False,
) -> str:
    anchor = ' text-anchor="end"' if end else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" font-weight="{weight}" '
        f'fill="{colour}"{anchor}>{_safe(text)}</text>'
    )


def _safe(text: str) -> str:
    # XML 1.0 forbids control characters, even as character references.
    return escape("".join(c if c.isprintable() else "�" for c in text))
