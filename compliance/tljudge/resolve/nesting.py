"""Nested stacks: the local file of a nested template, and the literals that its parent passes.

A template may name any path, so a deployment bounds the number and size of nested files.
"""

from collections.abc import Iterable
from pathlib import Path

from tljudge.decode.errors import TemplateError, shortened
from tljudge.decode.nodes import Map, Mark, Node, Static, is_static
from tljudge.resolve.values import Unknown

MAX_STACKS = 100
MAX_BYTES_BELOW = 16 * 1024 * 1024


def path_below(ancestors: Iterable[str], mark: Mark, logical_id: str, url: str) -> Path:
    """The path of a nested template.

    Args:
        ancestors: files of the templates above, from the parent to the root.
        mark: place of the property `TemplateURL`.
        logical_id: logical id of the nested stack.
        url: value of `TemplateURL`, a path relative to the parent's file.

    Raises:
        TemplateError: the file does not exist, or is one of its ancestors.
    """
    above = [Path(file) for file in ancestors]
    try:
        path = Path(*(above[0].parent / url).parts)
        place = path.resolve() if path.is_file() else None
    except (OSError, ValueError):  # no file can have this name
        place = None
    if place is None:
        raise TemplateError(
            str(above[0]), mark, f"no template {shortened(url, 200)!r}; correct the path"
        )
    if any(file.resolve() == place for file in above):
        raise TemplateError(
            str(above[0]), mark, f"{logical_id} nests its own template; name another"
        )
    return path


def check_bounds(file: str, mark: Mark, stacks: int, size_bytes: int) -> None:
    """Refuse a deployment with too many or too large nested templates.

    Raises:
        TemplateError: more than `MAX_STACKS` stacks, or `MAX_BYTES_BELOW` bytes below the root.
    """
    if stacks > MAX_STACKS or size_bytes > MAX_BYTES_BELOW:
        limit = f"more than {MAX_STACKS} stacks or {MAX_BYTES_BELOW} bytes of nested templates"
        raise TemplateError(file, mark, f"{limit}; split the deployment")


def literals(body: Node) -> dict[str, Static | Unknown] | None:
    """The parameters that a parent passes to a nested stack; `Unknown` for a non-literal value.

    Returns None if an intrinsic makes the properties or the mapping of parameters.
    """
    if type(body) is not Map:
        return None
    passed = body.get("Parameters")
    if passed is None:
        return {}
    if type(passed) is not Map:
        return None
    return {
        name: value if is_static(value) else Unknown(name, "the parent stack passes it")
        for name, value in passed.items()
    }
