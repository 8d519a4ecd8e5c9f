"""checkov, with the rules as custom checks, reports what `tl check` reports: on every template.

The real command line runs over one folder; the judge runs in this process over the same.

Long because one run of checkov takes seconds, and most tests read the same two.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.compliance import corpus
from tljudge.decode.parameter_file import read_parameters
from tljudge.engine import policy as policies
from tljudge.rules import ALL
from tljudge.runner.check import check

# Some hundred templates take checkov half a minute on an idle machine.
pytestmark = pytest.mark.timeout(1200)
RULES = corpus.PROJECT / "compliance/checkov_rules"
DEV = corpus.PROJECT / "cloudformation/parameters/dev.json"
Found = tuple[str, str, str, str]
"""Rule, resource, file below the folder, and FAIL, UNKNOWN or WAIVED."""


def checkov(
    folder: Path,
    *more: str,
    rules: Path = RULES,
    frameworks: str = "cloudformation",
    **settings: str,
) -> subprocess.CompletedProcess[str]:
    """The command line as anybody would type it; settings are TL_POLICY and TL_PARAMETERS."""
    command = [sys.executable, "-m", "checkov.main", "--external-checks-dir", str(rules)]
    command += ["--framework", *frameworks.split(","), "--output", "json", "--skip-download"]
    command += more if "--file" in more else ["-d", str(folder), *more]
    # The adapter finds the judge beside it, not on the path of this suite.
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("TL_") and name != "PYTHONPATH"
    }
    environment = {**kept, "PYTHONWARNINGS": "ignore", "LOG_LEVEL": "ERROR", **settings}
    return subprocess.run(
        command, capture_output=True, text=True, timeout=1000, env=environment, cwd=folder
    )


def reported(done: subprocess.CompletedProcess[str], kind: str) -> Iterator[dict[str, Any]]:
    """Our records of one kind, in every report of the run."""
    assert done.returncode in (0, 1), done.stderr
    body = json.loads(done.stdout)
    for report in body if isinstance(body, list) else [body]:
        for record in report.get("results", {}).get(f"{kind}_checks", []):
            if record["check_id"].startswith("TL_"):
                yield record


def place(record: dict[str, Any]) -> tuple[str, str, str]:
    """Rule, resource, file of a record."""
    return record["check_id"], record["resource"].split(".", 1)[1], record["file_path"][1:]


def theirs(done: subprocess.CompletedProcess[str]) -> set[Found]:
    """What checkov found."""
    failed = {
        (*place(one), "UNKNOWN" if one["check_name"].startswith("UNKNOWN: ") else "FAIL")
        for one in reported(done, "failed")
    }
    return failed | {(*place(one), "WAIVED") for one in reported(done, "skipped")}


def ours(folder: Path, policy: Path | None = None, parameters: Path | None = None) -> set[Found]:
    """What `tl check` finds."""
    given = read_parameters(parameters) if parameters else {}
    report = check([folder], policies.load(policy), given)
    found = {
        (one.rule, one.resource, one.file, "WAIVED" if one.waived else one.verdict)
        for one in report.findings
    }
    found |= {("TL_TEMPLATE_2", Path(one.file).name, one.file, "FAIL") for one in report.errors}
    return {(rule, name, os.path.relpath(file, folder), word) for rule, name, file, word in found}


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The corpus."""
    folder = tmp_path_factory.mktemp("corpus") / "all"
    folder.mkdir()
    corpus.build(folder)
    return folder


@pytest.fixture(scope="module")
def by_default(templates: Path) -> subprocess.CompletedProcess[str]:
    """One run with the built-in policy."""
    return checkov(templates)


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This project's, and a waiver for one of the awkward templates."""
    path = tmp_path_factory.mktemp("policy") / "policy.toml"
    text = (corpus.PROJECT / "compliance/policy.toml").read_text("utf-8")
    path.write_text(text + corpus.WAIVER, "utf-8")
    return path


@pytest.fixture(scope="module")
def by_us(templates: Path, policy: Path) -> subprocess.CompletedProcess[str]:
    """One run with this project's policy and parameters."""
    return checkov(templates, TL_POLICY=str(policy), TL_PARAMETERS=str(DEV))


def test_checkov_finds_what_the_judge_finds(
    templates: Path, by_default: subprocess.CompletedProcess[str]
) -> None:
    """Rule, resource, file and verdict, with the built-in policy."""
    assert theirs(by_default) == ours(templates)
    assert by_default.returncode == 1


def test_checkov_finds_what_the_judge_finds_under_our_policy(
    templates: Path, policy: Path, by_us: subprocess.CompletedProcess[str]
) -> None:
    """Also with thresholds, waivers, parameters and stack tags."""
    assert theirs(by_us) == ours(templates, policy, DEV)
    (skipped,) = [one for one in reported(by_us, "skipped") if one["check_id"] == "TL_IAM_3"
                  and place(one)[2] == "awkward/waived.yaml"]  # fmt: skip
    assert skipped["check_result"] == {
        "result": "SKIPPED",
        "evaluated_keys": [],
        "suppress_comment": "one of the awkward templates has it",
    }


def test_corpus_has_every_verdict_of_every_rule(
    by_default: subprocess.CompletedProcess[str], by_us: subprocess.CompletedProcess[str]
) -> None:
    """A rule that nothing breaks, or nothing keeps, would agree without being compared."""
    found = theirs(by_default) | theirs(by_us)
    passed = {place(one)[0] for run in (by_default, by_us) for one in reported(run, "passed")}
    rules = {rule.id for rule in ALL}
    assert rules - {rule for rule, _, _, word in found if word == "FAIL"} == set()
    assert rules - passed == set()
    unsure = {rule.id for rule in ALL if "unknown" in vars(sys.modules[rule.check.__module__])}
    assert unsure - {rule for rule, _, _, word in found if word == "UNKNOWN"} == set()
    assert len(unsure) > len(rules) / 2


def test_passed_and_found_exclude_each_other(
    by_default: subprocess.CompletedProcess[str],
) -> None:
    """checkov says of nothing that it passed and failed; and says that the rules ran."""
    passed = [place(one) for one in reported(by_default, "passed")]
    assert {one[:3] for one in theirs(by_default)} & set(passed) == set()
    ran = [one for one in passed if one[0] == "TL_CHECKOV_1"]
    assert [one[:2] for one in ran] == [("TL_CHECKOV_1", "default_policy.toml")]


def test_off_by_default_is_reported_although_checkov_drops_it(
    by_default: subprocess.CompletedProcess[str],
) -> None:
    """The record has the parameters that turn the resource on, and its line."""
    (record,) = [
        one
        for one in reported(by_default, "failed")
        if place(one) == ("TL_EGRESS_1", "Gated", "awkward/off.yaml")
    ]
    title = next(rule.title for rule in ALL if rule.id == "TL_EGRESS_1")
    message = "no egress declared, so AWS allows all when UseGpu=true"
    assert record["check_name"] == f"{title}: {message}"
    assert record["file_line_range"] == [6, 6]
    assert record["resource"] == "AWS::EC2::SecurityGroup.Gated"


def copied(folder: Path, file: str, old: str, new: str) -> Path:
    """The adapter in a copy of the project, with one change."""
    shutil.copytree(
        corpus.PROJECT / "compliance",
        folder / "compliance",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    path = folder / "compliance" / file
    text = path.read_text("utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), "utf-8")
    return folder / "compliance/checkov_rules"


def test_comparison_trips_when_a_rule_is_missing(tmp_path: Path) -> None:
    """An adapter without TL_LOGS_1 differs by the findings of that rule, and by no other."""
    corpus.awkward(tmp_path / "templates")
    broken = copied(tmp_path, "tljudge/rules/__init__.py", "    groups_expire.RULE,\n", "")
    found = theirs(checkov(tmp_path / "templates", rules=broken))
    missing = ours(tmp_path / "templates") - found
    assert found <= ours(tmp_path / "templates")
    assert {rule for rule, *_ in missing} == {"TL_LOGS_1"}
    assert ("TL_LOGS_1", "There", "off_and_on.yaml", "FAIL") in missing


def test_comparison_trips_when_checkov_is_left_alone(tmp_path: Path) -> None:
    """Without the way into its report, what checkov drops is missing: and more than that."""
    corpus.awkward(tmp_path / "templates")
    (tmp_path / "templates/type_is_a_list.yaml").unlink()  # it would end the run
    (tmp_path / "templates/type_is_a_number.yaml").unlink()
    call = "_complete(_judged, runner_filter, report)"
    broken = copied(tmp_path, "checkov_rules/adapter/checks.py", call, "pass")
    missing = ours(tmp_path / "templates") - theirs(checkov(tmp_path / "templates", rules=broken))
    assert ("TL_EGRESS_1", "Gated", "off.yaml", "FAIL") in missing
    assert ("TL_TEMPLATE_2", "duplicate_key.yaml", "duplicate_key.yaml", "FAIL") in missing


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """The awkward templates alone."""
    corpus.awkward(tmp_path / "templates")
    return tmp_path / "templates"


@pytest.mark.parametrize(
    ("variable", "text", "said"),
    [
        ("TL_POLICY", "[logs]\nretention_days = [31]\n", "logs.retention_days has 31"),
        ("TL_PARAMETERS", "[]", 'is a list, not a mapping; write {"Parameters"'),
    ],
)
def test_fault_in_the_configuration_ends_the_run(
    small: Path, variable: str, text: str, said: str
) -> None:
    """checkov alone would exit with 0, with the rules left out."""
    (small / "configuration").write_text(text, "utf-8")
    settings: dict[str, Any] = {variable: str(small / "configuration")}
    done = checkov(small, **settings)
    assert (done.returncode, done.stdout) == (2, "")
    first = f"compliance/checkov_rules: {variable}: {small / 'configuration'}: {said}"
    (line,) = [line for line in done.stderr.splitlines() if "checkov_rules" in line]
    assert line.startswith(first)
    assert line.endswith("; nothing was judged")


def test_misspelt_parameter_is_a_failed_record(small: Path, tmp_path: Path) -> None:
    """The judge reads the templates too late to end the run; nothing counts as passed."""
    (tmp_path / "one").mkdir()
    shutil.copy(small / "off.yaml", tmp_path / "one")
    (tmp_path / "p.json").write_text('{"Parameters": {"UseGpuu": "true"}}', "utf-8")
    done = checkov(tmp_path / "one", TL_PARAMETERS=str(tmp_path / "p.json"))
    (said,) = [one["check_name"] for one in reported(done, "failed")]
    assert done.returncode == 1
    assert f"TL_PARAMETERS: {tmp_path / 'p.json'}: no template in " in said
    assert "takes a parameter 'UseGpuu'" in said
    assert list(reported(done, "passed")) == []


def test_fault_is_a_failed_record_where_checkov_forks(small: Path) -> None:
    """Of a process of its own checkov ignores how it ended."""
    folder = small / "below"  # without what checkov hangs on
    done = checkov(folder, frameworks="cloudformation,terraform", TL_POLICY="/no/such/policy")
    (record,) = reported(done, "failed")
    assert (done.returncode, record["check_id"]) == (1, "TL_CHECKOV_1")
    assert "TL_POLICY: /no/such/policy: cannot be read" in record["check_name"]


def test_rules_run_where_checkov_forks(small: Path) -> None:
    """Several frameworks, each in a process."""
    assert theirs(checkov(small, frameworks="cloudformation,terraform")) == ours(small)


def test_adapter_without_its_project_ends_the_run(small: Path, tmp_path: Path) -> None:
    """A copy of the folder alone has nothing to run."""
    shutil.copytree(RULES, tmp_path / "copy/checkov_rules")
    done = checkov(small, rules=tmp_path / "copy/checkov_rules")
    assert (done.returncode, done.stdout) == (2, "")
    assert "No module named 'tljudge'" in done.stderr


def test_fault_of_the_judge_is_a_failed_record(small: Path, tmp_path: Path) -> None:
    """Not a pass; and what checkov itself finds stays in the report."""
    line = "    distinct: dict[str, Path] = {}\n"
    file = "checkov_rules/adapter/judgement.py"
    done = checkov(small, rules=copied(tmp_path, file, line, "    raise ValueError('broken')\n"))
    said = [one["check_name"] for one in reported(done, "failed")]
    assert done.returncode == 1
    assert "the judge failed: ValueError: broken" in said
    assert list(reported(done, "passed")) == []


def test_options_of_the_command_line_are_kept(small: Path) -> None:
    """One rule, without a folder; what could not be judged is still said."""
    done = checkov(small, "--check", "TL_LOGS_1", "--skip-path", "deep", "--skip-path", "copy_")
    everything = ours(small)
    assert theirs(done) == {
        one
        for one in everything
        if one[0] in ("TL_LOGS_1", "TL_TEMPLATE_1", "TL_TEMPLATE_2")
        and not one[2].startswith(("deep/", "copy_"))
    }
    assert len(theirs(done)) > 20
    assert theirs(checkov(small, "--check", "CKV_AWS_66")) == set()


def test_named_files_are_judged_and_other_kinds_passed_over(small: Path) -> None:
    """As a pre-commit hook names them; a file that does not parse is an error."""
    names = ["off.yaml", "parent.yaml", "null.yaml", "compose.yaml", "two_documents.yaml"]
    found = theirs(checkov(small, "--file", *(str(small / name) for name in names)))
    paths = {"off.yaml", "parent.yaml", "below/child.yaml", "null.yaml"}
    assert found == {one for one in ours(small) if one[2] in paths}
    assert ("TL_TEMPLATE_2", "null.yaml", "null.yaml", "FAIL") in found


def test_second_folder_is_judged(small: Path) -> None:
    """checkov looks at the first of several folders, again and again."""
    done = checkov(small / "below", "-d", str(small / "deep"), "--check", "TL_LOGS_1")
    reports = [json.loads(text) for text in _documents(done.stdout)]
    last = {place(one)[1:] for one in reports[-1]["results"]["failed_checks"]}
    assert ("Deep", "er/still.yml") in last


def _documents(text: str) -> Iterator[str]:
    """The JSON documents of a text that holds several, one after the other."""
    decoder, at = json.JSONDecoder(), 0
    while at < len(text.rstrip()):
        _, end = decoder.raw_decode(text, at)
        yield text[at:end]
        at = end + len(text[end:]) - len(text[end:].lstrip())
