"""MiniStack unpacks and compiles a function's zip again for each of its environments.

That costs time and changes nothing else: ten environments at once take two cores some seconds. So
MiniStack's own interpreter unpacks and compiles the zips once, while MiniStack boots, and each
environment gets a link. Run by path; arguments: the cache's folder, then the zips.
"""

import compileall
import hashlib
import os
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

FOLDER = "TL_GAP_CODE_CACHE"


def install() -> None:
    """Link a zip that is unpacked already into each environment of a MiniStack process."""
    from ministack.core import lambda_runtime

    cache = Path(os.environ[FOLDER])

    class LinkedZip(zipfile.ZipFile):
        def extractall(self, path: object = None, *rest: object, **named: object) -> None:
            digest = hashlib.sha256(Path(str(self.filename)).read_bytes()).hexdigest()
            if not (cache / f"{digest}.done").exists():
                super().extractall(path, *rest, **named)  # type: ignore[arg-type]
                return
            Path(str(path)).rmdir()
            Path(str(path)).symlink_to(cache / digest)

    lambda_runtime.zipfile = SimpleNamespace(
        ZipFile=LinkedZip,
        BadZipFile=zipfile.BadZipFile,
        LargeZipFile=zipfile.LargeZipFile,
    )


def main() -> None:
    """Unpack and compile each zip; a `.done` file beside its folder says that it is complete."""
    cache = Path(sys.argv[1])
    for path in map(Path, sys.argv[2:]):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        with zipfile.ZipFile(path) as archive:
            archive.extractall(cache / digest)
        compileall.compile_dir(cache / digest, quiet=2)
        (cache / f"{digest}.done").touch()


if __name__ == "__main__":
    main()
