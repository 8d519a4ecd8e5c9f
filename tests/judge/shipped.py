"""Other people's templates: those that packages carry, installed or in a source distribution.

No wheel here carries a template, so cfn-lint's source distribution is fetched as well, once for
each environment, under the hashes of requirements/corpus.txt.
"""

import subprocess
import sys
import sysconfig
import tarfile
from pathlib import Path
from typing import Any

LOCK = Path(__file__).resolve().parents[2] / "requirements" / "corpus.txt"
KEPT = Path(sys.prefix) / "sdists"


def folders(scratch: Path) -> list[Path]:
    """What is installed here, and the source distribution's tests unpacked into a folder."""
    with tarfile.open(_fetched()) as archive:
        wanted = [one for one in archive if "/test/fixtures/" in one.name]
        # Python before 3.11.4 has no filters; what is unpacked is what its hash says.
        safely: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
        archive.extractall(scratch, wanted, **safely)  # noqa: S202
    return [Path(sysconfig.get_path("purelib")), scratch]


def _fetched() -> Path:
    """The archive, from the index the first time."""
    version = LOCK.read_text().split(" ", 1)[0].partition("==")[2]
    archive = KEPT / f"cfn_lint-{version}.tar.gz"
    if not archive.exists():
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        how = ["--require-hashes", "--no-deps", "--no-build-isolation", "--no-binary", "cfn-lint"]
        subprocess.run([*pip, *how, "--dest", str(KEPT), "-r", str(LOCK)], check=True, timeout=300)
    return archive
