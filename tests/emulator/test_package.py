"""The zips: reproducible, small, pure Python, and complete without anything but boto3."""

import hashlib
import io
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from tools.deploy import package
from tools.deploy.environments import ROOT, handlers_python, ministack_python

MODULES = {
    "router": "tinyllama.router.app",
    "stop": "tinyllama.stop.app",
    "resize": "tinyllama.resize.app",
    "resize_motor": "tinyllama.resize_motor.app",
    "waker": "tinyllama.waker.app",
    "queue_health": "tinyllama.queue_health.app",
    "cost_summary": "tinyllama.cost_summary.app",
    "signing_keys": "tinyllama.signing_keys.app",
    "node": "node.__main__",
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the handlers elsewhere, with other timestamps and permissions."""
    shutil.copytree(ROOT / "handlers", tmp_path / "handlers", copy_function=shutil.copyfile)
    return tmp_path


def _hashes(built: dict[str, Path]) -> dict[str, str]:
    return {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in built.items()}


def test_zips_are_the_same_byte_for_byte_elsewhere_and_later(tree: Path) -> None:
    """Names and contents decide, not folders, clocks or permissions."""
    here = _hashes(package.build(handlers_python(), ROOT))
    assert _hashes(package.build(handlers_python(), tree)) == here


def test_zips_hold_only_what_the_handler_needs(tree: Path) -> None:
    """No zip carries another function's folder or another's dependency."""
    built = package.build(handlers_python(), tree)
    ours = {}
    for name, path in built.items():
        with zipfile.ZipFile(path) as archive:
            tops = {n.split("/")[0] for n in archive.namelist()}
            functions = {n.split("/")[1] for n in archive.namelist() if n.startswith("tinyllama/")}
        ours[name] = (sorted(functions - {"utils", "__init__.py"}), "redis" in tops, "jose" in tops)
    assert ours == {
        "router": (["router"], True, True),
        "stop": (["stop"], True, True),
        "resize": (["resize"], True, True),
        "resize_motor": (["resize_motor"], False, False),
        "stop_build_box": (["stop_build_box"], False, False),
        "waker": (["waker"], True, False),
        "queue_health": (["queue_health"], True, True),
        "cost_summary": (["cost_summary"], False, False),
        "signing_keys": (["signing_keys"], False, True),
        "node": ([], True, False),
    }


@pytest.mark.parametrize("name", sorted(MODULES))
def test_zip_imports_with_nothing_but_itself_and_boto3(tree: Path, name: str) -> None:
    """What a handler forgets to carry is missed here, not on AWS."""
    path = package.build(handlers_python(), tree)[name]
    code = (
        "import sys; sys.path[:0] = sys.argv[1:]; import importlib; "
        f"importlib.import_module({MODULES[name]!r})"
    )
    boto3 = _only_boto3(tree)
    done = subprocess.run(
        [ministack_python(), "-I", "-S", "-c", code, str(path), str(boto3)],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert (done.returncode, done.stderr) == (0, "")


def _only_boto3(folder: Path) -> Path:
    """A folder with boto3 and what it needs, and nothing else of MiniStack's environment."""
    only = folder / "boto3-only"
    if not only.exists():
        only.mkdir()
        (site,) = ministack_python().parents[1].glob("lib/python3*/site-packages")
        for name in (
            "boto3",
            "botocore",
            "s3transfer",
            "jmespath",
            "urllib3",
            "dateutil",
            "six.py",
        ):
            (only / name).symlink_to(site / name)
    return only


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("tinyllama/utils/fast.so", b"\x7fELF\x02\x01\x01"),
        ("tinyllama/utils/notes.txt", b"\xcf\xfa\xed\xfe\x07\x00"),
        ("tinyllama/utils/data.bin", b"MZ\x90\x00"),
    ],
)
def test_native_code_is_refused_by_content(tree: Path, name: str, content: bytes) -> None:
    """ELF, Mach-O and PE are found whatever the file is called."""
    (tree / "handlers" / name).write_bytes(content)
    with pytest.raises(package.PackageError, match=f"native code in {name}"):
        package.build(handlers_python(), tree)


def test_native_code_inside_an_inner_zip_is_refused() -> None:
    """A zip in the zip is looked into as well."""
    inner = package.zip_bytes({"lib.so": b"\x7fELF"})
    with pytest.raises(package.PackageError, match=r"native code in lib\.so"):
        package.refuse_native("outer", package.zip_bytes({"inner.whl": inner}))


def test_zip_over_the_limit_is_refused(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the zip, its size and the limit."""
    monkeypatch.setattr(package, "SIZE_LIMIT_BYTES", 1000)
    with pytest.raises(package.PackageError, match=r"router\.zip has \d+ bytes; the limit is 1000"):
        package.build(handlers_python(), tree)


def test_dependency_changed_on_disk_is_refused(tree: Path) -> None:
    """What is shipped is what was installed from hashed requirements."""
    site = tree / "lib" / "python3.11" / "site-packages"
    site.mkdir(parents=True)
    (site / "six.py").write_text("changed = True\n")
    record = site / "six-1.17.0.dist-info" / "RECORD"
    record.parent.mkdir()
    record.write_text("six.py,sha256=" + "A" * 43 + ",10\n")
    with pytest.raises(package.PackageError, match=r"six\.py of six is not as it was installed"):
        list(package._distribution_files("six", site))


def test_empty_zip_is_still_reproducible() -> None:
    """The writer adds nothing of its own."""
    with zipfile.ZipFile(io.BytesIO(package.zip_bytes({"a": b"1"}))) as archive:
        assert [(i.filename, i.date_time) for i in archive.infolist()] == [
            ("a", (1980, 1, 1, 0, 0, 0))
        ]
