"""The findings as JUnit XML: a suite a file, a case a finding.

https://github.com/testmoapp/junitxml, the form that most servers read.
"""

from collections.abc import Iterable
from xml.etree import ElementTree as ET

from tljudge.engine.findings import Finding, Problem, Report
from tljudge.formatters.text import line_of, printable


def render(report: Report) -> str:
    """One document; a judged file without a finding is one case that passes."""
    by_file: dict[str, list[ET.Element]] = {file: [] for file in sorted(report.files)}
    for finding in report.findings:
        by_file.setdefault(finding.file, []).append(_case(finding))
    for problem in report.errors:
        by_file.setdefault(problem.file, []).append(_error(problem))
    root = ET.Element("testsuites", name="tl check")
    for file, cases in by_file.items():
        suite = ET.SubElement(root, "testsuite", name=printable(file))
        if not cases:
            cases.append(ET.Element("testcase", name="no finding", classname=printable(file)))
        suite.extend(cases)
        _count(suite, cases)
    _count(root, [case for suite in root for case in suite])
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _count(of: ET.Element, cases: Iterable[ET.Element]) -> None:
    kinds = [{child.tag for child in case} for case in cases]
    of.set("tests", str(len(kinds)))
    for name, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        of.set(name, str(sum(tag in kind for kind in kinds)))


def _case(one: Finding) -> ET.Element:
    name = printable(f"{one.rule} {one.resource}: {one.message}")
    case = ET.Element(
        "testcase", name=name, classname=printable(one.file), file=printable(one.file),
        line=str(one.line),
    )  # fmt: skip
    properties = ET.SubElement(case, "properties")
    scenario = ", ".join(f"{name}={value}" for name, value in one.scenario.items())
    for key, value in (
        ("rule", one.rule),
        ("verdict", one.verdict),
        ("resource", one.resource),
        ("scenario", scenario),
    ):
        ET.SubElement(properties, "property", name=key, value=printable(value))
    if one.waived or one.baselined:
        reason = f"waived: {one.reason}" if one.waived else "in the baseline"
        ET.SubElement(case, "skipped", message=printable(reason))
    else:
        failure = ET.SubElement(case, "failure", message=printable(one.message), type=one.verdict)
        failure.text = printable(line_of(one))
    return case


def _error(one: Problem) -> ET.Element:
    case = ET.Element(
        "testcase", name="can be judged", classname=printable(one.file), file=printable(one.file),
        line=str(one.line),
    )  # fmt: skip
    error = ET.SubElement(case, "error", message=printable(one.message), type="NotJudged")
    error.text = printable(f"{one.file}:{one.line}: {one.message}")
    return case
