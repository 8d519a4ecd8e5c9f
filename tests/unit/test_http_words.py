"""Only `tinyllama.utils.http` and the handlers know HTTP.

Which folder may import which is a contract in pyproject.toml.
"""

import ast
from pathlib import Path

import pytest

UTILS = Path(__file__).parents[2] / "handlers" / "tinyllama" / "utils"
HTTP_WORDS = {"ApiError", "STATUS", "statusCode", "Response"}
MODULES = sorted(path for path in UTILS.rglob("*.py") if "http" not in path.parts)


def http_words(source: str) -> set[str]:
    """The names and keys of HTTP that a module uses."""
    used = {node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)}
    texts = {node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant)}
    return HTTP_WORDS & (used | {text for text in texts if isinstance(text, str)})


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(UTILS)))
def test_only_http_knows_http(path: Path) -> None:
    """No other folder names a response, a status or an HTTP error."""
    assert http_words(path.read_text("utf-8")) == set()


def test_http_in_another_folder_is_reported() -> None:
    """A raised HTTP error and a response in the making are both recognised."""
    assert http_words('raise ApiError("x")') == {"ApiError"}
    assert http_words('return {"statusCode": 503}') == {"statusCode"}
