"""Find the files of a folder that may be templates, by their suffix."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

SUFFIXES = (".yaml", ".yml", ".json", ".template")
SKIPPED_FOLDERS = ("node_modules", "__pycache__", "venv")


def templates(paths: Iterable[Path]) -> Iterator[tuple[Path, bool]]:
    """Yield every file once, and whether the user named the file itself or only a folder above it.

    Folders are walked in sorted order; hidden folders and `SKIPPED_FOLDERS` are left out. A folder
    that cannot be listed comes as if the user had named it, so that its reader reports why.
    """
    seen: set[Path] = set()
    for path in paths:
        is_folder = os.path.isdir(path)  # noqa: PTH112 - Path.is_dir may raise
        for file, named in _walk(path) if is_folder else [(path, True)]:
            if file not in seen:
                seen.add(file)
                yield file, named


def _walk(folder: Path) -> Iterator[tuple[Path, bool]]:
    unlisted: list[OSError] = []
    for parent, folders, files in os.walk(folder, onerror=unlisted.append):
        folders[:] = sorted(
            name for name in folders if name[0] != "." and name not in SKIPPED_FOLDERS
        )
        for name in sorted(files):
            if name.endswith(SUFFIXES):
                yield Path(parent) / name, False
    for error in unlisted:
        yield Path(error.filename), True
