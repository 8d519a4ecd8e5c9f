"""Which files of a folder may be templates."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

SUFFIXES = (".yaml", ".yml", ".json", ".template")
SKIPPED_FOLDERS = ("node_modules", "__pycache__", "venv")


def templates(paths: Iterable[Path]) -> Iterator[tuple[Path, bool]]:
    """Every file once, and whether the user named the file itself and not a folder above it."""
    seen: set[Path] = set()
    for path in paths:
        for one in _walk(path) if path.is_dir() else [path]:
            if one not in seen:
                seen.add(one)
                yield one, not path.is_dir()


def _walk(folder: Path) -> Iterator[Path]:
    for here, folders, files in os.walk(folder):
        folders[:] = sorted(
            name for name in folders if name[0] != "." and name not in SKIPPED_FOLDERS
        )
        for name in sorted(files):
            if name.endswith(SUFFIXES):
                yield Path(here) / name
