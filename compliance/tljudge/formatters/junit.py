"""Findings as JUnit XML: a suite for each file, a case for each finding.

https://github.com/testmoapp/junitxml, the form that most servers read.
"""

from collections.abc import Iterable
from xml.etree import ElementTree as ET

from tljudge.engine.findings import Finding, Problem, Report
from tljudge.formatters.text import line_of, printable


def render(report: Report) -> str:
    """The XML document; a judged file without findings has a case that passes."""
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


def _count(element: ET.Element, cases: Iterable[ET.Element]) -> None:
    kinds = [{child.tag for child in case} for case in cases]
    element.set("tests", str(len(kinds)))
    for name, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        element.set(name, str(sum(tag in kind for kind in kinds)))


def _case(finding: Finding) -> ET.Element:
    name = printable(f"{finding.rule} {finding.resource}: {finding.message}")
    case = ET.Element(
        "testcase", name=name, classname=printable(finding.file), file=printable(finding.file),
        line=str(finding.line),
    )  # fmt: skip
    properties = ET.SubElement(case, "properties")
    scenario = ", ".join(f"{name}={value}" for name, value in finding.scenario.items())
    for key, value in (
        ("rule", finding.rule),
        ("verdict", finding.verdict),
        ("resource", finding.resource),
        ("scenario", scenario),
    ):
        ET.SubElement(properties, "property", name=key, value=printable(value))
    if finding.waived or finding.baselined:
        reason = f"waived: {finding.reason}" if finding.waived else "in the baseline"
        ET.SubElement(case, "skipped", message=printable(reason))
    else:
        failure = ET.SubElement(
            case, "failure", message=printable(finding.message), type=finding.verdict
        )
        failure.text = printable(line_of(finding))
    return case


def _error(problem: Problem) -> ET.Element:
    case = ET.Element(
        "testcase", name="can be judged", classname=printable(problem.file),
        file=printable(problem.file), line=str(problem.line),
    )  # fmt: skip
    error = ET.SubElement(case, "error", message=printable(problem.message), type="NotJudged")
    error.text = printable(f"{problem.file}:{problem.line}: {problem.message}")
    return case
