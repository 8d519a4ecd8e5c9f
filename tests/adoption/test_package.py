"""What `pip install` of this repository gives a stranger: the judge, and nothing else.

Each test runs in an environment that also holds packages called as this repository's folders are;
whoever imports one of them by mistake ends with an error.

Long because most tests read the same wheel, which is built and installed once for this file.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

ROOT = Path(__file__).resolve().parents[2]
VERSION = "0.1.0"
DECOYS = ("compliance", "e2e", "handlers", "tests", "tools")
DATA = {"data/prices.toml", "data/tagging.json", "data/unscoped_actions.json",
        "engine/default_policy.toml", "py.typed"}  # fmt: skip
LEFT_OUT = (".*", "build", "__pycache__", "*.egg-info", "node_modules")
INSTALLED = ["check", "rules", "cost", "mutate"]
OPERATOR = ["package", "smoke", "sabotage", "audit", "bench"]
TEMPLATE = (
    "Resources:\n  L:\n    Type: AWS::Logs::LogGroup\n    Properties: {RetentionInDays: 30}\n"
)
BUILD_SDIST = "import sys; from setuptools.build_meta import build_sdist; build_sdist(sys.argv[1])"


def call(*words: str | Path, cwd: Path, **environment: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a program that knows no setting of ours."""
    kept = ("PATH", "HOME", "PIP_", "UV_", "SSL_", "HTTP", "http", "no_proxy", "NO_PROXY")
    env = {name: value for name, value in os.environ.items() if name.startswith(kept)}
    done = subprocess.run(
        [str(word) for word in words], cwd=cwd, env=env | environment, check=False,
        capture_output=True, text=True, timeout=110, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def succeeds(*words: str | Path, cwd: Path) -> str:
    """Standard output of a program that has to succeed."""
    code, out, error = call(*words, cwd=cwd)
    assert code == 0, out + error
    return out


def environment(folder: Path) -> Path:
    """A fresh virtual environment with what the package needs and what builds it; its Python."""
    succeeds(sys.executable, "-m", "venv", folder, cwd=folder.parent)
    python = folder / "bin" / "python"
    locked = ROOT / "requirements" / "check.txt"
    pip = (python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    succeeds(*pip, "--require-hashes", "-r", locked, cwd=folder.parent)
    return python


def put_decoys(folder: Path) -> None:
    """Packages of others, under the names of this repository's folders."""
    for name in DECOYS:
        (folder / name).mkdir(exist_ok=True, parents=True)
        (folder / name / "__init__.py").write_text("raise RuntimeError('of somebody else')\n")


def site_packages(python: Path) -> Path:
    """Where an environment has its packages."""
    program = "import sysconfig; print(sysconfig.get_path('purelib'))"
    return Path(succeeds(python, "-c", program, cwd=python.parent).strip())


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clean copy of this repository."""
    folder = tmp_path_factory.mktemp("sources") / "clone"
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(*LEFT_OUT), symlinks=True)
    return folder


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of the environment that builds."""
    return environment(tmp_path_factory.mktemp("builder") / "venv")


def built(python: Path, sources: Path, dist: Path) -> tuple[Path, Path]:
    """The wheel and the source distribution of a folder."""
    pip = (python, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-index")
    succeeds(*pip, "--no-deps", "--no-build-isolation", "-w", dist, sources, cwd=dist)
    succeeds(python, "-c", BUILD_SDIST, dist, cwd=sources)
    (wheel,), (sdist,) = dist.glob("*.whl"), dist.glob("*.tar.gz")
    return wheel, sdist


@pytest.fixture(scope="module")
def clean(
    python: Path, sources: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    """Wheel and source distribution of the clean copy."""
    folder = tmp_path_factory.mktemp("copy") / "clone"
    shutil.copytree(sources, folder)
    return built(python, folder, tmp_path_factory.mktemp("dist"))


def wheel_files(wheel: Path) -> dict[str, bytes]:
    """Name and content of each file of a wheel, without the list that has the digests."""
    with zipfile.ZipFile(wheel) as archive:
        return {
            name: archive.read(name)
            for name in archive.namelist()
            if not name.endswith("/RECORD")
        }  # fmt: skip


def sdist_files(sdist: Path) -> set[str]:
    """Names below the folder of a source distribution."""
    with tarfile.open(sdist) as archive:
        names = [one.name for one in archive.getmembers() if one.isfile()]
    return {name.removeprefix(f"tljudge-{VERSION}/") for name in names}


def test_wheel_holds_the_judge_alone(clean: tuple[Path, Path], sources: Path) -> None:
    """Each module of the package and five files of data; no policy of ours, no test, no tool."""
    names = wheel_files(clean[0]).keys()
    assert {name.split("/")[0] for name in names} == {"tljudge", f"tljudge-{VERSION}.dist-info"}
    package = sources / "compliance" / "tljudge"
    modules = {path.relative_to(package).as_posix() for path in package.rglob("*.py")}
    assert {name for name in names if name.startswith("tljudge/")} == {
        f"tljudge/{name}" for name in modules | DATA
    }
    assert not [name for name in names if re.search(r"policy\.toml$|test|generate", name)
                and name != "tljudge/engine/default_policy.toml"]  # fmt: skip


def test_source_distribution_builds_the_same_wheel(
    python: Path, clean: tuple[Path, Path], tmp_path: Path
) -> None:
    """Byte for byte; and it holds what that takes, no more."""
    wheel, sdist = clean
    names = {name for name in sdist_files(sdist) if ".egg-info/" not in name}
    licences = {name for name in names if re.fullmatch(r"(LICENSE|NOTICE)[\w.]*", name)}
    modules = {name for name in wheel_files(wheel) if name.startswith("tljudge/")}
    assert names - licences == {f"compliance/{name}" for name in modules} | {
        "MANIFEST.in", "PKG-INFO", "compliance/tljudge/README.md", "pyproject.toml", "setup.cfg",
        "setup.py",
    }  # fmt: skip
    with tarfile.open(sdist) as archive:
        # Python before 3.11.4 has no filters; the archive is the one that was made above.
        if hasattr(tarfile, "data_filter"):
            archive.extractall(tmp_path, filter="data")
        else:
            archive.extractall(tmp_path)  # noqa: S202
    dist = tmp_path / "dist"
    dist.mkdir()
    again, _ = built(python, tmp_path / f"tljudge-{VERSION}", dist)
    assert wheel_files(again) == wheel_files(wheel)


def dirty(sources: Path, folder: Path) -> Path:
    """A copy in which an earlier build and other projects have left files."""
    shutil.copytree(sources, folder)
    put_decoys(folder / "build" / "lib")
    put_decoys(folder / "build" / f"bdist.{os.uname().sysname.lower()}-{os.uname().machine}/wheel")
    for name in ("build/lib/tljudge/foreign.py", "compliance/tljudge/foreign.txt",
                 "compliance/tljudge/data/foreign.csv", "tests/test_foreign.py",
                 "foreign.py", "foreign.toml"):  # fmt: skip
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        (folder / name).write_text("foreign\n")
    info = folder / "compliance" / "tljudge.egg-info"
    info.mkdir()
    listed = ("compliance/tljudge/foreign.txt", "tests/test_foreign.py", "foreign.py")
    (info / "SOURCES.txt").write_text("\n".join(listed))
    return folder


def test_what_lies_about_does_not_get_in(
    python: Path, sources: Path, clean: tuple[Path, Path], tmp_path: Path
) -> None:
    """Neither the files of an old build folder, nor what an old list of files names."""
    dist = tmp_path / "dist"
    dist.mkdir()
    folder = dirty(sources, tmp_path / "clone")
    wheel, sdist = built(python, folder, dist)
    assert wheel_files(wheel) == wheel_files(clean[0])
    assert sdist_files(sdist) == sdist_files(clean[1])
    assert (folder / "build" / "lib" / "tljudge" / "foreign.py").exists(), "is not ours to remove"


def test_what_lies_about_would_be_noticed(python: Path, sources: Path, tmp_path: Path) -> None:
    """Without setup.py and MANIFEST.in it gets in: the test above can fail."""
    dist = tmp_path / "dist"
    dist.mkdir()
    folder = dirty(sources, tmp_path / "clone")
    (folder / "setup.py").unlink()
    (folder / "MANIFEST.in").unlink()
    wheel, sdist = built(python, folder, dist)
    assert {"tools/__init__.py", "tljudge/foreign.py"} <= wheel_files(wheel).keys()
    assert "tests/test_foreign.py" in sdist_files(sdist)


def test_metadata_is_what_an_index_shows(clean: tuple[Path, Path], sources: Path) -> None:
    """Name, licence, what it needs, no extra, and the page of the judge as description."""
    text = wheel_files(clean[0])[f"tljudge-{VERSION}.dist-info/METADATA"].decode()
    head, _, body = text.partition("\n\n")
    fields: dict[str, list[str]] = {}
    for line in head.splitlines():
        name, _, value = line.partition(": ")
        fields.setdefault(name, []).append(value)
    assert fields["Name"] == ["tljudge"]
    assert fields["License-Expression"] == ["Apache-2.0"]
    assert fields["Requires-Python"] == [">=3.11"]
    assert fields["Requires-Dist"] == ["PyYAML>=6"]
    assert fields["Description-Content-Type"] == ["text/markdown"]
    assert "Provides-Extra" not in fields
    assert "Typing :: Typed" in fields["Classifier"]
    assert body == (sources / "compliance" / "tljudge" / "README.md").read_text("utf-8")
    # An index cannot follow a link to another file of the repository.
    assert re.findall(r"\]\((?!https://)[^)]*\)", body) == []


@pytest.fixture(scope="module")
def tl(clean: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command, from the wheel, in a fresh environment beside packages of others."""
    python = environment(tmp_path_factory.mktemp("installed") / "venv")
    words = ("--quiet", "--disable-pip-version-check", "--no-index", "--no-deps")
    succeeds(python, "-m", "pip", "install", *words, clean[0], cwd=python.parent)
    put_decoys(site_packages(python))
    return python.with_name("tl")


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder of the user's: a template, and folders called as this repository's are."""
    folder = tmp_path / "here"
    put_decoys(folder)
    put_decoys(tmp_path / "on the path")
    (folder / "t.yaml").write_text(TEMPLATE)
    (folder / "tox.ini").touch()
    (folder / "tools" / "commands").mkdir()
    return folder


def run(tl: Path, here: Path, *words: str) -> tuple[int, str, str]:
    """One command of the installed package, with the decoys on the path as well."""
    return call(
        tl, *words, cwd=here, PYTHONPATH=str(here.parent / "on the path"),
        XDG_CACHE_HOME=str(here.parent / "cache"), COLUMNS="80",
    )  # fmt: skip


def listed(out: str) -> list[str]:
    """The commands that `tl --help` offers."""
    return re.findall(r"^    ([a-z]+)\s", out, re.MULTILINE)


def test_commands_are_those_of_the_package(tl: Path, here: Path) -> None:
    """Their list, the version, and the same through `python -m`."""
    code, out, error = run(tl, here, "--help")
    assert (code, listed(out), error) == (0, INSTALLED, "")
    assert run(tl, here, "--version") == (0, f"tl {VERSION}\n", "")
    python = tl.with_name("python")
    assert run(python, here, "-m", "tljudge", "--version") == (0, f"tl {VERSION}\n", "")
    assert run(python, here, "-m", "tljudge", "--help")[1] == out
    for name in INSTALLED:
        code, out, error = run(tl, here, name, "--help")
        assert (code, out.split("\n")[0][:15], error) == (0, f"usage: tl {name} ["[:15], "")


def test_check_reports_in_every_format(tl: Path, here: Path) -> None:
    """The same finding, exit code 1; nothing on standard error."""
    code, out, error = run(tl, here, "check", "t.yaml")
    assert (code, error) == (1, "")
    assert out == (
        "t.yaml:2 L: TL_TAGS_1 has no tag Project, Component, Environment, CostCenter\n"
        "  fix: add the tags, or pass them as stack tags; give their parameters\n"
        "    MinLength: 1\n\ncheck: FAIL: 1 failed, 0 unknown; 1 template, 1 resource\n"
    )
    reports = {}
    for name in ("json", "sarif", "junit", "github"):
        code, reports[name], error = run(tl, here, "check", "t.yaml", "--format", name)
        assert (code, error) == (1, "")
    assert [one["rule"] for one in json.loads(reports["json"])["findings"]] == ["TL_TAGS_1"]
    (sarif,) = json.loads(reports["sarif"])["runs"]
    assert sarif["tool"]["driver"]["version"] == VERSION
    assert [one["ruleId"] for one in sarif["results"]] == ["TL_TAGS_1"]
    junit = ET.fromstring(reports["junit"])  # noqa: S314 - our own report
    assert [one.tag for one in junit.iter("failure")] == ["failure"]
    assert reports["github"].startswith("::error file=t.yaml,line=2,col=3,title=TL_TAGS_1 FAIL L::")
    (here / "policy.toml").write_text("[tags]\nrequired = []\n")
    passed = "check: PASS: 0 failed, 0 unknown; 1 template, 1 resource\n"
    assert run(tl, here, "check", "t.yaml", "--policy", "policy.toml") == (0, passed, "")


def test_rules_are_listed_in_every_format(tl: Path, here: Path) -> None:
    """Those of the page, in its order."""
    page = (ROOT / "docs" / "rules.md").read_text("utf-8")
    assert run(tl, here, "rules", "--format", "markdown") == (0, page, "")
    code, out, error = run(tl, here, "rules", "--format", "json")
    ids = [one["id"] for one in json.loads(out)]
    assert (code, error) == (0, "")
    assert ids == re.findall(r"^### (\w+)$", page, re.MULTILINE)[: len(ids)]
    code, out, error = run(tl, here, "rules")
    assert (code, re.findall(r"^(TL_\w+) ", out, re.MULTILINE), error) == (0, ids, "")


def test_cost_and_mutate_work_on_given_files(tl: Path, here: Path) -> None:
    """With the prices and the rules that the package ships."""
    code, out, error = run(tl, here, "cost", "t.yaml")
    assert (code, out.splitlines()[-1], error) == (
        0, "cost: PASS: idle 0.00 USD a month, active 0.000 an hour", "",
    )  # fmt: skip
    code, out, _ = run(tl, here, "cost", "t.yaml", "--json", "--chart", "cost.svg")
    assert code == 0
    prices = site_packages(tl.with_name("python")) / "tljudge" / "data" / "prices.toml"
    assert Path(json.loads(out)["prices"]["file"]).resolve() == prices.resolve()
    assert ET.parse(here / "cost.svg").getroot().tag.endswith("svg")  # noqa: S314
    code, out, error = run(tl, here, "mutate", "t.yaml", "--jobs", "2")
    assert (code, error) == (0, "mutate: t.yaml: 15 mutants, 0 survived\n")
    assert out.splitlines()[-1].startswith("mutate: PASS: 15 of 15 mutants killed (")


@pytest.fixture
def clone(sources: Path, tmp_path: Path) -> Path:
    """A clone of this repository."""
    folder = tmp_path / "clone"
    shutil.copytree(sources, folder)
    return folder


@pytest.mark.parametrize("inside", [False, True], ids=["elsewhere", "in a clone"])
def test_operators_commands_are_not_offered(
    tl: Path, here: Path, clone: Path, inside: bool
) -> None:
    """One line and exit code 2; also where the user happens to stand in a clone."""
    folder = clone if inside else here
    assert listed(run(tl, folder, "--help")[1]) == INSTALLED
    for name in OPERATOR:
        assert run(tl, folder, name, "--keep") == (
            2, "", f"tl: no command '{name}' here; it has check, rules, cost, mutate; the others "
            "run in a clone of the repository\n",
        )  # fmt: skip
    for name in ("cost", "mutate"):
        said = f"{name}: no path given; name a template or a folder\n"
        assert run(tl, folder, name) == (2, "", said)
    assert run(tl, folder, "check", "--deployed", "X") == (
        2, "", "check: --deployed reads an account, which the installed package does not; run it "
        "in a clone of the repository: .venv/bin/tox run -e tl -- check --deployed STACK\n",
    )  # fmt: skip


SCRIPT = """\
from pathlib import Path
from tljudge import (
    Finding, ParametersError, Policy, PolicyError, Problem, Report, __version__,
    judge_files, judge_text, load_policy,
)

policy: Policy = load_policy("policy.toml")
report: Report = judge_files([Path("t.yaml"), "t.yaml"], policy=policy, parameters={"Tags": {}})
findings: list[Finding] = report.findings
lines: list[int] = [finding.line for finding in findings]
errors: list[Problem] = judge_text("Resources:").errors
print(__version__, lines, [one.rule for one in findings], len(errors), report.exit_code())
try:
    load_policy(Path("nowhere.toml"))
except (PolicyError, ParametersError) as error:
    print(error)
"""


def test_script_of_a_user_runs_and_is_typed(tl: Path, here: Path) -> None:
    """As written, and under mypy --strict; a wrong type in it is noticed."""
    (here / "policy.toml").write_text("[tags]\nrequired = ['team']\n")
    (here / "script.py").write_text(SCRIPT)
    python = tl.with_name("python")
    # -P: the folders beside the script are not this repository's, and are not looked at.
    assert run(python, here, "-P", "script.py") == (
        0, f"{VERSION} [2] ['TL_TAGS_1'] 1 1\n"
        "nowhere.toml: cannot be read: No such file or directory; name a TOML file\n", "",
    )  # fmt: skip
    mypy = (Path(sys.executable), here, "-m", "mypy", "--strict", "--python-executable",
            str(python), "--cache-dir", str(here.parent / "mypy"))  # fmt: skip
    assert run(*mypy, "script.py") == (0, "Success: no issues found in 1 source file\n", "")
    (here / "wrong.py").write_text(SCRIPT.replace("lines: list[int]", "lines: list[str]"))
    code, out, _ = run(*mypy, "wrong.py")
    assert (code, out.splitlines()[-1]) == (
        1, "Found 1 error in 1 file (checked 1 source file)",
    )  # fmt: skip


@pytest.fixture(scope="module")
def editable(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """`tl` as `tox run -e tl` installs it, without what the operator's commands need; the clone."""
    folder = tmp_path_factory.mktemp("editable")
    shutil.copytree(sources, folder / "clone")
    python = environment(folder / "venv")
    words = ["--quiet", "--disable-pip-version-check", "--no-index", "--no-deps"]
    words += ["--no-build-isolation", "--editable"]
    succeeds(python, "-m", "pip", "install", *words, folder / "clone", cwd=folder)
    put_decoys(site_packages(python))
    return python.with_name("tl"), folder / "clone"


def test_editable_install_offers_the_operators_commands(
    editable: tuple[Path, Path], here: Path
) -> None:
    """Of the clone it stands in, wherever the user is and whatever else is called `tools`."""
    tl, clone = editable
    for folder in (clone, here):
        code, out, error = run(tl, folder, "--help")
        assert (code, listed(out), error) == (0, INSTALLED + OPERATOR, "")
    code, out, error = run(tl, here, "cost")
    assert (code, error) == (0, "")
    assert re.search(r"^cost: PASS: idle [\d.]+ USD a month, ", out, re.MULTILINE)


def test_operators_command_without_its_packages_names_the_way(
    editable: tuple[Path, Path], here: Path
) -> None:
    """One line; boto3 and rich are no part of the package."""
    tl, _ = editable
    way = "which is not installed here; run it in the clone's own environment: .venv/bin/tox run"
    for words, needed in ((["smoke"], "rich"), (["check", "--deployed", "X"], "botocore")):
        code, out, error = run(tl, here, *words)
        command = " ".join(words).replace("X", "STACK")
        assert (code, out, error.count("\n")) == (2, "", 1)
        assert f"needs {needed}, {way} -e tl -- {command}\n" in error


def test_other_package_loaded_as_tools_is_refused(
    editable: tuple[Path, Path], here: Path, tmp_path: Path
) -> None:
    """One that a start-up file imports before the clone's can be."""
    tl, _ = editable
    (tmp_path / "other" / "tools").mkdir(parents=True)
    (tmp_path / "other" / "tools" / "__init__.py").touch()
    start = site_packages(tl.with_name("python")) / "other.pth"
    start.write_text(f"import sys; sys.path.insert(0, {str(tmp_path / 'other')!r}); import tools\n")
    try:
        found = run(tl, here, "check", "t.yaml")
    finally:
        start.unlink()
    assert found == (
        2, "", f"tl: {tmp_path}/other/tools/__init__.py is loaded under the name of the clone's "
        "own package `tools`; install the clone into an environment without it\n",
    )  # fmt: skip
