"""The journal: on the disk when it says so, forgotten in time, and never in the way."""

import contextlib
import json
import resource
import sqlite3
import stat
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from node.journal import Journal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a journal will be."""
    return tmp_path / "journal.sqlite3"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    """An empty journal."""
    with closing(Journal(path)) as journal:
        yield journal


def test_answer_is_for_one_id_and_one_body(journal: Journal) -> None:
    """The same id with another body is another question."""
    journal.write("j1", "b1", "r1")
    journal.write("j1", "b2", "r2")
    asked = [("j1", "b1"), ("j1", "b2"), ("j1", "b3"), ("j2", "b1")]
    assert [journal.answer(*pair) for pair in asked] == ["r1", "r2", None, None]


def test_write_twice_keeps_the_last(journal: Journal) -> None:
    """Writing again is no failure."""
    journal.write("j1", "b1", "old")
    journal.write("j1", "b1", "new")
    assert journal.answer("j1", "b1") == "new"


def test_answers_survive_and_nobody_else_reads_them(journal: Journal, path: Path) -> None:
    """Another process, later, finds what was written; the file is its owner's alone."""
    journal.write("j1", "b1", "héllo\x00")
    with closing(Journal(path)) as later:
        assert later.answer("j1", "b1") == "héllo\x00"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_answers_are_forgotten_after_900_s(
    journal: Journal, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not given out any more, and gone from the file with the next write."""
    now_s = time.time()
    monkeypatch.setattr(time, "time", lambda: now_s)
    journal.write("j1", "b1", "a secret reply")
    monkeypatch.setattr(time, "time", lambda: now_s + 899)
    assert journal.answer("j1", "b1") == "a secret reply"
    monkeypatch.setattr(time, "time", lambda: now_s + 901)
    assert journal.answer("j1", "b1") is None
    journal.write("j2", "b1", "r")
    assert b"a secret reply" not in path.read_bytes()


@pytest.mark.fault(
    fault="the journal's file is garbled",
    place="a worker starts",
    user_sees="nothing",
    lost="earlier records",
    recovers="the file is set aside, a new one made",
)
def test_a_file_that_is_no_journal_is_set_aside(path: Path) -> None:
    """A worker starts with an empty journal rather than not at all."""
    path.write_bytes(b"no database" * 1000)
    with closing(Journal(path)) as journal:
        journal.write("j1", "b1", "r1")
        assert journal.answer("j1", "b1") == "r1"
    assert path.with_suffix(".broken").read_bytes().startswith(b"no database")


def test_a_journal_that_is_locked_is_not_set_aside(path: Path, journal: Journal) -> None:
    """Another process at work on it is a reason to fail, not to lose it."""
    journal.write("j1", "b1", "r1")
    with closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(sqlite3.OperationalError):
            Journal(path)
    assert journal.answer("j1", "b1") == "r1"


@contextlib.contextmanager
def full_disk() -> Iterator[None]:
    """No file of this process can grow."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.fault(fault="the journal cannot be opened", place="a worker starts")
def test_a_journal_that_cannot_be_opened_is_opened_later(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a full disk the worker starts without a journal, which says so at each use; once there is
    space it is used."""
    with full_disk():
        journal = Journal(path)
        with pytest.raises(sqlite3.Error):
            journal.answer("j1", "b1")
        with pytest.raises(sqlite3.Error):
            journal.write("j1", "b1", "r1")
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["level"], line["event"]) for line in told] == [("ERROR", "journal_not_opened")]
    with closing(journal):
        journal.write("j1", "b1", "r1")
        assert journal.answer("j1", "b1") == "r1"


@pytest.mark.fault(
    fault="the disk is full",
    place="the journal",
    user_sees="nothing",
    lost="that the reply survives a loss of the cache",
    recovers="records are written again once there is space",
)
def test_a_disk_that_fills_up_costs_a_record_and_no_more(journal: Journal) -> None:
    """A write that fails is told; what was written before is still read, and writing goes on once
    there is space."""
    journal.write("j1", "b1", "r1")
    with full_disk(), pytest.raises(sqlite3.Error):
        journal.write("j2", "b1", "r2" * 10_000)
    assert (journal.answer("j1", "b1"), journal.answer("j2", "b1")) == ("r1", None)
    journal.write("j2", "b1", "r2")
    assert journal.answer("j2", "b1") == "r2"
