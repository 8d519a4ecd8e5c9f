"""Requirements: every file is locked, in an order in which constraints are fresh."""

import re
from pathlib import Path

import pytest

from tools.pins import FOLDER, OPTIONS, PinsError, order, outdated, pins


def write(folder: Path, **files: str) -> Path:
    """A folder of `.in` files."""
    for name, text in files.items():
        (folder / f"{name}.in").write_text(text)
    return folder


def test_every_file_is_locked_and_the_order_knows_it() -> None:
    """Each `.in` has a `.txt` and the other way round; no option is for a file that is gone."""
    named = {path.stem for path in FOLDER.glob("*.in")}
    assert (set(order(FOLDER)), {path.stem for path in FOLDER.glob("*.txt")}) == (named, named)
    assert OPTIONS.keys() <= named


def test_every_package_is_pinned_with_hashes() -> None:
    """Nothing else stands in a lock: no index, no path, no package without a hash."""
    line = re.compile(
        r"[a-z0-9][\w.-]*(\[[\w,-]+\])?==\S+( ; [^\\]+)? \\|    --hash=sha256:\w{64}( \\)?"
    )
    strange = [
        f"{path.name}: {text}"
        for path in sorted(FOLDER.glob("*.txt"))
        for text in path.read_text("utf-8").splitlines()
        if not line.fullmatch(text)
    ]
    assert strange == []


def test_order_puts_a_constraint_first(tmp_path: Path) -> None:
    """Whether it is constrained or included, whatever the names."""
    folder = write(tmp_path, a="-c b.txt\nx\n", b="-r c.in\n", c="y\n", d="")
    names = order(folder)
    assert sorted(names) == ["a", "b", "c", "d"]
    assert names.index("c") < names.index("b") < names.index("a")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a": "-c b.txt\n"}, "a.in: refers to b, but there is no b.in"),
        (
            {"a": "-c b.txt\n", "b": "-c a.txt\n"},
            "constrain each other in a circle; remove a -c line",
        ),
    ],
)
def test_order_that_cannot_be(tmp_path: Path, files: dict[str, str], message: str) -> None:
    """The operator reads which file to mend."""
    with pytest.raises(PinsError) as raised:
        order(write(tmp_path, **files))
    assert str(raised.value).endswith(message)


def test_pins_are_read_with_extras_and_several_versions(tmp_path: Path) -> None:
    """A package may have a version for each Python."""
    (tmp_path / "x.txt").write_text(
        "A-b[c]==1.0 ; sys_platform == 'win32' \\\n    --hash=sha256:00\n"
        "d==2 ; python_full_version < '3.12' \\\nd==3 ; python_full_version >= '3.12' \\\n"
    )
    assert pins(tmp_path) == {("a-b[c]", "x"): "1.0", ("d", "x"): "2, 3"}


def test_outdated_lists_changes_alone() -> None:
    """One line a change, with the files it is in; added and dropped packages have a `-`."""
    old = {("a", "x"): "1", ("a", "y"): "1", ("b", "x"): "1", ("c", "x"): "1"}
    new = {("a", "x"): "2", ("a", "y"): "2", ("b", "x"): "1", ("d", "x"): "3"}
    assert outdated(old, new) == [
        "package  pinned  newest compatible  files",
        "a        1       2                  x y",
        "c        1       -                  x",
        "d        -       3                  x",
    ]
    assert outdated(old, old) == []
