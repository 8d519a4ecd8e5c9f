"""The worker's record for the watchdog: whole or nothing, and of this boot only."""

import json
import time
from pathlib import Path

import pytest

from node import boot
from node.activity import Activity, Recorder, Unreadable, read
from node.boot import Boot

GOOD = {"progress_s": 1.0, "running_since_s": None, "finished_s": None, "idle_min": 5}


@pytest.fixture
def this_boot() -> Boot:
    """A boot of 1,000 s ago."""
    return Boot("this", time.clock_gettime(time.CLOCK_BOOTTIME) - 1000)


def test_record_of_a_job(tmp_path: Path, this_boot: Boot) -> None:
    """Waiting, running, ended: each with its time, and the job's own idle minutes at its end."""
    recorder = Recorder(tmp_path, this_boot)
    recorder.progress()
    waiting = read(tmp_path, this_boot)
    assert waiting == Activity(waiting.progress_s)
    recorder.begin()
    running = read(tmp_path, this_boot)
    assert running == Activity(running.progress_s, running.progress_s)
    recorder.end(30)
    ended = read(tmp_path, this_boot)
    assert ended == Activity(ended.progress_s, None, ended.progress_s, 30)
    assert 1000 <= waiting.progress_s <= running.progress_s <= ended.progress_s < 1060
    assert [path.name for path in tmp_path.iterdir()] == ["activity.json"]


def test_worker_that_is_started_again_goes_on_with_the_record(
    tmp_path: Path, this_boot: Boot
) -> None:
    """The last job's end and minutes stay; the job that the crash ended does not run."""
    first = Recorder(tmp_path, this_boot)
    first.end(20)
    first.begin()
    finished_s = read(tmp_path, this_boot).finished_s
    Recorder(tmp_path, this_boot).progress()
    after = read(tmp_path, this_boot)
    assert after == Activity(after.progress_s, None, finished_s, 20)


def test_record_of_an_earlier_boot_tells_nothing(tmp_path: Path, this_boot: Boot) -> None:
    """Its times are of another clock, and its jobs of another life."""
    Recorder(tmp_path, Boot("earlier", 0)).end(30)
    with pytest.raises(Unreadable, match=r"^of another boot$"):
        read(tmp_path, this_boot)
    Recorder(tmp_path, this_boot).progress()
    assert read(tmp_path, this_boot).finished_s is None


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"progress_s": 1060}, "from the future"),
        ({"running_since_s": 1e300}, "from the future"),
        ({"finished_s": 5000}, "from the future"),
        ({"progress_s": -1}, "garbled"),
        ({"progress_s": None}, "garbled"),
        ({"progress_s": True}, "garbled"),
        ({"progress_s": "1"}, "garbled"),
        ({"progress_s": float("nan")}, "garbled"),
        ({"finished_s": float("inf")}, "garbled"),
        ({"running_since_s": []}, "garbled"),
        ({"idle_min": 0}, "garbled"),
        ({"idle_min": 31}, "garbled"),
        ({"idle_min": 5.0}, "garbled"),
        ({"boot": None}, "garbled"),
        ({"boot": "x" * 5000}, "garbled"),
    ],
)
def test_wrong_record_tells_nothing(
    fields: dict[str, object], why: str, tmp_path: Path, this_boot: Boot
) -> None:
    """Future times, wrong types, wrong ranges, and more bytes than a record has."""
    (tmp_path / "activity.json").write_text(json.dumps({"boot": "this", **GOOD, **fields}))
    with pytest.raises(Unreadable, match=f"^{why}$"):
        read(tmp_path, this_boot)


@pytest.mark.parametrize("content", [b"", b"{", b"null", b"\xff", b"[" * 4000, b"{}"])
def test_garbled_record_tells_nothing(content: bytes, tmp_path: Path, this_boot: Boot) -> None:
    """What is no JSON object, and no text."""
    (tmp_path / "activity.json").write_bytes(content)
    with pytest.raises(Unreadable, match=r"^garbled$"):
        read(tmp_path, this_boot)


def test_missing_record_and_folder_tell_nothing(tmp_path: Path, this_boot: Boot) -> None:
    """Before the worker's first start, and where the record is something else."""
    with pytest.raises(Unreadable, match=r"^missing$"):
        read(tmp_path / "none", this_boot)
    (tmp_path / "activity.json").mkdir()
    with pytest.raises(Unreadable, match=r"^IsADirectoryError$"):
        read(tmp_path, this_boot)


def test_record_that_cannot_be_written_ends_no_worker(
    tmp_path: Path, this_boot: Boot, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is logged; the jobs go on."""
    Recorder(tmp_path / "none", this_boot).begin()
    assert json.loads(capsys.readouterr().out) == {
        "level": "WARNING",
        "event": "activity_not_written",
        "error": "FileNotFoundError",
    }


def test_record_that_cannot_be_renewed_goes(tmp_path: Path, this_boot: Boot) -> None:
    """On a full disk the last record says that no job runs: the watchdog would end the next job as
    stuck. Once there is space, the record is back."""
    recorder = Recorder(tmp_path, this_boot)
    recorder.end(30)
    full = tmp_path / "activity.fresh"
    full.mkdir()
    recorder.begin()
    with pytest.raises(Unreadable, match=r"^missing$"):
        read(tmp_path, this_boot)
    full.rmdir()
    recorder.end(20)
    assert read(tmp_path, this_boot).idle_min == 20


def test_boot_s_clock_follows_no_wall_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wall clock that is set by hours, either way, changes no time of a boot."""
    now = boot.current()
    before_s = now.now_s()
    for jump_s in (-36_000, 36_000):
        monkeypatch.setattr(time, "time", lambda jump_s=jump_s: 1.8e9 + jump_s)
        monkeypatch.setattr(time, "time_ns", lambda jump_s=jump_s: int((1.8e9 + jump_s) * 1e9))
        assert before_s <= now.now_s() < before_s + 60


def test_simulated_boot_is_read() -> None:
    """An id and the time when it began."""
    assert boot.simulated("a@b@12.5") == Boot("a@b", 12.5)
    for text in ("12.5", "@1", "id@", "id@soon"):
        with pytest.raises(ValueError, match=r"boot|float"):
            boot.simulated(text)
