"""Draws the dashboard for the documents: `tox run -e picture`.

    cloudformation/report.yaml (panels) + docs/dashboard.json (data) → docs/dashboard.png

`tl smoke --metrics docs/dashboard.json` writes the data. The picture carries its panels and the
digest of the definition it was drawn from; a test compares both, so that no picture is out of date.
"""

import hashlib
import json
import sys
import textwrap
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
TEMPLATE = ROOT / "cloudformation" / "report.yaml"
DATA, PICTURE = ROOT / "docs" / "dashboard.json", ROOT / "docs" / "dashboard.png"
BEGIN = "      DashboardBody:\n        Fn::Sub: |\n"
BUDGET_USD = "20"
COLOURS = ("#1f5fa8", "#c8501e", "#2e8540", "#7a4fa3", "#8a6d00")
GRID, MUTED, INK = "#e3e6ea", "#6b7280", "#1f2937"
COLUMNS, WIDTH_IN, ROW_IN, DPI = 24, 15.0, 3.1, 110


class PictureFailed(Exception):
    """The picture cannot be drawn; the message says what to do."""


def definition(template: str) -> str:
    """The dashboard's body, as the template holds it.

    Raises:
        PictureFailed: it is not there.
    """
    _, found, rest = template.partition(BEGIN)
    if not found:
        raise PictureFailed(f"{TEMPLATE.name}: no dashboard; look for DashboardBody")
    lines = []
    for line in rest.splitlines():
        if line.strip() and not line.startswith(" " * 10):
            break
        lines.append(line)
    return textwrap.dedent("\n".join(lines)).strip()


def panels(body: str) -> list[dict[str, Any]]:
    """The widgets of a definition."""
    widgets: list[dict[str, Any]] = json.loads(body.replace("${BudgetUsd}", BUDGET_USD))["widgets"]
    return widgets


def matched(widgets: list[dict[str, Any]], data: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The data, which must be of these panels and metrics, in this order.

    Raises:
        PictureFailed: it is of another definition.
    """
    wanted = [
        (widget["properties"]["title"], row[1])
        for widget in widgets
        for row in widget["properties"]["metrics"]
    ]
    if [(row["panel"], row["metric"]) for row in data] != wanted:
        raise PictureFailed(
            "docs/dashboard.json is of another dashboard; run `tl smoke --metrics "
            "docs/dashboard.json` and try again"
        )
    return data


def main() -> int:
    """Draw the picture; returns the exit code."""
    try:
        body = definition(TEMPLATE.read_text("utf-8"))
        widgets = panels(body)
        data = matched(widgets, json.loads(DATA.read_text("utf-8")))
    except (PictureFailed, OSError, ValueError) as error:
        print(f"picture: {error}", file=sys.stderr)
        return 2
    _draw(widgets, data, body)
    print(f"picture: {PICTURE.relative_to(ROOT)}, {len(widgets)} panels")
    return 0


def _draw(widgets: list[dict[str, Any]], data: list[dict[str, Any]], body: str) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    plt.rcParams.update({"font.size": 9, "axes.edgecolor": GRID, "text.color": INK})
    rows = sorted({widget["y"] for widget in widgets})
    figure = plt.figure(figsize=(WIDTH_IN, ROW_IN * len(rows) + 0.9), dpi=DPI)
    height = max(widget["y"] + widget["height"] for widget in widgets)
    grid = figure.add_gridspec(
        height, COLUMNS, left=0.04, right=0.985, top=0.90, bottom=0.04, hspace=11, wspace=22
    )
    end_s = max((at for row in data for at, _ in row["points"]), default=1) + 3
    waiting = list(data)
    for widget in widgets:
        count = len(widget["properties"]["metrics"])
        lines, waiting = waiting[:count], waiting[count:]
        place = grid[
            widget["y"] : widget["y"] + widget["height"],
            widget["x"] : widget["x"] + widget["width"],
        ]
        _panel(figure.add_subplot(place), widget["properties"], lines, end_s)
    figure.text(0.015, 0.968, "Dashboard", fontsize=15, weight="bold")
    figure.text(
        0.015, 0.945, "One smoke on the local endpoint; seconds since it began. A line without "
        "data is of what that endpoint does not have, or of what did not happen.", color=MUTED,
    )  # fmt: skip
    titles = [widget["properties"]["title"] for widget in widgets]
    digest = hashlib.sha256(body.encode()).hexdigest()
    about = {"Panels": json.dumps(titles), "Definition": digest, "Software": "tinyllama"}
    figure.savefig(PICTURE, metadata=about)


def _panel(axes: Any, shown: dict[str, Any], lines: list[dict[str, Any]], end_s: float) -> None:
    """One widget: a line or, where there are a few moments alone, a stem for each metric."""
    axes.set_title(shown["title"], loc="left", fontsize=10.5, weight="bold", color=INK, pad=8)
    axes.set_xlim(0, end_s)
    axes.grid(axis="y", color=GRID)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(colors=MUTED, length=0)
    known = False
    top = 1.0
    for colour, row, line in zip(COLOURS, shown["metrics"], lines, strict=False):
        label = row[-1].get("label", row[1]) if isinstance(row[-1], dict) else row[1]
        points = line["points"]
        if not points:
            axes.plot([], [], color=GRID, linewidth=2, label=f"{label}: no data")
            continue
        known = True
        moments, values = zip(*points, strict=True)
        top = max(top, *values)
        if len(points) > 8:
            axes.plot(moments, values, color=colour, linewidth=1.8, label=label)
        else:
            axes.vlines(moments, 0, values, color=colour, linewidth=2)
            axes.plot(moments, values, "o", color=colour, markersize=5, clip_on=False, label=label)
    for mark in shown.get("annotations", {}).get("horizontal", []) if known else []:
        top = max(top, mark["value"])
        axes.axhline(mark["value"], color="#b91c1c", linewidth=1, linestyle=(0, (4, 3)))
        axes.annotate(
            mark["label"], (end_s, mark["value"]), xytext=(-2, 3), textcoords="offset points",
            ha="right", color="#b91c1c", fontsize=8,
        )  # fmt: skip
    axes.set_ylim(0, top * 1.4)
    axes.locator_params(axis="y", integer=True, nbins=5)
    axes.legend(
        loc="upper left", bbox_to_anchor=(-0.01, 1.02), frameon=False, fontsize=8,
        labelcolor=MUTED, ncols=3, handlelength=1.2, columnspacing=1.2,
    )  # fmt: skip
    if not known:
        axes.set_yticks([])
        axes.text(
            0.5, 0.45, "no data in this smoke", transform=axes.transAxes, ha="center", color=MUTED
        )


if __name__ == "__main__":
    raise SystemExit(main())
