"""Nested stacks: which local file is meant, and what the parent passes as it stands.

What a template names may lead anywhere, so that number and size of what is read are bounded.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tljudge.decode.errors import TemplateError
from tljudge.decode.nodes import Map, is_static
from tljudge.decode.source import Source
from tljudge.resolve.values import Unknown

if TYPE_CHECKING:
    from tljudge.resolve.deployment import Resource, Stack

MAX_STACKS = 100
MAX_BYTES_BELOW = 16 * 1024 * 1024


def source_below(stack: "Stack", resource: "Resource", url: str) -> Source:
    """The file of a nested template, which is none of those that nest it.

    Raises:
        TemplateError: it is not there, or there are too many.
    """
    here, mark = Path(stack.template.file), resource.mark_of("TemplateURL")
    above: Stack | None = stack
    try:
        path = Path(*(here.parent / url).parts)
        place = path.resolve() if path.is_file() else None
    except (OSError, ValueError):  # a name that no file can have
        place = None
    if place is None:
        raise TemplateError(str(here), mark, f"no template {url[:200]!r}; correct the path")
    while above is not None:
        if Path(above.template.file).resolve() == place:
            raise TemplateError(str(here), mark, f"{resource.id} nests its own template")
        above = above.parent
    source = stack.world.read(path)
    stack.world.bytes_below += len(source.content)
    if len(stack.world.stacks) >= MAX_STACKS or stack.world.bytes_below > MAX_BYTES_BELOW:
        found = f"more than {MAX_STACKS} nested stacks or {MAX_BYTES_BELOW} bytes"
        raise TemplateError(str(here), mark, f"{found}; split")
    return source


def literals(body: Any) -> dict[str, Any] | None:
    """What a nested stack's resource passes; `Unknown` where it is no literal."""
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
