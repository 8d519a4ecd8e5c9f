"""Verdicts are remembered while nothing that decides them changes."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from tests.judge.cache_places import MARKER, OPEN, Place
from tests.judge.factory import DEFAULT, TODAY, of_type, template
from tljudge.engine import evaluate as judge_module
from tljudge.engine.cost_policy import Ceiling
from tljudge.engine.findings import Report
from tljudge.engine.policy import Waiver
from tljudge.runner import cache as verdicts


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Looked at once, and the entry marked."""
    found = Place(tmp_path)
    found.look()
    found.mark()
    return found


def remembered(report: Report) -> bool:
    messages = {one.message for one in report.findings}
    assert messages
    return MARKER in messages


def test_what_is_unchanged_comes_from_the_cache(tmp_path: Path) -> None:
    """And is the same report."""
    place = Place(tmp_path)
    first = place.look()
    assert place.look() == first
    place.mark()
    assert remembered(place.look())


def changed_content(place: Place, monkeypatch: pytest.MonkeyPatch) -> Report:
    place.file.write_text(json.dumps(OPEN) + "\n")
    return place.look()


def changed_name(place: Place, monkeypatch: pytest.MonkeyPatch) -> Report:
    other = place.file.rename(place.file.with_name("other.json"))
    return place.look(paths=[other])


def changed_policy(place: Place, monkeypatch: pytest.MonkeyPatch) -> Report:
    return place.look(replace(DEFAULT, required_tags=("Project",)))


def changed_parameters(place: Place, monkeypatch: pytest.MonkeyPatch) -> Report:
    return place.look(given={"Tags": {"Project": "other"}})


def changed_code(place: Place, monkeypatch: pytest.MonkeyPatch) -> Report:
    monkeypatch.setattr(verdicts, "code_digest", lambda: "another")
    return place.look()


def named_by_its_folder(place: Place, monkeypatch: pytest.MonkeyPatch) -> Report:
    return place.look(paths=[place.file.parent])


@pytest.mark.parametrize(
    "change",
    [
        changed_content,
        changed_name,
        changed_policy,
        changed_parameters,
        changed_code,
        named_by_its_folder,
    ],
)
def test_what_decides_a_verdict_is_part_of_its_key(
    place: Place, monkeypatch: pytest.MonkeyPatch, change: Callable[..., Report]
) -> None:
    """After each change it is judged again."""
    assert not remembered(change(place, monkeypatch))


def test_code_digest_is_of_every_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rule, a table or a default that changes is another version; what is compiled is not."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "runner").mkdir()
    (tmp_path / "runner" / "cache.py").write_text("")
    monkeypatch.setattr(verdicts, "__file__", str(tmp_path / "runner" / "cache.py"))
    found = {verdicts.code_digest()}
    for name in ("rules/one.py", "default_policy.toml", "table.json"):
        for text in ("a", "b"):
            (tmp_path / name).write_text(text)
            found.add(verdicts.code_digest())
    assert len(found) == 7
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "one.py").write_text("")
    assert verdicts.code_digest() in found


def test_nested_template_that_changes_is_judged_again(tmp_path: Path) -> None:
    """The parent's entry holds what it read of the child; a child that goes is missed."""
    place = Place(tmp_path)
    child = place.file.with_name("child.json")
    child.write_text(json.dumps(OPEN))
    nest = template({"N": of_type("AWS::CloudFormation::Stack", {"TemplateURL": "./child.json"})})
    place.file.write_text(json.dumps(nest))
    place.look()
    place.mark()
    assert remembered(place.look())
    child.write_text(json.dumps(OPEN) + " ")
    assert not remembered(place.look())
    child.unlink()
    (error,) = place.look().errors
    assert "no template './child.json'" in error.message
    child.write_text(json.dumps(OPEN))
    assert place.look().errors == []


def test_waivers_are_applied_to_what_comes_out(place: Place) -> None:
    """So that an expiry needs no judgement, and a new waiver neither."""
    waiver = Waiver("TL_EGRESS_1", "G", "because", date(2026, 12, 1))
    waived = replace(DEFAULT, waivers=(waiver,))
    for today, is_waived in ((TODAY, True), (date(2026, 12, 2), False)):
        found = place.look(waived, today=today)
        assert remembered(found)
        assert [one.waived for one in found.findings if one.rule == "TL_EGRESS_1"] == [is_waived]


def test_day_counts_where_prices_do(tmp_path: Path) -> None:
    """Old prices are a finding of their own, so that the day decides."""
    place = Place(tmp_path)
    ceiling = Ceiling(1.0, "USD")
    costly = replace(DEFAULT, cost=replace(DEFAULT.cost, idle_month=ceiling))
    place.look(costly)
    place.mark()
    assert remembered(place.look(costly))
    assert not remembered(place.look(costly, today=date(2026, 11, 24)))


def garbage(entry: Path) -> None:
    entry.write_bytes(b"x" * 200)


def half(entry: Path) -> None:
    entry.write_bytes(entry.read_bytes()[:-9])


def bit(entry: Path) -> None:
    content = bytearray(entry.read_bytes())
    content[100] ^= 1
    entry.write_bytes(content)


def other_json(entry: Path) -> None:
    Place.write(entry, b'{"findings": 3}')


def no_json(entry: Path) -> None:
    Place.write(entry, b"\x80cposix\nsystem\n")


def folder_instead(entry: Path) -> None:
    entry.unlink()
    entry.mkdir()


@pytest.mark.parametrize("damage", [garbage, half, bit, other_json, no_json, folder_instead])
def test_damaged_entry_is_as_good_as_none(place: Place, damage: Callable[[Path], None]) -> None:
    """It is judged again, and the report is whole."""
    (entry,) = place.cache.iterdir()
    damage(entry)
    assert not remembered(place.look())


def test_entry_of_somebody_else_is_ignored(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who can write into the folder could say that all is well."""
    place.cache.chmod(0o777)
    assert not remembered(place.look())
    place.cache.chmod(0o700)
    assert remembered(place.look())
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert not remembered(place.look())


def test_cache_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest go; what is too large never comes in."""
    monkeypatch.setattr(verdicts, "MAX_ENTRIES", 8)
    place = Place(tmp_path)
    for index in range(20):
        place.file.write_text(json.dumps(OPEN) + " " * index)
        place.look()
        for entry in place.cache.iterdir():
            os.utime(entry, (index, index)) if entry.stat().st_mtime > 100 else None
    ages = sorted(entry.stat().st_mtime for entry in place.cache.iterdir())
    assert len(ages) <= 8
    assert ages[-1] == 19
    monkeypatch.setattr(verdicts, "MAX_TOTAL_BYTES", 1)
    place.file.write_text(json.dumps(OPEN) + "\n")
    place.look()
    assert list(place.cache.iterdir()) == []
    monkeypatch.setattr(verdicts, "MAX_ENTRY_BYTES", 10)
    place.look()
    assert list(place.cache.iterdir()) == []


def test_cache_that_cannot_be_written_is_no_fault(tmp_path: Path) -> None:
    """A file stands where the folder should."""
    place = Place(tmp_path)
    place.cache.write_text("")
    assert not remembered(place.look())


def test_what_time_ended_is_not_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another day there may be time."""
    place = Place(tmp_path)
    monkeypatch.setattr(judge_module, "MAX_SECONDS", -1.0)
    messages = {one.message for one in place.look().findings}
    assert "judging takes more than -1 CPU seconds: the rest was not judged" in messages
    assert list(place.cache.iterdir()) == []


def test_folder_is_the_users_cache() -> None:
    """By the environment, and nowhere where there is none."""
    where = verdicts.default_folder
    assert where({"XDG_CACHE_HOME": "/c", "HOME": "/h"}) == Path("/c/tinyllama-on-demand/verdicts")
    assert where({"XDG_CACHE_HOME": "c", "HOME": "/h"}) == Path(
        "/h/.cache/tinyllama-on-demand/verdicts"
    )
    assert where({}) is None
