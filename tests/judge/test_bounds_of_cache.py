"""The cache of verdicts: how large an entry is, and how much the folder holds.

The numbers stand here a second time on purpose: a bound that grows makes a test fail.
"""

import os
from hashlib import sha256
from pathlib import Path

import pytest

from tests.judge.factory import DEFAULT, TODAY
from tljudge.decode.source import Source, Sources
from tljudge.engine.evaluate import Judged
from tljudge.runner import cache as verdicts
from tljudge.runner.cache import Cache

KIBIBYTE = 1024
MEBIBYTE = 1024 * KIBIBYTE


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def cache(folder: Path) -> Cache:
    """One that is empty."""
    return Cache(folder, DEFAULT, {}, TODAY)


SOURCE = Source.of(Path("t.yaml"), b"Resources: {}")


def judged(size_bytes: int) -> Judged:
    """A result that is about so large."""
    return Judged(not_followed=["x" * size_bytes], digest=SOURCE.digest)


def test_entry_of_256_kibibytes_is_written(cache: Cache, folder: Path) -> None:
    """A larger one is not."""
    cache.put(SOURCE.path, True, judged(257 * KIBIBYTE))
    assert list(folder.iterdir()) == []
    cache.put(SOURCE.path, True, judged(255 * KIBIBYTE))
    assert len(list(folder.iterdir())) == 1


def test_entry_of_512_kibibytes_is_read(cache: Cache, folder: Path) -> None:
    """A larger one is somebody else's, whatever it says."""
    cache.put(SOURCE.path, True, judged(0))
    (entry,) = folder.iterdir()
    body = entry.read_bytes()[65:]
    for size, is_read in ((511 * KIBIBYTE, True), (513 * KIBIBYTE, False)):
        padded = body + b" " * (size - len(body))
        entry.write_bytes(sha256(padded).hexdigest().encode() + b"\n" + padded)
        assert (cache.get(SOURCE, True, Sources()) is not None) is is_read


def test_folder_holds_64_mebibytes(cache: Cache, folder: Path) -> None:
    """Beyond that the oldest go, until three quarters are left."""
    for index, name in enumerate("abc"):
        with (folder / name).open("wb") as file:
            file.truncate(30 * MEBIBYTE)
        os.utime(folder / name, (index, index))
    cache.put(SOURCE.path, True, judged(0))
    cache.close()
    left = {one.name for one in folder.iterdir()}
    assert left & {"a", "b", "c"} == {"c"}
    assert len(left) == 2


@pytest.mark.parametrize(("others", "left"), [(7, 8), (8, 6)])
def test_folder_holds_a_number_of_entries(
    cache: Cache, folder: Path, monkeypatch: pytest.MonkeyPatch, others: int, left: int
) -> None:
    """Beyond that the oldest go, until three quarters are left."""
    assert verdicts.MAX_ENTRIES == 20_000
    monkeypatch.setattr(verdicts, "MAX_ENTRIES", 8)
    for index in range(others):
        (folder / str(index)).write_bytes(b"")
        os.utime(folder / str(index), (index, index))
    cache.put(SOURCE.path, True, judged(0))
    cache.close()
    assert len(list(folder.iterdir())) == left
