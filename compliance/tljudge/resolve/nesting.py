"""Nested stacks: which local file a nested stack names, and what its parent passes as it stands.

A template may name any path, so a deployment bounds the number and size of nested files.
"""

from collections.abc import Iterable
from pathlib import Path

from tljudge.decode.errors import TemplateError
from tljudge.decode.nodes import Map, Mark, Node, Static, is_static
from tljudge.resolve.values import Unknown

MAX_STACKS = 100
MAX_BYTES_BELOW = 16 * 1024 * 1024


def path_below(ancestors: Iterable[str], mark: Mark, logical_id: str, url: str) -> Path:
    """The file that a nested stack names.

    Args:
        ancestors: files from the template that names it up to the root.
        mark: of the property `TemplateURL`.
        logical_id: of the nested stack.
        url: the property's text, a relative path.

    Raises:
        TemplateError: the file is not there, or is one of its ancestors.
    """
    above = [Path(file) for file in ancestors]
    try:
        path = Path(*(above[0].parent / url).parts)
        place = path.resolve() if path.is_file() else None
    except (OSError, ValueError):  # a name that no file can have
        place = None
    if place is None:
        raise TemplateError(str(above[0]), mark, f"no template {url[:200]!r}; correct the path")
    if any(file.resolve() == place for file in above):
        raise TemplateError(str(above[0]), mark, f"{logical_id} nests its own template")
    return path


def check_bounds(file: str, mark: Mark, stacks: int, size_bytes: int) -> None:
    """Refuse a deployment with more nested files, or larger ones, than anybody writes.

    Raises:
        TemplateError: more than `MAX_STACKS` stacks, or `MAX_BYTES_BELOW` bytes below the root.
    """
    if stacks > MAX_STACKS or size_bytes > MAX_BYTES_BELOW:
        found = f"more than {MAX_STACKS} nested stacks or {MAX_BYTES_BELOW} bytes"
        raise TemplateError(file, mark, f"{found}; split")


def literals(body: Node) -> dict[str, Static | Unknown] | None:
    """The parameters that a nested stack's resource passes, `Unknown` where they are no literals.

    None where the resource does not say which parameters it passes.
    """
    if type(body) is not Map:
        return None
    passed = body.get("Parameters")
    if passed is None:
        return {}
    if type(passed) is not Map:
        return None
    return {
        name: value if is_static(value) else Unknown(name, "it is passed by the parent")
        for name, value in passed.items()
    }
