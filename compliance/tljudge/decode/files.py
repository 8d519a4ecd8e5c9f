"""Which files of a folder may be templates."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

SUFFIXES = (".yaml", ".yml", ".json", ".template")
SKIPPED_FOLDERS = ("node_modules", "__pycache__", "venv")


def templates(paths: Iterable[Path]) -> Iterator[tuple[Path, bool]]:
    """Every file once, and whether the user named the file itself and not a folder above it.

    A folder that cannot be listed comes as if the user had named it: whoever reads it says why.
    """
    seen: set[Path] = set()
    for path in paths:
        is_folder = os.path.isdir(path)  # noqa: PTH112 - Path.is_dir may raise
        for one, named in _walk(path) if is_folder else [(path, True)]:
            if one not in seen:
                seen.add(one)
                yield one, named


def _walk(folder: Path) -> Iterator[tuple[Path, bool]]:
    unlisted: list[OSError] = []
    for here, folders, files in os.walk(folder, onerror=unlisted.append):
        folders[:] = sorted(
            name for name in folders if name[0] != "." and name not in SKIPPED_FOLDERS
        )
        for name in sorted(files):
            if name.endswith(SUFFIXES):
                yield Path(here) / name, False
    for error in unlisted:
        yield Path(error.filename), True
