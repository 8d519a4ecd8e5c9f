"""Small changes that break the system, and the stage of the smoke that must notice each.

A smoke that passes proves something only if it fails when it should. Each sabotage is applied to a
copy of the tree; the text it replaces must occur exactly once, so that a sabotage which no longer
fits is an error and not a pass.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

from tools.errors import UsageError


@dataclass(frozen=True, slots=True)
class Sabotage:
    """Replace `old` by `new` in one file; the smoke must fail at `stage`."""

    name: str
    stage: str
    file: str
    old: str
    new: str


class Misfit(UsageError):
    """A sabotage no longer fits the tree it was written for."""


_EDGE = "cloudformation/edge.yaml"
_NETWORK = "cloudformation/network.yaml"
_NODE = "cloudformation/node.yaml"
_QUEUE = "cloudformation/queue.yaml"
_ROUTER = "cloudformation/router.yaml"
_UTILS = "handlers/tinyllama/utils"

ALL: tuple[Sabotage, ...] = (
    Sabotage(
        "native code in a zip",
        "package",
        f"{_UTILS}/metrics.py",
        '"""',
        '\x7fELF"""',
    ),
)


def apply(sabotage: Sabotage, source: Path, copy: Path) -> None:
    """Copy what a smoke deploys and break it.

    Raises:
        Misfit: the text to replace is not there exactly once.
    """
    for folder in ("cloudformation", "handlers"):
        shutil.copytree(source / folder, copy / folder)
    path = copy / sabotage.file
    text = path.read_text()
    found = text.count(sabotage.old)
    if found != 1:
        raise Misfit(
            f"sabotage '{sabotage.name}': {sabotage.file} holds its text {found} times, not once; "
            "write it anew in e2e/sabotage.py"
        )
    path.write_text(text.replace(sabotage.old, sabotage.new))
