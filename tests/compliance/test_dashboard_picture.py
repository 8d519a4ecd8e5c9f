"""The picture in the documents is of the dashboard that the template makes."""

import hashlib
import json
import struct
from pathlib import Path

import pytest

from tests.compliance.test_dashboard import body
from tools.dashboard_picture import (
    DATA,
    PICTURE,
    TEMPLATE,
    PictureFailed,
    definition,
    matched,
    panels,
)


def texts(png: bytes) -> dict[str, str]:
    """The texts that a PNG carries: https://www.w3.org/TR/png/#11tEXt"""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    found, at = {}, 8
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        if png[at + 4 : at + 8] == b"tEXt":
            key, _, text = png[at + 8 : at + 8 + length].partition(b"\0")
            found[key.decode("latin-1")] = text.decode("latin-1")
        at += 12 + length
    return found


def is_of(png: bytes, text: str) -> bool:
    """Whether a picture was drawn from this definition."""
    titles = [widget["properties"]["title"] for widget in panels(text)]
    carried = texts(png)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return (json.loads(carried["Panels"]), carried["Definition"]) == (titles, digest)


def test_picture_is_of_the_definition() -> None:
    """When it fails: `tl smoke --metrics docs/dashboard.json`, then `tox run -e picture`."""
    assert is_of(PICTURE.read_bytes(), definition(TEMPLATE.read_text()))


def test_tool_and_template_read_the_same_definition() -> None:
    """The tool reads lines, the tests YAML."""
    assert definition(TEMPLATE.read_text()) == body().strip()


def test_picture_of_another_definition_is_found() -> None:
    """A title, or a metric, that was changed since."""
    text = definition(TEMPLATE.read_text())
    for before, after in (("Redis: memory", "Cache: memory"), ('"QueueDepth"', '"QueueLength"')):
        assert text.count(before) == 1
        assert not is_of(PICTURE.read_bytes(), text.replace(before, after))


def test_data_is_of_the_definition() -> None:
    """Also shown to trip: data without one of the metrics."""
    widgets = panels(definition(TEMPLATE.read_text()))
    data = json.loads(Path(DATA).read_text())
    assert matched(widgets, data) == data
    assert {row["metric"] for row in data if row["points"]} >= {
        "EC2Starts",
        "AutoStops",
        "SpendUsd",
    }
    with pytest.raises(PictureFailed, match="tl smoke --metrics"):
        matched(widgets, data[1:])


def test_template_without_a_dashboard_is_said() -> None:
    """By what to look for."""
    with pytest.raises(PictureFailed, match="DashboardBody"):
        definition("Resources: {}\n")
