"""Find the files of a folder that may be templates, by their suffix."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

SUFFIXES = (".yaml", ".yml", ".json", ".template")
SKIPPED_FOLDERS = ("node_modules", "__pycache__", "venv")


def templates(paths: Iterable[Path]) -> Iterator[tuple[Path, bool]]:
    """Yield every file once, and whether the user named the file itself or only a folder above it.

    Folders are walked in sorted order; hidden folders and `SKIPPED_FOLDERS` are left out.
    """
    seen: set[Path] = set()
    for path in paths:
        for file in _walk(path) if path.is_dir() else [path]:
            if file not in seen:
                seen.add(file)
                yield file, not path.is_dir()


def _walk(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(
            name for name in folders if name[0] != "." and name not in SKIPPED_FOLDERS
        )
        for name in sorted(files):
            if name.endswith(SUFFIXES):
                yield Path(parent) / name
