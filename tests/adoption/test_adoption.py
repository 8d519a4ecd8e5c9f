"""Another repository uses the hook and the action as docs/adopt.md says, each for real."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
OURS = ("compliance", "requirements", "pyproject.toml", "setup.py", "MANIFEST.in", "README.md",
        "LICENSE", ".pre-commit-hooks.yaml", "action.yml")  # fmt: skip
CHILD = """\
Parameters:
  Range: {Type: String}
Resources:
  Group:
    Type: AWS::EC2::SecurityGroup
    Properties:
      GroupDescription: g
      SecurityGroupEgress: [{IpProtocol: "-1", CidrIp: !Ref Range}]
"""
PARENT = """\
Resources:
  Below:
    Type: AWS::CloudFormation::Stack
    Properties:
      TemplateURL: child,1.yaml
      Parameters: {Range: 10.0.0.0/8}
"""


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This repository, as far as another one sees it."""
    folder = tmp_path_factory.mktemp("ours")
    for name in OURS:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, folder / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, folder / name)
    return folder


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """A repository with a nested stack that is only right with what its parent passes."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    (folder / "policy.toml").write_text("[tags]\nrequired = []\n")
    (folder / "parent.yaml").write_text(PARENT)
    (folder / "child,1.yaml").write_text(CHILD)
    (folder / "old.yaml").write_text("Resources: {L: {Type: AWS::Logs::LogGroup}}\n")
    (folder / "tl-baseline.json").write_text(
        json.dumps(
            {"schema_version": 1, "findings": [
                {"file": "old.yaml", "resource": "L", "rule": "TL_LOGS_1", "verdict": "FAIL",
                 "message": "never expires: it has no RetentionInDays", "count": 1},
            ]}
        )
    )  # fmt: skip
    return folder


def snippets() -> list[Any]:
    """The YAML of docs/adopt.md that belongs to other repositories."""
    text = (ROOT / "docs" / "adopt.md").read_text("utf-8")
    found = re.findall(r"^```yaml\n(- .*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [yaml.safe_load(one) for one in found]


def run(words: list[str], folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A program with the machine's own settings, and git without any."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    git = {f"GIT_{who}_{what}": "x@example.com" for who in ("AUTHOR", "COMMITTER")
           for what in ("NAME", "EMAIL")}  # fmt: skip
    env = {**os.environ, **git, "GIT_CONFIG_GLOBAL": os.devnull, "PATH": path, **environment}
    return subprocess.run(
        words, cwd=folder, env=env, check=False, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, timeout=300,
    )  # fmt: skip


def git(folder: Path, *words: str) -> str:
    done = run(["git", "-c", "init.defaultBranch=main", *words], folder)
    assert done.returncode == 0, done.stdout
    return done.stdout.strip()


def test_own_hooks_are_what_pre_commit_reads() -> None:
    """The settings of this repository's own commits."""
    done = run(["pre-commit", "validate-config", str(ROOT / ".pre-commit-config.yaml")], ROOT)
    assert (done.returncode, done.stdout) == (0, "")


def test_hook_judges_what_is_committed(ours: Path, theirs: Path, tmp_path: Path) -> None:
    """It installs with PyYAML alone, passes, and fails for what is new, with the finding."""
    git(ours, "init")
    git(ours, "add", ".")
    git(ours, "commit", "-m", "x")
    hook = snippets()[0]
    hook[0] |= {"repo": str(ours), "rev": git(ours, "rev-parse", "HEAD")}
    (theirs / ".pre-commit-config.yaml").write_text(yaml.safe_dump({"repos": hook}))
    git(theirs, "init")
    git(theirs, "add", ".")
    home = {"PRE_COMMIT_HOME": str(tmp_path / "cache")}
    words = [sys.executable, "-m", "pre_commit", "run", "--color=never"]
    done = run(words, theirs, **home)
    assert re.search(r"^tl check\.+Passed$", done.stdout, re.MULTILINE)
    assert done.returncode == 0
    git(theirs, "commit", "-m", "x")
    (theirs / "child,1.yaml").write_text(CHILD + "  # a comment\n")
    git(theirs, "add", ".")
    assert run(words, theirs, **home).returncode == 0
    (theirs / "parent.yaml").write_text(PARENT.replace("10.0.0.0/8", "0.0.0.0/0"))
    git(theirs, "add", ".")
    done = run(words, theirs, **home)
    assert done.returncode == 1
    assert "child,1.yaml:8 Group: TL_EGRESS_1 " in done.stdout
    assert "- exit code: 1" in done.stdout


@pytest.fixture(scope="module")
def action(ours: Path) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((ours / "action.yml").read_text())
    return document


@pytest.fixture(scope="module")
def runner(ours: Path, action: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """RUNNER_TEMP after the action's installation."""
    temp = tmp_path_factory.mktemp("runner")
    (step,) = (one for one in action["runs"]["steps"] if one.get("name") == "Install tl check")
    done = run(shell(step, temp), temp, RUNNER_TEMP=str(temp), GITHUB_ACTION_PATH=str(ours))
    assert done.returncode == 0, done.stdout
    return temp


def shell(step: dict[str, Any], folder: Path) -> list[str]:
    """As the runner starts `shell: bash`."""
    assert step["shell"] == "bash"
    script = folder / "step.sh"
    script.write_text(step["run"])
    return ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)]


def judged(
    action: dict[str, Any], runner: Path, theirs: Path, **given: str
) -> subprocess.CompletedProcess[str]:
    """The last step, with inputs as the runner fills them in."""
    step = action["runs"]["steps"][-1]
    inputs = {name: one["default"] for name, one in action["inputs"].items()} | given
    environment = {
        name: re.sub(r"\$\{\{ inputs\.([\w-]+) \}\}", lambda m: inputs[m[1]], value)
        for name, value in step["env"].items()
    }
    assert "${{" not in step["run"] + "".join(environment.values())
    return run(
        shell(step, runner), theirs, RUNNER_TEMP=str(runner), GITHUB_WORKSPACE=str(theirs),
        **environment,
    )  # fmt: skip


def test_action_says_what_is_new_beside_the_code(
    action: dict[str, Any], runner: Path, theirs: Path
) -> None:
    """With the inputs of the page: a pass, then one annotation, and SARIF either way."""
    given = snippets()[1][1]["with"]
    done = judged(action, runner, theirs, **given)
    result = "1 in the baseline; 3 templates, 3 resources\n"
    assert (done.stdout, done.returncode) == (f"check: PASS: 0 failed, 0 unknown, {result}", 0)
    assert json.loads((theirs / "tl.sarif").read_text())["version"] == "2.1.0"
    (theirs / "tl.sarif").unlink()
    (theirs / "parent.yaml").write_text(PARENT.replace("10.0.0.0/8", "0.0.0.0/0"))
    done = judged(action, runner, theirs, **given)
    lines = done.stdout.splitlines()
    assert done.returncode == 1
    assert lines[0].startswith("::error file=child%2C1.yaml,line=8,col=")
    assert lines[1:] == [f"check: FAIL: 1 failed, 0 unknown, {result}".strip()]
    (driver,) = json.loads((theirs / "tl.sarif").read_text())["runs"]
    assert driver["tool"]["driver"]["version"] == "0.1.0"


def test_action_reads_its_inputs_and_runs_none(
    action: dict[str, Any], runner: Path, theirs: Path
) -> None:
    """Several paths, one a line; a name that is an option or a command is a name."""
    done = judged(action, runner, theirs, paths="old.yaml\nparent.yaml\n", policy="policy.toml")
    assert done.stdout.startswith("::error file=old.yaml,line=1,")
    assert done.returncode == 1
    for path in ("$(touch pwned)", "--help", "; touch pwned"):
        done = judged(action, runner, theirs, paths=path, sarif="tl.sarif")
        assert done.returncode == 2
        assert f"no file or folder {path!r}" in done.stdout
    assert not (theirs / "pwned").exists()


def test_action_uses_others_by_commit(action: dict[str, Any]) -> None:
    """A tag may move."""
    used = [one["uses"] for one in action["runs"]["steps"] if "uses" in one]
    assert [re.sub(r"@[0-9a-f]{40}$", "@…", one) for one in used] == ["actions/setup-python@…"]


def test_action_installs_the_rules_of_the_page(runner: Path, tmp_path: Path) -> None:
    """The command that the action runs lists what docs/rules.md has."""
    tl = str(runner / "tl-check" / "bin" / "tl")
    assert run([tl, "rules", "--format", "markdown"], tmp_path).stdout == (
        ROOT / "docs" / "rules.md"
    ).read_text("utf-8")
