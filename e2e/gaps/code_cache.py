"""MiniStack unpacks and compiles a function's zip anew for each of its environments.

That is no difference to AWS, only time: ten environments at once cost two cores some seconds. The
zips are unpacked and compiled once, by MiniStack's own interpreter while it boots, and each
environment gets a link. Run by path: the cache's folder, then the zips.
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
    """Let environments link what is unpacked already, inside a MiniStack process."""
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
    """Unpack and compile; a mark beside the folder says that it is whole."""
    cache = Path(sys.argv[1])
    for path in map(Path, sys.argv[2:]):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        with zipfile.ZipFile(path) as archive:
            archive.extractall(cache / digest)
        compileall.compile_dir(cache / digest, quiet=2)
        (cache / f"{digest}.done").touch()


if __name__ == "__main__":
    main()
