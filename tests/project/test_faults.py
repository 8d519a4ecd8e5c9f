"""docs/faults.md says what the tests show: every row has a test that injects its fault."""

import re

import pytest

from tests.project.documents import ROOT
from tools import fault_table
from tools.fault_table import WrongMark

FULL = 'fault="f", place="p", user_sees="u", lost="l", recovers="r"'


def _source(*marks: str, name: str = "test_one") -> str:
    return "".join(f"@pytest.mark.fault({mark})\n" for mark in marks) + f"def {name}(): ...\n"


def test_page_is_what_the_tests_say() -> None:
    """Write it anew with `python -m tools.fault_table`."""
    written = (ROOT / "docs" / "faults.md").read_text("utf-8")
    assert written == fault_table.page(fault_table.rows(fault_table.sources()))


def test_every_row_names_a_test_that_is_there() -> None:
    """By its name in the file of the link."""
    cells = re.findall(r"\[(test_\w+)\]\(\.\./(\S+)\)", (ROOT / "docs" / "faults.md").read_text())
    assert len(cells) > 50
    for test, path in cells:
        assert f"def {test}(" in (ROOT / path).read_text("utf-8")


# What may break, whoever adds or removes a test.
COVERED = (
    *("the cache is down", "the cache is slow", "the cache stalls after the write"),
    *("the cache loses everything", "the cache is full"),
    *("an idle connection is forgotten by the network", "the connection stalls or is cut"),
    *("the worker is killed", "the worker hangs", "the disk is full"),
    *("the model refuses", "the model drips or says nothing"),
    "the prompt is too long for the model",
    *("EC2 has no node, no capacity, or refuses", "EC2 does not answer a start, or late"),
    *("the node is stopping", "the node is stopped by hand", "the node is stopped by POST /stop"),
    *("the waker misses a tick", "the queue is switched off"),
)


def test_no_fault_is_forgotten() -> None:
    """The faults that the design promises something about."""
    assert set(COVERED) - {row.fault for row in fault_table.rows(fault_table.sources())} == set()


def test_new_mark_makes_the_page_stale() -> None:
    """Another test, a row more."""
    more = ("tests/unit/test_x.py", _source(FULL))
    rows = fault_table.rows([*fault_table.sources(), more])
    made = fault_table.page(rows)
    assert "| f | p | u | l | r | [test_one](../tests/unit/test_x.py) |\n" in made
    assert made != (ROOT / "docs" / "faults.md").read_text("utf-8")


def test_tests_of_one_fault_share_a_row() -> None:
    """The second names fault and place alone."""
    both = _source(FULL) + _source('fault="f", place="p"', name="test_two")
    (row,) = fault_table.rows([("a.py", both)])
    assert row.tests == [("a.py", "test_one"), ("a.py", "test_two")]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (_source('fault="f"'), "a.py:1: a fault has"),
        (_source('fault="f", place="p", lost="l"'), "a.py:1: a fault has"),
        (_source(FULL + ', more="m"'), "a.py:1: a fault has"),
        (_source('fault="f", place="p"'), "nothing describes 'f' at 'p'"),
        (_source(FULL, FULL), "another test describes this fault"),
        (_source('fault=F, place="p"'), "a.py:1: fault is no text"),
        (_source(FULL, name="helper"), "on a test"),
    ],
)
def test_wrong_marks_are_noticed(text: str, told: str) -> None:
    """Each with its place and what to do."""
    with pytest.raises(WrongMark, match=re.escape(told)):
        fault_table.rows([("a.py", text)])
