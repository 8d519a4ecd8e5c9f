"""The metrics that the node's shell sends are metrics of the one list."""

import re
from pathlib import Path

from tests.compliance.templates import ours
from tinyllama.utils.observability.metrics import Metric

NODE = Path(__file__).resolve().parents[2] / "handlers" / "node"
NAME = re.compile(r"--metric-name[ =]+([\w$\"{}]+)")


def texts() -> dict[str, str]:
    """Every script of the node and every template, which hold user-data."""
    scripts = {path.name: path.read_text("utf-8") for path in NODE.rglob("*.sh")}
    return scripts | {template.name: template.text for template in ours()}


def unlisted(given: dict[str, str]) -> list[str]:
    """File and name of each metric that is sent and not listed."""
    listed = {metric.value for metric in Metric}
    return [
        f"{file}: {name}"
        for file, text in given.items()
        for name in NAME.findall(text)
        if name not in listed
    ]


def test_shell_sends_what_is_listed() -> None:
    """The two that only the shell sends are sent."""
    names = {name for text in texts().values() for name in NAME.findall(text)}
    assert names >= {Metric.INSTALL_FAILURES.value, Metric.MODEL_FAILURES.value}
    assert unlisted(texts()) == []


def test_unlisted_name_is_found() -> None:
    """A name misspelt, in the template and in a script."""
    given = {
        name: re.sub(r"(Install|Model)Failures", r"\1Failure", t) for name, t in texts().items()
    }
    assert unlisted(given) == ["model.sh: ModelFailure", "node.yaml: InstallFailure"]
