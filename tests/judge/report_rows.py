"""Findings as rows, to compare every format with the report."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.judge.factory import of_type, template
from tljudge.engine.findings import Finding

ROOT = Path(__file__).resolve().parents[2]
NAMES = (
    "plain.yaml",
    "a b/with space.yaml",
    "100%,x:y=z.yaml",
    "<&>\"'.yaml",
    "line\nbreak\r.yaml",
    "\x1b[31mred\x07.yaml",
    "größe-🦙.yaml",
    "byte-\udcff.yaml",
    "::error::x.yaml",
    "[click](https:x).yaml",
)
Row = tuple[str, str, str, int, str, bool]
"""Rule, verdict, file, line, resource, waived."""


def hostile() -> dict[str, Any]:
    """Failures, doubts and names that break out of every format at hand."""
    evil = [
        "\x1b[2J",
        "]]>",
        "a\n::error file=x::y",
        "%0A",
        "{0} ${x}",
        "<!--",
        "\u2028",
        "x, y: z",
    ]
    groups = {f"G{word}": of_type("AWS::EC2::SecurityGroup") for word in evil}
    tags = [{"Key": f"aws:{word}", "Value": "v"} for word in evil]
    return template(
        {
            **groups,
            "Waived": of_type("AWS::EC2::SecurityGroup"),
            "Topic": of_type("AWS::SNS::Topic", {"Tags": tags}),
            "Doubt": of_type("AWS::Logs::LogGroup", {"RetentionInDays": {"Fn::ImportValue": "x"}}),
            "Gated": of_type("AWS::EC2::SecurityGroup", Condition="On"),
        },
        Parameters={"Use": {"Type": "String", "Default": "no", "AllowedValues": ["no", "a,b:c"]}},
        Conditions={"On": {"Fn::Equals": [{"Ref": "Use"}, "a,b:c"]}},
    )


def rows(findings: list[Finding]) -> list[Row]:
    """What is compared: names as a report may write them."""
    return sorted(
        (one.rule, one.verdict, one.file, one.line, one.resource, one.waived) for one in findings
    )


def finding(**changed: Any) -> Finding:
    known = Finding("TL_EGRESS_1", "FAIL", "t.yaml", 7, 3, "G", "no egress", "declare it")
    return replace(known, **changed)
