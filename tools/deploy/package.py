"""Builds the Lambda zips and the node's package: pure Python, byte for byte the same everywhere.

Dependencies come from an environment that was installed from hashed requirements. Each file is
compared with the hash that its distribution recorded, so that no file changed since is packaged.
"""

import base64
import csv
import hashlib
import io
import json
import subprocess
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tljudge.cli.errors import UsageError
from tools import programs

ROOT = Path(__file__).resolve().parents[2]
SIZE_LIMIT_BYTES = 5 * 1024 * 1024
# One fixed time, the first that a zip can hold, makes two builds equal.
_MOMENT = (1980, 1, 1, 0, 0, 0)
# The first bytes of native code: ELF, Mach-O (little and big endian, universal), PE.
_NATIVE_MAGIC = (
    b"\x7fELF",
    b"\xfe\xed\xfa\xce",
    b"\xfe\xed\xfa\xcf",
    b"\xce\xfa\xed\xfe",
    b"\xcf\xfa\xed\xfe",
    b"\xca\xfe\xba\xbe",
    b"MZ",
)
_JOSE = ("python-jose", "rsa", "pyasn1", "ecdsa", "six")


@dataclass(frozen=True, slots=True)
class Package:
    """One zip: the handlers' folders and the distributions in it.

    `entry` is the program of a zip that is run itself. `requirements` are locked lists that its
    machine installs, as (name in the zip, name in `requirements/`).
    """

    name: str
    folders: tuple[str, ...]
    distributions: tuple[str, ...]
    entry: str = ""
    requirements: tuple[tuple[str, str], ...] = ()


PACKAGES = (
    Package("router", ("tinyllama/utils", "tinyllama/router"), (*_JOSE, "redis")),
    Package("stop", ("tinyllama/utils", "tinyllama/stop"), (*_JOSE, "redis")),
    Package("resize", ("tinyllama/utils", "tinyllama/resize"), (*_JOSE, "redis")),
    Package("resize_motor", ("tinyllama/utils", "tinyllama/resize_motor"), ()),
    Package("stop_build_box", ("tinyllama/utils", "tinyllama/stop_build_box"), ()),
    Package("waker", ("tinyllama/utils", "tinyllama/waker"), ("redis",)),
    Package("queue_health", ("tinyllama/utils", "tinyllama/queue_health"), (*_JOSE, "redis")),
    Package("cost_summary", ("tinyllama/utils", "tinyllama/cost_summary"), ()),
    Package("signing_keys", ("tinyllama/utils", "tinyllama/signing_keys"), _JOSE),
    Package(
        "node",
        ("tinyllama/utils", "node"),
        ("redis",),
        entry="from node.__main__ import main\n\nraise SystemExit(main())\n",
        requirements=(("requirements.txt", "node.txt"),),
    ),
)


class PackageError(UsageError):
    """A zip cannot be built, or does not have what it must have."""


def build(handlers_python: Path, source: Path = ROOT) -> dict[str, Path]:
    """Write every zip into `source/build`, where the templates expect it; returns name to path.

    Args:
        handlers_python: interpreter of the environment that holds the handlers' requirements.
        source: the tree whose `handlers` folder is packaged.

    Raises:
        PackageError: a distribution is missing, a file changed or native, or a zip over 5 MiB.
    """
    site = _site_packages(handlers_python)
    out = source / "build"
    out.mkdir(exist_ok=True)
    built = {}
    for package in PACKAGES:
        content = zip_bytes(dict(_files(package, source / "handlers", site)))
        refuse_native(package.name, content)
        if len(content) > SIZE_LIMIT_BYTES:
            raise PackageError(
                f"package: {package.name}.zip has {len(content)} bytes; "
                f"the limit is {SIZE_LIMIT_BYTES}; leave a dependency out"
            )
        path = out / f"{package.name}.zip"
        if not path.exists() or path.read_bytes() != content:
            path.write_bytes(content)
        built[package.name] = path
    return built


def zip_bytes(files: dict[str, bytes]) -> bytes:
    """A zip of `files` whose bytes depend on names and contents alone."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name in sorted(files):
            info = zipfile.ZipInfo(name, _MOMENT)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.create_system = 3
            info.external_attr = 0o100644 << 16
            archive.writestr(info, files[name])
    return buffer.getvalue()


def refuse_native(name: str, content: bytes) -> None:
    """Read every member of a zip, and of the zips inside it.

    Raises:
        PackageError: a member is native code; names the first.
    """
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for member in archive.infolist():
            data = archive.read(member)
            if data.startswith(_NATIVE_MAGIC):
                raise PackageError(
                    f"package: {name}.zip holds native code in {member.filename}; "
                    "choose a pure-Python distribution"
                )
            if data.startswith(b"PK\x03\x04"):
                refuse_native(f"{name}.zip/{member.filename}", data)


def _files(package: Package, handlers: Path, site: Path) -> Iterator[tuple[str, bytes]]:
    for folder in package.folders:
        for path in sorted((handlers / folder).rglob("*")):
            if path.is_file() and path.suffix != ".pyc":
                yield path.relative_to(handlers).as_posix(), path.read_bytes()
    if any(folder.startswith("tinyllama/") for folder in package.folders):
        init = handlers / "tinyllama" / "__init__.py"
        yield "tinyllama/__init__.py", init.read_bytes()
    for distribution in package.distributions:
        yield from _distribution_files(distribution, site)
    if package.entry:
        yield "__main__.py", package.entry.encode()
    for name, locked in package.requirements:
        yield name, (ROOT / "requirements" / locked).read_bytes()


def _distribution_files(name: str, site: Path) -> Iterator[tuple[str, bytes]]:
    """Modules and licences of an installed distribution, compared with its RECORD."""
    prefix = name.replace("-", "_")
    records = sorted(site.glob(f"{prefix}-*.dist-info/RECORD"))
    if len(records) != 1:
        raise PackageError(
            f"package: {name} is not installed in {site}; run `tox run -e handlers` and try again"
        )
    for relative, recorded, _ in csv.reader(records[0].read_text("utf-8").splitlines()):
        parts = Path(relative).parts
        is_licence = ".dist-info" in parts[0] and "licen" in relative.lower()
        is_module = relative.endswith(".py") and ".." not in parts and ".dist-info" not in parts[0]
        if not (is_licence or is_module):
            continue
        data = (site / relative).read_bytes()
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
        if recorded != f"sha256={digest}":
            raise PackageError(
                f"package: {relative} of {name} is not as it was installed; "
                "run `tox run -e handlers --recreate`"
            )
        yield relative, data


def _site_packages(python: Path) -> Path:
    try:
        answer = programs.run(
            [
                python,
                "-I",
                "-c",
                "import json,sysconfig; print(json.dumps(sysconfig.get_path('purelib')))",
            ],
            limit_s=120,
        )
        answer.check_returncode()
    except (OSError, subprocess.SubprocessError) as error:
        raise PackageError(
            f"package: the handlers' environment has no working interpreter at {python}; "
            "run `tox run -e handlers`"
        ) from error
    return Path(json.loads(answer.stdout))
