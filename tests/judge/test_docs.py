"""What the pages say is what happens: their commands, their rule, their list."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.judge.factory import of_type, report, template
from tljudge.decode.parser import MAX_DEPTH, MAX_NODES
from tljudge.decode.source import MAX_BYTES
from tljudge.decode.validation import MAX_RESOURCES
from tljudge.engine.evaluate import MAX_RUNS
from tljudge.engine.policy import DEFAULT
from tljudge.formatters import rules_page
from tljudge.formatters.about_runs import ABOUT
from tljudge.resolve.nesting import MAX_STACKS
from tljudge.rules import ALL

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"`([\w./-]+)`:\n\n$")


def blocks(page: str) -> list[tuple[str, str, str]]:
    """(language, text, file) of each fenced block; the file is named by the words before it."""
    text = (DOCS / page).read_text("utf-8")
    found = []
    for match in FENCE.finditer(text):
        named = FILE.search(text[: match.start()])
        found.append((match[1], match[2], named[1] if named else ""))
    return found


def transcript(text: str) -> list[tuple[str, str]]:
    """Commands of a console block, a here-document with its lines, and what each prints."""
    found: list[tuple[str, str]] = []
    until = ""
    for line in text.splitlines(keepends=True):
        if until:
            found[-1] = (found[-1][0] + line, "")
            until = "" if line.strip() == until else until
        elif line.startswith("$ "):
            found.append((line[2:], ""))
            here = re.search(r"<<'(\w+)'$", line.strip())
            until = here[1] if here else ""
        else:
            command, printed = found[-1]
            found[-1] = (command, printed + line)
    return found


def run(command: str, folder: Path, bin_folder: Path) -> str:
    """What a person sees: both streams."""
    path = f"{bin_folder}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env={"PATH": path, "NO_COLOR": "1"}, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300,
    )  # fmt: skip
    return done.stdout


def tl_in(folder: Path) -> Path:
    """A folder with the command `tl`, as an installation puts it on the path."""
    folder.mkdir()
    script = folder / "tl"
    # After `#!` stands no interpreter whose path may hold a space, or be longer than that takes.
    script.write_text(
        f"#!/bin/sh\nPYTHONPATH={shlex.quote(str(ROOT / 'compliance'))} "
        f'exec {shlex.quote(sys.executable)} -P -m tljudge "$@"\n'
    )
    script.chmod(0o755)
    return folder


def test_adopt_prints_what_it_says(tmp_path: Path) -> None:
    """Every command of the page, in its order, beside the files it names."""
    bin_folder, folder = tl_in(tmp_path / "bin"), tmp_path / "repository"
    folder.mkdir()
    said, seen = [], []
    for language, text, file in blocks("adopt.md"):
        if file:
            (folder / file).write_text(text)
        for command, printed in transcript(text) if language == "console" else ():
            said.append((command, printed))
            seen.append((command, run(command, folder, bin_folder)))
    assert seen == said
    assert len(said) > 8


def test_transcript_would_notice_another_output(tmp_path: Path) -> None:
    """The comparison can fail; a here-document is part of its command."""
    bin_folder = tl_in(tmp_path / "bin")
    told = transcript("$ cat <<'END'\nx\nEND\nx\n$ tl check nowhere\nPASS\n")
    assert told == [("cat <<'END'\nx\nEND\n", "x\n"), ("tl check nowhere\n", "PASS\n")]
    assert run(told[0][0], tmp_path, bin_folder) == "x\n"
    assert run(told[1][0], tmp_path, bin_folder) == (
        "check: no file or folder 'nowhere'; name a template or a folder\n"
    )


def test_adopt_names_what_hook_and_action_have() -> None:
    """Three lines each, with an id and inputs that exist."""
    snippets = [text for language, text, _ in blocks("adopt.md") if language == "yaml"]
    hook, action = snippets[1:3]
    assert [hook.count("\n"), action.count("\n")] == [3, 3]
    (entry,) = yaml.safe_load(hook)[0]["hooks"]
    hooks = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    assert entry["id"] in [one["id"] for one in hooks]
    inputs = yaml.safe_load((ROOT / "action.yml").read_text())["inputs"]
    assert yaml.safe_load(action)[1]["with"].keys() <= inputs.keys()


def test_rule_of_the_page_passes_its_three_tests(tmp_path: Path) -> None:
    """As somebody would who follows it: files where it says, two lines in the list of rules."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "compliance", tmp_path / "compliance", ignore=ignored)
    (tmp_path / "tests" / "judge").mkdir(parents=True)
    shutil.copy(ROOT / "tests" / "judge" / "factory.py", tmp_path / "tests" / "judge")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for language, text, file in blocks("write-a-rule.md"):
        path = tmp_path / file
        if file and language == "diff":
            added = [line[1:] for line in text.splitlines() if line.startswith("+")]
            body = path.read_text()
            imported = body.replace("\n\nALL:", f"\n{added[0]}\n\nALL:")
            path.write_text(f"{imported.rstrip().removesuffix(')')}{added[1]}\n)\n")
        elif file:
            path.parent.mkdir(exist_ok=True, parents=True)
            path.write_text(text)

    def tests(*words: str) -> str:
        words = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/judge", *words)
        return run(f"{shlex.quote(sys.executable)} {' '.join(words)}", tmp_path, tmp_path)

    assert "3 passed" in tests()
    (rule,) = (tmp_path / "compliance" / "tljudge" / "rules" / "tables").glob("tables_*.py")
    command = f"PYTHONPATH=compliance {shlex.quote(sys.executable)} -m tljudge rules"
    listed = run(command, tmp_path, tmp_path)
    assert f"\n{rule.read_text().split(':')[0].lstrip(chr(34))} " in listed
    rule.write_text(rule.read_text().replace("yield fail(", "yield unknown("))
    assert "1 failed, 2 passed" in tests()


def test_list_of_rules_is_fresh() -> None:
    """Otherwise: `tl rules --format markdown > docs/rules.md`."""
    page = (DOCS / "rules.md").read_text("utf-8")
    assert page == rules_page.render(ALL), (
        "run: .venv/bin/tox run -qq -e tl -- rules --format markdown > docs/rules.md"
    )
    headings = re.findall(r"^### (\w+)$", page, re.MULTILINE)
    assert headings == [rule.id for rule in (*ALL, *ABOUT)]


def test_list_of_rules_has_every_default() -> None:
    """Each section of the policy, whole, under the family that reads it."""
    text = DEFAULT.read_text("utf-8")
    found = rules_page.sections(text)
    whole = {key: value for one in found.values() for key, value in tomllib.loads(one).items()}
    assert whole == tomllib.loads(text)
    families = {rule.id.split("_")[1].lower() for rule in ALL}
    assert found.keys() <= families | {"scenarios"}, "a section that no family has the name of"
    assert rules_page.sections("# a\n[x]\n# b\nk = 1\n\n# c\n[[x.y]]\nz = 2\n# d\n") == {
        "x": "# a\n[x]\n# b\nk = 1\n\n# c\n[[x.y]]\nz = 2\n# d"
    }


GROUP = "AWS::EC2::SecurityGroup"
EGRESS = {"SecurityGroupEgress": [{"IpProtocol": "-1", "CidrIp": {"Ref": "Range"}}]}
UNSEEN: dict[str, tuple[dict[str, Any], str]] = {
    "a default is believed": (
        template(
            {"G": of_type(GROUP, EGRESS)},
            Parameters={"Range": {"Type": "String", "Default": "10.0.0.0/8"}},
        ),
        "",
    ),
    "ingress": (
        template({"G": of_type("AWS::EC2::SecurityGroupIngress", {"CidrIp": "0.0.0.0/0"})}),
        "not_covered",
    ),
    "a property without a rule": (
        template({"B": of_type("AWS::S3::Bucket", {"VersioningConfiguration": 7})}),
        "",
    ),
    "a nested stack elsewhere": (
        template({"N": of_type("AWS::CloudFormation::Stack", {"TemplateURL": "https://x/y"})}),
        "not_followed",
    ),
    "a condition that is never true": (
        template(
            {"G": of_type(GROUP, Condition="Never")},
            Conditions={"Never": {"Fn::Equals": ["a", "b"]}},
        ),
        "never_made",
    ),
}


@pytest.mark.parametrize("name", UNSEEN)
def test_limits_are_as_the_page_says(tmp_path: Path, name: str) -> None:
    """What passes, passes; and what is counted is. When one ends, the page has to change."""
    body, counted = UNSEEN[name]
    found = report(tmp_path, body)
    keys = ("not_covered", "not_followed", "never_made")
    assert (found.findings, found.errors) == ([], [])
    assert [key for key in keys if found.summary[key]] == ([counted] if counted else [])


def test_limits_name_the_bounds_there_are() -> None:
    """The numbers of the page are those of the code."""
    words = (DOCS / "limits.md").read_text("utf-8").replace("\n", " ")
    bounds = [
        f"above {MAX_BYTES >> 20} MiB", f"deeper than {MAX_DEPTH},", f"than {MAX_NODES:,} values",
        f"than {MAX_RESOURCES:,} resources or {MAX_STACKS} nested", f"than {MAX_RUNS:,} in one",
    ]  # fmt: skip
    assert [bound for bound in bounds if bound not in words] == []
